"""Reading the store, from any process, while the daemon writes."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Select, func, select
from sqlalchemy.exc import SQLAlchemyError

from monitor.store import schema
from monitor.store.answers import Answers
from monitor.store.booked import LedgerEntry, booked_days
from monitor.store.changed import ChangedInterval, ChangedResult
from monitor.store.climate import ClimateReader
from monitor.store.counts import CountsRow, read_counts
from monitor.store.database import open_reader
from monitor.store.deliveries import UNSETTLED, Deliveries, position_of, span_of
from monitor.store.event_reader import EventReader
from monitor.store.expected import ExpectedReader
from monitor.store.given_up import GivenUp, read_given_up, unwritten_between
from monitor.store.logbook import Logbook
from monitor.store.order import furthest_cursor
from monitor.store.past import PastReader
from monitor.store.rows import ConditionRow, layout_from_json, unpack_scan
from monitor.store.series import interval_series
from monitor.store.sites import check_site
from rules.intervals import IntervalSeries
from rules.scan import Layout, Scan

FOLLOW_LIMIT = 20_000

UNREADABLE: tuple[type[Exception], ...] = (SQLAlchemyError, OSError)
"""What a call raises when the disk or the file is in trouble: it may pass, and trying again is right."""


class StoreReader:
    """Read-only view of one site's rows. Every call is one short read transaction.

    Safe to use from several threads; opens no connection until it is asked something.
    """

    def __init__(self, engine: Engine, site: str) -> None:
        self._engine = engine
        self._site = site
        self._layouts: dict[int, Layout] = {}

    @classmethod
    def open(cls, path: Path, site: str) -> "StoreReader":
        """Open for reading only. Raises ``StoreError``, also for the store of another site."""
        engine = open_reader(path)
        check_site(engine, path, site)
        return cls(engine, site)

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            yield connection

    @property
    def past(self) -> PastReader:
        """The site's meters as they were: states, late readings, records, refusals."""
        return PastReader(self._engine, self._site)

    @property
    def deliveries(self) -> Deliveries:
        """What sinks could not deliver, and what is to be delivered again."""
        return Deliveries(self._engine, self._site)

    @property
    def answers(self) -> Answers:
        """What answers for a saving: adjustments of the base year and of a period's use."""
        return Answers(self._engine, self._site)

    @property
    def climate(self) -> ClimateReader:
        """Weather for models."""
        return ClimateReader(self._engine, self._site)

    @property
    def expected(self) -> ExpectedReader:
        """Models of base years that were kept, and days held against them."""
        return ExpectedReader(self._engine, self._site)

    @property
    def events(self) -> EventReader:
        """Curtailment events."""
        return EventReader(self._engine, self._site)

    @property
    def logbook(self) -> Logbook:
        """What people wrote down, and what was corrected."""
        return Logbook(self._engine, self._site)

    # -- scans ------------------------------------------------------------------------------------

    def layout(self, layout_id: int) -> Layout:
        """The layout with this id. KeyError when there is none."""
        if layout_id not in self._layouts:
            table = schema.layouts
            with self._connect() as connection:
                rows = connection.execute(select(table).where(table.c.site == self._site))
                self._layouts |= {row.id: layout_from_json(row.device, row.part, row.spec) for row in rows}
        return self._layouts[layout_id]

    def snapshot_position(self) -> int:
        """The last scan that the stored snapshot includes; 0 before the first."""
        table = schema.snapshots
        query = select(table.c.scan_id).where(table.c.site == self._site, table.c.meter == "")
        with self._connect() as connection:
            return connection.scalar(query) or 0

    def snapshot_states(self) -> dict[str, bytes]:
        """State of each meter at the snapshot."""
        table = schema.snapshots
        query = select(table.c.meter, table.c.state).where(table.c.site == self._site)
        with self._connect() as connection:
            return {row.meter: row.state for row in connection.execute(query) if row.meter}

    def snapshot_latest(self) -> dict[int, Scan]:
        """Newest scan of each layout at the snapshot, by layout id; then follow from its position."""
        with self._connect() as connection:
            rows = connection.execute(select(schema.latest)).all()
        return {
            row.layout_id: unpack_scan(self.layout(row.layout_id), row.at_ms, row.vals, row.quality)
            for row in rows
        }

    def last_scan_id(self) -> int:
        """Id of the newest scan; 0 when there is none."""
        with self._connect() as connection:
            return connection.scalar(select(func.max(schema.scans.c.id))) or 0

    def next_after(self, scan_id: int) -> int:
        """After which id the next scan comes: that one, or what a sink has and the store has no more."""
        with self._connect() as connection:
            return max(scan_id, furthest_cursor(connection, "scans"))

    def follow(self, after_id: int, limit: int = FOLLOW_LIMIT) -> list[tuple[int, int, Scan]]:
        """Committed scans after an id, in the order of commitment: (id, layout id, scan)."""
        table = schema.scans
        query = select(table).where(table.c.id > after_id).order_by(table.c.id).limit(limit)
        with self._connect() as connection:
            rows = connection.execute(query).all()
        return [
            (id_, layout_id, unpack_scan(self.layout(layout_id), at_ms, values, quality))
            for id_, layout_id, at_ms, values, quality in rows
        ]

    def scan_ids_before(self, instant_ms: int) -> tuple[int, int] | None:
        """First and last id of the scans that were committed before the first one at or after an instant.

        None when there are none. Scans stand in the order of commitment, so that this reads no more than
        the scans that it names.
        """
        table = schema.scans
        first_kept = select(table.c.id).where(table.c.at_ms >= instant_ms).order_by(table.c.id).limit(1)
        with self._connect() as connection:
            oldest, newest = connection.execute(select(func.min(table.c.id), func.max(table.c.id))).one()
            kept = connection.scalar(first_kept)
        if oldest is None:
            return None
        last = newest if kept is None else kept - 1
        return (oldest, last) if last >= oldest else None

    # -- intervals and results ----------------------------------------------------------------------

    def intervals(self, meter: str, start_s: int, end_s: int) -> IntervalSeries:
        """Closed intervals of a meter that start in [start_s, end_s), seconds UTC."""
        with self._connect() as connection:
            return interval_series(connection, self._site, meter, start_s, end_s)

    def interval_span(self, meter: str) -> tuple[int, int] | None:
        """Start of the first and end of the last closed interval, seconds UTC; None without any."""
        table = schema.intervals
        query = select(func.min(table.c.start_s), func.max(table.c.start_s + table.c.duration_s)).where(
            table.c.site == self._site, table.c.meter == meter
        )
        with self._connect() as connection:
            first, last = connection.execute(query).one()
        return None if first is None else (first, last)

    def last_end_s(self, meter: str) -> int | None:
        """End of a meter's newest closed interval, seconds UTC; None without any."""
        table = schema.intervals
        query = (
            select(table.c.start_s + table.c.duration_s)
            .where(table.c.site == self._site, table.c.meter == meter)
            .order_by(table.c.start_s.desc())
            .limit(1)
        )
        with self._connect() as connection:
            return connection.scalar(query)

    def changed_starts(self, meters: Sequence[str], after_seq: int, limit: int) -> list[tuple[int, int]]:
        """(seq, start_s) of the intervals of some meters that came or changed after ``seq``, in order."""
        table = schema.intervals
        query = select(table.c.seq, table.c.start_s).where(table.c.meter.in_(meters))
        return [(seq, start_s) for seq, start_s in self._changed(query, table, after_seq, limit)]

    def changed_intervals(self, after_seq: int, limit: int) -> list[ChangedInterval]:
        """Interval rows that came or changed after ``seq``, in order."""
        table = schema.intervals
        columns = [table.c[name] for name in ChangedInterval.__dataclass_fields__]
        return [ChangedInterval(*row) for row in self._changed(select(*columns), table, after_seq, limit)]

    def changed_results(self, after_seq: int, limit: int) -> list[ChangedResult]:
        """Result rows that came or changed after ``seq``, in order."""
        table = schema.results
        columns = [table.c[name] for name in ChangedResult.__dataclass_fields__]
        rows = self._changed(select(*columns), table, after_seq, limit)
        return [ChangedResult(s, kind, subject, at_s, json.loads(data), rev)
                for s, kind, subject, at_s, data, rev in rows]  # fmt: skip

    def _changed(self, query: Select[Any], table: Any, after_seq: int, limit: int) -> list[Any]:
        query = query.where(table.c.site == self._site, table.c.seq > after_seq)
        with self._connect() as connection:
            return list(connection.execute(query.order_by(table.c.seq).limit(limit)).all())

    def span_rows(
        self, stream: str, positions: tuple[int, int], span_ms: tuple[int, int], limit: int
    ) -> list[tuple[int, Any]]:
        """Rows of a stream after the first position and up to the second, whose own time is in [from, to).

        Each with its position; scans as (layout id, scan).
        """
        place = position_of(stream)
        query = span_of(stream, self._site, *span_ms).where(place > positions[0], place <= positions[1])
        with self._connect() as connection:
            rows = connection.execute(query.order_by(place).limit(limit)).mappings().all()
        return [self._placed(stream, row) for row in rows]

    def row_at(self, stream: str, position: int) -> Any:
        """The row at a position; None when there is none: it has changed since, or was let go."""
        place = position_of(stream)
        with self._connect() as connection:
            row = connection.execute(select(place.table).where(place == position)).mappings().one_or_none()
        return None if row is None else self._placed(stream, row)[1]

    def _placed(self, stream: str, row: Any) -> tuple[int, Any]:
        if stream == "scans":
            layout_id = row["layout_id"]
            scan = unpack_scan(self.layout(layout_id), row["at_ms"], row["vals"], row["quality"])
            return row["id"], (layout_id, scan)
        if stream == "intervals":
            return row["seq"], ChangedInterval(**{n: row[n] for n in ChangedInterval.__dataclass_fields__})
        figures = {n: row[n] for n in ChangedResult.__dataclass_fields__}
        return row["seq"], ChangedResult(**{**figures, "data": json.loads(row["data"])})

    def newest_position(self, stream: str) -> int:
        """Where a stream ends now."""
        with self._connect() as connection:
            return connection.scalar(select(func.max(position_of(stream)))) or 0

    def newest_result(self, kind: str, subject: str) -> ChangedResult | None:
        """The latest result of a kind about a subject."""
        table = schema.results
        columns = [table.c[name] for name in ChangedResult.__dataclass_fields__]
        query = (
            select(*columns)
            .where(table.c.site == self._site, table.c.kind == kind, table.c.subject == subject)
            .order_by(table.c.at_s.desc())
            .limit(1)
        )
        with self._connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        return ChangedResult(row[0], row[1], row[2], row[3], json.loads(row[4]), row[5])

    def newest_seqs(self) -> dict[str, int]:
        """The last change in each stream that is followed by ``seq``."""
        with self._connect() as connection:
            return {
                table.name: connection.scalar(select(func.max(table.c.seq))) or 0
                for table in (schema.intervals, schema.results)
            }

    # -- devices, refusals, sinks -------------------------------------------------------------------

    def conditions(self) -> list[ConditionRow]:
        """How each device is doing, by device id."""
        table = schema.device_conditions
        query = select(table).where(table.c.site == self._site).order_by(table.c.device)
        with self._connect() as connection:
            return [
                ConditionRow(
                    row.device, row.condition, row.since_ms, json.loads(row.error) if row.error else None
                )
                for row in connection.execute(query)
            ]

    def device_counts(self) -> dict[str, CountsRow]:
        """What the drivers saw of each device since the daemon was started, by device id."""
        return read_counts(self._engine, self._site)

    def refusal_counts(self, since_ms: int) -> dict[str, int]:
        """How many readings were refused since an instant, by meter."""
        table = schema.refusals
        query = (
            select(table.c.meter, func.count())
            .where(table.c.site == self._site, table.c.heard_ms >= since_ms)
            .group_by(table.c.meter)
        )
        with self._connect() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def cursors(self, sink: str) -> dict[str, int]:
        """A sink's position in each stream."""
        table = schema.cursors
        query = select(table.c.stream, table.c.position).where(
            table.c.site == self._site, table.c.sink == sink
        )
        with self._connect() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def count_after(self, stream: str, position: int) -> int:
        """Rows of a stream (scans, intervals, results) that lie before a cursor at ``position``."""
        if stream == "scans":
            return self._scans_after(position)
        table = {"intervals": schema.intervals, "results": schema.results}[stream]
        query = select(func.count()).where(table.c.site == self._site, table.c.seq > position)
        with self._connect() as connection:
            return connection.scalar(query) or 0

    def _scans_after(self, position: int) -> int:
        # Ids are given without gaps, and to count the rows of a long outage would take seconds.
        ids = schema.scans.c.id
        with self._connect() as connection:
            first = connection.scalar(select(func.min(ids)))
            last = connection.scalar(select(func.max(ids)))
            if first is None or last is None:
                return 0
            after = max(position, first - 1)
            rows: int = last - after - unwritten_between(connection, after, last)
            return max(0, rows)

    def given_up(self) -> list[GivenUp]:
        """The books of raw readings that went before their time."""
        return read_given_up(self._engine, self._site)

    def dead_letter_count(self, sink: str) -> int:
        """How many lines a sink's server will never take, as far as nothing has become of them."""
        table = schema.dead_letters
        query = select(func.count()).where(table.c.site == self._site, table.c.sink == sink)
        query = query.where(table.c.state.in_(UNSETTLED))
        with self._connect() as connection:
            return connection.scalar(query) or 0

    # -- ledgers ------------------------------------------------------------------------------------

    def ledger(self, subject: str, first: date, last: date) -> list[LedgerEntry]:
        """What is booked on a commodity or meter and touches [first, last], by start; no day stands twice.

        These are the ledger's rows, and what was used between two manual readings. A span between readings
        that shares a day with a ledger row is left out as a whole.
        """
        with self._connect() as connection:
            return booked_days(connection, self._site, subject, first, last).counting

    def readings_left_out(self, subject: str, first: date, last: date) -> list[LedgerEntry]:
        """Spans between manual readings that touch [first, last] and give way to a ledger row, by start."""
        with self._connect() as connection:
            return booked_days(connection, self._site, subject, first, last).left_out

    def reasons(self, subject: str, first: date, last: date) -> list[str]:
        """The operator's reasons for a subject whose period lies in [first, last], in order."""
        table = schema.reasons
        query = (
            select(table.c.text)
            .where(table.c.site == self._site, table.c.subject == subject)
            .where(table.c.start_day >= first.isoformat(), table.c.end_day <= last.isoformat())
            .order_by(table.c.start_day, table.c.position)
        )
        with self._connect() as connection:
            return list(connection.scalars(query))
