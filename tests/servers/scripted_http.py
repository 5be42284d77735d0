"""An HTTP server that answers as a test writes it: every status, delay, drip, reset and silence."""

import gzip
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from tests.servers.listening import Listening

# reset: TCP reset instead of an answer; hang: no answer, ever; deaf: the request is never read;
# hang_up: the connection is closed before an answer; half: half of the body, then closed.
Fault = Literal["reset", "hang", "deaf", "hang_up", "half"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One scripted answer.

    Attributes
    ----------
    before_s : wait before answering.
    drip_s : wait between each byte of the answer, head included; None = all at once.
    """

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    before_s: float = 0.0
    drip_s: float | None = None
    fault: Fault | None = None


CAPTIVE_PORTAL = Answer(
    200, {"Content-Type": "text/html"}, b"<!doctype html><title>Welcome to Airport WiFi</title><form></form>"
)


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came; ``body`` is unpacked when it was gzip."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    answer: Answer

    @property
    def lines(self) -> list[str]:
        """The body's lines."""
        return self.body.decode().splitlines()


class ScriptedHttp(Listening):
    """Answers in the order of its script, and with ``otherwise`` when the script is at its end.

    Attributes
    ----------
    requests : all that came, answered or not (a deaf answer reads none).
    otherwise : the answer when the script is empty; 204 at first.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.otherwise = Answer()
        self._script: list[Answer] = []
        self._news = threading.Condition()
        super().__init__(type("Handler", (_Handler,), {"script": self}))

    def script(self, *answers: Answer) -> None:
        """Add answers, one a request."""
        with self._news:
            self._script.extend(answers)

    def next_answer(self) -> Answer:
        """Take the next answer off the script."""
        with self._news:
            return self._script.pop(0) if self._script else self.otherwise

    def next_is_deaf(self) -> bool:
        """Whether the coming request is to be left unread."""
        with self._news:
            return (self._script[0] if self._script else self.otherwise).fault == "deaf"

    def record(self, request: Request) -> None:
        """Keep a request and wake who waits for it."""
        with self._news:
            self.requests.append(request)
            self._news.notify_all()

    def wait_for_requests(self, count: int, timeout_s: float = 90.0) -> list[Request]:
        """All requests so far, once there are at least ``count``. Raises AssertionError when not."""
        with self._news:
            came = self._news.wait_for(lambda: len(self.requests) >= count, timeout_s)
            assert came, f"{len(self.requests)} of {count} requests in {timeout_s:g} s"
            return list(self.requests)


class _Handler(BaseHTTPRequestHandler):
    script: ScriptedHttp
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        if self.script.next_is_deaf():
            self.script.next_answer()
            self.script.closing.wait()
            self.close_connection = True
            return
        super().handle_one_request()

    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        url = urlsplit(self.path)
        answer = self.script.next_answer()
        self.script.record(
            Request(
                self.command,
                url.path,
                dict(parse_qsl(url.query)),
                dict(self.headers.items()),
                body,
                answer,
            )
        )
        self._answer(answer)

    do_GET = do_POST = do_PUT = do_HEAD = serve  # noqa: N815 - http.server's names

    def _answer(self, answer: Answer) -> None:
        self.script.closing.wait(answer.before_s)
        if answer.fault in {"hang", "deaf"}:  # deaf after all on a connection that was being read
            self.script.closing.wait()
        if answer.fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        if answer.fault in {"hang", "deaf", "reset", "hang_up"}:
            self.close_connection = True
            return
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        headers = {"Content-Length": str(len(answer.body)), **answer.headers}
        if answer.status == 204:
            headers.pop("Content-Length", None)
        head = f"HTTP/1.1 {answer.status} Scripted\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        answer_bytes = head.encode() + b"\r\n" + answer.body
        if answer.fault == "half":
            answer_bytes = answer_bytes[: len(answer_bytes) - len(answer.body) // 2]
            self.close_connection = True
        if answer.drip_s is None:
            self.wfile.write(answer_bytes)
            return
        for index in range(len(answer_bytes)):
            self.wfile.write(answer_bytes[index : index + 1])
            if self.script.closing.wait(answer.drip_s):
                self.close_connection = True
                return

    def log_message(self, *args: object) -> None:
        """Requests are recorded, not printed."""


@contextmanager
def scripted_http() -> Iterator[ScriptedHttp]:
    """Run a scripted HTTP server on loopback."""
    server = ScriptedHttp()
    server.start()
    try:
        yield server
    finally:
        server.stop()
