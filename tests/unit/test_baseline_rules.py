"""Baselines beyond the worked examples: which days, clocks that change, refusals, and the backtest."""

from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from config.baseline_presets import load_preset
from rules.baseline.adjusting import adjust
from rules.baseline.backtest import backtest, trial_days
from rules.baseline.baseline import Occasion, baseline, measured_until_s, window_kw
from rules.baseline.days import day_book
from rules.baseline.load import NotAlignedError, daily_load
from rules.baseline.method import (
    Adjustment,
    AdjustmentKind,
    Anchor,
    DayKinds,
    Days,
    Method,
    Selection,
    Span,
    Statistic,
)
from tests.baseline_world import EVENT, FIRST, SLOTS, TAIPEI, around, instant_s, laid_out, occasion

BERLIN = ZoneInfo("Europe/Berlin")
HOURS = Span(Anchor.START, -4, -1)


def flat(days=45, kw=100.0):
    return np.full((days, SLOTS), kw)


def of(name):
    return load_preset(name, Path()).method


def reasons(found):
    return {one.day: str(one.reason) for one in found.left_out}


def test_days_that_are_too_low_make_room_for_earlier_ones():
    kw = flat()
    kw[(date(2025, 7, 10) - FIRST).days] = 10.0
    load = laid_out(kw)
    found = baseline(load, of("pjm-high-4-of-5"), occasion(), around(load))
    assert reasons(found)[date(2025, 7, 10)] == "too_low"
    assert sum(reason == "not_chosen" for reason in reasons(found).values()) == 1
    assert date(2025, 7, 7) in {one.day for one in found.days} | set(reasons(found))
    assert found.kw == pytest.approx(100)


def test_a_building_that_feeds_back_has_no_day_that_is_too_low():
    load = laid_out(flat(kw=-100.0))
    found = baseline(load, of("pjm-high-4-of-5"), occasion(), around(load))
    assert "too_low" not in reasons(found).values()
    assert found.kw == -100


def test_the_middle_days_are_those_without_the_highest_and_the_lowest():
    kw = flat()
    kw[(date(2025, 7, 3) - FIRST).days, 48:64] = 900
    kw[(date(2025, 7, 8) - FIRST).days, 48:64] = 1
    load = laid_out(kw)
    method = Method(days=Days(10, select=Selection.MIDDLE, count=8))
    found = baseline(load, method, occasion(), around(load))
    assert {day.day for day in (date(2025, 7, 3), date(2025, 7, 8))} == {
        one.day.day for one in found.left_out if one.reason == "not_chosen"
    }
    assert found.kw == 100


def test_an_event_on_a_weekend_is_held_against_days_of_its_kind():
    load = laid_out(flat(80))
    method = Method(days=Days(4, kinds=DayKinds.LIKE))
    found = baseline(load, method, occasion(date(2025, 7, 19)), around(load, {2025: {date(2025, 7, 11)}}))
    assert [one.day for one in found.days] == [date(2025, 7, day) for day in (13, 12, 11, 6)]
    assert reasons(found)[date(2025, 7, 14)] == "workday"


def test_a_window_after_all_that_is_known_still_finds_its_days():
    load = laid_out(flat(45))  # to 15 July
    method = Method(days=Days(2, kinds=DayKinds.LIKE))
    found = baseline(load, method, occasion(date(2025, 7, 20)), around(load))  # a Sunday
    assert [one.day.day for one in found.days] == [13, 12]
    assert window_kw(load, occasion(date(2025, 7, 20)), Statistic.MEAN, TAIPEI) is None


def test_the_look_back_ends_with_words():
    load = laid_out(flat())
    method = Method(days=Days(9, lookback_days=9))
    found = baseline(load, method, occasion(), around(load))
    assert (found.kw, found.findings[0].code) == (None, "too_few_days")
    assert found.left_out[-1].day == EVENT - timedelta(days=10)
    assert found.left_out[-1].reason == "outside_lookback"


def test_a_year_without_a_list_of_off_peak_days_is_told():
    load = laid_out(flat())
    found = baseline(load, of("taipower-mean-of-5"), occasion(), around(load, {}))
    assert [(one.code, dict(one.facts)) for one in found.findings] == [("no_off_peak_list", {"year": 2025})]
    assert found.kw == 100


def test_a_missing_quarter_of_an_hour_costs_the_whole_day():
    kw = flat()
    kw[-2, 52] = np.nan
    load = laid_out(kw)
    for name in ("taipower-mean-of-5", "taipower-demand-bidding-2016"):
        found = baseline(load, of(name), occasion(), around(load))
        assert reasons(found)[EVENT - timedelta(days=1)] == "incomplete"


def test_hours_of_the_adjustment_that_are_missing_refuse():
    kw = flat()
    kw[-1, 40] = np.nan
    load = laid_out(kw)
    for name in ("caiso-10-of-10", "pjm-same-day-3-2"):
        found = baseline(load, of(name), occasion(), around(load))
        assert (found.kw, found.findings[-1].code) == (None, "event_day_incomplete")


def test_methods_of_the_notice_need_one():
    load = laid_out(flat())
    adjusted = Method(
        days=Days(2), adjustment=Adjustment(AdjustmentKind.ADDITIVE, Span(Anchor.NOTICE, -2, 0))
    )
    for method in (of("taipower-guaranteed-2025"), adjusted):
        assert baseline(load, method, occasion(), around(load)).findings[0].code == "no_notice"
        assert baseline(load, method, occasion(notice=11), around(load)).kw == 100


def test_a_notice_between_two_edges_counts_what_was_before_it():
    kw = flat()
    kw[-1, 44:] = 700.0  # from 11:00
    load = laid_out(kw)
    method = of("taipower-guaranteed-2025")
    assert baseline(load, method, occasion(notice=11 + 14 / 60), around(load)).kw == 100
    assert baseline(load, method, occasion(notice=11 + 15 / 60), around(load)).kw == 175


def test_a_notice_of_the_day_before_counts_that_days_hours():
    kw = flat()
    kw[-2, 64:72] = 300.0  # 16 to 18
    load = laid_out(kw)
    when = Occasion(instant_s(EVENT, 13), instant_s(EVENT, 15), instant_s(EVENT - timedelta(days=1), 18))
    assert baseline(load, of("taipower-guaranteed-2025"), when, around(load)).kw == 300


def test_there_is_no_ratio_to_days_that_drew_nothing():
    kw = flat()
    kw[:-1, 36:48] = 0.0
    load = laid_out(kw)
    found = baseline(load, of("caiso-10-of-10"), occasion(), around(load))
    assert (found.kw, found.findings[-1].code) == (None, "no_ratio")


@pytest.mark.parametrize(
    ("kind", "limits", "amount"),
    [
        (AdjustmentKind.MULTIPLICATIVE, {"low": 0.9}, 0.9),
        (AdjustmentKind.MULTIPLICATIVE, {}, 0.5),
        (AdjustmentKind.MULTIPLICATIVE, {"upward_only": True}, 1.0),
        (AdjustmentKind.ADDITIVE, {"low": -20.0}, -20.0),
        (AdjustmentKind.ADDITIVE, {}, -50.0),
    ],
)
def test_limits_of_an_adjustment(kind, limits, amount):
    found = adjust(Adjustment(kind, HOURS, **limits), 1000, 50, 100)
    assert found.amount == amount
    assert found.kw == (1000 * amount if kind is AdjustmentKind.MULTIPLICATIVE else 1000 + amount)


def test_an_event_over_midnight_belongs_to_both_days():
    load = laid_out(flat(50))
    when = Occasion(instant_s(EVENT, 23), instant_s(EVENT, 25))
    found = baseline(load, of("taipower-mean-of-5"), when, around(load))
    assert found.days[0].day == EVENT - timedelta(
        days=4
    )  # the window of the 14th would reach into the event's day
    assert reasons(found)[EVENT - timedelta(days=1)] == "event"


def test_edges_inside_an_interval_are_refused():
    load = laid_out(flat())
    for start, end in ((13.1, 15), (13, 15.1)):
        with pytest.raises(NotAlignedError):
            baseline(load, of("taipower-mean-of-5"), occasion(start=start, end=end), around(load))
    begin = np.array(["2025-07-01T00:07:00"], dtype="datetime64[s]")
    with pytest.raises(NotAlignedError):
        daily_load(begin, np.array([1.0]), 900, TAIPEI)


def test_nothing_at_all_is_no_error():
    load = daily_load(np.array([], dtype="datetime64[s]"), np.array([]), 900, TAIPEI)
    assert (load.days, len(load.means(0, 4)), len(load.maxima(0, 4))) == (0, 0, 0)


def test_windows_that_cannot_be():
    with pytest.raises(ValueError, match="ends after"):
        Occasion(10, 10)
    with pytest.raises(ValueError, match="notice"):
        Occasion(10, 20, 11)


@pytest.mark.parametrize(
    "made",
    [
        lambda: Span(Anchor.START, -1, -4),
        lambda: Span(Anchor.START, -30, 0),
        lambda: Days(0),
        lambda: Days(5, lookback_days=3),
        lambda: Days(5, count=3),
        lambda: Days(5, select=Selection.HIGH),
        lambda: Days(5, select=Selection.HIGH, count=6),
        lambda: Days(10, select=Selection.MIDDLE, count=7),
        lambda: Adjustment(AdjustmentKind.ADDITIVE, HOURS, low=1, high=0),
        Method,
        lambda: Method(days=Days(1), same_day=(HOURS,)),
        lambda: Method(same_day=(HOURS,), statistic=Statistic.MAXIMUM),
        lambda: Method(same_day=(HOURS,), adjustment=Adjustment(AdjustmentKind.ADDITIVE, HOURS)),
    ],
)
def test_parameters_that_contradict_each_other(made):
    with pytest.raises(ValueError, match=r"\w"):
        made()


class TestClocksThatChange:
    """Berlin: 30 March 2025 has 23 hours, 26 October has 25."""

    def load(self, first, last):
        start = np.arange(
            np.datetime64(f"{first}T00:00:00"), np.datetime64(f"{last}T00:00:00"), np.timedelta64(900, "s")
        ).astype("datetime64[s]")
        return daily_load(start, np.arange(len(start), dtype=float), 900, BERLIN)

    def test_a_skipped_hour_is_missing(self):
        load = self.load("2025-03-28", "2025-04-02")
        row = load.row_of(date(2025, 3, 30))
        assert np.isnan(load.means(8, 12)[row])
        assert np.isfinite(load.means(12, 16)[row])

    def test_an_hour_that_comes_twice_is_the_mean_of_both(self):
        load = self.load("2025-10-24", "2025-10-28")
        row = load.row_of(date(2025, 10, 26))
        first = load.kw[row, 8]
        assert load.means(8, 9)[row] == first
        # two in the zone is 00:00 and 01:00 UTC: four rows apart
        assert first == pytest.approx(2 * 96 + 2)

    def test_the_window_stays_at_the_same_hours_of_the_clock(self):
        load = self.load("2025-03-20", "2025-04-02")
        book = day_book(load, {2025: ()}, ())
        assert book.listed.all()
        when = Occasion(instant_s(date(2025, 4, 1), 13, BERLIN), instant_s(date(2025, 4, 1), 14, BERLIN))
        found = baseline(load, Method(days=Days(2)), when, around(load, zone=BERLIN))
        assert [one.day for one in found.days] == [date(2025, 3, 31), date(2025, 3, 28)]
        utc_index = (np.datetime64("2025-03-31T11:00") - np.datetime64("2025-03-20T00:00")) // np.timedelta64(
            15, "m"
        )
        assert found.days[0].kw == utc_index + 1.5


class TestBacktest:
    def ask(self, kw, method, events=()):
        load = laid_out(kw)
        world = around(load, events=events)
        days = trial_days(load, world)
        return backtest(load, method, days, occasion, lambda _: world), days

    def test_a_building_of_one_load_is_met_exactly(self):
        found, days = self.ask(flat(), of("taipower-mean-of-5"))
        assert (found.bias_percent, found.rrmse_percent, found.mean_kw) == (0, 0, 100)
        assert found.unanswered == 5  # the first five workdays have too few before them
        assert len(found.trials) == len(days) - 5

    def test_bias_and_scatter_by_hand(self):
        kw = flat(10)  # 1 to 10 June, a Sunday first: workdays 2-6, 9, 10
        kw[8:, 52:60] = 80.0
        method = Method(days=Days(1))
        found, _ = self.ask(kw, method)
        errors = np.array([0, 0, 0, 0, 20, 0])  # on the 9th the day before it said 100
        actual = np.array([100, 100, 100, 100, 80, 80])
        assert [one.baseline_kw - one.actual_kw for one in found.trials] == errors.tolist()
        assert found.bias_percent == pytest.approx(100 * errors.mean() / actual.mean())
        assert found.rrmse_percent == pytest.approx(100 * np.sqrt((errors**2).mean()) / actual.mean())

    def test_each_day_is_capped_by_the_contract_of_its_own_day(self):
        load = laid_out(flat())
        before, since = around(load, contract_kw=90.0), around(load, contract_kw=95.0)
        days = trial_days(load, before)
        change = days[len(days) // 2]
        method = Method(days=Days(1), contract_cap=True)
        found = backtest(load, method, days, occasion, lambda day: since if day >= change else before)
        said = {trial.day: trial.baseline_kw for trial in found.trials}
        assert len(said) > 4
        assert all(kw == (95.0 if day >= change else 90.0) for day, kw in said.items())

    def test_event_days_and_days_that_nobody_measured_are_no_trials(self):
        kw = flat()
        kw[20, 53] = np.nan  # Saturday 21 June is none; the 23rd is row 22
        kw[22, 53] = np.nan
        found, days = self.ask(kw, of("taipower-mean-of-5"), events={date(2025, 7, 1)})
        assert date(2025, 7, 1) not in days
        tried = {one.day for one in found.trials}
        assert date(2025, 6, 23) not in tried
        assert not tried & {date(2025, 7, 1)}

    def test_without_trials_there_are_no_figures(self):
        found, _ = self.ask(flat(3), of("taipower-mean-of-5"))
        assert (found.trials, found.mean_kw, found.bias_percent, found.rrmse_percent) == (
            (),
            None,
            None,
            None,
        )

    def test_a_building_that_fed_back_has_no_share(self):
        found, _ = self.ask(flat(kw=-5.0), of("taipower-mean-of-5"))
        assert (found.mean_kw, found.bias_percent, found.rrmse_percent) == (-5, None, None)


@pytest.mark.parametrize(
    ("name", "notice", "hour"),
    [
        ("taipower-mean-of-5", None, None),
        ("pjm-same-day-3-2", None, 18),
        ("caiso-10-of-10", None, 12),
        ("taipower-guaranteed-2025", 11, 11),
        ("taipower-guaranteed-2025", None, 13),
        ("taipower-day-ahead-2025", None, 24),
    ],
)
def test_from_when_on_a_method_can_answer(name, notice, hour):
    """The event lasts from 13:00 to 15:00."""
    notice_s = None if notice is None else instant_s(EVENT, notice)
    one = Occasion(instant_s(EVENT, 13), instant_s(EVENT, 15), notice_s)
    wanted = None if hour is None else instant_s(EVENT, 0) + hour * 3600
    assert measured_until_s(of(name), one, TAIPEI) == wanted
