"""Days of 23, 24.5 and 25 hours: every second is counted once, on the day that the wall clock shows."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.web.day import day_curve
from rules.calendar import day_start_s, half_year_of, month_of, reporting_period
from rules.daily import MeterDays, compare_days, day_edges_s, metered_by_day, use_by_day
from rules.demand import window_start_s
from rules.intervals import IntervalSeries
from rules.savings import MeterRecord, usage_over

HOUR_S = 3600
# day of the change -> its length in hours
CHANGES = {
    ("Europe/Berlin", date(2026, 3, 29)): 23,
    ("Europe/Berlin", date(2026, 10, 25)): 25,
    ("America/New_York", date(2026, 3, 8)): 23,
    ("America/New_York", date(2026, 11, 1)): 25,
    ("Australia/Lord_Howe", date(2026, 10, 4)): 23.5,
    ("Australia/Lord_Howe", date(2026, 4, 5)): 24.5,
    ("America/Sao_Paulo", date(2017, 10, 15)): 23,  # midnight itself is skipped
    ("Pacific/Apia", date(2011, 12, 30)): 0,  # a day that never was
    ("Asia/Taipei", date(2026, 3, 29)): 24,
}
INTERVALS = st.sampled_from([300, 900, 1800, 3600])


def series(start_s: int, end_s: int, interval_s: int) -> IntervalSeries:
    """Contiguous intervals over [start, end) in which every second uses 1, of a power of 3600."""
    start = np.arange(start_s // interval_s * interval_s, end_s, interval_s)
    n = len(start)
    return IntervalSeries(
        start=start.astype("datetime64[s]"),
        duration_s=np.full(n, interval_s),
        quantity=np.full(n, float(interval_s)),
        coverage=np.ones(n),
        quality=np.zeros(n, dtype=np.uint8),
        rate_avg=np.full(n, 3600.0),
        rate_max=np.full(n, 3600.0),
        caught_up=np.zeros(n, dtype=bool),
    )


def around(day: date, zone: ZoneInfo, interval_s: int, days: int = 2) -> IntervalSeries:
    first, last = day - timedelta(days=days), day + timedelta(days=days + 1)
    return series(day_start_s(first, zone) - HOUR_S, day_start_s(last, zone) + HOUR_S, interval_s)


@pytest.mark.parametrize(("where", "hours"), CHANGES.items())
@pytest.mark.parametrize("interval_s", [300, 900, 1800, 3600])
def test_a_day_uses_what_its_seconds_use(where, hours, interval_s):
    name, day = where
    zone = ZoneInfo(name)
    rows = around(day, zone, interval_s)
    first, last = day - timedelta(days=1), day + timedelta(days=1)
    found = metered_by_day(rows, first, last, zone)
    assert found.quantity.tolist() == [24 * HOUR_S, hours * HOUR_S, 24 * HOUR_S]
    assert found.answered_s.tolist() == found.quantity.tolist()
    use = use_by_day(first, last, zone, [], [MeterDays([], found)])
    assert use.length_s.tolist() == found.quantity.tolist()
    assert use.known.tolist() == [True, hours > 0, True]
    usage = usage_over(first, last, zone, [], [MeterRecord("main", [], rows)])
    assert usage.quantity == (48 + hours) * HOUR_S
    assert usage.coverage == 1.0 == use.coverage
    compared = compare_days(use, use, first.year)
    assert float(sum(compared.actual)) == (48 + hours) * HOUR_S


@given(
    st.sampled_from(sorted({name for name, _ in CHANGES} | {"Asia/Kathmandu", "Pacific/Chatham"})),
    st.dates(date(2005, 1, 1), date(2036, 12, 31)),
    INTERVALS,
)
def test_days_tile_the_time_in_every_zone(name, day, interval_s):
    zone = ZoneInfo(name)
    rows = around(day, zone, interval_s)
    first, last = day - timedelta(days=2), day + timedelta(days=2)
    edges_s = day_edges_s(first, last, zone)
    assert (np.diff(edges_s) >= 0).all()
    found = metered_by_day(rows, first, last, zone)
    assert found.quantity.tolist() == np.diff(edges_s).tolist()
    usage = usage_over(first, last, zone, [], [MeterRecord("main", [], rows)])
    assert usage.quantity == edges_s[-1] - edges_s[0]
    for at, edge_s in enumerate(edges_s[:-1]):
        if edges_s[at + 1] > edge_s:  # the first instant of a day is of that day, the one before is not
            here = first + timedelta(days=at)
            assert datetime.fromtimestamp(int(edge_s), UTC).astimezone(zone).date() == here
            before = datetime.fromtimestamp(int(edge_s) - 1, UTC).astimezone(zone).date()
            assert before < here


@given(
    st.sampled_from(sorted({name for name, _ in CHANGES})),
    st.dates(date(2012, 1, 1), date(2036, 12, 31)),
)
def test_half_years_and_months_are_the_sum_of_their_days(name, day):
    zone = ZoneInfo(name)
    for period in (half_year_of(day), month_of(day), reporting_period(f"{day.year}")):
        start_s, end_s = period.bounds_s(zone)
        edges_s = day_edges_s(period.start, period.end, zone)
        assert (edges_s[0], edges_s[-1]) == (start_s, end_s)
        assert abs(end_s - start_s - period.days * 86_400) <= HOUR_S


@given(st.sampled_from(sorted(CHANGES)), INTERVALS)
def test_intervals_and_windows_know_nothing_of_zones(where, interval_s):
    name, day = where
    rows = around(day, ZoneInfo(name), interval_s)
    starts = rows.start.astype(int)
    assert (np.diff(starts) == interval_s).all()
    assert all(window_start_s(at + interval_s - 1, interval_s) == at for at in starts.tolist())


@pytest.mark.parametrize(("where", "hours"), [one for one in CHANGES.items() if one[1]])
@pytest.mark.parametrize("interval_s", [300, 900, 1800, 3600])
def test_the_days_curve_runs_over_the_clocks_hours(where, hours, interval_s):
    name, day = where
    zone = ZoneInfo(name)
    start_s, end_s = day_start_s(day, zone), day_start_s(day + timedelta(days=1), zone)
    curve = day_curve([series(start_s, end_s, interval_s)], day, zone, interval_s)
    assert len(curve.hours) == 86_400 // interval_s
    assert all(b > a for a, b in zip(curve.hours, curve.hours[1:], strict=False))
    shown = sum(kw == 3600.0 for kw in curve.mean_kw) * interval_s
    # What comes twice is shown once, and a skipped hour is empty; an interval over midnight is not shown.
    assert min(hours, 24) * HOUR_S - shown in (0, interval_s / 2)
    assert sum(np.isnan(curve.mean_kw)) * interval_s == 86_400 - shown


def test_an_hour_that_comes_twice_shows_the_higher_mean():
    zone, day = ZoneInfo("Europe/Berlin"), date(2026, 10, 25)
    start_s, end_s = day_start_s(day, zone), day_start_s(day + timedelta(days=1), zone)
    rows = series(start_s, end_s, 900)
    rows.rate_avg[:] = 10.0
    rows.rate_avg[2 * 4 + 1], rows.rate_avg[3 * 4 + 1] = 50.0, 70.0  # 02:15 in summer, and again in winter
    rows.rate_avg[2 * 4 + 2], rows.rate_avg[3 * 4 + 2] = 60.0, np.nan
    curve = day_curve([rows], day, zone, 900)
    assert curve.hours[9] == 2.25
    assert (curve.mean_kw[9], curve.mean_kw[10]) == (70.0, 60.0)
    assert curve.highest == 9
    assert curve.highest_ms == (start_s + 14 * 900) * 1000
