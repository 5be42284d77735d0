"""Ledgers first, registers second, never both; what is not known is not zero; half is rounded up."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from rules.calendar import day_start_s
from rules.intervals import IntervalSeries
from rules.quality import Quality
from rules.savings import (
    Change,
    Direction,
    MeterRecord,
    QualityShares,
    Share,
    apportion_by_day,
    days_without,
    plain_difference,
    printed_figures,
    usage_over,
)

TAIPEI = ZoneInfo("Asia/Taipei")
BERLIN = ZoneInfo("Europe/Berlin")
HOUR_S = 3600


@dataclass(frozen=True)
class Row:
    start: date
    end: date
    quantity: float


def row(start, end, quantity):
    return Row(date.fromisoformat(start), date.fromisoformat(end), quantity)


def series(
    start, days, kwh, *, zone=TAIPEI, quality=Quality.GOOD, coverage=1.0, caught_up=False, every_s=HOUR_S
):
    first = date.fromisoformat(start)
    edges = np.arange(day_start_s(first, zone), day_start_s(first + timedelta(days=days), zone), every_s)
    n = len(edges)
    return IntervalSeries(
        start=edges.astype("datetime64[s]"),
        duration_s=np.full(n, every_s, dtype=np.int64),
        quantity=np.full(n, kwh, dtype=np.float64),
        coverage=np.full(n, coverage),
        quality=np.full(n, quality, dtype=np.uint8),
        rate_avg=np.full(n, kwh),
        rate_max=np.full(n, np.nan),
        caught_up=np.full(n, caught_up),
    )


def joined(*parts):
    return IntervalSeries(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in IntervalSeries.__slots__)
    )


NOTHING = series("2017-07-01", 0, 0.0)


def meter(id_, intervals=NOTHING, ledger=()):
    return MeterRecord(id_, ledger, intervals)


def usage(start, end, ledger=(), *meters, zone=TAIPEI):
    return usage_over(date.fromisoformat(start), date.fromisoformat(end), zone, ledger, meters)


@pytest.mark.parametrize(
    ("base", "actual", "change", "percent", "direction"),
    [
        (12572309, 12531673, -40636, "0.32", "decrease"),  # the three of the council report
        (10443, 12615, 2172, "20.8", "increase"),
        (86438, 90476, 4038, "4.67", "increase"),
        (100, 100, 0, "0", "unchanged"),
        (0, 5, 5, None, "increase"),
        (0, 0, 0, None, "unchanged"),
        (5, 0, -5, "100", "decrease"),
        (80000, 80004, 4, "0.01", "increase"),  # 0.005 % is rounded up
        (80000, 79996, -4, "0.01", "decrease"),
        (80000, 80003, 3, "0", "increase"),
        (100, 350, 250, "250", "increase"),
    ],
)
def test_the_plain_difference(base, actual, *, change, percent, direction):
    expected = Change(Decimal(change), None if percent is None else Decimal(percent), Direction(direction))
    found = plain_difference(Decimal(base), Decimal(actual))
    assert found == expected
    assert percent is None or str(found.percent) == percent


@pytest.mark.parametrize(("base", "actual"), [(None, Decimal(1)), (Decimal(1), None), (None, None)])
def test_what_is_not_known_has_no_difference(base, actual):
    assert plain_difference(base, actual) == Change(None, None, None)


@pytest.mark.parametrize(
    ("quantities", "printed"),
    [
        (("12572309", "12531673.4"), ("12572309", "12531673")),
        (("12572309.5", "7.25"), ("12572310", "7")),
        (("99999.95", "1"), ("100000", "1")),
        (("10443.25", "12615.1"), ("10443.3", "12615.1")),
        (("310.1234", None), ("310.123", None)),
        (("0.0005", "0.00049"), ("0.001", "0")),
        (("100", "20.50"), ("100", "20.5")),
        (("-2.5", "0"), ("-2.5", "0")),
        ((None, None), (None, None)),
    ],
)
def test_figures_are_printed_with_decimals_that_the_larger_one_needs(quantities, printed):
    found = printed_figures(*(None if text is None else Fraction(text) for text in quantities))
    assert tuple(None if number is None else str(number) for number in found) == printed


def test_a_row_that_reaches_beyond_gives_its_part_by_days():
    rows = [row("2017-06-16", "2017-07-15", 300), row("2017-07-16", "2017-07-31", 160.5)]
    shares = apportion_by_day(rows, date(2017, 7, 1), date(2017, 7, 31))
    assert shares == (
        Share(0, date(2017, 7, 1), date(2017, 7, 15), Fraction(150), True),
        Share(1, date(2017, 7, 16), date(2017, 7, 31), Fraction("160.5"), False),
    )
    assert apportion_by_day(rows, date(2018, 1, 1), date(2018, 1, 31)) == ()


def test_days_that_nothing_is_booked_on():
    booked = [(date(2017, 7, 10), date(2017, 7, 12)), (date(2017, 6, 1), date(2017, 7, 2))]
    assert days_without(booked, date(2017, 7, 1), date(2017, 7, 31)) == (
        (date(2017, 7, 3), date(2017, 7, 9)),
        (date(2017, 7, 13), date(2017, 7, 31)),
    )
    assert days_without([], date(2017, 7, 1), date(2017, 7, 1)) == ((date(2017, 7, 1), date(2017, 7, 1)),)
    assert days_without(booked, date(2017, 7, 11), date(2017, 7, 12)) == ()


def test_a_ledger_answers_before_the_registers():
    found = usage(
        "2017-07-01",
        "2017-07-31",
        [row("2017-07-01", "2017-07-31", 500)],
        meter("main", series("2017-07-01", 31, 9)),
    )
    assert (found.quantity, found.coverage, found.metered) == (500, 1.0, ())
    assert found.complete


def test_registers_answer_for_the_days_on_which_the_ledger_is_silent():
    ledger = [row("2017-07-01", "2017-07-10", 1000)]
    found = usage("2017-07-01", "2017-07-20", ledger, meter("main", series("2017-06-25", 40, 2.5)))
    assert found.quantity == 1000 + 10 * 24 * 2.5
    assert (found.coverage, found.metered, len(found.booked)) == (1.0, ("main",), 1)
    assert found.quality == QualityShares(1.0, 0.0, 0.0, 0.0)


def test_readings_written_down_answer_before_a_meters_intervals():
    west = meter("west", series("2017-07-01", 10, 7), [row("2017-07-03", "2017-07-04", 90)])
    east = meter("east", series("2017-07-01", 10, 1))
    found = usage("2017-07-01", "2017-07-10", [], east, west)
    assert found.quantity == 240 + 8 * 24 * 7 + 90
    assert found.meter_booked == (
        ("west", (Share(0, date(2017, 7, 3), date(2017, 7, 4), Fraction(90), False),)),
    )
    assert found.metered == ("east", "west")


def test_the_commodity_ledger_takes_days_from_a_meters_ledger():
    west = meter("west", NOTHING, [row("2017-07-01", "2017-07-10", 100)])
    found = usage("2017-07-01", "2017-07-10", [row("2017-07-01", "2017-07-04", 1000)], west)
    assert found.quantity == 1000 + 60
    assert found.quality == QualityShares(0.4, 0.6, 0.0, 0.0)


def test_nothing_known_is_no_figure():
    for found in (usage("2017-07-01", "2017-07-31"), usage("2017-07-01", "2017-07-31", [], meter("main"))):
        assert (found.quantity, found.coverage) == (None, 0.0)
        assert found.quality == QualityShares(0.0, 0.0, 0.0, 1.0)
        assert not found.complete


def test_missing_days_are_told_and_a_silent_meter_counts_as_missing():
    half = usage("2017-07-01", "2017-07-20", [], meter("main", series("2017-07-01", 5, 2)))
    assert (half.quantity, half.coverage) == (240, 0.25)
    one_of_two = usage("2017-07-01", "2017-07-20", [], meter("a", series("2017-07-01", 20, 2)), meter("b"))
    assert (one_of_two.coverage, one_of_two.metered) == (0.5, ("a",))
    assert one_of_two.quality.missing == 0.5


def test_qualities_are_shares_of_the_time():
    parts = joined(
        series("2017-07-01", 5, 1),
        series("2017-07-06", 2, 1, quality=Quality.ESTIMATED, coverage=0.0, caught_up=True),
        series("2017-07-08", 1, 1, quality=Quality.SUSPECT),
        series("2017-07-09", 1, 1, quality=Quality.MISSING),
        series("2017-07-10", 1, np.nan),
    )
    found = usage("2017-07-01", "2017-07-10", [], meter("main", parts))
    assert found.quality == QualityShares(0.5, 0.2, 0.1, 0.2)
    assert (found.coverage, found.quantity) == (0.8, 8 * 24)


def test_a_record_that_begins_inside_an_interval_answers_for_its_part():
    first = series(
        "2017-07-01", 1, 6, quality=Quality.ESTIMATED, coverage=0.25, caught_up=True, every_s=86400
    )
    rest = series("2017-07-02", 3, 24, every_s=86400)
    assert usage("2017-07-01", "2017-07-04", [], meter("main", joined(first, rest))).coverage == 3.25 / 4
    # Behind another interval the register spans the silence: all of it is answered for.
    later = series(
        "2017-07-04", 1, 6, quality=Quality.ESTIMATED, coverage=0.25, caught_up=True, every_s=86400
    )
    assert usage("2017-07-02", "2017-07-04", [], meter("main", joined(rest.__class__(
        *(getattr(rest, name)[:2] for name in IntervalSeries.__slots__)
    ), later))).coverage == 1.0  # fmt: skip


def test_an_interval_across_midnight_counts_by_time():
    kathmandu = ZoneInfo("Asia/Kathmandu")  # 05:45 ahead, so hours of UTC cross midnight
    start_s = day_start_s(date(2017, 7, 1), kathmandu) // HOUR_S * HOUR_S
    edges = np.arange(start_s, start_s + 26 * HOUR_S, HOUR_S)
    hourly = series("2017-07-01", 1, 4, zone=kathmandu)
    crossing = IntervalSeries(
        edges.astype("datetime64[s]"),
        *(np.resize(getattr(hourly, name), len(edges)) for name in IntervalSeries.__slots__[1:]),
    )
    found = usage("2017-07-01", "2017-07-01", [], meter("main", crossing), zone=kathmandu)
    assert (found.quantity, found.coverage) == (96, 1.0)


@pytest.mark.parametrize(("day", "hours"), [("2017-03-26", 23), ("2017-10-29", 25)])
def test_days_of_23_and_25_hours(day, hours):
    found = usage(day, day, [], meter("main", series(day, 1, 2, zone=BERLIN)), zone=BERLIN)
    assert (found.quantity, found.coverage) == (2 * hours, 1.0)


def test_a_ledgers_decimals_are_taken_as_written():
    found = usage(
        "2017-07-01",
        "2017-07-02",
        [row("2017-07-01", "2017-07-01", 0.1), row("2017-07-02", "2017-07-02", 0.2)],
    )
    assert found.quantity == Fraction(3, 10)
