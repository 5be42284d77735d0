"""Weather for models: what was imported, and the hours of the site's own station, made of its scans."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, Table, func, select
from sqlalchemy.dialects.sqlite import insert as upsert

from monitor.store import schema
from monitor.store.answer_tables import station_hours, station_position
from monitor.store.history_tables import weather
from monitor.store.ledgers import WriterEngine
from monitor.store.rows import layout_from_json, unpack_scan
from rules.quality import Quality

HOUR_MS = 3_600_000
QUARTER_MS = 900_000
IDS_AT_ONCE = 200_000
"""Scans looked at in one step: with thousands of devices only one in thousands is the station's."""

HALF_OF_THE_QUARTERS = 2
ALL_QUARTERS = 0b1111


@dataclass(frozen=True, slots=True)
class ClimateRows:
    """Weather as it is kept, by start: (n,) each; NaN = not measured.

    start_s, duration_s : [start, start + duration), seconds UTC; temperature_c [degC]; humidity_pct [%].
    """

    start_s: NDArray[np.int64]
    duration_s: NDArray[np.int64]
    temperature_c: NDArray[np.float64]
    humidity_pct: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.start_s)


@dataclass(frozen=True, slots=True)
class HourPart:
    """What some readings of a point say of one hour."""

    start_s: int
    total: float
    readings: int
    quarters: int


class ClimateReader:
    """Reads the weather of one site."""

    def __init__(self, engine: Engine, site: str) -> None:
        self._engine = engine
        self._site = site

    def stations(self) -> list[str]:
        """Stations whose weather was imported with a temperature, by name."""
        query = select(weather.c.station).where(
            weather.c.site == self._site, weather.c.temperature_c.is_not(None)
        )
        with self._engine.connect() as connection:
            return list(connection.scalars(query.distinct().order_by(weather.c.station)))

    def imported(self, station: str, start_s: int, end_s: int) -> ClimateRows:
        """What was imported of a station for [start_s, end_s); a day's mean that reaches into it as well."""
        columns = (weather.c.start_s, weather.c.duration_s, weather.c.temperature_c, weather.c.humidity_pct)
        query = (
            select(*columns)
            .where(weather.c.site == self._site, weather.c.station == station)
            .where(weather.c.start_s > start_s - 86_400, weather.c.start_s < end_s)
            .order_by(weather.c.start_s)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return _as_rows([(row.start_s, row.duration_s, row.temperature_c, row.humidity_pct) for row in rows])

    def measured(self, temperature: str, humidity: str | None, start_s: int, end_s: int) -> ClimateRows:
        """Hours of the site's own station in [start_s, end_s), of which half of the quarters were heard."""
        means = self._hours(temperature, start_s, end_s)
        moist = self._hours(humidity, start_s, end_s) if humidity is not None else {}
        return _as_rows([(at, 3600, mean, moist.get(at)) for at, mean in means.items()])

    def _hours(self, point: str, start_s: int, end_s: int) -> dict[int, float]:
        table = station_hours
        query = (
            select(table.c.start_s, table.c.mean, table.c.quarters)
            .where(table.c.site == self._site, table.c.point == point)
            .where(table.c.start_s >= start_s, table.c.start_s < end_s)
            .order_by(table.c.start_s)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return {start: mean for start, mean, quarters in rows if quarters.bit_count() >= HALF_OF_THE_QUARTERS}

    def stamp(self, station: str, start_s: int, end_s: int) -> tuple[int, ...]:
        """What changes whenever the imported weather of a span does."""
        query = select(func.count(), func.sum(weather.c.rev), func.max(weather.c.import_id)).where(
            weather.c.site == self._site,
            weather.c.station == station,
            weather.c.start_s > start_s - 86_400,
            weather.c.start_s < end_s,
        )
        with self._engine.connect() as connection:
            return tuple(int(one or 0) for one in connection.execute(query).one())

    def station_stamp(self, point: str, start_s: int, end_s: int) -> tuple[int, ...]:
        """What changes whenever the station's own hours of a span do."""
        table = station_hours
        query = select(func.count(), func.sum(table.c.readings)).where(
            table.c.site == self._site,
            table.c.point == point,
            table.c.start_s >= start_s,
            table.c.start_s < end_s,
        )
        with self._engine.connect() as connection:
            return tuple(int(one or 0) for one in connection.execute(query).one())

    # -- following the station's scans ------------------------------------------------------------------

    def position(self, point: str) -> int:
        """Up to which scan the hours of a point are made; 0 before the first."""
        table = station_position
        query = select(table.c.scan_id).where(table.c.site == self._site, table.c.point == point)
        with self._engine.connect() as connection:
            return connection.scalar(query) or 0

    def hour_parts(self, point: str, after_id: int) -> tuple[int, list[HourPart]]:
        """What the next scans say of a point's hours, and the scan up to which that is.

        Readings that are suspect or missing say nothing.
        """
        device, _, name = point.partition(".")
        scans, layouts = schema.scans, schema.layouts
        with self._engine.connect() as connection:
            rows = connection.execute(
                select(layouts).where(layouts.c.site == self._site, layouts.c.device == device)
            ).all()
            found = {row.id: layout_from_json(row.device, row.part, row.spec) for row in rows}
            places = {id_: layout for id_, layout in found.items() if layout.has(name)}
            oldest, newest = connection.execute(select(func.min(scans.c.id), func.max(scans.c.id))).one()
            if newest is None or newest <= after_id:
                return after_id, []
            first = max(after_id, oldest - 1)
            until = min(newest, first + IDS_AT_ONCE)
            query = select(scans.c.layout_id, scans.c.at_ms, scans.c.vals, scans.c.quality).where(
                scans.c.id > first, scans.c.id <= until, scans.c.layout_id.in_(list(places))
            )
            taken = connection.execute(query).all() if places else []
        parts: dict[int, HourPart] = {}
        for layout_id, at_ms, values, quality in taken:
            layout = places[layout_id]
            scan, place = unpack_scan(layout, at_ms, values, quality), layout.index(name)
            value = float(scan.values[place])
            if np.isfinite(value) and scan.quality[place] < Quality.SUSPECT:
                _add(parts, at_ms, value)
        return until, list(parts.values())


def keep_hours(
    engine: WriterEngine, site: str, point: str, read: tuple[int, int], parts: Sequence[HourPart]
) -> bool:
    """Add what readings say to a point's hours, and how far they were read; the engine is the writer's.

    Parameters
    ----------
    read : the scans that it is of: after the first, up to the second.

    Returns
    -------
    False, and nothing is changed, where the hours are not made up to just there: no reading counts twice.
    """
    table, (after, until) = station_hours, read
    of_point = {"site": site, "point": point}
    with engine.begin() as connection:
        stands = select(station_position.c.scan_id).filter_by(**of_point)
        if (connection.scalar(stands) or 0) != after:
            return False
        for part in parts:
            key = {**of_point, "start_s": part.start_s}
            known = connection.execute(select(table).filter_by(**key)).mappings().one_or_none()
            before, readings = (known["mean"] * known["readings"], known["readings"]) if known else (0.0, 0)
            count = readings + part.readings
            figures = {
                "mean": (before + part.total) / count,
                "readings": count,
                "quarters": part.quarters | (known["quarters"] if known else 0),
            }
            _put(connection, table, key, figures)
        _put(connection, station_position, of_point, {"scan_id": until})
    return True


def put_hours(
    engine: WriterEngine, site: str, point: str, start_s: Sequence[int], means: Sequence[float]
) -> None:
    """Put whole hours of a known past into a store that has none of them; the engine is the writer's."""
    rows = [
        {"site": site, "point": point, "start_s": at, "mean": mean, "readings": 1, "quarters": ALL_QUARTERS}
        for at, mean in zip(start_s, means, strict=True)
    ]
    with engine.begin() as connection:
        connection.execute(station_hours.insert(), rows)


def _put(connection: Connection, table: Table, key: dict[str, Any], figures: dict[str, Any]) -> None:
    statement = upsert(table).values(**key, **figures)
    keys = list(table.primary_key.columns)
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=figures))


def _add(parts: dict[int, HourPart], at_ms: int, value: float) -> None:
    start_s = at_ms // HOUR_MS * 3600
    known = parts.get(start_s, HourPart(start_s, 0.0, 0, 0))
    quarter = 1 << (at_ms % HOUR_MS // QUARTER_MS)
    parts[start_s] = HourPart(start_s, known.total + value, known.readings + 1, known.quarters | quarter)


def _as_rows(rows: Sequence[tuple[int, int, float | None, float | None]]) -> ClimateRows:
    columns = list(zip(*rows, strict=True)) if rows else [()] * 4
    return ClimateRows(
        np.array(columns[0], dtype=np.int64),
        np.array(columns[1], dtype=np.int64),
        np.array(columns[2], dtype=np.float64),
        np.array(columns[3], dtype=np.float64),
    )
