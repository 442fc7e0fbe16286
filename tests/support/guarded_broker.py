"""The broker of the compose deployment without containers: its own configuration, accounts, rights and run.sh."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path
from typing import Any

from ampherd_core.bus import BrokerAddress
from ampherd_core.policy import Policy
from ampherd_embedded.program import Program, free_port

from tests.support.needs import REPOSITORY, needs_program
from tests.support.processes import Server

SETUP: dict[str, Any] = runpy.run_path(str(REPOSITORY / "deploy/docker/setup.py"), run_name="setup")
RIGHTS: dict[str, Any] = runpy.run_path(str(REPOSITORY / "deploy/docker/rights.py"), run_name="rights")
AGENTS = ("agent-1", "agent-2", "agent-3", "agent-4")
_DEPLOY = REPOSITORY / "deploy/mosquitto"


class GuardedBroker(Server):
    """Mosquitto as compose.yaml runs it, on ports of its own; with `certificates` also the listener for TLS."""

    def __init__(self, directory: Path, certificates: Path | None = None) -> None:
        needs_program("mosquitto")
        self.port, self.tls_port = free_port(), free_port()
        self.passwords: dict[str, str] = SETUP["complete"]({}, AGENTS)
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        conf = directory / "mosquitto.conf"
        conf.write_text(self._configuration(certificates))
        self.write_accounts()
        files = [str(directory / name) for name in ("passwd", "acl")]
        (directory / "acl").touch()
        super().__init__(
            Program(
                name="broker",
                command=("sh", str(_DEPLOY / "run.sh"), str(conf), *files),
                environment={"PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/bin"},
                listens_on=(f"127.0.0.1:{self.port}",),
            ),
            directory / "broker.log",
        )

    def write_accounts(self) -> None:
        """As the setup container does at each start."""
        files = SETUP["files"](self.passwords)
        (self._directory / "passwd").write_text(files["mosquitto/passwd"])
        (self._directory / "guests").write_text(files["rights/guests"])

    def give_rights(self, policy: Policy | None) -> None:
        """As the rights container does after an edit."""
        RIGHTS["renew"](self._directory / "acl", policy, self._directory / "guests")

    def address(self, account: str) -> BrokerAddress:
        """Where that account logs in."""
        return BrokerAddress("127.0.0.1", self.port, account, self.passwords[account])

    def _configuration(self, certificates: Path | None) -> str:
        text = (_DEPLOY / "mosquitto.conf").read_text()
        text = text.replace("listener 1883", f"listener {self.port} 127.0.0.1")
        text = text.replace("/secrets/", f"{self._directory}/").replace("/rights/", f"{self._directory}/")
        text = text.replace("/mosquitto/data/", f"{self._directory}/")
        if certificates is not None:
            for line in ("listener 8883", "certfile /certs", "keyfile /certs"):
                text = text.replace(f"# {line}", line)
            text = text.replace("listener 8883", f"listener {self.tls_port} 127.0.0.1")
            for name in ("fullchain.pem", "privkey.pem"):
                shutil.copy(certificates / name, self._directory / name)
            text = text.replace("/certs/", f"{self._directory}/")
        # Started by root it would become a user who may not read the test's files.
        return f"user root\n{text}"
