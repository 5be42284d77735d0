"""A month's electricity bill, made from what the store holds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from config.loading import LoadedSite
from monitor.demand.windows import windows_of
from monitor.store.reader import StoreReader
from rules.calendar import ReportingPeriod, month_of
from rules.tariff.bill import Bill, make_bill
from rules.tariff.parts import CannotBillError, Note, parts_of
from rules.tariff.terms import Supply
from rules.tariff.usage import PartUse, use_of_parts
from rules.tariff.what_if import Month

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class MonthBill:
    """A bill, of which month, up to which day, and of which meters."""

    period: ReportingPeriod
    through: date
    meters: tuple[str, ...]
    bill: Bill


@dataclass(frozen=True, slots=True)
class Unbilled:
    """A month that cannot be billed, and why."""

    period: ReportingPeriod
    notes: tuple[Note, ...]


class BillMaker:
    """Makes the bills of one site.

    Parameters
    ----------
    meters : those that add up to what is billed.
    today : the site's day; days before it are over.
    """

    def __init__(
        self, loaded: LoadedSite, reader: StoreReader, supply: Supply, meters: Sequence[str], today: date
    ) -> None:
        self._reader = reader
        self._supply = supply
        self._meters = tuple(meters)
        self._today = today
        self._zone = ZoneInfo(loaded.site.site.timezone)
        self._interval_s = loaded.site.interval_s

    def bill(self, period: ReportingPeriod) -> MonthBill:
        """The bill of a month, or of its days that are over.

        Raises
        ------
        CannotBillError : days whose periods nobody knows, or no interval at all.
        """
        uses = self._uses(period)
        bill = make_bill(self._supply, uses, period.days)
        return MonthBill(period, self._through(period), self._meters, bill)

    def months(self, first: date, last: date) -> Iterator[Month | Unbilled]:
        """What is known of each month between two days."""
        day = first
        while day <= last:
            period = month_of(day)
            day = period.end + ONE_DAY
            if period.end >= self._today:
                yield Unbilled(period, (Note("month_not_over", {"through": ""}),))
                continue
            try:
                month = Month(period.id, self._uses(period), period.days)
            except CannotBillError as error:
                yield Unbilled(period, error.notes)
                continue
            yield month

    def _through(self, period: ReportingPeriod) -> date:
        return min(period.end, self._today - ONE_DAY)

    def _uses(self, period: ReportingPeriod) -> tuple[PartUse, ...]:
        through = self._through(period)
        parts = parts_of(self._supply, period.start, through)
        start_s, end_s = period.through(through).bounds_s(self._zone)
        series = windows_of(self._reader, self._meters, start_s, end_s)
        uses = use_of_parts(parts, series, self._zone, self._interval_s)
        if not any(use.known_s for use in uses):
            raise CannotBillError([Note("nothing_known", {"meters": self._meters})])
        return uses
