"""The request box: what other processes want written, while the daemon alone writes.

A small file of its own beside the store. Anybody puts a request in; the daemon takes it up within a second,
carries it out in its writer's thread and leaves the answer. A request survives a restart of either side.
"""

import json
import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

from pydantic import TypeAdapter
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    select,
)
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_of
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateTable

from config.ledger import LedgerRow, ReadingRow, ReasonRow
from config.settlement_list import SettlementRow
from monitor.store.adjusting import (
    AdjustRequest,
    WithdrawOutcome,
    WithdrawRequest,
    withdraw_adjustment,
    write_adjustments,
)
from monitor.store.base import LockOutcome, LockRequest, lock_base
from monitor.store.box_file import SUFFIX, in_words, keep_to_ourselves, may_pass
from monitor.store.care.files import beside, set_aside, stamp
from monitor.store.database import LedgerRefused, StoreError
from monitor.store.deliveries import (
    AskedOutcome,
    AuditOutcome,
    AuditRequest,
    BackfillRequest,
    RetryRequest,
    ask_backfill,
    ask_retry,
    take_down,
)
from monitor.store.event_requests import (
    EventListOutcome,
    EventListRequest,
    EventOutcome,
    EventRequest,
    no_desk,
)
from monitor.store.history_requests import (
    HistoryRequest,
    carry_out_history,
    stage,
    staged_path,
    unstage,
)
from monitor.store.ledgers import ImportOutcome, Progress, import_ledger, import_reasons
from monitor.store.limiter_requests import ArmRequest, LimiterOutcome, SimulatedRequest, keep_simulated
from monitor.store.measures import MeasuresRequest, import_measures
from monitor.store.readings import import_readings
from monitor.store.records import RecordOutcome, RecordRequest, write_record
from monitor.store.settlements import (
    SettlementOutcome,
    SettlementRequest,
    import_settlements,
    keep_settlement,
)
from monitor.store.slips import CorrectRequest, LogOutcome, LogRequest, correct_figure, log_figure
from rules.logs import Plausible

log = logging.getLogger(__name__)

_metadata = MetaData()

_requests = Table(
    "requests",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String, nullable=False),
    Column("payload", Text, nullable=False),
    Column("answer", Text),  # NULL until the daemon has dealt with it
)


ImportKind = Literal["base", "actuals", "readings", "reasons", "settlements"]
IMPORT = "import"
HISTORY = "history"
LONGEST_REASON = 120

WRITER_PATIENCE_MS = 100
"""How long the daemon's writer waits for who uses the box: its commits wait with it."""


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """A file's rows, whole or not at all: those of its kind, the others are empty."""

    kind: ImportKind
    file_name: str
    sha256: str
    at_ms: int
    replace: bool
    ledger: tuple[LedgerRow, ...] = ()
    readings: tuple[ReadingRow, ...] = ()
    reasons: tuple[ReasonRow, ...] = ()
    who: str = ""
    declared: str = ""
    settlements: tuple[SettlementRow, ...] = ()
    limits: Mapping[str, Plausible] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kind:
    """A request that is a row or a few: what it says, who carries it out, and what the answer says.

    ``request`` and ``outcome`` are dataclasses of what JSON can hold.
    """

    request: type[Any]
    carry_out: Callable[[Engine, str, Any], Any]
    outcome: type[Any]


# A new kind of request is one line here. A name never changes: it stands in boxes.
KINDS: Mapping[str, Kind] = {
    "record": Kind(RecordRequest, write_record, RecordOutcome),
    "RetryRequest": Kind(RetryRequest, ask_retry, AskedOutcome),
    "BackfillRequest": Kind(BackfillRequest, ask_backfill, AskedOutcome),
    "curtailment": Kind(EventRequest, no_desk, EventOutcome),
    "curtailment.list": Kind(EventListRequest, no_desk, EventListOutcome),
    "audit": Kind(AuditRequest, take_down, AuditOutcome),
    "settlement": Kind(SettlementRequest, keep_settlement, SettlementOutcome),
    "limiter.simulated": Kind(SimulatedRequest, keep_simulated, LimiterOutcome),
    "limiter.arm": Kind(ArmRequest, no_desk, LimiterOutcome),
    "base.lock": Kind(LockRequest, lock_base, LockOutcome),
    "adjust": Kind(AdjustRequest, write_adjustments, ImportOutcome),
    "log": Kind(LogRequest, log_figure, LogOutcome),
    "log.correct": Kind(CorrectRequest, correct_figure, LogOutcome),
    "measures": Kind(MeasuresRequest, import_measures, ImportOutcome),
    "adjust.withdraw": Kind(WithdrawRequest, withdraw_adjustment, WithdrawOutcome),
}
_NAMES = {kind.request: name for name, kind in KINDS.items()}


def carry_out(engine: Engine, site: str, request: Any, progress: Progress | None = None) -> Any:
    """Do what is asked; the engine is the writer's. Raises ``StoreError``."""
    if type(request) in _NAMES:
        return KINDS[_NAMES[type(request)]].carry_out(engine, site, request)
    if isinstance(request, HistoryRequest):
        return carry_out_history(engine, site, request, progress)
    facts: dict[str, Any] = {
        "file_name": request.file_name,
        "sha256": request.sha256,
        "at_ms": request.at_ms,
        "replace": request.replace,
        "who": request.who,
        "declared": request.declared,
    }
    limits = request.limits
    if request.kind == "reasons":
        return import_reasons(engine, site, request.reasons, **facts)
    if request.kind == "readings":
        return import_readings(engine, site, request.readings, **facts, limits=limits, progress=progress)
    if request.kind == "settlements":
        return import_settlements(engine, site, request.settlements, **facts)
    return import_ledger(
        engine, site, request.ledger, kind=request.kind, **facts, limits=limits, progress=progress
    )


CarryOut = Callable[[Engine, str, Any], Any]


class RequestBox:
    """The box of one store. Every call is one short transaction.

    Parameters
    ----------
    store_path : file of the store beside which it lies.
    patience_ms : how long anybody but the writer waits for who uses it.
    """

    def __init__(self, store_path: Path, patience_ms: int = 10_000) -> None:
        self.path = store_path.with_name(store_path.name + SUFFIX)
        self._patience_ms = patience_ms
        self._desks: dict[str, CarryOut] = {}
        self._engine = create_engine("sqlite://", creator=self._connect, poolclass=NullPool)

    def give_to(self, kind: str, desk: CarryOut) -> None:
        """Have requests of a kind carried out by a desk of this process; elsewhere they wait in the box."""
        self._desks[kind] = desk

    def _connect(self) -> sqlite3.Connection:
        keep_to_ourselves(self.path)
        connection = sqlite3.connect(self.path, check_same_thread=False, timeout=self._patience_ms / 1000)
        try:
            # What was asked may hold an operator's key: what is emptied leaves nothing in the file.
            connection.execute("PRAGMA secure_delete = ON")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    @contextmanager
    def _begin(self, patience_ms: int | None = None) -> Iterator[Connection]:
        """A transaction of the box. Raises ``StoreError`` where the file is damaged, or not to be used."""
        try:
            with self._engine.begin() as connection:
                if patience_ms is not None:
                    connection.exec_driver_sql(f"PRAGMA busy_timeout={patience_ms}")
                # In one step: two processes may open the box in one instant, and create_all looks first.
                connection.execute(CreateTable(_requests, if_not_exists=True))
                yield connection
        except DBAPIError as error:
            raise in_words(self.path, error) from error

    def begin_anew(self, at_ms: int) -> Path:
        """Set a damaged box aside whole, and begin another; returns where the old one is.

        Its numbers begin where no older box's can have come to: who waits for an answer never gets another's.
        """
        kept = set_aside(self.path, beside(self.path, f".damaged-{stamp(at_ms)}"))
        first = {"id": at_ms // 1000, "kind": "begun", "payload": "", "answer": "{}"}
        with self._begin() as connection:
            connection.execute(insert_into(_requests).values(**first))
        return kept

    def put(self, request: Any) -> int:
        """Put a request in: an import, a history, or one of ``KINDS``; returns its number."""
        if isinstance(request, HistoryRequest):
            kind, data = HISTORY, stage(self.path, request)
        elif isinstance(request, ImportRequest):
            kind, data = IMPORT, _as_data(request)
        else:
            kind, data = _NAMES[type(request)], asdict(request)
        values = {"kind": kind, "payload": json.dumps(data, ensure_ascii=False, default=date.isoformat)}
        with self._begin() as connection:
            return int(connection.execute(insert_into(_requests).values(**values)).inserted_primary_key[0])  # type: ignore[index]

    def answer_to(self, number: int) -> Any:
        """What became of a request, of its own kind; None while nobody has dealt with it.

        Raises
        ------
        StoreError : it was refused, with everything that speaks against it; or the box that held it is gone.
        """
        with self._begin() as connection:
            query = select(_requests.c.kind, _requests.c.answer).where(_requests.c.id == number)
            found = connection.execute(query).one_or_none()
        if found is None:
            raise StoreError("box.begun_anew", path=str(self.path))
        kind, text = found
        if text is None:
            return None
        answer = json.loads(text)
        if "outcome" in answer:
            outcome = KINDS[kind].outcome if kind in KINDS else ImportOutcome
            return TypeAdapter(outcome).validate_python(answer["outcome"])
        raise LedgerRefused([StoreError(one["code"], **one["data"]) for one in answer["problems"]])

    def take_up(self, store: Engine, site: str) -> int:
        """Carry out what waits, oldest first, and leave the answers; returns how many there were.

        For the writer's thread alone. A request that was carried out and not answered when the power
        went is carried out again: an import that stands already changes nothing.

        Raises
        ------
        StoreError : the box itself is in trouble; ``box.held`` where somebody else had it all the time.
        """
        if not self.path.exists():
            return 0
        deskless = [name for name, kind in KINDS.items() if kind.carry_out is no_desk]
        query = select(_requests.c.id, _requests.c.kind, _requests.c.payload).where(
            _requests.c.answer.is_(None),
            _requests.c.kind.not_in([name for name in deskless if name not in self._desks]),
        )
        with self._begin(WRITER_PATIENCE_MS) as connection:
            waiting = connection.execute(query.order_by(_requests.c.id)).all()
            if waiting:  # who could keep us from answering keeps us from beginning, too
                connection.exec_driver_sql("BEGIN EXCLUSIVE")
        for number, kind, payload in waiting:
            answer = self._answer(store, site, kind, payload)
            done = update_of(_requests).where(_requests.c.id == number)
            with self._begin() as connection:
                # The rows are in the store now; the box keeps what was asked, not the file again.
                connection.execute(done.values(answer=json.dumps(answer, ensure_ascii=False), payload=""))
            if kind == HISTORY and (staged := staged_path(self.path, payload)) is not None:
                staged.unlink(missing_ok=True)
        return len(waiting)

    def _answer(self, store: Engine, site: str, kind: str, payload: str) -> dict[str, Any]:
        try:
            if kind in KINDS:
                asked = _as_written(KINDS[kind].request, payload)
                carry = self._desks.get(kind, KINDS[kind].carry_out)
                return {"outcome": asdict(carry(store, site, asked))}
            request = _history(payload, self.path) if kind == HISTORY else _request(payload)
            return {"outcome": asdict(carry_out(store, site, request))}
        except StoreError as error:
            problems = error.problems if isinstance(error, LedgerRefused) else (error,)
            return {"problems": [{"code": one.code, "data": one.data} for one in problems]}
        except Exception as error:
            if may_pass(error):
                raise
            # It stays so, and must not stand in the way of those behind it.
            log.exception("a request of the kind %r cannot be carried out", kind)
            return {"problems": [{"code": "store.request_failed", "data": {"reason": _reason(error)}}]}

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()


def _request(payload: str) -> ImportRequest:
    """Read a request. Raises ``StoreError`` for one of another version, or of nobody that we know."""
    with _readable():
        request = _from_data(json.loads(payload))
        return TypeAdapter(ImportRequest).validate_python(asdict(request))


def _history(payload: str, box: Path) -> HistoryRequest:
    """Read a file's history. Raises ``StoreError`` as ``_request`` does."""
    with _readable():
        return unstage(box, payload)


def _as_written(kind: type[Any], payload: str) -> Any:
    with _readable():
        return TypeAdapter(kind).validate_python(json.loads(payload))


@contextmanager
def _readable() -> Iterator[None]:
    """Name what cannot be read: it stays so, and must not stand in the way of those behind it."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, OSError, BadZipFile) as error:
        raise StoreError("store.request_unreadable", reason=_reason(error)) from error


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST_REASON]


def _as_data(request: ImportRequest) -> dict[str, Any]:
    return {
        "kind": request.kind,
        "file_name": request.file_name,
        "sha256": request.sha256,
        "at_ms": request.at_ms,
        "replace": request.replace,
        "who": request.who,
        "declared": request.declared,
        "limits": {subject: asdict(one) for subject, one in request.limits.items()},
        "ledger": [
            [r.subject, r.start.isoformat(), r.end.isoformat(), r.quantity, r.unit, r.source, r.row]
            for r in request.ledger
        ],
        "readings": [
            [r.subject, r.day.isoformat(), r.reading, r.unit, r.source, r.row] for r in request.readings
        ],
        "reasons": [
            [r.subject, r.start.isoformat(), r.end.isoformat(), r.reason, r.row] for r in request.reasons
        ],
        "settlements": [
            [r.programme, r.start.isoformat(), r.end.isoformat(), r.kwh, r.credit, r.source, r.row]
            for r in request.settlements
        ],
    }


def _from_data(data: Mapping[str, Any]) -> ImportRequest:
    days = date.fromisoformat
    ledger = tuple(LedgerRow(s, days(a), days(b), *rest) for s, a, b, *rest in data["ledger"])
    readings = tuple(ReadingRow(s, days(day), *rest) for s, day, *rest in data["readings"])
    reasons = tuple(ReasonRow(s, days(a), days(b), *rest) for s, a, b, *rest in data["reasons"])
    rows: dict[str, Any] = {"ledger": ledger, "readings": readings, "reasons": reasons}
    # A request of an older version has none.
    rows["settlements"] = tuple(
        SettlementRow(p, days(a), days(b), *rest) for p, a, b, *rest in data.get("settlements", ())
    )
    return ImportRequest(**{**data, **rows})
