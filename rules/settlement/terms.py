"""Whether an event and a bid are as the programme's text wants them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from rules.models.findings import ModelFinding, refusal, remark
from rules.settlement.programme import BidCredit, Notice, NoticeKind, Programme

SECONDS_AN_HOUR = Decimal(3600)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a customer agreed to.

    Attributes
    ----------
    committed_kw : curtailment that was promised; None where the programme does without. [kW]
    bid : price that was bid. [NT$/kWh]
    minimum_kw : contracted minimum; the programme's own where it is None. [kW]
    notice_min : notice that the capacity was contracted with. [min]
    """

    committed_kw: Decimal | None = None
    bid: Decimal | None = None
    minimum_kw: Decimal | None = None
    notice_min: int | None = None


@dataclass(frozen=True, slots=True)
class Called:
    """An event as it was called, in the site's own time; ``notice`` is None where nobody wrote it down."""

    start: datetime
    end: datetime
    notice: datetime | None = None

    @property
    def hours(self) -> Decimal:
        """Length. [h]"""
        # By the instants: the clock on the wall may be set meanwhile.
        return Decimal(round(self.end.timestamp() - self.start.timestamp())) / SECONDS_AN_HOUR

    @property
    def on_the_day(self) -> bool:
        """Whether the notice came on the event's own day."""
        return self.notice is not None and self.notice.date() == self.start.date()


def bid_findings(programme: Programme, terms: Terms) -> tuple[ModelFinding, ...]:
    """What a bid and a promise lack, or where they go past the text.

    A bid above the published cap is a remark: caps change, and what was paid was paid.
    """
    found: list[ModelFinding] = []
    minimum_kw, credit = programme.minimum_kw, programme.credit
    least_kw = min((kw for kw in (terms.committed_kw, terms.minimum_kw) if kw is not None), default=None)
    if minimum_kw is not None and least_kw is not None and least_kw < minimum_kw:
        found.append(remark("under_programme_minimum", kw=str(least_kw), minimum_kw=str(minimum_kw)))
    if isinstance(credit, BidCredit):
        if terms.bid is None:
            return (*found, refusal("no_bid"))
        places = -int(terms.bid.normalize().as_tuple().exponent)
        if places > credit.decimals:
            found.append(refusal("bid_decimals", bid=str(terms.bid), decimals=credit.decimals))
        elif credit.cap is not None and terms.bid > credit.cap:  # what is to be corrected is not settled
            found.append(remark("bid_above_cap", bid=str(terms.bid), cap=str(credit.cap)))
    return tuple(found)


def event_findings(
    programme: Programme, called: Called, others: Iterable[Called] = ()
) -> tuple[ModelFinding, ...]:
    """Where an event goes past what the text allows; ``others`` are the customer's other events."""
    found: list[ModelFinding] = []
    if programme.durations_h and called.hours not in programme.durations_h:
        allowed = ", ".join(f"{hours:f}" for hours in programme.durations_h)
        found.append(remark("length_not_in_text", hours=f"{called.hours.normalize():f}", allowed=allowed))
    if programme.first is not None and not programme.holds_on(called.start.date()):
        found.append(remark("text_of_other_days", day=called.start.date().isoformat()))
    start_day = called.start.month, called.start.day
    if programme.season is not None and not programme.season[0] <= start_day <= programme.season[1]:
        first, last = (f"{month:02d}-{day:02d}" for month, day in programme.season)
        found.append(remark("outside_season", first=first, last=last))
    notice, rules = called.notice, programme.notices
    if notice is not None and rules and not any(_in_time(one, called.start, notice) for one in rules):
        found.append(remark("notice_too_short"))
    others = tuple(others)
    today = 1 + sum(one.start.date() == called.start.date() for one in others)
    if programme.events_a_day is not None and today > programme.events_a_day:
        found.append(remark("too_many_a_day", found=today, allowed=programme.events_a_day))
    month = called.start.year, called.start.month
    hours = called.hours + sum(
        (one.hours for one in others if (one.start.year, one.start.month) == month), Decimal(0)
    )
    if programme.hours_a_month is not None and hours > programme.hours_a_month:
        limits = {"hours": f"{hours.normalize():f}", "allowed": f"{programme.hours_a_month:f}"}
        found.append(remark("too_many_hours", **limits))
    return tuple(found)


def _in_time(rule: Notice, start: datetime, notice: datetime) -> bool:
    if rule.kind is NoticeKind.DAY_BEFORE:
        day_before = start.date() - timedelta(days=1)
        on_the_day = notice.date() == day_before and (rule.by is None or notice.time() <= rule.by)
        return notice.date() < day_before or on_the_day
    return start - notice >= timedelta(minutes=rule.minutes or 0)
