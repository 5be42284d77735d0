"""The weather of a base period when it was locked: the adjusted answer stands on it as on the rows."""

import hashlib
import json
from collections.abc import Iterable

from sqlalchemy import Connection, select

from monitor.store.answer_tables import station_hours
from monitor.store.history_tables import weather

SpanS = tuple[int, int]


def weather_digests(connection: Connection, site: str, span_s: SpanS) -> dict[str, str]:
    """SHA-256 over the hours in [from, to) of each source that knows any: ``imported/466920`` and so on."""
    stations = select(weather.c.station).where(weather.c.site == site).distinct()
    points = select(station_hours.c.point).where(station_hours.c.site == site).distinct()
    names = [f"imported/{one}" for one in connection.scalars(stations)]
    names += [f"station/{one}" for one in connection.scalars(points)]
    found = {name: weather_digest(connection, site, name, span_s) for name in sorted(names)}
    return {name: digest for name, digest in found.items() if digest is not None}


def weather_digest(connection: Connection, site: str, source: str, span_s: SpanS) -> str | None:
    """SHA-256 over what one source says of [from, to); None where it says nothing."""
    kind, _, name = source.partition("/")
    from_s, to_s = span_s
    table = weather if kind == "imported" else station_hours
    own = table.c.station if kind == "imported" else table.c.point
    values = ("duration_s", "temperature_c", "humidity_pct") if kind == "imported" else ("mean", "quarters")
    query = (
        select(table.c.start_s, *(table.c[one] for one in values))
        .where(table.c.site == site, own == name, table.c.start_s >= from_s, table.c.start_s < to_s)
        .order_by(table.c.start_s)
    )
    return _hashed(tuple(row) for row in connection.execute(query))


def _hashed(rows: Iterable[tuple[float, ...]]) -> str | None:
    digest, some = hashlib.sha256(), False
    for row in rows:
        some = True
        digest.update(json.dumps(row, separators=(",", ":")).encode() + b"\n")
    return digest.hexdigest() if some else None
