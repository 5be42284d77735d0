"""A city's PostgreSQL: the building's committed rows, under one role a site.

A line is the row as COPY takes it, behind the name of its table. Rows are copied into a temporary table and
taken in by one statement, which never lets an older revision replace a newer.
"""

import asyncio
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from config.sinks import PostgresSink
from monitor.sinks.contract import Answer, FarEnd, Verdict
from monitor.sinks.http import one_line
from monitor.sinks.secrets import Token
from monitor.store.city import NAME_LAYOUT, PARTITIONED, columns, role_of, staging, taking
from monitor.store.city_days import SCHEMA
from monitor.store.rows import layout_to_json, pack_scan
from rules.scan import Layout

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_PLACES = {name: columns(name).index(by) for name, (by, _) in PARTITIONED.items()}
_PROBE = b"probe"

# Classes of SQLSTATE: what they mean for delivery, and the text about it.
_CLASSES = {
    "08": (Verdict.RETRY, "sink.unreachable"),
    "0A": (Verdict.REFUSED, "sink.pg_refused"),
    "21": (Verdict.REFUSED, "sink.pg_refused"),
    "22": (Verdict.REFUSED, "sink.pg_refused"),
    "23": (Verdict.REFUSED, "sink.pg_refused"),
    "28": (Verdict.HOLD, "sink.pg_login"),
    "3D": (Verdict.HOLD, "sink.pg_not_ready"),
    "3F": (Verdict.HOLD, "sink.pg_not_ready"),
    "40": (Verdict.RETRY, "sink.pg_busy"),
    "42": (Verdict.HOLD, "sink.pg_not_ready"),
    "53": (Verdict.RETRY, "sink.pg_busy"),
    "55": (Verdict.RETRY, "sink.pg_busy"),
    "57": (Verdict.RETRY, "sink.pg_busy"),
    "58": (Verdict.RETRY, "sink.pg_busy"),
}
_RIGHTS = "42501"

# libpq tells these in words only. In this order: the first that fits.
_TLS_SIGNS = (
    (("does not match host name",), "sink.tls_wrong_name"),
    (("server does not support SSL",), "sink.tls_not_spoken"),
    (("certificate file", "private key file", "could not load"), "sink.tls_files"),
    (("requires a valid client certificate", "alert certificate required", "alert unknown ca"),
     "sink.tls_ours_refused"),
    (("certificate", "SSL error"), "sink.tls_failed"),
)  # fmt: skip


def field(value: Any) -> str:
    """One value as COPY's text format has it."""
    if value is None:
        return "\\N"
    if isinstance(value, bytes):
        return "\\\\x" + value.hex()
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return value.translate(_ESCAPES)
    return str(value)


def _line(table: str, values: Sequence[Any]) -> bytes:
    return "\t".join([table, *map(field, values)]).encode(errors="backslashreplace")


class PostgresFarEnd(FarEnd):
    """One database and role.

    Parameters
    ----------
    folder : where relative paths of certificates count from.
    """

    takes = "sink.pg_takes"

    def __init__(self, settings: PostgresSink, site: str, password: Token, folder: Path) -> None:
        self.sink = settings.id
        self.address = f"{settings.host}:{settings.port}/{settings.database}"
        self.streams = settings.streams()
        self._settings = settings
        self._site = site
        self._role = settings.user or role_of(site)
        self._password = password
        self._folder = folder
        self._layouts: dict[int, Layout] = {}
        self._known: set[tuple[str, Any]] = set()  # partitions and layouts that are there
        self._connection: psycopg.AsyncConnection[Any] | None = None

    # -- lines --------------------------------------------------------------------------------------

    def render(self, stream: str, row: Any) -> bytes:
        """The row as COPY takes it."""
        if stream == "scans":
            layout_id, scan = row
            self._layouts[layout_id] = scan.layout
            return _line("scans", [self._site, layout_id, scan.at_ms, *pack_scan(scan)])
        if stream == "results":
            data = json.dumps(row.data, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
            return _line("results", [self._site, row.kind, row.subject, row.at_s, data, row.rev, row.seq])
        values = [self._site, *(getattr(row, name) for name in columns("intervals")[1:])]
        return _line("intervals", values)

    def probe(self) -> bytes:
        """No row: the role's own site is asked for."""
        return _PROBE

    # -- the connection -----------------------------------------------------------------------------

    async def close(self) -> None:
        """Hang up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def write(self, lines: Sequence[bytes]) -> Answer:
        """Take lines in, in one transaction within the deadline."""
        await asyncio.to_thread(self._password.renew)
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                connection = await self._connected()
                async with connection.transaction():
                    own = await self._own_site(connection)
                    if own != self._site:
                        return Answer(Verdict.HOLD, "sink.pg_other_site", self._data(own=own or "-"))
                    await self._take(connection, [line for line in lines if line != _PROBE])
        except TimeoutError:
            await self._abandon()
            return Answer(Verdict.RETRY, "sink.slow", self._data())
        except psycopg.Error as error:
            return await self._told(error)
        except (OSError, ValueError) as error:
            await self._abandon()
            return Answer(Verdict.RETRY, "sink.unreachable", self._data(reason=self._clean(str(error))))
        return Answer(Verdict.TAKEN, data=self._data())

    async def _connected(self) -> "psycopg.AsyncConnection[Any]":
        if self._connection is None or self._connection.closed:
            settings = self._settings
            options: dict[str, Any] = {"sslmode": "disable" if settings.tls is None else "verify-full"}
            if settings.tls is not None:
                files = {"sslrootcert": settings.tls.ca, "sslcert": settings.tls.certificate,
                         "sslkey": settings.tls.key}  # fmt: skip
                options |= {name: str(self._folder / file) for name, file in files.items() if file}
                options.setdefault("sslrootcert", "system")
            self._known.clear()
            self._connection = await psycopg.AsyncConnection.connect(
                host=settings.host,
                port=settings.port,
                dbname=settings.database,
                user=self._role,
                password=self._password.text or None,
                connect_timeout=max(2, math.ceil(settings.timeout_s)),
                application_name=f"energy-monitor {self._site}",
                client_encoding="utf8",
                autocommit=True,
                **options,
            )
        return self._connection

    async def _own_site(self, connection: "psycopg.AsyncConnection[Any]") -> str | None:
        row = await (await connection.execute(f"SELECT {SCHEMA}.own_site()")).fetchone()
        return row[0] if row else None

    async def _take(self, connection: "psycopg.AsyncConnection[Any]", lines: Sequence[bytes]) -> None:
        by_table: dict[str, list[bytes]] = {}
        for line in lines:
            name, _, row = line.partition(b"\t")
            by_table.setdefault(name.decode(), []).append(row)
        for table, rows in by_table.items():
            staged = f"staged_{table}"
            made = await self._make_ahead(connection, table, rows)
            await connection.execute(staging(table, staged))
            names = ", ".join(columns(table))
            async with connection.cursor() as cursor:
                async with cursor.copy(f"COPY {staged} ({names}) FROM STDIN") as copy:
                    await copy.write(b"\n".join(rows) + b"\n")
                await cursor.execute(taking(table, staged))
                await cursor.execute(f"TRUNCATE {staged}")
            if table == "scans":
                made |= await self._name_layouts(connection, rows)
            self._known |= made

    async def _name_layouts(
        self, connection: "psycopg.AsyncConnection[Any]", rows: Sequence[bytes]
    ) -> set[tuple[str, Any]]:
        """Say what the values of these scans mean."""
        wanted = {("layouts", int(row.split(b"\t")[1])) for row in rows} - self._known
        for _, number in wanted:
            layout = self._layouts.get(number)
            if layout is not None:
                await connection.execute(
                    NAME_LAYOUT,
                    (self._site, number, layout.device, layout.part, layout_to_json(layout)),
                )
        return wanted

    async def _make_ahead(
        self, connection: "psycopg.AsyncConnection[Any]", table: str, rows: Sequence[bytes]
    ) -> set[tuple[str, Any]]:
        """Have the partitions made that these rows need, and the one after them."""
        place, units = _PLACES[table], PARTITIONED[table][1]
        seconds = {int(row.split(b"\t")[place]) // units for row in rows}
        months = {(moment.year, moment.month) for moment in map(_utc, seconds)}
        wanted = {(table, month) for month in months} - self._known
        for _, (year, month) in sorted(wanted):
            for at in (
                datetime(year, month, 1, tzinfo=UTC),
                datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC),
            ):
                await connection.execute(f"SELECT {SCHEMA}.make_ahead(%s, %s)", (table, int(at.timestamp())))
        return wanted

    # -- what came of it ----------------------------------------------------------------------------

    async def _told(self, error: psycopg.Error) -> Answer:
        state = error.sqlstate or ""
        words = self._clean(str(error))
        if not state:
            await self._abandon()
            if tls := _about_tls(words):
                return Answer(Verdict.RETRY, tls, self._data(reason=words))
            asks_person = any(sign in words for sign in ("authentication failed", "no pg_hba.conf entry",
                                                         "does not exist", "not permitted to log in",
                                                         "no password supplied"))  # fmt: skip
            if asks_person:
                return Answer(Verdict.HOLD, "sink.pg_login", self._data(words=words))
            return Answer(Verdict.RETRY, "sink.unreachable", self._data(reason=words))
        verdict, code = _CLASSES.get(state[:2], (Verdict.HOLD, "sink.pg_unexpected"))
        if state == _RIGHTS:
            verdict, code = Verdict.HOLD, "sink.pg_rights"
        if verdict is not Verdict.REFUSED:
            await self._abandon()
        return Answer(verdict, code, self._data(words=words, reason=words, state=state))

    async def _abandon(self) -> None:
        """Let a connection go that is in doubt; the next write dials anew."""
        try:
            await self.close()
        except (psycopg.Error, OSError):
            return

    def _data(self, **data: Any) -> dict[str, Any]:
        known = {"sink": self.sink, "address": self.address, "role": self._role, "site": self._site}
        return {**known, "seconds": self._settings.timeout_s, **data}

    def _clean(self, words: str) -> str:
        return one_line(words, self._password.text)


def _about_tls(words: str) -> str | None:
    """The text for what libpq says of TLS; None when it speaks of something else."""
    return next((code for signs, code in _TLS_SIGNS if any(sign in words for sign in signs)), None)


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(min(max(seconds, 0), 253_402_300_799), UTC)
