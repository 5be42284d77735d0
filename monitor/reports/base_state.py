"""A base period as an auditor looks at it: rows, hash, adjustments, and everything worth a question."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from config.site import CommoditySettings
from monitor.adjusted.locked import ledger_findings
from monitor.adjusted.replaced import record_facts, replaced_within
from monitor.store.agreed import Disagreement
from monitor.store.answers import KeptAdjustment
from monitor.store.base_rows import Base, BaseLock
from monitor.store.reader import StoreReader
from monitor.timestamps import local_text
from rules.adjustments import Book, shares_within, sum_of_shares
from rules.base_year import BaseRow, BaseScope, RowDifference, RowKind, base_hash, row_differences, runs_of

AGREED = frozenset(f"agreed_{kind}" for kind in Disagreement)
"""Codes of what the audit has otherwise: locks and adjustments are only added to."""


@dataclass(frozen=True, slots=True)
class BaseFinding:
    """Something worth a question; ``code`` names its words, under ``base.finding_``."""

    code: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BaseState:
    """One base period.

    Attributes
    ----------
    lock : None while it is not locked.
    rows : as they were locked; as they stand now while it is not.
    sha256 : of ``rows``; what a lock would write while there is none.
    quantity : of the days in the period, as locked rows and readings of now give it.
    adjusted : with the adjustments that count.
    differences : between the locked rows and those of now.
    """

    scope: BaseScope
    lock: BaseLock | None
    rows: tuple[BaseRow, ...]
    sha256: str
    quantity: Fraction
    adjusted: Fraction
    adjustments: tuple[KeptAdjustment, ...]
    differences: tuple[RowDifference, ...]
    findings: tuple[BaseFinding, ...]

    @property
    def holds(self) -> bool:
        """Whether the locked rows, the hash, the store and the audit agree."""
        if any(one.code in AGREED for one in self.findings):
            return False
        return self.lock is None or (not self.differences and self.sha256 == self.lock.sha256)


def base_state(
    reader: StoreReader,
    site: str,
    settings: CommoditySettings,
    scope: BaseScope,
    registers: Sequence[str],
) -> BaseState:
    """Look at a base period: the lock that shares its days goes before what was asked for."""
    lock = next(
        (one for one in reader.answers.locks(scope.commodity) if one.holds(scope.start, scope.end)), None
    )
    return state_of(reader, site, settings, scope if lock is None else lock.scope, lock, registers)


def state_of(
    reader: StoreReader,
    site: str,
    settings: CommoditySettings | None,
    scope: BaseScope,
    lock: BaseLock | None,
    registers: Sequence[str],
) -> BaseState:
    """Look at a base period, locked or not; ``registers`` are those behind its meters."""
    now = reader.answers.base_now(scope)
    rows = now.rows if lock is None else reader.answers.locked_rows(lock)
    differences = () if lock is None else row_differences(rows, now.rows)
    kept = tuple(
        one
        for one in reader.answers.kept(Book.BASE, scope.commodity)
        if one.adjustment.start <= scope.end and (one.adjustment.end or scope.end) >= scope.start
    )
    counting = [one.adjustment for one in kept if one.withdrawn is None]
    quantity = sum(now.use.quantity, Fraction(0))
    adjusted = quantity + sum_of_shares(shares_within(counting, scope.start, scope.end))[0]
    sha256 = base_hash(site, scope, rows)
    findings = (
        *_of_lock(reader, lock, sha256, differences),
        *_of_audit(reader, scope),
        *_of_settings(settings, scope),
        *_of_days(scope, now),
        *_of_registers(reader, scope, registers),
    )
    return BaseState(scope, lock, rows, sha256, quantity, adjusted, kept, differences, findings)


def _of_lock(
    reader: StoreReader, lock: BaseLock | None, sha256: str, differences: tuple[RowDifference, ...]
) -> Iterator[BaseFinding]:
    if lock is None:
        yield BaseFinding("unlocked", {})
        return
    if sha256 != lock.sha256:
        yield BaseFinding("tampered", {"locked": lock.sha256, "found": sha256})
    if differences:
        yield BaseFinding("changed", {"count": len(differences)})
    zone = ZoneInfo(lock.scope.zone)
    for late in reader.answers.late_intervals(lock):
        first, last = (local_text(1000 * at_s, zone) for at_s in (late.first_s, late.last_s))
        yield BaseFinding("late", {"meter": late.meter, "count": late.count, "first": first, "last": last})


def _of_audit(reader: StoreReader, scope: BaseScope) -> Iterator[BaseFinding]:
    for one in ledger_findings(reader, Book.BASE, scope.commodity, scope.start, scope.end):
        yield BaseFinding(one.code, dict(one.facts))


def _of_registers(reader: StoreReader, scope: BaseScope, registers: Sequence[str]) -> Iterator[BaseFinding]:
    zone = ZoneInfo(scope.zone)
    for one in replaced_within(reader, registers, (scope.start, scope.end), zone):
        yield BaseFinding("replaced", record_facts(one, zone))


def _of_settings(settings: CommoditySettings | None, scope: BaseScope) -> Iterator[BaseFinding]:
    """What the site file says otherwise than what is looked at."""
    if settings is None:
        yield BaseFinding("no_commodity", {"commodity": scope.commodity})
        return
    if settings.base_year != scope.base_year:
        yield BaseFinding("year", {"base_year": scope.base_year, "settings": settings.base_year})
    if settings.meters != scope.meters:
        meters = {"meters": ", ".join(scope.meters) or "-", "settings": ", ".join(settings.meters) or "-"}
        yield BaseFinding("meters", meters)


def _of_days(scope: BaseScope, now: Base) -> Iterator[BaseFinding]:
    for first, last in runs_of(now.unknown):
        days = {"first": first.isoformat(), "last": last.isoformat(), "days": (last - first).days + 1}
        yield BaseFinding("gap", days)
    for row in now.rows:
        if row.kind is RowKind.BOOKED and (row.start < scope.start or row.end > scope.end):
            inside = (min(row.end, scope.end) - max(row.start, scope.start)).days + 1
            days = {"first": row.start.isoformat(), "last": row.end.isoformat(), "subject": row.subject}
            counted = {"days": inside, "total": (row.end - row.start).days + 1, "source": row.source}
            yield BaseFinding("apportioned", days | counted)
    for entry in now.left_out:
        days = {"first": entry.start.isoformat(), "last": entry.end.isoformat(), "subject": entry.subject}
        yield BaseFinding("left_out", days | {"source": entry.source})
    if scope.start <= _leap_day(scope.base_year) <= scope.end:
        yield BaseFinding("leap", {"base_year": scope.base_year})


def _leap_day(year: int) -> date:
    """The 29th of February; in a common year a day that no base period holds."""
    try:
        return date(year, 2, 29)
    except ValueError:
        return date.min
