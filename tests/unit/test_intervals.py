import math

import numpy as np
import pytest

from rules.counters import Life
from rules.intervals import Readings, close_interval
from rules.quality import Quality

COUNTER = Life(0, 0.0, 0)


def readings(*rows, rate=None):
    at_s, total = zip(*rows, strict=True)
    return Readings(
        np.array(at_s) * 1000,
        np.array(total, dtype=float),
        np.array(rate if rate is not None else [math.nan] * len(rows), dtype=float),
        np.zeros(len(rows), dtype=np.uint8),
    )


def close(rows, gap_s=60, **kwargs):
    return close_interval(readings(*rows, **kwargs), 900, 900, gap_s * 1000, COUNTER)


EVERY_30_S = [(t, t / 36.0) for t in range(870, 1861, 30)]  # 100 kW


def test_edges_are_interpolated():
    rows = [(t + 7, (t + 7) / 36.0) for t in range(870, 1861, 30)]
    one = close(rows)
    assert one.quantity == pytest.approx(25.0)
    assert one.rate_avg == pytest.approx(100.0)
    assert one.register_start == pytest.approx(25.0)
    assert one.coverage == 1.0
    assert one.quality == Quality.GOOD
    assert not one.caught_up


def test_it_stays_open_until_a_reading_stands_behind_its_end():
    assert close([row for row in EVERY_30_S if row[0] < 1800]) is None
    assert close([(1900, 1.0), (1930, 2.0)]) is None


def test_a_silence_inside_costs_coverage_and_keeps_the_energy():
    rows = [row for row in EVERY_30_S if not 1000 < row[0] < 1600]
    one = close(rows)
    assert one.quantity == pytest.approx(25.0)
    assert one.coverage == pytest.approx(1 - 630 / 900)
    assert one.rate_avg == pytest.approx(100.0)  # the register measured the whole of it
    assert one.quality == Quality.GOOD


def test_a_silence_across_an_edge_is_caught_up_and_no_peak():
    rows = [row for row in EVERY_30_S if not 1500 < row[0] < 1830]
    one = close(rows)
    assert one.quantity == pytest.approx(25.0)
    assert one.caught_up
    assert math.isnan(one.rate_avg)
    assert one.quality == Quality.ESTIMATED


def test_a_day_of_darkness_is_spread_by_time():
    one = close([(0, 0.0), (86_400, 2400.0)])
    assert one.quantity == pytest.approx(25.0)
    assert one.coverage == 0.0
    assert one.caught_up


def test_the_first_interval_of_a_meter_is_partial():
    one = close([row for row in EVERY_30_S if row[0] >= 1350])
    assert one.quantity == pytest.approx(12.5)
    assert one.coverage == pytest.approx(0.5)
    assert one.caught_up
    assert one.quality == Quality.ESTIMATED


def test_extremes_of_the_rate_come_from_inside():
    rate = [50.0 if t < 900 else 400.0 if t >= 1800 else 100.0 + (t == 1200) * 25 for t, _ in EVERY_30_S]
    one = close(EVERY_30_S, rate=rate)
    assert (one.rate_min, one.rate_max) == (100.0, 125.0)


def test_the_worst_reading_decides_the_quality():
    rows = readings(*EVERY_30_S)
    rows.quality[5] = Quality.SUSPECT
    assert close_interval(rows, 900, 900, 60_000, COUNTER).quality == Quality.SUSPECT
