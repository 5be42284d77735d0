"""Locking a base period: its rows are copied, hashed, and from then on only adjusted."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Engine, insert

from monitor.store.answer_tables import base_locks, base_rows
from monitor.store.base_rows import Base, BaseLock, base_of, booked_base, bounds_s, locks_of
from monitor.store.database import StoreError
from monitor.store.deliveries import write_audit
from monitor.store.locked_weather import weather_digests
from rules.base_year import BaseScope, base_hash, runs_of


@dataclass(frozen=True, slots=True)
class LockRequest:
    """A base period that is agreed on.

    Attributes
    ----------
    start, end : first and last day, inclusive, ISO.
    despite_gaps : lock it although nobody answers for some of its days.
    """

    commodity: str
    base_year: int
    start: date
    end: date
    unit: str
    meters: tuple[str, ...]
    zone: str
    despite_gaps: bool
    who: str
    at_ms: int

    @property
    def scope(self) -> BaseScope:
        """What is locked."""
        return BaseScope(
            self.commodity, self.base_year, self.start, self.end, self.unit, self.meters, self.zone
        )


@dataclass(frozen=True, slots=True)
class LockOutcome:
    """Whether it was new, its hash, and how many rows it is over."""

    added: bool
    sha256: str
    rows: int


def lock_base(engine: Engine, site: str, request: LockRequest) -> LockOutcome:
    """Lock a base period. The engine is the writer's. The same lock again changes nothing.

    Raises
    ------
    StoreError : nothing is known of it, not all of its days are, or it shares days with a locked one.
    """
    scope = request.scope
    with engine.begin() as connection:
        for lock in locks_of(connection, site, scope.commodity):
            if lock.scope == scope:
                return LockOutcome(False, lock.sha256, lock.rows)
            if lock.holds(scope.start, scope.end):
                days = {"start": scope.start.isoformat(), "end": scope.end.isoformat()}
                other = {"other_start": lock.scope.start.isoformat(), "other_end": lock.scope.end.isoformat()}
                raise StoreError("store.base_overlap", commodity=scope.commodity, **days, **other)
        base = base_of(connection, site, scope)
        _check(scope, base, request.despite_gaps)
        sha256 = base_hash(site, scope, base.rows)
        _write(connection, site, request, base, sha256)
        detail = {"commodity": scope.commodity, "sha256": sha256, "rows": len(base.rows)}
        detail |= {"start": scope.start.isoformat(), "end": scope.end.isoformat()}
        detail |= {"weather": weather_digests(connection, site, bounds_s(scope))}
        write_audit(connection, site, request.at_ms, request.who, "base.lock", detail)
    return LockOutcome(True, sha256, len(base.rows))


def _check(scope: BaseScope, base: Base, despite_gaps: bool) -> None:
    days = {"start": scope.start.isoformat(), "end": scope.end.isoformat()}
    if not base.rows:
        raise StoreError("store.base_nothing", commodity=scope.commodity, **days)
    unknown = base.unknown
    if unknown and not despite_gaps:
        first, last = runs_of(unknown)[0]
        gap = {"first": first.isoformat(), "last": last.isoformat(), "unknown": len(unknown)}
        raise StoreError("store.base_gaps", commodity=scope.commodity, **days, **gap)


def _write(connection: Connection, site: str, request: LockRequest, base: Base, sha256: str) -> None:
    scope = request.scope
    booked = booked_base(connection, site, scope)
    from_s, to_s = bounds_s(scope)
    counted = [meter for meter in scope.meters if booked.free[meter]]
    values: dict[str, Any] = {
        "site": site,
        "commodity": scope.commodity,
        "base_year": scope.base_year,
        "start_day": scope.start.isoformat(),
        "end_day": scope.end.isoformat(),
        "from_s": from_s,
        "to_s": to_s,
        "unit": scope.unit,
        "zone": scope.zone,
        "meters": json.dumps(list(scope.meters)),
        "counted": json.dumps(counted),
        "sha256": sha256,
        "rows": len(base.rows),
        "unknown_days": len(base.unknown),
        "locked_ms": request.at_ms,
        "who": request.who,
    }
    key = connection.execute(insert(base_locks).values(**values)).inserted_primary_key
    if key is None:
        raise AssertionError("an insert gives its key")
    connection.execute(
        insert(base_rows),
        [
            {
                "lock_id": key[0],
                "position": position,
                "site": site,
                "kind": row.kind.value,
                "subject": row.subject,
                "start_day": row.start.isoformat(),
                "end_day": row.end.isoformat(),
                "quantity": row.quantity,
                "unit": row.unit,
                "source": row.source,
                "digest": row.digest,
            }
            for position, row in enumerate(base.rows)
        ],
    )


def lock_holding(
    connection: Connection, site: str, commodity: str, start: date, end: date
) -> BaseLock | None:
    """The lock that holds all of some days; None where none does."""
    return next(
        (
            lock
            for lock in locks_of(connection, site, commodity)
            if lock.scope.start <= start and end <= lock.scope.end
        ),
        None,
    )
