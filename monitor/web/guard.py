"""What protects the page: which hosts it answers to, and what a browser may do with it."""

import ipaddress
import socket
from collections.abc import Callable, Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)


def allowed_hosts(configured: str, further: Iterable[str]) -> frozenset[str]:
    """The names under which the page may be opened."""
    own = socket.gethostname()
    return frozenset(name.lower() for name in ("localhost", own, configured, *further) if name)


def host_of(header: str) -> str:
    """The host of a Host header, without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.rpartition(":")[0].lower() if ":" in header else header.lower()


def is_allowed(header: str, hosts: frozenset[str]) -> bool:
    """Whether a Host header names this page.

    A foreign site that has its name point here (DNS rebinding) sends that name. An address in figures
    cannot be pointed anywhere, so it is always allowed.
    """
    host = host_of(header)
    if host in hosts:
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Guard:
    """Refuses foreign hosts and puts the security headers on every answer.

    Parameters
    ----------
    refusal : makes the words for a host that is not allowed.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str], refusal: Callable[[str], str]) -> None:
        self._app = app
        self._hosts = hosts
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        header = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
        if is_allowed(header, self._hosts):
            await self._app(scope, receive, send_guarded)
            return
        body = self._refusal(host_of(header)).encode()
        await send_guarded(
            {
                "type": "http.response.start",
                "status": 421,
                "headers": [
                    (b"content-type", b"text/plain; charset=utf-8"),
                    (b"content-length", str(len(body)).encode()),
                ],
            }
        )
        await send({"type": "http.response.body", "body": body})
