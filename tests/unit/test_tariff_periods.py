"""Periods and parts of a time-of-use tariff, and days of which nothing is known."""

from datetime import UTC, date
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from rules.tariff.parts import CannotBillError, parts_of
from rules.tariff.periods import Clock, DayKind, Period, kind_of
from rules.tariff.terms import Contract, Dated, Plan, Supply
from rules.tariff.usage import classify
from tests.tariff_world import (
    CLOCK_2023,
    HALF,
    OCTOBER,
    OFF,
    PEAK,
    SATURDAY,
    TAIPEI,
    at,
    listed,
    spans,
    supply,
    tariff,
)


@pytest.mark.parametrize(
    ("instant", "period"),
    [
        ("2025-10-13T15:45", HALF),
        ("2025-10-13T16:00", PEAK),
        ("2025-10-13T21:45", PEAK),
        ("2025-10-13T22:00", HALF),
        ("2025-10-14T00:00", OFF),
        ("2025-10-10T16:00", OFF),  # National Day
        ("2025-10-11T09:00", SATURDAY),
        ("2025-10-12T12:00", OFF),  # a Sunday
        ("2025-10-15T16:00", PEAK),  # the last day of summer
        ("2025-10-16T16:00", HALF),
        ("2025-10-16T11:00", OFF),
        ("2025-10-25T09:00", OFF),  # a listed Saturday
    ],
)
def test_october_2025(instant, period):
    one = supply(days=listed(date(2025, 10, 10), date(2025, 10, 25)))
    found = classify(parts_of(one, *OCTOBER), np.array([at(instant)]), TAIPEI)
    assert Period(int(found.period[0])) is period


def test_two_periods_cannot_hold_a_minute():
    with pytest.raises(ValueError, match="two periods"):
        Clock.of_hours(
            ((6, 1), (9, 30)),
            {("summer", DayKind.WEEKDAY): spans(PEAK, "10-12") + spans(HALF, "11:59-13")},
        )


def test_kinds_of_days():
    assert kind_of(date(2025, 10, 11), False) is DayKind.SATURDAY
    assert kind_of(date(2025, 10, 11), True) is DayKind.OFF_PEAK_DAY
    assert kind_of(date(2025, 10, 12), False) is DayKind.OFF_PEAK_DAY
    assert kind_of(date(2025, 10, 13), False) is DayKind.WEEKDAY


def test_instants_outside_of_the_parts_are_in_none():
    parts = parts_of(supply(), *OCTOBER)
    at_s = np.array([at("2025-09-30T23:45"), at("2025-10-01T00:00"), at("2025-11-01T00:00")])
    assert classify(parts, at_s, TAIPEI).part.tolist() == [-1, 0, -1]
    assert classify(parts, at_s[:0], TAIPEI).part.tolist() == []


@pytest.mark.parametrize(("zone", "day", "offset"), [
    ("Asia/Taipei", date(1895, 6, 3), "+08:06"),
    ("Africa/Monrovia", date(1960, 6, 3), "-00:44:30"),
])  # fmt: skip
def test_an_offset_that_no_quarter_of_an_hour_fits_is_refused(zone, day, offset):
    parts = parts_of(supply(days=listed(years=(day.year,)), since=day, one=old(day)), day, day)
    with pytest.raises(CannotBillError) as caught:
        classify(parts, np.array([at(f"{day}T12:00", ZoneInfo(zone))]), ZoneInfo(zone))
    assert [(n.code, n.data) for n in caught.value.notes] == [
        ("odd_offset", {"zone": zone, "offset": offset})
    ]


def old(since):
    return tariff(clocks=(Dated(since, None, CLOCK_2023),))


def test_utc_days_are_no_days_of_the_site():
    found = classify(parts_of(supply(), *OCTOBER), np.array([at("2025-10-01T00:00", UTC)]), TAIPEI)
    assert Period(int(found.period[0])) is OFF  # 08:00 on a summer's Wednesday


def test_a_month_is_cut_where_the_season_ends():
    first, second = parts_of(supply(), *OCTOBER)
    assert (first.season, first.days, first.last) == ("summer", 15, date(2025, 10, 15))
    assert (second.season, second.days, second.last) == ("other", 16, date(2025, 10, 31))


def test_a_change_of_tariff_and_contract_splits_by_days():
    old_, new = Plan(tariff(), listed()), Plan(tariff(id="new"), listed())
    plans = (
        Dated(date(2025, 1, 1), date(2025, 11, 9), old_),
        Dated(date(2025, 11, 10), None, new),
    )
    contracts = (
        Dated(date(2025, 1, 1), date(2025, 11, 19), Contract(Decimal(1000))),
        Dated(date(2025, 11, 20), None, Contract(Decimal(900))),
    )
    parts = parts_of(Supply(plans, contracts), date(2025, 11, 1), date(2025, 11, 30))
    assert [(part.plan.value.tariff.id, part.days) for part in parts] == [("t", 9), ("new", 10), ("new", 11)]


def test_days_whose_periods_nobody_knows_are_named_with_what_is_missing():
    one = supply(since=date(2025, 10, 3), one=tariff(clocks=(Dated(date(2025, 10, 5), None, CLOCK_2023),)))
    with pytest.raises(CannotBillError) as caught:
        parts_of(one, date(2025, 10, 1), date(2026, 1, 2))
    told = [(note.code, note.data["first"], note.data["last"]) for note in caught.value.notes]
    assert told == [
        ("no_tariff", "2025-10-01", "2025-10-02"),
        ("no_clock", "2025-10-03", "2025-10-04"),
        ("no_list", "2026-01-01", "2026-01-02"),
    ]
    assert caught.value.notes[2].data["year"] == 2026
