"""A real InfluxDB 1.6 engine behind a front that speaks version 2's write, for tests only.

No InfluxDB 2 is in Debian. The engine is the real thing for escaping, precision, type conflicts, partial
writes and replay; the front translates paths, precisions and error codes, and keeps nothing.
"""

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.servers.listening import Listening
from tests.servers.processes import Program, free_port, wait_until
from tests.servers.programs import require_program
from tests.servers.series import answers, get

PRECISIONS = {"ns": "n", "us": "u", "ms": "ms", "s": "s"}
CODES = {
    400: "invalid",
    401: "unauthorized",
    404: "not found",
    413: "request too large",
    422: "unprocessable entity",
}
SETTINGS = """
reporting-enabled = false
bind-address = "127.0.0.1:{rpc_port}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[subscriber]
  enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
  max-body-size = {max_body_bytes}
"""


class InfluxDB1:
    """InfluxDB 1.6 that takes ``/api/v2/write`` at ``url``; port and data outlive stop, kill and start.

    ``token`` None takes any; a text refuses every other one with 401.
    """

    def __init__(
        self,
        folder: Path,
        *,
        bucket: str = "energy",
        token: str | None = None,
        max_body_bytes: int = 25_000_000,
    ) -> None:
        self._binary = require_program("influxd", "influxdb")
        self.engine_port = free_port()
        self.bucket = bucket
        self.token = token
        self._settings = folder / "influxdb.conf"
        folder.mkdir(parents=True, exist_ok=True)
        self._settings.write_text(
            SETTINGS.format(
                folder=folder, port=self.engine_port, rpc_port=free_port(), max_body_bytes=max_body_bytes
            )
        )
        self._front = Listening(type("Front", (_Front,), {"influxdb": self}))
        self.url = self._front.url
        self._engine: Program | None = None

    def start(self) -> None:
        """Start engine and front, on the same ports as before, and make the bucket."""
        assert self._engine is None, "it runs already"
        self._engine = Program([self._binary, "run", "-config", self._settings], name="influxd")
        ping = f"http://127.0.0.1:{self.engine_port}/ping"
        wait_until("influxd's start", lambda: answers(ping), self._engine)
        self.create_bucket(self.bucket)
        self._front.start()

    def stop(self) -> None:
        """Stop both: connections are refused. Safe to call twice."""
        self._front.stop()
        if self._engine is not None:
            self._engine.end()
            self._engine = None

    def kill(self) -> None:
        """Kill -9 the engine, hang up at the front."""
        if self._engine is not None:
            self._engine.kill()
        self.stop()

    def create_bucket(self, name: str) -> None:
        """Make a bucket, which is a database to the engine."""
        self.query(f'CREATE DATABASE "{name}"', method="POST")

    def query(self, influxql: str, *, bucket: str | None = None, method: str = "GET") -> list[dict[str, Any]]:
        """Rows of a statement, times in nanoseconds; of GROUP BY, the tags are columns as well."""
        query = urllib.parse.urlencode({"q": influxql, "db": bucket or self.bucket, "epoch": "ns"})
        url = f"http://127.0.0.1:{self.engine_port}/query"
        if method == "POST":
            with urllib.request.urlopen(url, data=query.encode(), timeout=90) as response:
                answer = json.loads(response.read())
        else:
            answer = json.loads(get(f"{url}?{query}"))
        (result,) = answer["results"]
        if "error" in result:
            raise AssertionError(f"{influxql}: {result['error']}")
        return [
            {**series.get("tags", {}), **dict(zip(series["columns"], row, strict=True))}
            for series in result.get("series", [])
            for row in series.get("values", [])
        ]


def v2_status(status: int, words: str) -> int:
    """Version 2's status for version 1's: what a partial write lost is 422 there, not 400."""
    if status == 400 and words.startswith("partial write: ") and "unable to parse" not in words:
        return 422
    return status


class _Front(BaseHTTPRequestHandler):
    influxdb: InfluxDB1
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urllib.parse.urlsplit(self.path)
        asked = dict(urllib.parse.parse_qsl(url.query))
        if url.path != "/api/v2/write":
            return self._refuse(404, "path not found")
        if (
            self.influxdb.token is not None
            and self.headers.get("Authorization") != f"Token {self.influxdb.token}"
        ):
            return self._refuse(401, "unauthorized access")
        precision = asked.get("precision", "ns")
        if precision not in PRECISIONS:
            return self._refuse(400, f"invalid precision {precision!r}; valid are ns, us, ms, s")
        if "bucket" not in asked:
            return self._refuse(404, "bucket not found")
        target = urllib.parse.urlencode({"db": asked["bucket"], "precision": PRECISIONS[precision]})
        status, words = self._engine(f"/write?{target}", body)
        return self._answer(204, b"") if status == 204 else self._refuse(v2_status(status, words), words)

    def do_GET(self) -> None:
        if self.path == "/ping":
            return self._answer(204, b"")
        if self.path == "/health":
            return self._answer(200, b'{"name":"influxdb","status":"pass"}')
        return self._refuse(404, "path not found")

    def _engine(self, target: str, body: bytes) -> tuple[int, str]:
        passed_on = {
            name: value
            for name in ("Content-Encoding", "Content-Type")
            if (value := self.headers.get(name)) is not None
        }
        connection = HTTPConnection("127.0.0.1", self.influxdb.engine_port, timeout=90)
        try:
            connection.request("POST", target, body, passed_on)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        try:
            return response.status, str(json.loads(text)["error"])
        except (ValueError, KeyError, TypeError):
            return response.status, text

    def _refuse(self, status: int, words: str) -> None:
        error = {"code": CODES.get(status, "internal error"), "message": words}
        self._answer(status, json.dumps(error).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """The engine's own log is enough."""


@contextmanager
def influxdb1(folder: Path, **options: Any) -> Iterator[InfluxDB1]:
    """Run an InfluxDB 1.6 and its front; options are ``bucket``, ``token`` and ``max_body_bytes``."""
    server = InfluxDB1(folder, **options)
    try:
        server.start()
        yield server
    finally:
        server.stop()
