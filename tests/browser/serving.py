"""The page on a real socket, in a thread: far ends are a store on disk and whoever asks."""

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from config.loading import load_site
from monitor.clock import Clock
from monitor.web.app import create_app

PATIENCE_S = 90.0


@dataclass
class StillClock:
    """A clock that a test moves."""

    at_ms: int

    def now_ms(self) -> int:
        """Where it was put."""
        return self.at_ms

    def monotonic_s(self) -> float:
        """Seconds of the same."""
        return self.at_ms / 1000


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Served:
    """A page that answers."""

    port: int
    app: Any

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/"

    def get(self, path: str, **headers: str) -> Answer:
        """Ask once; header names with _ for -."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, names, answer.read())

    @contextlib.contextmanager
    def stream(self, path: str) -> Iterator[http.client.HTTPResponse]:
        """An open stream."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.request("GET", path)
            with contextlib.closing(connection.getresponse()) as answer:
                yield answer


@contextlib.contextmanager
def served(site_file: Path, clock: Clock) -> Iterator[Served]:
    """Serve the page of a site until the block ends."""
    app = create_app(load_site(site_file), None, clock)
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="error", lifespan="on", timeout_graceful_shutdown=5)
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started and thread.is_alive():
                thread.join(0.02)
            yield Served(port, app)
        finally:
            app.state.page.hub.close()
            server.should_exit = True
            thread.join(PATIENCE_S)
    assert not thread.is_alive()


def events(answer: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """The events of a stream, decoded."""
    while line := answer.readline():
        if line.startswith(b"data: "):
            yield json.loads(line[6:])
