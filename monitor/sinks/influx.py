"""Servers that speak InfluxDB's v2 write: InfluxDB 2 and 3, InfluxDB Cloud, VictoriaMetrics.

The only file that imports influxdb_client. Of that library the asynchronous client's ``write(bytes)`` is
used and nothing else: its batching mode loses data at exit and in outages. Lines are compressed here, in
a worker thread, for the client itself would do so on the event loop, at the slowest level.
"""

import asyncio
import ssl
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException

from config.sinks import InfluxSink
from config.site import Commodity
from drivers.settings import Tls
from drivers.tls import TlsFileError, client_context, tls_reason, tls_trouble
from monitor.clock import Clock
from monitor.sinks.contract import Answer, FarEnd, Verdict
from monitor.sinks.http import answered, one_line, shown_address
from monitor.sinks.lines import ScanLine, interval_line, line, result_line
from monitor.sinks.secrets import Token

GZIP = zlib.MAX_WBITS | 16


def compress(lines: Sequence[bytes]) -> bytes:
    """One gzip body; level 1 takes 10 to 30 ms a MiB, the client's level 9 would take 300 to 600."""
    packer = zlib.compressobj(level=1, wbits=GZIP)
    return packer.compress(b"\n".join(lines)) + packer.flush()


class InfluxFarEnd(FarEnd):
    """One server, bucket and organization.

    Parameters
    ----------
    meters : commodity of each meter, for the measurement of its intervals.
    folder : where relative paths of certificates count from.
    """

    takes = "sink.takes"

    def __init__(
        self,
        settings: InfluxSink,
        site: str,
        token: Token,
        clock: Clock,
        meters: Mapping[str, Commodity],
        folder: Path,
    ) -> None:
        self.sink = settings.id
        self.address = shown_address(settings.url)
        self._settings = settings
        self._site = site
        self._token = token
        self._clock = clock
        self._meters = meters
        self._folder = folder
        self._scan_lines: dict[int, ScanLine] = {}
        self._client: Any = None  # the library's types are not to be relied on

    # -- lines --------------------------------------------------------------------------------------

    def render(self, stream: str, row: Any) -> bytes:
        """One line of line protocol: the same row again is the same point."""
        if stream == "intervals":
            return interval_line(self._site, self._meters.get(row.meter), row)
        if stream == "results":
            return result_line(self._site, row)
        layout_id, scan = row
        if layout_id not in self._scan_lines:
            self._scan_lines[layout_id] = ScanLine(self._site, scan.layout)
        return self._scan_lines[layout_id].render(scan)

    def probe(self) -> bytes:
        """One point (measurement ``daemon``, field ``probe``).

        Only a write proves address, certificate, token, organization and bucket at once on InfluxDB 2 and 3
        and on VictoriaMetrics: their pings want no token or differ, and an empty write is an error in some
        and fine in others.
        """
        tags = {"site": self._site, "building": self._site}
        return line("daemon", tags, [("probe", 1.0)], self._clock.now_ms())

    # -- the connection -----------------------------------------------------------------------------

    async def close(self) -> None:
        """Hang up."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def write(self, lines: Sequence[bytes]) -> Answer:
        """Write lines once, within the deadline."""
        body = await asyncio.to_thread(self._prepare, lines)
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                status, date = await self._send(body)
        except ApiException as error:
            return await self._told(error)
        except TimeoutError:
            return Answer(Verdict.RETRY, "sink.slow", self._data())
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return await self._not_reached(error)
        return answered(status, self._data(), headers={"Date": date}, now_ms=self._clock.now_ms())

    def _prepare(self, lines: Sequence[bytes]) -> bytes:
        self._token.renew()
        return compress(lines)

    async def _send(self, body: bytes) -> tuple[int, str]:
        """The status of the answer, and its Date."""
        client = await self._connected()
        settings = self._settings
        if self._token.text:
            client.api_client.set_default_header("Authorization", f"Token {self._token.text}")
        await client.write_api().write(settings.bucket, settings.org, body, write_precision=WritePrecision.MS)
        # write() itself takes 201 for 204, and does not say what else it got.
        response = client.api_client.last_response
        return int(response.status), str(response.getheader("Date", ""))

    async def _connected(self) -> Any:
        """The client, with the certificates as they are; nothing is dialled yet. Raises ``TlsFileError``."""
        if self._client is None:
            # In a thread: to load certificates takes longer than the event loop may stand still.
            certificates = await asyncio.to_thread(self._certificates)
            self._client = InfluxDBClientAsync(
                url=self._settings.url,
                token=self._token.text,
                org=self._settings.org,
                # Behind our own deadline, which alone also ends an answer that drips.
                timeout=int(self._settings.timeout_s * 1000) + 5000,
                # A redirected POST becomes a GET, and its 200 would look like success.
                allow_redirects=False,
                ssl_context=certificates,
            )
            self._client.api_client.set_default_header("Content-Encoding", "gzip")
        return self._client

    def _certificates(self) -> ssl.SSLContext:
        if not self._settings.url.startswith("https:"):
            # Never used, but the client would load all certificates for it.
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls = self._settings.tls.as_tls() if self._settings.tls is not None else Tls()
        return client_context(tls, self._folder)

    # -- what came of it ----------------------------------------------------------------------------

    async def _told(self, error: ApiException) -> Answer:
        status = int(error.status or 0)
        if not status:
            cause = error.__cause__ or error.__context__
            return await self._not_reached(cause if isinstance(cause, Exception) else OSError(error.reason))
        if status == 401:
            self._token.doubt()
        said = error.message
        words = self._clean(said.decode(errors="replace") if isinstance(said, bytes) else str(said))
        headers = {name: self._clean(value) for name, value in (error.headers or {}).items()}
        return answered(status, self._data(), words, headers, now_ms=self._clock.now_ms())

    async def _not_reached(self, error: Exception) -> Answer:
        cause = _tls_error(error)
        trouble = tls_trouble(cause)
        if trouble is None or cause is None:
            reason = self._clean(str(error) or type(error).__name__)
            return Answer(Verdict.RETRY, "sink.unreachable", self._data(reason=reason))
        await self.close()  # certificates are renewed: the next try reads the files again
        words = tls_reason(cause) if isinstance(cause, ssl.SSLError) else str(cause)
        return Answer(Verdict.RETRY, f"sink.{trouble}", self._data(reason=self._clean(words)))

    def _data(self, **data: Any) -> dict[str, Any]:
        settings = self._settings
        known = {"sink": settings.id, "address": self.address, "bucket": settings.bucket, "org": settings.org}
        return {**known, "seconds": settings.timeout_s, **data}

    def _clean(self, words: str) -> str:
        return one_line(words, self._token.text)


def _tls_error(error: BaseException | None) -> ssl.SSLError | TlsFileError | None:
    """The TLS library's own error, out of those that were wrapped around it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        error = error.certificate_error
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    return error if isinstance(error, ssl.SSLError | TlsFileError) else None
