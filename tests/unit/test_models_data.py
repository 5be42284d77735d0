"""What models are fed with: masks, weather, moisture, kinds of time, and whether it is enough."""

from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from rules.models.day_types import (
    DatedCalendar,
    DayType,
    day_type_cells,
    hour_of_day_type_cells,
    hour_of_week_cells,
    local_dates,
    weekday_cells,
)
from rules.models.findings import refusal, refused, remark
from rules.models.fitted import Step
from rules.models.moist_air import enthalpy_kj_kg, wet_bulbs_c
from rules.models.observations import NO_CELL, BaselineSeries, Conditions, masked
from rules.models.sufficiency import baseline_findings
from rules.models.weather import (
    bridged,
    daily_means,
    days_between,
    screened_temperatures_c,
    zero_is_missing,
)

TAIPEI = ZoneInfo("Asia/Taipei")
BERLIN = ZoneInfo("Europe/Berlin")
NAN = np.nan
HOUR = np.timedelta64(3600, "s")
# Taiwan 2017, as announced: a bridged Monday in May is worked on a Saturday in June.
TAIWAN = DatedCalendar(
    date(2017, 1, 1),
    date(2017, 12, 31),
    frozenset({date(2017, 5, 29), date(2017, 5, 30), date(2017, 10, 10), date(2017, 10, 9)}),
    frozenset({date(2017, 6, 3), date(2017, 9, 30)}),
)


def hours(first: str, count: int):
    return np.datetime64(first, "s") + np.arange(count) * HOUR


def days(count: int, first: str = "2017-01-01"):
    return np.datetime64(first, "s") + np.arange(count) * np.timedelta64(86400, "s")


def year(count: int = 365, **changed) -> BaselineSeries:
    use = np.linspace(90, 110, count)
    t = np.linspace(15, 30, count)
    cell = np.arange(count) % 7
    for name, (at, value) in changed.items():
        {"use": use, "temperature": t, "cell": cell}[name][at] = value
    return BaselineSeries(days(count), use, Conditions(t, cell))


def codes(findings) -> list[str]:
    return [finding.code for finding in findings]


class TestObservations:
    def test_each_masked_row_has_one_reason(self):
        use = np.array([NAN, 1, 1, 1, 1])
        conditions = Conditions(
            np.array([NAN, NAN, 20, 20, 20]), np.array([0, 0, 0, NO_CELL, 5]), np.array([1, 1, NAN, 1, 1.0])
        )
        counts = masked(use, conditions, np.array([True, True, True, True, False]))
        assert (counts.no_use, counts.no_weather, counts.no_cell, counts.unseen) == (1, 2, 1, 1)
        assert (counts.total, counts.counted) == (5, 0)
        assert conditions.known.tolist() == [False, False, False, False, True]
        assert conditions.taken(conditions.known).moisture.tolist() == [1.0]

    def test_lengths_must_agree(self):
        with pytest.raises(ValueError, match="differ in length"):
            Conditions(np.zeros(2), np.zeros(3, dtype=np.int64))
        with pytest.raises(ValueError, match="differ in length"):
            Conditions(np.zeros(2), np.zeros(2, dtype=np.int64), np.zeros(1))
        with pytest.raises(ValueError, match="3 starts, 2 uses"):
            BaselineSeries(days(3), np.zeros(2), Conditions(np.zeros(2), np.zeros(2, dtype=np.int64)))

    def test_time_must_rise(self):
        with pytest.raises(ValueError, match="must rise"):
            BaselineSeries(days(2)[::-1], np.zeros(2), Conditions(np.zeros(2), np.zeros(2, dtype=np.int64)))


def test_findings():
    found = refusal("too_short", days=3)
    assert found.fact("days") == 3
    assert refused([remark("a"), found])
    assert not refused([remark("a")])


class TestDayTypes:
    def test_holidays_and_worked_saturdays(self):
        kinds = [TAIWAN.day_type(date(2017, 5, 26)), TAIWAN.day_type(date(2017, 5, 29))]
        assert kinds == [DayType.WORKDAY, DayType.HOLIDAY]
        assert TAIWAN.day_type(date(2017, 6, 3)) is DayType.WORKDAY
        assert TAIWAN.day_type(date(2017, 6, 10)) is DayType.SATURDAY
        assert TAIWAN.day_type(date(2017, 6, 11)) is DayType.SUNDAY

    def test_outside_the_calendar_nothing_is_known(self):
        assert TAIWAN.day_type(date(2018, 1, 1)) is None
        assert day_type_cells([date(2017, 12, 31), date(2018, 1, 1)], TAIWAN).tolist() == [2, NO_CELL]

    def test_a_day_cannot_be_both(self):
        day = frozenset({date(2017, 6, 3)})
        with pytest.raises(ValueError, match="2017-06-03"):
            DatedCalendar(date(2017, 1, 1), date(2017, 12, 31), day, day)

    def test_weekdays_and_hours_of_the_week(self):
        assert weekday_cells([date(2017, 1, 2), date(2017, 1, 8)]).tolist() == [0, 6]
        start = hours("2017-01-01T16:00", 3)  # Monday begins at 16:00 UTC in Taipei
        assert hour_of_week_cells(start, TAIPEI).tolist() == [0, 1, 2]
        assert local_dates(start[:1], TAIPEI) == [date(2017, 1, 2)]

    def test_hours_of_day_types(self):
        start = hours("2017-12-31T14:00", 4)
        assert hour_of_day_type_cells(start, TAIPEI, TAIWAN).tolist() == [70, 71, NO_CELL, NO_CELL]

    def test_days_of_23_and_25_hours(self):
        spring = hour_of_week_cells(hours("2017-03-25T23:00", 24), BERLIN)
        assert (spring % 24).tolist() == [0, 1, *range(3, 24), 0]
        autumn = hour_of_week_cells(hours("2017-10-28T22:00", 25), BERLIN)
        assert (autumn % 24).tolist() == [0, 1, 2, 2, *range(3, 24)]


class TestWeather:
    def test_implausible_values_are_masked_and_told(self):
        values = np.full(500, 25.0)
        values[[3, 5]] = [-999.0, np.inf]
        found = screened_temperatures_c(values)
        assert np.isnan(found.values[[3, 5]]).all()
        assert found.implausible == 1
        assert codes(found.findings) == ["temperature_implausible"]
        assert found.findings[0].fact("worst") == -999.0

    def test_fahrenheit_is_refused(self):
        found = screened_temperatures_c(np.linspace(50, 95, 100))
        assert codes(found.findings) == ["temperature_unit_doubtful"]
        assert refused(found.findings)
        assert screened_temperatures_c(np.linspace(10, 35, 100)).findings == ()

    def test_gaps_up_to_six_hours_are_bridged(self):
        values = np.arange(30.0)
        values[[0, 29]] = NAN
        values[4:10] = NAN  # six hours
        values[15:22] = NAN  # seven
        found = bridged(hours("2017-01-01", 30), values)
        assert found.filled == 6
        np.testing.assert_allclose(found.values[4:10], np.arange(4.0, 10.0))
        assert np.isnan(found.values[15:22]).all()
        assert np.isnan(found.values[[0, 29]]).all()

    def test_rows_that_are_not_there_lengthen_a_gap(self):
        start = hours("2017-01-01", 30)[[0, 1, 2, 20, 21]]
        assert bridged(start, np.array([1, 2, NAN, 20, 21.0])).filled == 0

    @pytest.mark.parametrize("values", [[1.0, 2.0], [NAN, 2.0], [NAN, NAN]])
    def test_nothing_to_bridge(self, values):
        found = bridged(hours("2017-01-01", 2), np.array(values))
        assert found.filled == 0
        np.testing.assert_array_equal(found.values, values)

    def test_a_day_needs_half_of_its_readings(self):
        start = hours("2017-01-01", 72)
        values = np.r_[
            np.full(24, 20.0), np.full(12, 21.0), np.full(12, NAN), np.full(11, 22.0), np.full(13, NAN)
        ]
        means = daily_means(local_dates(start, ZoneInfo("UTC")), values, date(2017, 1, 1), date(2017, 1, 4))
        np.testing.assert_array_equal(means, [20, 21, NAN, NAN])
        assert days_between(date(2017, 1, 31), date(2017, 2, 1)) == [date(2017, 1, 31), date(2017, 2, 1)]

    def test_zeros_are_missing_for_electricity_alone(self):
        use, zero = zero_is_missing(np.array([0.0, 5.0]), electricity=True)
        assert np.isnan(use[0])
        assert zero.tolist() == [True, False]
        use, zero = zero_is_missing(np.array([0.0, 5.0]), electricity=False)
        assert use.tolist() == [0.0, 5.0]
        assert not zero.any()

    def test_moist_air(self):
        t, rh = np.array([20.0, 25.0, 25.0, 60.0]), np.array([50.0, 50.0, 120.0, 50.0])
        wet, h = wet_bulbs_c(t, rh), enthalpy_kj_kg(t, rh)
        assert wet[:2] == pytest.approx([13.699, 17.95], abs=0.05)
        assert np.isnan(wet[[2, 3]]).all()
        assert h[:2] == pytest.approx([38.5, 50.4], abs=0.2)  # psychrometric chart, sea level
        assert np.isnan(h[2])


class TestSufficiency:
    def test_a_whole_year_is_enough(self):
        assert baseline_findings(year(), Step.DAY) == ()

    def test_nothing_at_all(self):
        assert codes(baseline_findings(year(0), Step.DAY)) == ["baseline_empty"]

    def test_too_short(self):
        (found,) = baseline_findings(year(364), Step.DAY)
        assert (found.code, found.refuses) == ("baseline_too_short", True)
        assert (found.fact("days"), found.fact("needed_days")) == (364, 365)

    @pytest.mark.parametrize("column", ["use", "temperature"])
    def test_thirty_seven_days_may_be_missing(self, column):
        (found,) = baseline_findings(year(**{column: (slice(0, 37), NAN)}), Step.DAY)
        assert (found.code, found.refuses, found.fact("rows")) == ("baseline_masked", False, 37)
        (found,) = baseline_findings(year(**{column: (slice(0, 38), NAN)}), Step.DAY)
        assert (found.code, found.refuses, found.fact("missing_days")) == (
            "baseline_too_much_missing",
            True,
            38,
        )

    def test_days_that_have_no_row_are_missing(self):
        whole = year()
        kept = np.ones(365, dtype=bool)
        kept[100:140] = False
        part = BaselineSeries(whole.start[kept], whole.use[kept], whole.conditions.taken(kept))
        (found,) = baseline_findings(part, Step.DAY)
        assert (found.code, found.fact("absent")) == ("baseline_too_much_missing", 40)

    def test_days_outside_the_calendar_are_told(self):
        (found,) = baseline_findings(year(cell=(slice(0, 5), NO_CELL)), Step.DAY)
        assert found.fact("no_calendar") == 5

    def test_nothing_known_is_too_much_missing(self):
        found = baseline_findings(year(use=(slice(None), NAN)), Step.DAY)
        assert codes(found) == ["baseline_too_much_missing"]

    def test_series_that_tell_nothing(self):
        flat = year(use=(slice(None), 5.0), temperature=(slice(None), 20.0))
        assert codes(baseline_findings(flat, Step.DAY)) == ["use_never_varies", "temperature_never_varies"]
        assert codes(baseline_findings(year(use=(3, -1.0)), Step.DAY)) == ["use_negative"]
