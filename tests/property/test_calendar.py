"""What holds for every period."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from rules.calendar import PeriodError, half_year_of, month_of, reporting_period

ZONES = [ZoneInfo(name) for name in ("Asia/Taipei", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu")]
DAYS = st.dates(date(1912, 1, 1), date(2900, 12, 31))


def a_year(day):
    return reporting_period(f"{day.year}")


PERIODS = st.one_of(
    st.sampled_from([half_year_of, month_of, a_year]).flatmap(DAYS.map),
    st.tuples(DAYS, st.integers(0, 400)).map(
        lambda run: reporting_period(f"{run[0]}/{run[0] + timedelta(days=run[1])}")
    ),
)


@given(PERIODS)
def test_an_id_reads_back_as_the_period(period):
    assert reporting_period(period.id) == period


@given(st.sampled_from([half_year_of, month_of, a_year]), DAYS)
def test_a_name_of_the_republic_reads_back_as_the_period(make, day):
    period = make(day)
    assert reporting_period(period.roc) == period
    assert reporting_period(f"民國{period.roc}") == period
    assert period.holds(day)


@given(DAYS)
def test_half_years_tile_the_time(day):
    half = half_year_of(day)
    assert half_year_of(half.end + timedelta(days=1)).start == half.end + timedelta(days=1)
    assert 181 <= half.days <= 184


@given(PERIODS, st.integers(1990, 2100))
def test_a_base_period_is_as_long_but_for_the_leap_day(period, year):
    base = period.baseline(year)
    assert base.days == period.days + base.leap_days
    assert base.start.year == year
    assert base.end.year - base.start.year == period.end.year - period.start.year
    assert base.start <= base.end
    crossed = 1 + period.end.year - period.start.year  # one leap day a year at most
    assert abs(base.leap_days) <= crossed


@given(PERIODS)
def test_the_same_year_is_the_same_days(period):
    base = period.baseline(period.start.year)
    assert (base.id, base.start, base.end, base.leap_days) == (period.id, period.start, period.end, 0)


@given(PERIODS, st.integers(0, 400))
def test_a_part_ends_on_its_day_and_stays_inside(period, days):
    day = period.start + timedelta(days=days)
    part = period.through(day)
    assert part.start == period.start
    assert part.end == min(day, period.end)


@given(st.dates(date(1990, 1, 1), date(2037, 12, 31)), st.sampled_from(ZONES))
def test_bounds_of_neighbours_meet(day, zone):
    half = half_year_of(day)
    after = half_year_of(half.end + timedelta(days=1))
    start_s, end_s = half.bounds_s(zone)
    assert end_s == after.bounds_s(zone)[0]
    assert abs(end_s - start_s - half.days * 86400) <= 2 * 3600


@given(st.text(max_size=24))
def test_any_text_is_a_period_or_a_period_error(text):
    try:
        period = reporting_period(text)
    except PeriodError as error:
        told = error.data
    else:
        told = {"text": text}
        assert period.start <= period.end
    assert told["text"] == text
