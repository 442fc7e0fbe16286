"""A real InfluxDB 1.x whose writes are reached at the 2.x address, as nginx rewrites it."""

from __future__ import annotations

import urllib.parse
import urllib.request
import uuid
from pathlib import Path

from ampherd_api.history_influx import InfluxAddress
from ampherd_embedded.program import Program, free_port

from tests.support.needs import needs_program
from tests.support.processes import Server

_INFLUX_CONF = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{dir}/meta"
[data]
  dir = "{dir}/data"
  wal-dir = "{dir}/wal"
  query-log-enabled = false
[http]
  bind-address = "127.0.0.1:{http}"
  log-enabled = false
[monitor]
  store-enabled = false
"""

_NGINX_CONF = """
daemon off;
pid {dir}/nginx.pid;
error_log stderr error;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/f;
  uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  client_max_body_size 20m; client_body_buffer_size 20m;
  server {{
    listen 127.0.0.1:{port};
    location = /api/v2/write {{
      rewrite ^ /write?db=$arg_bucket&precision=$arg_precision? break;
      proxy_pass http://127.0.0.1:{http};
    }}
    location / {{ proxy_pass http://127.0.0.1:{http}; }}
  }}
}}
"""


class InfluxServer:
    """InfluxDB and its nginx, on ports of their own."""

    def __init__(self, directory: Path) -> None:
        influxd, nginx = needs_program("influxdb"), needs_program("nginx")
        http, rpc, self._port = free_port(), free_port(), free_port()
        self._http = f"http://127.0.0.1:{http}"
        influx_conf, nginx_conf = directory / "influxdb.conf", directory / "nginx.conf"
        influx_conf.write_text(_INFLUX_CONF.format(dir=directory, http=http, rpc=rpc))
        nginx_conf.write_text(_NGINX_CONF.format(dir=directory, http=http, port=self._port))
        self._servers = (
            Server(
                Program("influxd", (influxd, "-config", str(influx_conf)), listens_on=(f"127.0.0.1:{http}",)),
                directory / "influxd.log",
            ),
            Server(
                Program(
                    "nginx",
                    (nginx, "-c", str(nginx_conf), "-p", str(directory)),
                    listens_on=(f"127.0.0.1:{self._port}",),
                ),
                directory / "nginx.log",
            ),
        )

    def start(self) -> None:
        for server in self._servers:
            server.start()

    def stop(self) -> None:
        for server in self._servers:
            server.stop()

    def new_bucket(self) -> InfluxAddress:
        """An empty one."""
        bucket = f"b{uuid.uuid4().hex[:8]}"
        self._post("/query", {"q": f'CREATE DATABASE "{bucket}"'}, b"")
        return InfluxAddress(f"http://127.0.0.1:{self._port}", "home", bucket, "token")

    def write_line(self, bucket: str, line: str) -> None:
        """One line of line protocol, straight to the server; the time in ms."""
        self._post("/write", {"db": bucket, "precision": "ms"}, line.encode())

    def _post(self, path: str, query: dict[str, str], body: bytes) -> None:
        url = f"{self._http}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(urllib.request.Request(url, data=body, method="POST"), timeout=10) as answer:
            answer.read()
