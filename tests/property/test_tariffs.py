"""What must hold for every bill: exact sums, one period for each quarter of an hour, no better contract."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.calendar import day_start_s
from rules.local_time import to_local
from rules.tariff.bill import make_bill
from rules.tariff.parts import parts_of
from rules.tariff.periods import Period
from rules.tariff.terms import Contract
from rules.tariff.usage import classify, use_of_parts
from rules.tariff.what_if import Month, best_regular, total_cost
from tests.tariff_world import TAIPEI, intervals, listed, supply

ZONES = st.sampled_from(
    ["Asia/Taipei", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
)
DAYS = st.dates(date(2024, 1, 1), date(2026, 12, 31))
YEARS = (2023, 2024, 2025, 2026, 2027)


@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.floats(1e-6, 1e6),
    gaps=st.floats(0, 0.9),
    month=st.integers(1, 12),
)
def test_the_sum_of_the_periods_is_the_month_to_the_last_digit(seed, scale, gaps, month):
    first = date(2025, month, 1)
    last = date(2025 + month // 12, month % 12 + 1, 1) - timedelta(days=1)
    series = intervals(first, last)
    random = np.random.default_rng(seed)
    series.quantity[:] = random.random(len(series)) * scale
    series.quality[:] = np.where(random.random(len(series)) < gaps, 3, 0)
    one = supply()
    bill = make_bill(one, use_of_parts(parts_of(one, first, last), series, TAIPEI, 900), last.day)
    told = series.quantity[series.quality < 3]
    assert bill.energy == sum(int(one) for one in np.rint(told * 1e6))  # in whole numbers, one by one
    exact = sum((Decimal(float(q)) for q in told), Decimal(0)) * 10**6
    assert abs(bill.energy - exact) <= Decimal(len(told))  # a millionth of a kWh at most for each interval
    lines = sum(line.quantity for line in bill.lines if line.kind == "energy")
    assert lines == Decimal(bill.energy).scaleb(-6)
    assert bill.total == sum(line.amount for line in bill.lines)


@given(day=DAYS, zone=ZONES, is_listed=st.booleans())
def test_every_quarter_of_an_hour_is_in_exactly_one_period(day, zone, is_listed):
    zone = ZoneInfo(zone)
    one = supply(days=listed(*([day] if is_listed else []), years=YEARS))
    first, last = day - timedelta(days=1), day + timedelta(days=1)
    parts = parts_of(one, first, last)
    at_s = np.arange(day_start_s(first, zone), day_start_s(last + timedelta(days=1), zone), 900)
    found = classify(parts, at_s, zone)
    assert (found.part >= 0).all()
    for n, instant in enumerate(at_s.tolist()):
        local = datetime.fromtimestamp(instant, UTC).astimezone(zone)
        part = parts[found.part[n]]
        assert part.first <= local.date() <= part.last
        listed_day = is_listed and local.date() == day
        assert Period(int(found.period[n])) is by_hand(local, listed_day)


def by_hand(local, listed_day):
    """The reference's table of 2023, said again in another way."""
    summer = (5, 16) <= (local.month, local.day) <= (10, 15)
    if listed_day or local.isoweekday() == 7:
        return Period.OFF_PEAK
    hour = local.hour
    is_day = hour >= 9 if summer else 6 <= hour < 11 or hour >= 14
    if not is_day:
        return Period.OFF_PEAK
    if local.isoweekday() == 6:
        return Period.SATURDAY_HALF_PEAK
    return Period.PEAK if summer and 16 <= hour < 22 else Period.HALF_PEAK


@given(day=DAYS, zone=ZONES)
def test_local_times_are_those_of_the_wall(day, zone):
    zone = ZoneInfo(zone)
    at_s = np.arange(day_start_s(day, zone) - 7200, day_start_s(day, zone) + 100_000, 450)
    local = to_local(at_s, zone)
    for instant, shown in zip(at_s.tolist(), local.tolist(), strict=True):
        wall = datetime.fromtimestamp(instant, UTC).astimezone(zone).replace(tzinfo=UTC)
        assert int(wall.timestamp()) == shown


def month(seed, first, one, scale):
    last = date(first.year + first.month // 12, first.month % 12 + 1, 1) - timedelta(days=1)
    series = intervals(first, last)
    random = np.random.default_rng(seed)
    # A level a day-kind, so that another period is the highest in another month.
    found = classify(parts_of(one, first, last), series.start.astype(np.int64), TAIPEI)
    level = random.random(len(Period)) * scale
    series.quantity[:] = level[found.period] / 4 * (0.9 + 0.1 * random.random(len(series)))
    uses = use_of_parts(parts_of(one, first, last), series, TAIPEI, 900)
    return Month(f"{first:%Y-%m}", uses, last.day)


@settings(deadline=None)
@given(
    seeds=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4),
    others=st.tuples(*[st.integers(0, 60)] * 3),
    scale=st.floats(20, 300),
    start=st.integers(1, 8),
)
def test_no_contract_of_a_grid_is_cheaper_than_the_best(seeds, others, scale, start):
    one = supply()
    months = [month(seed, date(2025, start + n, 1), one, scale) for n, seed in enumerate(seeds)]
    contract = Contract(Decimal(100), *map(Decimal, others))
    best = best_regular(months, contract, one)
    least = total_cost(months, replace(contract, regular_kw=Decimal(best.whole_kw)), one)
    exact = total_cost(months, replace(contract, regular_kw=best.exact_kw), one)
    assert float(exact) <= float(least) + 1e-9
    near = range(max(1, best.whole_kw - 2), best.whole_kw + 3)
    for kw in {*range(1 + seeds[0] % 9, 401, 9), *near}:
        cost = total_cost(months, replace(contract, regular_kw=Decimal(kw)), one)
        assert float(cost) >= float(least) - 1e-9, f"{kw} kW"
        half = total_cost(months, replace(contract, regular_kw=Decimal(kw) + Decimal("0.37")), one)
        assert float(half) >= float(exact) - 1e-9
