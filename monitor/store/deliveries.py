"""What sinks leave in the store: their cursors, what a far side refused, and what people want sent again."""

import getpass
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Engine, Select, String, func, insert, or_, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from monitor.store import schema
from monitor.store.database import StoreError
from monitor.store.rows import Commit

BACKFILL = "backfill/"
"""Before a backfill's number: the stream under which its cursor stands."""


class LetterState(StrEnum):
    """What became of a line that was refused for good."""

    OPEN = "open"
    ASKED = "asked"  # a person wants it tried again
    DELIVERED = "delivered"
    SUPERSEDED = "superseded"  # its row has changed since, and went as it is now


SPANS_AT_ONCE = 200
UNSETTLED = (LetterState.OPEN, LetterState.ASKED)


@dataclass(frozen=True, slots=True)
class Letter:
    """A line that a far side refused, with its words; ``stream`` and ``position`` tell where its row is."""

    id: int
    sink: str
    at_ms: int
    line: bytes
    reason: str
    stream: str
    position: int
    state: LetterState
    settled_ms: int | None


@dataclass(frozen=True, slots=True)
class Backfill:
    """A span of the past to be delivered once more.

    Attributes
    ----------
    from_ms, to_ms : of the rows' own time, [from, to).
    after, until : first and last position of the cursor; ``position`` is where it stands.
    """

    id: int
    sink: str
    stream: str
    from_ms: int
    to_ms: int
    after: int
    until: int
    asked_ms: int
    position: int

    @property
    def is_done(self) -> bool:
        """Whether all of it was acknowledged."""
        return self.position >= self.until

    @property
    def lane(self) -> str:
        """The stream under which its cursor stands."""
        return f"{BACKFILL}{self.id}"


def write_deliveries(connection: Connection, site: str, commit: Commit) -> None:
    """Write a commit's cursors and letters."""
    table = schema.cursors
    for (sink, stream), position in commit.cursors.items():
        statement = upsert(table).values(site=site, sink=sink, stream=stream, position=position)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=list(table.primary_key.columns), set_={"position": position}
            )
        )
    if commit.dead_letters:
        rows = [
            {"site": site, "sink": one.sink, "at_ms": one.at_ms, "line": one.line, "reason": one.reason,
             "stream": one.stream, "position": one.position}
            for one in commit.dead_letters
        ]  # fmt: skip
        connection.execute(insert(schema.dead_letters), rows)
    letters = schema.dead_letters
    for settled in commit.settled_letters:
        values: dict[str, Any] = {"state": settled.state, "settled_ms": settled.at_ms}
        if settled.reason is not None:
            values["reason"] = settled.reason
        connection.execute(
            update(letters).where(letters.c.site == site, letters.c.id == settled.id).values(**values)
        )


class Deliveries:
    """Reading them; every call is one short transaction."""

    def __init__(self, engine: Engine, site: str) -> None:
        self._engine = engine
        self._site = site

    def letters(
        self, sink: str | None = None, states: Sequence[str] = UNSETTLED, limit: int | None = 1000
    ) -> list[Letter]:
        """Letters in these states, oldest first, of one sink or of all; None for no limit."""
        query = self._in_states(select(schema.dead_letters), sink, states)
        return self._letters(query.order_by(schema.dead_letters.c.id).limit(limit))

    def count_letters(self, sink: str | None = None, states: Sequence[str] = UNSETTLED) -> int:
        """How many letters stand in these states, of one sink or of all."""
        query = select(func.count()).select_from(schema.dead_letters)
        with self._engine.connect() as connection:
            return int(connection.execute(self._in_states(query, sink, states)).scalar_one())

    def _in_states(self, query: Select[Any], sink: str | None, states: Sequence[str]) -> Select[Any]:
        table = schema.dead_letters
        query = query.where(table.c.site == self._site, table.c.state.in_(states))
        return query if sink is None else query.where(table.c.sink == sink)

    def letter(self, number: int) -> Letter | None:
        """The letter with a number, whatever became of it."""
        table = schema.dead_letters
        found = self._letters(select(table).where(table.c.site == self._site, table.c.id == number))
        return found[0] if found else None

    def _letters(self, query: Select[Any]) -> list[Letter]:
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        names = Letter.__dataclass_fields__
        return [
            Letter(
                **{
                    **{name: row[name] for name in names},
                    "line": bytes(row["line"]),
                    "state": LetterState(row["state"]),
                }
            )
            for row in rows
        ]

    def letter_counts(self, sink: str) -> dict[str, int]:
        """How many letters of a sink stand in each state."""
        table = schema.dead_letters
        query = select(table.c.state, func.count()).where(table.c.site == self._site, table.c.sink == sink)
        with self._engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(query.group_by(table.c.state))}

    def became(self, sink: str, spans: Sequence[tuple[int, int]]) -> dict[str, int]:
        """How many of a sink's letters in these spans of numbers (both ends in) stand in each state."""
        table, counts = schema.dead_letters, dict.fromkeys(LetterState, 0)
        mine = (table.c.site == self._site, table.c.sink == sink)
        query = select(table.c.state, func.count()).where(*mine).group_by(table.c.state)
        with self._engine.connect() as connection:
            for at in range(0, len(spans), SPANS_AT_ONCE):
                here = or_(*(table.c.id.between(*span) for span in spans[at : at + SPANS_AT_ONCE]))
                for state, count in connection.execute(query.where(here)):
                    counts[LetterState(state)] += count
        return {state.value: count for state, count in counts.items()}

    def backfills(self, sink: str | None = None, number: int | None = None) -> list[Backfill]:
        """What people want sent again, oldest first, done or not."""
        table, cursors = schema.backfills, schema.cursors
        stands = (
            select(cursors.c.position)
            .where(cursors.c.site == table.c.site, cursors.c.sink == table.c.sink)
            .where(cursors.c.stream == BACKFILL + table.c.id.cast(String))
            .scalar_subquery()
        )
        query = select(table, func.coalesce(stands, table.c.after).label("position"))
        query = query.where(table.c.site == self._site).order_by(table.c.id)
        if sink is not None:
            query = query.where(table.c.sink == sink)
        if number is not None:
            query = query.where(table.c.id == number)
        names = Backfill.__dataclass_fields__
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [Backfill(**{name: row[name] for name in names}) for row in rows]

    def audit(self, limit: int = 1000) -> list[dict[str, Any]]:
        """What people had done, newest first."""
        table = schema.audit
        query = select(table).where(table.c.site == self._site).order_by(table.c.id.desc()).limit(limit)
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [{**row, "detail": json.loads(row["detail"])} for row in rows]


# -- what people ask for ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RetryRequest:
    """Dead letters to be tried again: those with these numbers, or all open ones of a sink."""

    sink: str
    ids: tuple[int, ...]
    actor: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class BackfillRequest:
    """A span to be delivered once more, [from, to) of the rows' own time."""

    sink: str
    streams: tuple[str, ...]
    from_ms: int
    to_ms: int
    actor: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class AskedOutcome:
    """How many rows a request set in motion, or the numbers of what it began.

    Of letters to be tried again ``ids`` are the first thousand, and ``spans`` all: first and last number of
    each stretch of a sink's letters.
    """

    count: int
    ids: tuple[int, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()


def who() -> str:
    """Whoever is logged in, for the audit."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "?"


def ask_retry(engine: Engine, site: str, request: RetryRequest) -> AskedOutcome:
    """Mark letters to be tried again; the sink does it. For the writer's engine.

    Raises
    ------
    StoreError : a number that is no open letter of that sink.
    """
    table = schema.dead_letters
    mine = (table.c.site == site, table.c.sink == request.sink)
    with engine.begin() as connection:
        query = select(table.c.id, table.c.state).where(*mine)
        found: Mapping[int, str] = {row[0]: row[1] for row in connection.execute(query.order_by(table.c.id))}
        unknown = [one for one in request.ids if one not in found]
        if unknown:
            raise StoreError("deadletter.unknown", sink=request.sink, numbers=", ".join(map(str, unknown)))
        named = set(request.ids)
        is_wanted = {
            number: state == LetterState.OPEN and (not named or number in named)
            for number, state in found.items()
        }
        wanted = [number for number, yes in is_wanted.items() if yes]
        spans = _spans(is_wanted)
        for span in spans:
            these = update(table).where(*mine, table.c.id.between(*span))
            connection.execute(these.values(state=LetterState.ASKED))
        detail = {"sink": request.sink, "letters": wanted[:1000], "count": len(wanted)}
        write_audit(connection, site, request.at_ms, request.actor, "deadletter.retry", detail)
    return AskedOutcome(len(wanted), tuple(wanted[:1000]), spans)


def _spans(is_wanted: Mapping[int, bool]) -> tuple[tuple[int, int], ...]:
    """First and last of each stretch of wanted ones, among numbers in order."""
    stretches = (tuple(numbers) for yes, numbers in groupby(is_wanted, key=is_wanted.__getitem__) if yes)
    return tuple((one[0], one[-1]) for one in stretches)


def ask_backfill(engine: Engine, site: str, request: BackfillRequest) -> AskedOutcome:
    """Begin to deliver a span once more, or go on with it. For the writer's engine."""
    table = schema.backfills
    numbers, count = [], 0
    with engine.begin() as connection:
        cursors = {
            row.stream: row.position
            for row in connection.execute(
                select(schema.cursors).where(
                    schema.cursors.c.site == site, schema.cursors.c.sink == request.sink
                )
            )
        }
        for stream in request.streams:
            same = select(table).where(
                table.c.site == site, table.c.sink == request.sink, table.c.stream == stream,
                table.c.from_ms == request.from_ms, table.c.to_ms == request.to_ms,
            )  # fmt: skip
            under_way = [
                row.id
                for row in connection.execute(same)
                if cursors.get(f"{BACKFILL}{row.id}", row.after) < row.until
            ]
            if under_way:
                numbers += under_way
                continue
            first, last, rows = _span(connection, site, request, stream)
            if not rows:
                continue
            key = connection.execute(
                insert(table).values(
                    site=site, sink=request.sink, stream=stream, from_ms=request.from_ms, to_ms=request.to_ms,
                    after=first - 1, until=last, asked_ms=request.at_ms,
                )
            ).inserted_primary_key  # fmt: skip
            numbers.append(int(key[0]))  # type: ignore[index]
            count += rows
        detail = {"sink": request.sink, "streams": list(request.streams), "rows": count,
                  "from_ms": request.from_ms, "to_ms": request.to_ms}  # fmt: skip
        write_audit(connection, site, request.at_ms, request.actor, "influx.backfill", detail)
    return AskedOutcome(count, tuple(numbers))


def _span(connection: Connection, site: str, request: BackfillRequest, stream: str) -> tuple[int, int, int]:
    """First and last position, and the number, of a stream's rows in a span of time."""
    query = span_of(stream, site, request.from_ms, request.to_ms)
    place = position_of(stream)
    first, last, rows = connection.execute(
        query.with_only_columns(func.min(place), func.max(place), func.count())
    ).one()
    return first or 0, last or 0, rows


def position_of(stream: str) -> Any:
    """The column that orders a stream."""
    if stream == "scans":
        return schema.scans.c.id
    return {"intervals": schema.intervals, "results": schema.results}[stream].c.seq


def span_of(stream: str, site: str, from_ms: int, to_ms: int) -> Select[Any]:
    """Rows of a stream whose own time lies in [from, to); the columns are the caller's."""
    if stream == "scans":
        at_ms = schema.scans.c.at_ms
        return select(schema.scans).where(at_ms >= from_ms, at_ms < to_ms)
    table = {"intervals": schema.intervals, "results": schema.results}[stream]
    at_s = table.c.start_s if stream == "intervals" else table.c.at_s
    return select(table).where(table.c.site == site, at_s >= -(-from_ms // 1000), at_s < -(-to_ms // 1000))


DAEMON = "daemon"
"""Who acts, where no person does."""


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """A row of the audit that another process asks for: ``detail`` is what JSON can hold."""

    at_ms: int
    who: str
    action: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AuditOutcome:
    """It stands in the audit."""

    action: str


def take_down(engine: Engine, site: str, request: AuditRequest) -> AuditOutcome:
    """Add a row that was asked for."""
    add_audit(engine, site, request.at_ms, request.who, request.action, request.detail)
    return AuditOutcome(request.action)


def add_audit(
    engine: Engine, site: str, at_ms: int, actor: str, action: str, detail: Mapping[str, Any]
) -> None:
    """Add a row of who had what done, in a transaction of its own. For the writer's engine."""
    with engine.begin() as connection:
        write_audit(connection, site, at_ms, actor, action, detail)


def write_audit(
    connection: Connection, site: str, at_ms: int, actor: str, action: str, detail: Mapping[str, Any]
) -> None:
    """Add a row of who had what done."""
    row = {"site": site, "at_ms": at_ms, "actor": actor, "action": action}
    connection.execute(insert(schema.audit).values(**row, detail=audit_text(detail)))


def audit_text(detail: Mapping[str, Any]) -> str:
    """The detail of a row of the audit as it is kept."""
    return json.dumps(detail, ensure_ascii=False, sort_keys=True)
