"""Tariffs, contracts and intervals for tests of bills, made in code."""

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np

from rules.calendar import day_start_s
from rules.intervals import IntervalSeries
from rules.off_peak import OffPeakDays, YearList
from rules.tariff.parts import ONE_DAY
from rules.tariff.periods import Clock, DayKind, Period
from rules.tariff.terms import (
    BasicRates,
    Contract,
    ContractRules,
    Dated,
    EnergyPrices,
    Plan,
    Supply,
    Tariff,
)

TAIPEI = ZoneInfo("Asia/Taipei")
OCTOBER = date(2025, 10, 1), date(2025, 10, 31)
RATES = {
    "summer": BasicRates(Decimal("223.6"), Decimal("166.9"), Decimal("44.7")),
    "other": BasicRates(Decimal("166.9"), Decimal("166.9"), Decimal("33.3")),
}
RULES = ContractRules(Decimal("0.1"), Decimal(2), Decimal(3), 80, 95, Decimal("0.001"))
PRICES = EnergyPrices(
    {
        "summer": {
            Period.PEAK: Decimal("9.39"),
            Period.HALF_PEAK: Decimal("5.85"),
            Period.SATURDAY_HALF_PEAK: Decimal("2.60"),
            Period.OFF_PEAK: Decimal("2.53"),
        },
        "other": {
            Period.HALF_PEAK: Decimal("5.47"),
            Period.SATURDAY_HALF_PEAK: Decimal("2.41"),
            Period.OFF_PEAK: Decimal("2.32"),
        },
    }
)
PEAK, HALF, SATURDAY, OFF = Period


def hour(text):
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes or 0)


def spans(period, *texts):
    return [(hour(text.split("-")[0]), hour(text.split("-")[1]), period) for text in texts]


CLOCK_2023 = Clock.of_hours(
    ((5, 16), (10, 15)),
    {
        ("summer", DayKind.WEEKDAY): spans(PEAK, "16-22") + spans(HALF, "9-16", "22-24"),
        ("summer", DayKind.SATURDAY): spans(SATURDAY, "9-24"),
        ("other", DayKind.WEEKDAY): spans(HALF, "6-11", "14-24"),
        ("other", DayKind.SATURDAY): spans(SATURDAY, "6-11", "14-24"),
    },
)


def listed(*days, years=(2025,), grade="S"):
    lists = {
        year: YearList(year, grade, "test", {d: {"en": "x", "zh-TW": "x"} for d in days if d.year == year})
        for year in years
    }
    return OffPeakDays("list", lists)


def tariff(**changes):
    since = date(2023, 1, 1)
    said = {
        "id": "t",
        "names": {"en": "T", "zh-TW": "T"},
        "currency": "NT$",
        "calendar": "list",
        "clocks": (Dated(since, None, CLOCK_2023, "S", "test"),),
        "energy": (Dated(since, None, PRICES, "S", "test"),),
        "basic": (Dated(since, None, RATES, "S", "test"),),
        "rules": (Dated(since, None, RULES, "S", "test"),),
    }
    return Tariff(**(said | changes))


def at(text, zone=TAIPEI):
    """Seconds since 1970 UTC of a clock's reading."""
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp())


def supply(one=None, contract=None, days=None, power_factor=None, since=date(2023, 1, 1)):
    plan = Plan(one or tariff(), days or listed())
    contracts = (Dated(since, None, contract or Contract(Decimal(1000))),)
    return Supply((Dated(since, None, plan),), contracts, power_factor)


def intervals(first, last, kwh=1.0, zone=TAIPEI, interval_s=900):
    """Intervals of all the time from a day to a day, both included; ``kwh`` of each, or an array of them."""
    start = np.arange(day_start_s(first, zone), day_start_s(last + ONE_DAY, zone), interval_s)
    n = len(start)
    quantity = np.broadcast_to(np.asarray(kwh, dtype=float), n).copy()
    return IntervalSeries(
        start=start.astype("datetime64[s]"),
        duration_s=np.full(n, interval_s),
        quantity=quantity,
        coverage=np.ones(n),
        quality=np.zeros(n, dtype=np.uint8),
        rate_avg=quantity * 3600 / interval_s,
        rate_max=np.full(n, np.nan),
        caught_up=np.zeros(n, dtype=bool),
    )
