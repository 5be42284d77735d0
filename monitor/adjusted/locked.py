"""Whether the base year that a figure is held against is the one that was locked."""

from collections.abc import Iterator, Sequence
from datetime import date

from monitor.adjusted.climate import WeatherSource
from monitor.store.agreed import Disagreed
from monitor.store.base_rows import BaseLock
from monitor.store.reader import StoreReader
from rules.adjustments import Book
from rules.base_year import base_hash, row_differences
from rules.models.findings import ModelFinding, remark


def lock_findings(
    reader: StoreReader, site: str, lock: BaseLock, meters: Sequence[str]
) -> Iterator[ModelFinding]:
    """What of a lock no longer holds: its rows are made again, each interval of them.

    Parameters
    ----------
    meters : those whose sum the site file takes for the commodity now.
    """
    scope, rows = lock.scope, reader.answers.locked_rows(lock)
    days = {"start": scope.start.isoformat(), "end": scope.end.isoformat()}
    differing = len(row_differences(rows, reader.answers.base_now(scope).rows))
    if differing or base_hash(site, scope, rows) != lock.sha256:
        yield remark("base_differs", **days, rows=differing)
    if tuple(meters) != scope.meters:
        locked, now = (", ".join(some) or "-" for some in (scope.meters, meters))
        yield remark("base_other_meters", **days, locked=locked, meters=now)


def weather_findings(
    reader: StoreReader, locks: Sequence[BaseLock], source: WeatherSource | None
) -> tuple[ModelFinding, ...]:
    """That the weather which the base year's model stands on is no longer that of the lock."""
    points = () if source is None else (source.name, *((source.humidity,) if source.humidity else ()))
    return tuple(
        remark("base_weather_changed", source=point, start=days[0].isoformat(), end=days[1].isoformat())
        for one in locks
        for days in ((one.scope.start, one.scope.end),)
        for point in points
        if source is not None and not reader.answers.has_locked_weather(one, f"{source.kind}/{point}")
    )


def other_year_findings(reader: StoreReader, commodity: str, base_year: int) -> tuple[ModelFinding, ...]:
    """That another base year than the site file's was agreed on; none where this one was as well."""
    locks = reader.answers.locks(commodity)
    if any(one.scope.base_year == base_year for one in locks):
        return ()
    years = sorted({one.scope.base_year for one in locks})
    return tuple(remark("base_other_year", locked=year, base_year=base_year) for year in years)


def ledger_findings(
    reader: StoreReader, book: Book, commodity: str, first: date, last: date
) -> tuple[ModelFinding, ...]:
    """Where what was agreed on for some days, both included, is not what the audit has."""
    told = reader.answers.disagreements(book, commodity)
    return tuple(agreed_finding(one) for one in told if one.touches(first, last))


def agreed_finding(one: Disagreed) -> ModelFinding:
    """The finding of one disagreement; its code is ``agreed_`` and the kind."""
    return remark(f"agreed_{one.kind}", **one.data)
