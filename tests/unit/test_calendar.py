"""Periods as people write them, in both calendars, and the same days of a base year."""

import subprocess
import sys
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from config.words import LANGUAGES, say
from rules.calendar import (
    BaselinePeriod,
    PeriodError,
    ReportingPeriod,
    day_start_s,
    half_year_of,
    month_of,
    reporting_period,
    roc_date,
)

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "id_", "start", "end", "roc"),
    [
        ("2017H2", "2017H2", "2017-07-01", "2017-12-31", "106年下半年"),
        ("106H2", "2017H2", "2017-07-01", "2017-12-31", "106年下半年"),
        ("106h1", "2017H1", "2017-01-01", "2017-06-30", "106年上半年"),
        ("2017-H1", "2017H1", "2017-01-01", "2017-06-30", "106年上半年"),
        (" 2017 H2 ", "2017H2", "2017-07-01", "2017-12-31", "106年下半年"),
        ("\uff11\uff10\uff16\uff28\uff12", "2017H2", "2017-07-01", "2017-12-31", "106年下半年"),
        ("2017", "2017", "2017-01-01", "2017-12-31", "106年"),
        ("106", "2017", "2017-01-01", "2017-12-31", "106年"),
        ("1", "1912", "1912-01-01", "1912-12-31", "1年"),
        ("999", "2910", "2910-01-01", "2910-12-31", "999年"),
        ("2017-07", "2017-07", "2017-07-01", "2017-07-31", "106年7月"),
        ("106-07", "2017-07", "2017-07-01", "2017-07-31", "106年7月"),
        ("105-2", "2016-02", "2016-02-01", "2016-02-29", "105年2月"),
        ("106年下半年", "2017H2", "2017-07-01", "2017-12-31", "106年下半年"),
        ("民國106年7月", "2017-07", "2017-07-01", "2017-07-31", "106年7月"),
        ("106年", "2017", "2017-01-01", "2017-12-31", "106年"),
        (
            "2017-07-01/2017-10-31", "2017-07-01/2017-10-31", "2017-07-01", "2017-10-31",
            "106年7月1日至10月31日",
        ),
        (
            "2016-12-01/2017-01-31", "2016-12-01/2017-01-31", "2016-12-01", "2017-01-31",
            "105年12月1日至106年1月31日",
        ),
    ],
)  # fmt: skip
def test_a_period_is_read(text, id_, start, end, roc):
    period = reporting_period(text)
    assert (period.id, period.start.isoformat(), period.end.isoformat(), period.roc) == (id_, start, end, roc)


@pytest.mark.parametrize(
    "text",
    [
        "", "H2", "2017H3", "2017H0", "2017-13", "2017-00", "2017-7-1", "20170", "2017/07", "x",
        "2017H2 so far", "2017Q3", "106年下", "106年13月", "下半年", "2017-10-31/2017-07-01",
        "2017-02-30/2017-03-01",
        "-106", "10६", "106年下半年度",
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_the_cure(text):
    with pytest.raises(PeriodError) as caught:
        reporting_period(text)
    assert caught.value.code == "report.bad_period"
    for language in LANGUAGES:
        assert "2017H2" in say(caught.value.code, language, **caught.value.data)


@pytest.mark.parametrize(
    "text", ["0", "000", "1911", "1000H1", "2911", "9999-01", "1900-01-01/2000-01-01", "0年"]
)
def test_years_outside_the_republic_are_refused(text):
    with pytest.raises(PeriodError) as caught:
        reporting_period(text)
    assert caught.value.code == "report.bad_year"
    for language in LANGUAGES:
        assert "1912" in say(caught.value.code, language, **caught.value.data)


@pytest.mark.parametrize(
    ("text", "year", "id_", "start", "end", "leap_days"),
    [
        ("2017H2", 2015, "2015H2", "2015-07-01", "2015-12-31", 0),
        ("2017", 2016, "2016", "2016-01-01", "2016-12-31", 1),
        ("2016H1", 2015, "2015H1", "2015-01-01", "2015-06-30", -1),
        ("2016-02", 2015, "2015-02", "2015-02-01", "2015-02-28", -1),
        ("2017-02", 2016, "2016-02", "2016-02-01", "2016-02-29", 1),
        ("2016-02", 2012, "2012-02", "2012-02-01", "2012-02-29", 0),
        ("2016-01-01/2016-02-29", 2015, "2015-01-01/2015-02-28", "2015-01-01", "2015-02-28", -1),
        ("2016-02-29/2016-03-31", 2015, "2015-03-01/2015-03-31", "2015-03-01", "2015-03-31", -1),
        ("2016-02-29/2016-02-29", 2015, "2015-02-28/2015-02-28", "2015-02-28", "2015-02-28", 0),
        ("2017-02-01/2017-02-28", 2016, "2016-02-01/2016-02-28", "2016-02-01", "2016-02-28", 0),
        ("2016-12-01/2017-01-31", 2014, "2014-12-01/2015-01-31", "2014-12-01", "2015-01-31", 0),
    ],
)
def test_the_same_days_of_a_base_year(text, year, id_, start, end, leap_days):
    base = reporting_period(text).baseline(year)
    assert isinstance(base, BaselinePeriod)
    assert (base.id, base.start.isoformat(), base.end.isoformat(), base.leap_days) == (
        id_,
        start,
        end,
        leap_days,
    )


def test_a_period_that_is_not_over_ends_on_a_day():
    half = reporting_period("2017H2")
    part = half.through(date(2017, 10, 31))
    assert part == reporting_period("2017-07-01/2017-10-31")
    assert part.days == 123
    assert half.through(date(2017, 12, 31)) == half
    assert half.through(date(2018, 5, 1)) == half
    with pytest.raises(PeriodError):
        half.through(date(2017, 6, 30))


def test_the_period_that_holds_a_day():
    assert half_year_of(date(2017, 6, 30)).id == "2017H1"
    assert half_year_of(date(2017, 7, 1)).id == "2017H2"
    assert month_of(date(2017, 7, 1)).id == "2017-07"
    half = reporting_period("2017H2")
    assert [half.holds(date(2017, 6, 30)), half.holds(date(2017, 7, 1)), half.holds(date(2018, 1, 1))] == [
        False, True, False,
    ]  # fmt: skip


def test_bounds_are_the_midnights_of_the_zone():
    half = reporting_period("2017H2")
    # 2017-06-30T16:00Z and 2017-12-31T16:00Z: Taipei is eight hours ahead.
    assert half.bounds_s(ZoneInfo("Asia/Taipei")) == (1498838400, 1514736000)
    berlin = reporting_period("2017-03").bounds_s(ZoneInfo("Europe/Berlin"))
    assert berlin[1] - berlin[0] == 31 * 86400 - 3600


def test_a_midnight_that_the_clocks_skip_is_the_first_instant_after():
    sao_paulo = ZoneInfo("America/Sao_Paulo")  # 2017-10-15 began at 01:00 (-02:00)
    assert day_start_s(date(2017, 10, 15), sao_paulo) == 1508036400
    assert (
        day_start_s(date(2017, 10, 16), sao_paulo) - day_start_s(date(2017, 10, 15), sao_paulo) == 23 * 3600
    )


def test_days_of_the_republic():
    assert roc_date(date(2017, 7, 1)) == "106年7月1日"
    assert roc_date(date(2017, 12, 31), after=date(2017, 7, 1)) == "12月31日"
    assert roc_date(date(2018, 1, 1), after=date(2017, 7, 1)) == "107年1月1日"


SWAPPED = """
from rules.calendar import BaselinePeriod, ReportingPeriod, reporting_period

def saved(base: BaselinePeriod, reporting: ReportingPeriod) -> None: ...

period = reporting_period("2017H2")
saved({first}, {second})
"""


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [("period.baseline(2015)", "period", True), ("period", "period.baseline(2015)", False)],
)
def test_swapping_the_two_periods_does_not_type_check(tmp_path, first, second, fits):
    path = tmp_path / "swapped.py"
    path.write_text(SWAPPED.format(first=first, second=second))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=", f"--cache-dir={tmp_path}", str(path)],
        cwd=ROOT, env={"MYPYPATH": str(ROOT)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode == 0) == fits, done.stdout + done.stderr
    if not fits:
        assert done.stdout.count('"saved" has incompatible type') == 2


def test_the_two_types_are_no_kin_of_each_other():
    period = reporting_period("2017H2")
    assert not isinstance(period, BaselinePeriod)
    assert not isinstance(period.baseline(2017), ReportingPeriod)
