"""Rows of the store as a stream, for whoever takes all of them: a block at a time, whatever there is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Engine, func, select

from monitor.store import schema
from monitor.store.database import open_reader
from monitor.store.rows import layout_from_json
from monitor.store.sites import check_site
from rules.scan import Layout

ROWS_A_BLOCK = 5_000

LATE_MS = 8 * 86_400_000
"""Readings with a time of their own are taken up to a week after it."""

INTERVAL_COLUMNS = (
    "meter",
    "start_s",
    "duration_s",
    "quantity",
    "rate_avg",
    "rate_max",
    "rate_min",
    "coverage",
    "quality",
    "caught_up",
    "register_start",
    "register_end",
    "factor",
    "epoch",
    "rev",
)


@dataclass(frozen=True, slots=True)
class Span:
    """[first, last) instant, seconds since 1970 UTC."""

    first_s: int
    last_s: int


class RowStreams:
    """Everything of one site that lies in a span of time, in blocks."""

    def __init__(self, engine: Engine, site: str) -> None:
        self._engine = engine
        self._site = site

    @classmethod
    def open(cls, path: Path, site: str) -> "RowStreams":
        """Open for reading only. Raises ``StoreError``, also for the store of another site."""
        engine = open_reader(path)
        check_site(engine, path, site)
        return cls(engine, site)

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def interval_counts(self, span: Span, meters: Sequence[str] = ()) -> dict[str, int]:
        """How many intervals each meter has that start in a span; every meter when none is named."""
        table = schema.intervals
        query = select(table.c.meter, func.count()).where(*self._intervals(span, meters))
        with self._engine.connect() as connection:
            rows = connection.execute(query.group_by(table.c.meter).order_by(table.c.meter))
            return {meter: count for meter, count in rows}  # noqa: C416  rows are no pairs to the type checker

    def intervals(self, span: Span, meters: Sequence[str] = ()) -> Iterator[Sequence[Any]]:
        """Rows of ``INTERVAL_COLUMNS``, by meter and start, all of one instant."""
        table = schema.intervals
        query = select(*(table.c[name] for name in INTERVAL_COLUMNS)).where(*self._intervals(span, meters))
        query = query.order_by(table.c.meter, table.c.start_s)
        with self._engine.connect() as connection:
            yield from connection.execution_options(yield_per=ROWS_A_BLOCK).execute(query).partitions()

    def _intervals(self, span: Span, meters: Sequence[str]) -> list[ColumnElement[bool]]:
        table = schema.intervals
        which = [table.c.site == self._site, table.c.start_s >= span.first_s, table.c.start_s < span.last_s]
        return [*which, table.c.meter.in_(meters)] if meters else which

    def layouts(self, devices: Sequence[str] = ()) -> dict[int, Layout]:
        """What the scans of some devices mean, by layout id; of all devices when none is named."""
        table = schema.layouts
        query = select(table).where(table.c.site == self._site).order_by(table.c.id)
        with self._engine.connect() as connection:
            found = connection.execute(query).all()
        return {
            row.id: layout_from_json(row.device, row.part, row.spec)
            for row in found
            if not devices or row.device in devices
        }

    def scan_ids(self, span: Span, late_ms: int = LATE_MS) -> tuple[int, int]:
        """First and last id among which the scans of a span are to be found; ``late_ms`` after it at most."""
        first = self._id_since(1000 * span.first_s)
        return first, max(first, self._id_since(1000 * span.last_s + late_ms))

    def scans(self, span: Span, layouts: Sequence[int], ids: tuple[int, int]) -> Iterator[Sequence[Any]]:
        """Rows of id, layout id, instant [ms], values and qualities, in the order in which they came.

        Each block is a transaction of its own: a scan never changes, and a long one would hold up the log.
        """
        table = schema.scans
        after, last = ids[0] - 1, ids[1]
        while after < last:
            until = min(last, after + ROWS_A_BLOCK)
            query = (
                select(table.c.id, table.c.layout_id, table.c.at_ms, table.c.vals, table.c.quality)
                .where(table.c.id > after, table.c.id <= until, table.c.layout_id.in_(layouts))
                .where(table.c.at_ms >= 1000 * span.first_s, table.c.at_ms < 1000 * span.last_s)
                .order_by(table.c.id)
            )
            with self._engine.connect() as connection:
                yield connection.execute(query).all()
            after = until

    def _id_since(self, at_ms: int) -> int:
        """The first scan that is not older than an instant, or the one after the last."""
        ids = schema.scans.c.id
        with self._engine.connect() as connection:
            low, high = connection.execute(select(func.min(ids), func.max(ids))).one()
            if low is None:
                return 1
            high += 1
            while low < high:
                middle = (low + high) // 2
                query = select(ids, schema.scans.c.at_ms).where(ids >= middle).order_by(ids).limit(1)
                found = connection.execute(query).one()
                if found.at_ms < at_ms:
                    low = found.id + 1
                else:
                    high = middle
        return int(low)
