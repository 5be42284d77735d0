"""Efficiency measures with what they are said to save, what that is worth, and what a sub-meter says."""

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from zoneinfo import ZoneInfo

from config.site import Commodity, PriceSettings, Site
from monitor.store.known_days import days_used
from monitor.store.reader import StoreReader
from rules.measures import (
    DAYS_A_YEAR,
    LEAST_DAYS,
    BeforeAfter,
    DatedPrice,
    Measure,
    before_and_after,
    price_on,
    stated_kwh_a_year,
    worth,
)
from rules.savings import ONE_DAY, Days


@dataclass(frozen=True, slots=True)
class MeasureFacts:
    """One measure.

    Attributes
    ----------
    stated : saving a year by the labels; None where they were not stated.
    price : the price that says what it is worth; None without one.
    worth : in whole units of the price's money.
    verified : the sub-meter before and after; None without one, or with too few days.
    missing : codes of the words for what is not known, under ``measures.missing_``.
    """

    measure: Measure
    stated: Fraction | None
    price: PriceSettings | None
    worth: int | None
    verified: BeforeAfter | None
    missing: tuple[str, ...]


def measure_facts(reader: StoreReader, site: Site, today: date) -> list[MeasureFacts]:
    """All measures of a site.

    Parameters
    ----------
    today : days before it are asked for what a sub-meter says.
    """
    return [_facts(reader, site, one, today) for one in reader.answers.measures()]


def _facts(reader: StoreReader, site: Site, measure: Measure, today: date) -> MeasureFacts:
    stated = stated_kwh_a_year(measure)
    price = _price(site, measure)
    money = None if stated is None or price is None else worth(stated, price.price)
    verified, missing = _verified(reader, site, measure, today)
    lacks = ["stated"] if stated is None else []
    if stated is not None and price is None:
        lacks.append("price")
    return MeasureFacts(measure, stated, price, money, verified, (*lacks, *missing))


def _price(site: Site, measure: Measure) -> PriceSettings | None:
    """The price of the day that the measure names, else of the day on which it was done."""
    day = measure.priced_on or measure.start
    if day is None:
        return None
    mine = [one for one in site.prices if one.commodity.value == measure.commodity]
    found = price_on([DatedPrice(one.start, one.price) for one in mine], day)
    return next((one for one in mine if found is not None and one.start == found.start), None)


def _verified(
    reader: StoreReader, site: Site, measure: Measure, today: date
) -> tuple[BeforeAfter | None, tuple[str, ...]]:
    """Hold a year at the most before the day against as many days after it."""
    if not measure.meter:
        return None, ()
    if measure.start is None:
        return None, ("start",)
    length = min(DAYS_A_YEAR, (today - measure.start).days - 1)
    if length < LEAST_DAYS:
        return None, ("days",)
    before = (measure.start - length * ONE_DAY, measure.start - ONE_DAY)
    after = (measure.start + ONE_DAY, measure.start + length * ONE_DAY)
    found = before_and_after(_days(reader, site, measure, before), _days(reader, site, measure, after))
    return found, () if found is not None else ("days",)


def _days(reader: StoreReader, site: Site, measure: Measure, days: Days) -> list[float | None]:
    """Each day's use of the sub-meter; None where it is not known."""
    zone, meters = ZoneInfo(site.site.timezone), (measure.meter,)
    ledgers = Commodity(measure.commodity)
    # A part of a day that nobody answers for is nothing that the measure saved.
    use = days_used(reader, ledgers, meters, days, zone, of_meters_alone=True, whole_days=True)
    return [
        float(quantity) if known else None
        for quantity, known in zip(use.quantity, use.known.tolist(), strict=True)
    ]
