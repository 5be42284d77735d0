"""The open window out of readings, and the alarm: the worked example, hysteresis, and nothing from gaps."""

from dataclasses import replace

import numpy as np
import pytest

from rules.demand import DemandWindow
from rules.factors import Factors
from rules.intervals import Readings
from rules.open_window import AlarmRules, Level, OpenPart, next_level, open_window

START_MS = 900_000
RULES = AlarmRules()


def part(power_kw=1050.0, until_s=600, every_s=10, rate=1020.0, share=1.0, factor=1.0, before_s=10):
    """Readings of a constant power from a little before the window up to so many seconds of it."""
    at_ms = np.arange(START_MS - before_s * 1000, START_MS + until_s * 1000 + 1, every_s * 1000)
    total = 5000 + power_kw * (at_ms - START_MS) / 3_600_000
    n = len(at_ms)
    readings = Readings(at_ms, total, np.full(n, rate), np.zeros(n, dtype=np.uint8))
    return OpenPart(share, readings, Factors(factor), 30_000)


def changed(one, **columns):
    return replace(one, readings=replace(one.readings, **columns))


def test_the_worked_example_out_of_readings():
    window = open_window([part()], START_MS + 600_000, 900)
    assert window.mean_kw == pytest.approx(1050)
    assert window.projected_kw == pytest.approx(1040)
    assert window.shed_kw(1000) == pytest.approx(120)
    assert (window.start_s, window.left_s) == (900, 300)


def test_the_time_since_the_newest_reading_counts_with_its_power():
    window = open_window([part(1000.0, rate=1000.0)], START_MS + 605_000, 900)
    assert window.mean_kw == pytest.approx(1000)
    assert window.elapsed_s == 605


def test_a_window_that_has_just_begun_has_the_power_of_now():
    window = open_window([part(until_s=-5)], START_MS, 900)
    assert window.mean_kw == window.power_kw == 1020
    early = open_window([part(until_s=-5)], START_MS + 4000, 900)
    assert early.mean_kw == pytest.approx(1020)


def test_shares_factors_and_an_edge_between_two_readings():
    main, tenant = part(10.0, rate=np.nan, factor=100.0, before_s=5), part(200.0, rate=200.0, share=-1.0)
    window = open_window([main, tenant], START_MS + 600_000, 900)
    assert window.mean_kw == pytest.approx(800)
    assert window.power_kw == pytest.approx(800)  # the slope of the register, less the tenant


@pytest.mark.parametrize(
    "doubtful",
    [
        part(until_s=560),  # nothing new for 40 s
        part(until_s=620),  # dated ahead of the clock
        part(before_s=-10),  # begins in the middle of the window
        part(every_s=40),  # gaps
        changed(part(), quality=np.array([0] * 60 + [2, 0], dtype=np.uint8)),
        changed(part(until_s=-10, before_s=10), rate=np.array([np.nan])),
    ],
)
def test_a_window_that_is_not_measured_whole_is_unknown(doubtful):
    now_ms = START_MS + (600_000 if len(doubtful.readings.at_ms) > 1 else 5000)
    assert open_window([part(), doubtful], now_ms, 900) is None
    assert open_window([doubtful], now_ms, 900) is None


def test_a_doubt_before_the_window_does_not_matter():
    one = changed(part(before_s=20), quality=np.array([2] + [0] * 62, dtype=np.uint8))
    assert open_window([one], START_MS + 600_000, 900) is not None


def test_without_meters_there_is_no_window():
    assert open_window([], START_MS, 900) is None


def at(projected_kw, elapsed_s=600):
    return DemandWindow(900, 900, elapsed_s, projected_kw, projected_kw)


def test_the_alarm_speaks_before_the_contract_is_passed_and_waits_before_it_is_calm():
    level, told = Level.CALM, []
    for projected in (900, 949, 951, 940, 931, 929, 960, 1001, 990, 981, 979, 960, 920):
        level = next_level(level, at(projected), 1000, RULES)
        told.append(level.value)
    assert told == [
        "calm", "calm", "near", "near", "near", "calm", "near",
        "over", "over", "over", "near", "near", "calm",
    ]  # fmt: skip


@pytest.mark.parametrize("level", list(Level))
def test_an_unknown_or_very_young_window_changes_nothing(level):
    assert next_level(level, None, 1000, RULES) is level
    assert next_level(level, at(5000, elapsed_s=59), 1000, RULES) is level
    assert next_level(level, at(5000, elapsed_s=60), 1000, RULES) is Level.OVER


def test_in_short_windows_half_of_one_is_enough():
    short = DemandWindow(0, 60, 30, 2000, 2000)
    assert next_level(Level.CALM, short, 1000, RULES) is Level.OVER
