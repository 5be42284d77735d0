"""One write to a server that speaks InfluxDB's v2 write, and what its answer means.

The only file that imports influxdb_client. Of that library the asynchronous client's ``write(bytes)`` is
used and nothing else: its batching mode loses data at exit and in outages. Lines are compressed here, in
a worker thread, for the client itself would do so on the event loop, at the slowest level.
"""

import asyncio
import re
import ssl
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException

from config.site import InfluxSink
from monitor.clock import Clock

GZIP = zlib.MAX_WBITS | 16
WORDS_LENGTH = 300


class Verdict(StrEnum):
    """What to do after an answer."""

    TAKEN = "taken"
    REFUSED = "refused"  # something in the batch is at fault
    HOLD = "hold"  # a person has to act; nothing may be lost meanwhile
    RETRY = "retry"  # it passes by itself


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one write.

    Attributes
    ----------
    status : HTTP status, 0 when there was none.
    code : text in the word catalogue, filled by ``data``; empty when taken.
    retry_after_s : how long the server asks to be left alone, None when it does not say.
    """

    verdict: Verdict
    status: int = 0
    code: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    retry_after_s: float | None = None


_CODES = {
    400: (Verdict.REFUSED, "sink.refused"),
    401: (Verdict.HOLD, "sink.unauthorized"),
    403: (Verdict.HOLD, "sink.forbidden"),
    404: (Verdict.HOLD, "sink.not_found"),
    408: (Verdict.RETRY, "sink.slow"),
    413: (Verdict.REFUSED, "sink.refused"),
    422: (Verdict.REFUSED, "sink.refused"),
    429: (Verdict.RETRY, "sink.busy"),
    503: (Verdict.RETRY, "sink.busy"),
}


def judge(status: int) -> tuple[Verdict, str]:
    """What an HTTP status means for delivery, and the text about it."""
    if status == HTTPStatus.NO_CONTENT:
        return Verdict.TAKEN, ""
    if status in _CODES:
        return _CODES[status]
    if 200 <= status < 300:
        return Verdict.HOLD, "sink.not_a_write"
    if 300 <= status < 400:
        return Verdict.HOLD, "sink.redirected"
    if status >= 500:
        return Verdict.RETRY, "sink.server_error"
    return Verdict.HOLD, "sink.unexpected"


def retry_after_s(value: str | None, server_date: str | None, now_ms: int) -> float | None:
    """Seconds that a Retry-After header asks for: a number or a date; None when it says nothing usable.

    A date is held against the server's own Date where it is given, for the clocks may disagree.
    """
    if value is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", value.strip()):
        return float(value)
    until = _http_date(value)
    if until is None:
        return None
    now = _http_date(server_date or "") or datetime.fromtimestamp(now_ms / 1000, UTC)
    return max(0.0, (until - now).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def shown_address(url: str) -> str:
    """The address without user, password and query: what may be logged."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}".rstrip("/")


def compress(lines: Sequence[bytes]) -> bytes:
    """One gzip body; level 1 takes 10 to 30 ms a MiB, the client's level 9 would take 300 to 600."""
    packer = zlib.compressobj(level=1, wbits=GZIP)
    return packer.compress(b"\n".join(lines)) + packer.flush()


def _tls(url: str) -> ssl.SSLContext:
    if url.startswith("https:"):
        return ssl.create_default_context()
    # Never used, but the client would load all certificates for it.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class InfluxHttp:
    """A connection to the server; use it as an asynchronous context."""

    def __init__(self, settings: InfluxSink, token: str | None, clock: Clock) -> None:
        self._settings = settings
        self._token = (token or "").strip()
        self._clock = clock
        self._client: Any = None  # the library's types are not to be relied on
        self.address = shown_address(settings.url)

    async def __aenter__(self) -> Self:
        """Make the client; nothing is dialled yet."""
        # In a thread: to load this machine's certificates takes longer than the event loop may stand still.
        certificates = await asyncio.to_thread(_tls, self._settings.url)
        self._client = InfluxDBClientAsync(
            url=self._settings.url,
            token=self._token,
            org=self._settings.org,
            # Behind our own deadline, which alone also ends an answer that drips.
            timeout=int(self._settings.timeout_s * 1000) + 5000,
            # A redirected POST becomes a GET, and its 200 would look like success.
            allow_redirects=False,
            ssl_context=certificates,
        )
        self._client.api_client.set_default_header("Content-Encoding", "gzip")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def write(self, lines: Sequence[bytes]) -> Answer:
        """Write lines once, within the deadline. Never raises for what a far end can do."""
        body = await asyncio.to_thread(compress, lines)
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                status = await self._send(body)
        except ApiException as error:
            return self._told(error)
        except TimeoutError:
            return Answer(Verdict.RETRY, 0, "sink.slow", self._data())
        except aiohttp.ClientSSLError as error:
            return Answer(Verdict.RETRY, 0, "sink.certificate", self._data(reason=self._clean(str(error))))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = self._clean(str(error) or type(error).__name__)
            return Answer(Verdict.RETRY, 0, "sink.unreachable", self._data(reason=reason))
        verdict, code = judge(status)
        return Answer(verdict, status, code, self._data(status=status))

    async def _send(self, body: bytes) -> int:
        bucket, org = self._settings.bucket, self._settings.org
        await self._client.write_api().write(bucket, org, body, write_precision=WritePrecision.MS)
        # write() itself takes 201 for 204, and does not say what else it got.
        return int(self._client.api_client.last_response.status)

    def _told(self, error: ApiException) -> Answer:
        status = int(error.status or 0)
        if not status:
            reason = self._clean(str(error.reason))
            return Answer(Verdict.RETRY, 0, "sink.unreachable", self._data(reason=reason))
        verdict, code = judge(status)
        headers: Mapping[str, str] = error.headers or {}
        wait_s = retry_after_s(headers.get("Retry-After"), headers.get("Date"), self._clock.now_ms())
        said = error.message
        words = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        location = self._clean(headers.get("Location", ""))
        data = self._data(status=status, words=self._clean(words), location=location)
        return Answer(verdict, status, code, data, wait_s)

    def _data(self, **data: Any) -> dict[str, Any]:
        settings = self._settings
        known = {"sink": settings.id, "address": self.address, "bucket": settings.bucket, "org": settings.org}
        return {**known, "seconds": settings.timeout_s, **data}

    def _clean(self, words: str) -> str:
        """Someone else's words: on one line, not too long, and never with the token in them."""
        if self._token:
            words = words.replace(self._token, "***")
        return " ".join(words.split())[:WORDS_LENGTH]
