"""The credit of an event, and of a month, line by line: every figure with the figures that it is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from rules.models.findings import Fact, ModelFinding, refusal, refused
from rules.settlement.money import cents, dollars, execution_percent
from rules.settlement.programme import (
    BidCredit,
    CapacityCredit,
    Credit,
    Programme,
    RateCredit,
    ratio_at,
)
from rules.settlement.terms import Terms, bid_findings

HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What was measured of an event.

    Attributes
    ----------
    baseline_kw : what would have been drawn. [kW]
    event_kw : what was drawn, mean or maximum as the programme has it. [kW]
    hours : length of what is settled. [h]
    called_hours : length of the event as it was called, which picks the rate; None is the same. [h]
    same_day_notice : the notice came on the event's own day.
    """

    baseline_kw: Decimal
    event_kw: Decimal
    hours: Decimal
    same_day_notice: bool = False
    called_hours: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a settlement: ``code`` names its text, ``facts`` fill it, ``amount`` is money. [NT$]"""

    code: str
    facts: tuple[tuple[str, Fact], ...]
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class EventSettlement:
    """An event's settlement.

    Attributes
    ----------
    measured_kw : baseline less what was drawn, nothing where more was drawn. [kW]
    counted_kw : of it what the programme counts; nothing under the contracted minimum. [kW]
    percent : execution rate; None where nothing was promised. [%]
    kwh : ``counted_kw`` over the event. [kWh]
    amount : credit to the cent, a penalty is negative; None where it cannot be settled. [NT$]
    lines, findings : how it came about, and what speaks against it.
    """

    measured_kw: Decimal
    counted_kw: Decimal
    percent: Decimal | None
    kwh: Decimal
    amount: Decimal | None
    lines: tuple[Line, ...]
    findings: tuple[ModelFinding, ...]


@dataclass(frozen=True, slots=True)
class MonthSettlement:
    """A month's settlement: ``total`` to the dollar, None where an event cannot be settled. [NT$]"""

    kwh: Decimal
    mean_percent: Decimal | None
    total: Decimal | None
    lines: tuple[Line, ...]
    findings: tuple[ModelFinding, ...] = ()


def settle_event(programme: Programme, terms: Terms, delivered: Delivered) -> EventSettlement:
    """Settle one event."""
    measured_kw = max(Decimal(0), delivered.baseline_kw - delivered.event_kw)
    lines = [
        _line("baseline", kw=_text(delivered.baseline_kw)),
        _line(f"drawn_{programme.statistic}", kw=_text(delivered.event_kw)),
        _line("curtailed", kw=_text(measured_kw)),
    ]
    findings = list(bid_findings(programme, terms))
    minimum_kw = terms.minimum_kw if terms.minimum_kw is not None else programme.minimum_kw
    credit, counted_kw = programme.credit, measured_kw
    zero_under = minimum_kw if isinstance(credit, BidCredit) and credit.zero_under_minimum else None
    if zero_under is not None and measured_kw < zero_under:
        counted_kw = Decimal(0)
        lines.append(_line("under_minimum", kw=_text(measured_kw), minimum_kw=_text(zero_under)))
    percent = execution_percent(counted_kw, terms.committed_kw) if terms.committed_kw else None
    if percent is not None:
        lines.append(_line("execution", percent=_text(percent), committed_kw=_text(terms.committed_kw)))
    kwh = counted_kw * delivered.hours
    lines.append(_line("energy", kwh=_text(kwh), kw=_text(counted_kw), hours=_text(delivered.hours)))
    made = _Amount(terms, delivered, percent, kwh)
    amount = None if refused(findings) else made.of(credit)
    rounded = None if amount is None else cents(amount)
    return EventSettlement(
        measured_kw, counted_kw, percent, kwh, rounded, (*lines, *made.lines), (*findings, *made.findings)
    )


class _Amount:
    """The money of an event, with its lines and what hinders it."""

    def __init__(self, terms: Terms, delivered: Delivered, percent: Decimal | None, kwh: Decimal) -> None:
        self._terms = terms
        self._hours = delivered.hours
        self._called_hours = delivered.hours if delivered.called_hours is None else delivered.called_hours
        self._same_day = delivered.same_day_notice
        self._percent = percent
        self._kwh = kwh
        self.lines: list[Line] = []
        self.findings: list[ModelFinding] = []

    def of(self, credit: Credit) -> Decimal | None:
        """The money by a programme's rule; None where something hinders it."""
        if isinstance(credit, BidCredit):
            return self.by_bid(credit)
        return self.by_rate(credit) if isinstance(credit, RateCredit) else self.by_capacity(credit)

    def by_bid(self, credit: BidCredit) -> Decimal | None:
        """Energy times the bid and the ratio of the execution rate; the bonus on top of it."""
        bid = self._terms.bid
        assert bid is not None  # noqa: S101  a bid that is missing is refused before
        ratio = Decimal(1)
        if credit.steps:
            if self._percent is None:
                self._refuse("no_commitment")
                return None
            ratio = ratio_at(credit.steps, self._percent)
            self._say("ratio", None, percent=_text(self._percent), ratio=_text(ratio))
        amount = self._kwh * bid * ratio
        facts = {"kwh": _text(self._kwh), "bid": _text(bid), "ratio": _text(ratio)}
        self._say("credit_bid", cents(amount), **facts)
        if credit.same_day_bonus and self._same_day and ratio:
            bonus = self._kwh * credit.same_day_bonus
            self._say("bonus", cents(bonus), kwh=_text(self._kwh), bonus=_text(credit.same_day_bonus))
            amount += bonus
        return amount

    def by_rate(self, credit: RateCredit) -> Decimal | None:
        """What was promised times the execution rate, hours, rate and ratio."""
        committed_kw, percent = self._terms.committed_kw, self._percent
        if committed_kw is None or percent is None:
            self._refuse("no_commitment")
            return None
        rate = credit.rate(self._called_hours)
        if rate is None:
            hours = ", ".join(_text(one) for one, _ in credit.rates)
            self._refuse("no_rate", hours=_text(self._called_hours), known=hours)
            return None
        counted = self._limited(percent, credit.most_percent)
        ratio = ratio_at(credit.steps, percent)
        self._say("ratio", None, percent=_text(percent), ratio=_text(ratio))
        amount = committed_kw * counted / HUNDRED * self._hours * rate * ratio
        facts = {"committed_kw": _text(committed_kw), "percent": _text(counted), "hours": _text(self._hours)}
        self._say("credit_rate", cents(amount), **facts, rate=_text(rate), ratio=_text(ratio))
        return amount

    def by_capacity(self, credit: CapacityCredit) -> Decimal | None:
        """Energy where enough was delivered, a penalty where far too little was."""
        committed_kw, percent = self._terms.committed_kw, self._percent
        if committed_kw is None or percent is None:
            self._refuse("no_commitment")
            return None
        if percent < credit.penalty_below_percent:
            lacking = committed_kw * (HUNDRED - percent) / HUNDRED * self._hours
            amount = -lacking * credit.energy * credit.penalty_factor
            facts = {"kwh": _text(lacking), "energy": _text(credit.energy)}
            self._say("penalty", cents(amount), **facts, factor=_text(credit.penalty_factor))
            return amount
        if percent < credit.energy_from_percent:
            self._say("no_energy", cents(Decimal(0)), percent=_text(credit.energy_from_percent))
            return Decimal(0)
        kwh = committed_kw * self._limited(percent, credit.most_percent) / HUNDRED * self._hours
        amount = kwh * credit.energy
        self._say("credit_energy", cents(amount), kwh=_text(kwh), energy=_text(credit.energy))
        return amount

    def _limited(self, percent: Decimal, most: Decimal | None) -> Decimal:
        if most is None or percent <= most:
            return percent
        self._say("execution_limited", None, percent=_text(percent), most=_text(most))
        return most

    def _say(self, code: str, amount: Decimal | None, **facts: Fact) -> None:
        self.lines.append(Line(code, tuple(facts.items()), amount))

    def _refuse(self, code: str, **facts: Fact) -> None:
        self.findings.append(refusal(code, **facts))


def settle_month(programme: Programme, terms: Terms, events: Sequence[EventSettlement]) -> MonthSettlement:
    """Settle a month: its events' credits, and a capacity's credit by their mean execution rate."""
    kwh = sum((one.kwh for one in events), Decimal(0))
    rates = [one.percent for one in events if one.percent is not None]
    mean = execution_percent(sum(rates, Decimal(0)) / len(rates), HUNDRED) if rates else None
    amounts = [one.amount for one in events if one.amount is not None]
    earned = sum(amounts, Decimal(0))
    lines = [Line("events", (("count", len(events)), ("kwh", _text(kwh))), earned)]
    findings: list[ModelFinding] = []
    credit = programme.credit
    if isinstance(credit, CapacityCredit):
        capacity = _capacity(credit, terms, mean, lines, findings)
        earned += capacity or Decimal(0)
    if len(amounts) < len(events):
        findings.append(refusal("event_unsettled", count=len(events) - len(amounts)))
    total = None if refused(findings) else dollars(earned)
    if total is not None:
        lines.append(Line("total", (), total))
    return MonthSettlement(kwh, mean, total, tuple(lines), tuple(findings))


def _capacity(
    credit: CapacityCredit,
    terms: Terms,
    mean: Decimal | None,
    lines: list[Line],
    findings: list[ModelFinding],
) -> Decimal | None:
    if terms.committed_kw is None or terms.notice_min is None:
        findings.append(refusal("no_commitment" if terms.committed_kw is None else "no_notice_contracted"))
        return None
    rate = credit.rate(terms.notice_min)
    if rate is None:
        known = ", ".join(str(minutes) for minutes, _ in credit.capacity)
        findings.append(refusal("no_capacity_rate", minutes=terms.notice_min, known=known))
        return None
    ratio = Decimal(1) if mean is None else ratio_at(credit.steps, mean)
    amount = terms.committed_kw * rate * ratio
    facts: dict[str, Fact] = {"committed_kw": _text(terms.committed_kw), "rate": _text(rate)}
    facts |= {"ratio": _text(ratio), "percent": "-" if mean is None else _text(mean)}
    lines.append(Line("capacity", tuple(facts.items()), cents(amount)))
    return amount


def _line(code: str, **facts: Fact) -> Line:
    return Line(code, tuple(facts.items()))


def _text(number: Decimal | None) -> str:
    """A figure without zeros at its end, never as an exponent."""
    assert number is not None  # noqa: S101  only figures that are there are told
    plain = f"{number:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain
