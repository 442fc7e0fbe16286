"""What `ampherd check` says of a policy."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ampherd_core.policy_check import Finding, warnings
from ampherd_core.policy_file import PolicyError, PolicyFault, load_policy


@dataclass(frozen=True, slots=True)
class Verdict:
    """Errors keep a policy from running; warnings do not."""

    file: str
    errors: tuple[PolicyFault, ...]
    warnings: tuple[Finding, ...]
    chargers: int = 0

    @property
    def may_run(self) -> bool:
        """Whether Ampherd takes this policy."""
        return not self.errors

    def as_text(self) -> str:
        """One line for each error and warning, and a last line with the outcome."""
        lines = [str(PolicyError(self.file, self.errors))] if self.errors else []
        lines += [
            f"{self.file}: {_dotted(warning)}: warning: {warning.reason}. {_sentence(warning.remedy)}"
            for warning in self.warnings
        ]
        count = len(self.errors)
        good = f"{self.file}: may run, with {self.chargers} charger{'' if self.chargers == 1 else 's'}"
        lines.append(good if self.may_run else f"{self.file}: refused, {count} error{'' if count == 1 else 's'}")
        return "\n".join(lines)

    def as_json(self) -> str:
        """The same for programs."""
        document = {
            "file": self.file,
            "may_run": self.may_run,
            "errors": [asdict(fault) for fault in self.errors],
            "warnings": [
                {"field": _dotted(warning), "reason": warning.reason, "remedy": warning.remedy}
                for warning in self.warnings
            ],
        }
        return json.dumps(document, indent=2)


def examine(site: Path) -> Verdict:
    """Read and judge a policy file."""
    try:
        policy = load_policy(site)
    except PolicyError as err:
        return Verdict(err.name, err.faults, ())
    return Verdict(site.name, (), warnings(policy), len(policy.chargers))


def _dotted(finding: Finding) -> str:
    return ".".join(map(str, finding.path))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
