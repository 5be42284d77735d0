"""What holds for every ledger and every series."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rules.calendar import day_start_s
from rules.daily import MeterDays, compare_days, metered_by_day, use_by_day
from rules.intervals import IntervalSeries
from rules.savings import (
    Direction,
    MeterRecord,
    apportion_by_day,
    days_without,
    plain_difference,
    printed_figures,
    usage_over,
)

FIRST = date(2017, 3, 1)
DAYS = 40
ZONES = [ZoneInfo(name) for name in ("Asia/Taipei", "Europe/Berlin", "Asia/Kathmandu")]


@dataclass(frozen=True)
class Row:
    start: date
    end: date
    quantity: float


def day(number):
    return FIRST + timedelta(days=number)


@st.composite
def ledgers(draw, quantities=st.integers(0, 10**6).map(float)):
    """Rows that share no day, some of them reaching beyond the period."""
    cuts = sorted(draw(st.sets(st.integers(-20, DAYS + 20), max_size=8)))
    return [
        Row(day(first), day(last - 1), draw(quantities))
        for first, last in pairwise(cuts)
        if draw(st.booleans())
    ]


@st.composite
def records(draw):
    """Six-hourly intervals of a meter, with gaps, at one unit an hour."""
    zone = draw(st.sampled_from(ZONES))
    start_s = day_start_s(FIRST, zone) // 3600 * 3600 - 3600
    n_all = DAYS * 4 + 1
    dice = np.frombuffer(draw(st.binary(min_size=n_all, max_size=n_all)), dtype=np.uint8)
    kept = dice & 4 == 0
    edges = (start_s + 21600 * np.arange(n_all))[kept]
    n = len(edges)
    series = IntervalSeries(
        start=edges.astype("datetime64[s]"),
        duration_s=np.full(n, 21600, dtype=np.int64),
        quantity=np.full(n, 6.0),
        coverage=np.ones(n),
        quality=dice[kept] & 3,
        rate_avg=np.ones(n),
        rate_max=np.ones(n),
        caught_up=np.zeros(n, dtype=bool),
    )
    return zone, series


FIGURES = st.integers(0, 10**9).map(Decimal)


@given(FIGURES, FIGURES)
def test_the_difference_adds_up_and_its_percentage_is_near(base, actual):
    found = plain_difference(base, actual)
    assert base + found.change == actual
    assert (found.direction is Direction.UNCHANGED) == (base == actual)
    assert (found.direction is Direction.INCREASE) == (actual > base)
    if base == 0:
        assert found.percent is None
    else:
        exact = abs(Fraction(found.change)) / Fraction(base) * 100
        assert -Fraction(1, 200) <= exact - Fraction(found.percent) < Fraction(1, 200)
        text = str(found.percent)
        assert "E" not in text
        assert "." not in text or (len(text.partition(".")[2]) <= 2 and not text.endswith("0"))


@given(st.fractions(-(10**10), 10**10), st.fractions(-(10**10), 10**10))
def test_printed_figures_are_near_and_whole_when_large(one, other):
    printed = printed_figures(one, other)
    largest = max(abs(one), abs(other))
    for quantity, number in zip((one, other), printed, strict=True):
        step = Fraction(1) if largest >= 10**5 else Fraction(1, 10)
        assert abs(Fraction(number) - quantity) <= step / 2
        assert "E" not in str(number)
        assert str(number) != "-0"
    assert printed_figures(*(Fraction(number) for number in printed)) == printed


@given(ledgers(), st.lists(st.integers(0, DAYS), max_size=6))
def test_a_ledger_cut_anywhere_adds_up_to_itself(rows, cuts):
    edges = [-20, *sorted(set(cuts)), DAYS + 21]
    parts = [
        share.quantity
        for first, last in pairwise(edges)
        for share in apportion_by_day(rows, day(first), day(last - 1))
    ]
    assert sum(parts) == sum(Fraction(row.quantity) for row in rows)


@given(ledgers())
def test_every_day_is_booked_or_free_and_never_both(rows):
    first, last = FIRST, day(DAYS - 1)
    free = days_without(((row.start, row.end) for row in rows), first, last)
    for number in range(DAYS):
        at = day(number)
        booked = sum(row.start <= at <= row.end for row in rows)
        assert booked + sum(start <= at <= end for start, end in free) == 1


@given(ledgers(st.just(0.0)), ledgers(st.just(0.0)), records())
def test_no_day_counts_twice_and_coverage_is_what_is_known(rows, of_meter, record):
    """Ledgers of zero: what remains is the register's, one unit for each hour that is answered for."""
    zone, series = record
    last = day(DAYS - 1)
    usage = usage_over(FIRST, last, zone, rows, [MeterRecord("main", of_meter, series)])
    start_s, end_s = day_start_s(FIRST, zone), day_start_s(last + timedelta(days=1), zone)
    ledger_s = sum(
        day_start_s(day(number + 1), zone) - day_start_s(day(number), zone)
        for number in range(DAYS)
        if any(row.start <= day(number) <= row.end for row in (*rows, *of_meter))
    )
    if usage.quantity is None:
        assert usage.coverage == 0
    else:
        answered_s = float(usage.quantity) * 3600
        assert abs(usage.coverage - (ledger_s + answered_s) / (end_s - start_s)) < 1e-5
    quality = usage.quality
    shares = (quality.good, quality.estimated, quality.suspect, quality.missing)
    assert all(0 <= share <= 1 for share in shares)
    assert abs(sum(shares) - 1) < 1e-5
    assert 0 <= usage.coverage <= 1


@given(ledgers(), ledgers())
def test_two_meters_use_the_sum_of_each(one, other):
    empty = IntervalSeries(
        np.array([], dtype="datetime64[s]"),
        *(np.array([], dtype=kind) for kind in ("i8", "f8", "f8", "u1", "f8", "f8", "?")),
    )
    zone, last = ZONES[0], day(DAYS - 1)
    together = usage_over(
        FIRST, last, zone, [], [MeterRecord("a", one, empty), MeterRecord("b", other, empty)]
    )
    alone = [usage_over(FIRST, last, zone, [], [MeterRecord("x", rows, empty)]) for rows in (one, other)]
    known = [usage.quantity for usage in alone if usage.quantity is not None]
    assert together.quantity == (sum(known) if known else None)
    assert abs(together.coverage - sum(usage.coverage for usage in alone) / 2) < 1e-5


def by_day(zone, rows, *meters):
    last = day(DAYS - 1)
    return use_by_day(
        FIRST,
        last,
        zone,
        rows,
        [MeterDays(booked, metered_by_day(series, FIRST, last, zone)) for booked, series in meters],
    )


@given(ledgers(), ledgers(), records(), st.booleans())
def test_the_days_add_up_to_the_period(rows, of_meter, record, twice):
    """One order of sources: a sum over days is what ``usage_over`` finds, and answers for as much."""
    zone, series = record
    meters = [(of_meter, series), ([], series)][: 1 + twice]
    records_ = [MeterRecord(str(n), booked, one) for n, (booked, one) in enumerate(meters)]
    usage = usage_over(FIRST, day(DAYS - 1), zone, rows, records_)
    daily = by_day(zone, rows, *meters)
    assert abs(float(sum(daily.quantity) - (usage.quantity or 0))) <= 1e-9 * float(usage.quantity or 1)
    assert abs(daily.coverage - usage.coverage) < 2e-6
    assert daily.known.all() or not usage.complete


@given(ledgers(), ledgers(), records())
def test_only_days_that_both_sides_know_are_compared(rows, others, record):
    zone, series = record
    actual, base = by_day(zone, rows, ([], series)), by_day(zone, others, ([], series))
    compared = compare_days(actual, base, FIRST.year)
    known = actual.known & base.known
    assert [one for one, _ in compared.pairs] == [day(n) for n in np.flatnonzero(known).tolist()]
    if known.any():
        after, before = compared.sums()
        assert after == sum(actual.quantity[n] for n in np.flatnonzero(known).tolist())
        assert before == sum(base.quantity[n] for n in np.flatnonzero(known).tolist())
        months = [compared.sums(month) or (0, 0) for month in range(1, 13)]
        assert (sum(one for one, _ in months), sum(other for _, other in months)) == (after, before)
    else:
        assert compared.sums() is None


def test_the_29th_of_february_has_no_twin_in_a_common_year():
    leap = [Row(date(2024, 2, 28), date(2024, 3, 1), 3.0)]
    common = [Row(date(2023, 2, 28), date(2023, 3, 1), 8.0)]
    actual = use_by_day(date(2024, 2, 28), date(2024, 3, 1), ZONES[0], leap, [])
    base = use_by_day(date(2023, 2, 28), date(2023, 3, 1), ZONES[0], common, [])
    compared = compare_days(actual, base, 2023)
    assert [one for one, _ in compared.pairs] == [date(2024, 2, 28), date(2024, 3, 1)]
    assert compared.sums() == (Fraction(2), Fraction(8))
    assert compared.estimated
