"""What a person types of a log, at the command line or on the page: read and checked in one place."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from config.ledger import EXACT_UNITS, FIRST_YEAR, LAST_YEAR, number_fault
from config.plausible import plausible_of
from config.problems import did_you_mean
from config.site import COMMODITY_UNITS, Commodity, Site, every_meter
from config.words import say
from rules.logs import Plausible

LONGEST_TEXT = 300


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed; ``kind`` is quantity or reading, ``end`` and ``unit`` may be empty."""

    kind: str
    subject: str
    day: str
    figure: str
    source: str
    end: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """What it means; ``figure`` in ``unit``, that of the commodity."""

    subject: str
    start: date
    end: date
    figure: float
    unit: str
    source: str
    limits: Plausible | None


class NotAnEntry(Exception):
    """What was typed cannot be: the field, and code and data of the words."""

    def __init__(self, field: str, code: str, hint: str = "", **data: Any) -> None:
        self.field = field
        self.code = code
        self.data = data
        self.hint = hint
        super().__init__(f"{field}: {code}")

    def words(self, language: str) -> str:
        """What is wrong and the cure."""
        return say(self.code, language, **self.data) + self.hint


def metered_commodities(site: Site) -> dict[str, Commodity]:
    """Every meter that a ledger may name, with what it meters."""
    return {meter.id: meter.commodity for meter in every_meter(site)}


def subjects_of(site: Site) -> dict[str, Commodity]:
    """What may be logged: commodities, meters that are read by hand, then the others; what each meters."""
    commodities = {one.value: one for one in site.commodities}
    meters = {meter.id: meter.commodity for meter in site.meters if meter.formula is None}
    by_hand = {meter.id: meter.commodity for meter in site.manual_meters}
    return {**commodities, **by_hand, **meters}


def entry_of(site: Site, typed: Typed, today: date, language: str) -> Entry:
    """Read what was typed.

    Parameters
    ----------
    today : of the site's zone; nothing is logged of a day that is not there yet.

    Raises
    ------
    NotAnEntry : for the first thing that is wrong.
    """
    known = subjects_of(site)
    if typed.subject not in known:
        found = did_you_mean(typed.subject, known)
        hint = found.text(language) if found else ""
        raise NotAnEntry("subject", "logbook.unknown_subject", hint, subject=typed.subject)
    start = day_of(typed.day, "day", today)
    end = day_of(typed.end, "end", today) if typed.end else start
    if end < start:
        data = {"start": start.isoformat(), "end": end.isoformat()}
        raise NotAnEntry("end", "ledger.end_before_start", **data)
    figure, unit = figure_of(typed.figure, typed.unit, known[typed.subject])
    source = typed.source.strip()[:LONGEST_TEXT]
    if not source:
        raise NotAnEntry("source", "ledger.empty", column="source")
    return Entry(typed.subject, start, end, figure, unit, source, plausible_of(site).get(typed.subject))


def figure_of(text: str, unit: str, commodity: Commodity) -> tuple[float, str]:
    """A figure in the unit that its commodity is kept in. Raises ``NotAnEntry``."""
    kept = COMMODITY_UNITS[commodity]
    factors = EXACT_UNITS[kept]
    given = unit or kept
    if given not in factors:
        raise NotAnEntry("unit", "logbook.wrong_unit", unit=unit, known=", ".join(factors))
    bare = text.strip()
    code = number_fault(bare) if bare else "ledger.not_a_number"
    if code is not None:
        raise NotAnEntry("figure", code, value=bare)
    return float(Decimal(bare) * factors[given]), kept


def day_of(text: str, field: str, today: date) -> date:
    """A day that is there. Raises ``NotAnEntry``."""
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        raise NotAnEntry(field, "ledger.bad_day", day=text) from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise NotAnEntry(field, "ledger.year_out_of_range", day=text, first=FIRST_YEAR, last=LAST_YEAR)
    if day > today:
        raise NotAnEntry(field, "logbook.not_yet", day=text, today=today.isoformat())
    return day
