"""What comes out: goodness of fit, the choice, the saving with its band, and refusals in place of numbers."""

from dataclasses import replace
from math import inf, isnan, nan

import numpy as np
import pytest

from rules.models.avoided import avoided_energy, normalised_savings
from rules.models.basis import Basis
from rules.models.change_points import Shape
from rules.models.degree_days import DegreeDayRules
from rules.models.findings import refused
from rules.models.fit_quality import cv_rmse_limit, effective_count, fit_quality, lag_one, widening
from rules.models.fitted import Step, fit_on
from rules.models.observations import NO_CELL, BaselineSeries, Conditions, ReportingSeries
from rules.models.out_of_sample import out_of_sample_cv_rmse
from rules.models.selection import (
    Candidate,
    ModelRules,
    known_rows,
    select_daily,
    select_hourly,
)
from rules.models.students_t import t_value, within
from rules.models.sufficiency import SufficiencyRules
from rules.models.uncertainty import (
    Variant,
    annex_factor,
    billing_annex_factor,
    caltrack_share,
    effective_share,
    months,
)
from tests.model_world import planted_world

DAYS = np.datetime64("2018-01-01", "s") + np.arange(800) * np.timedelta64(86400, "s")
SHORT = ModelRules(sufficiency=SufficiencyRules(20, 5))


def base(use, t=None, cell=None) -> BaselineSeries:
    n = len(use)
    t = np.linspace(10, 30, n) if t is None else t
    return BaselineSeries(DAYS[:n], use, Conditions(t, np.zeros(n, dtype=np.int64) if cell is None else cell))


def codes(findings) -> list[str]:
    return [finding.code for finding in findings]


class TestQuality:
    def test_figures_by_hand(self):
        observed, modelled = np.array([10.0, 12.0, 14.0, 16.0]), np.array([11.0, 12.0, 13.0, 15.0])
        found = fit_quality(observed, modelled, 2, DAYS[:4], 86400)
        assert found.mean == 13
        assert found.rmse == pytest.approx((3 / 2) ** 0.5)
        assert found.cv_rmse == pytest.approx((3 / 2) ** 0.5 / 13)
        assert found.nmbe == pytest.approx(1 / (2 * 13))  # observed more than modelled: above 0
        assert found.ndbe == pytest.approx(1 / 52)
        assert found.r2 == pytest.approx(1 - 3 / 20)
        assert found.adjusted_r2 == pytest.approx(1 - (3 / 20) * 3 / 2)
        assert found.freedom == 2

    def test_figures_without_a_meaning_are_nan(self):
        nothing = fit_quality(np.zeros(3), np.zeros(3), 1, DAYS[:3], 86400)
        assert all(isnan(figure) for figure in (nothing.cv_rmse, nothing.nmbe, nothing.ndbe, nothing.r2))
        full = fit_quality(np.array([1.0, 2.0]), np.array([1.0, 2.0]), 2, DAYS[:2], 86400)
        assert all(isnan(figure) for figure in (full.rmse, full.nmbe, full.adjusted_r2, full.lag1))

    def test_neighbours_across_a_gap_are_none(self):
        residuals = np.array([1.0, 2.0, 3.0, -9.0, -8.0])
        at = DAYS[[0, 1, 2, 10, 11]]
        pairs = np.array([[1.0, 2.0], [2.0, 3.0], [-9.0, -8.0]])
        assert lag_one(residuals, at, 86400) == pytest.approx(np.corrcoef(pairs.T)[0, 1])
        assert isnan(lag_one(residuals[:3], at[:3], 86400))
        assert isnan(lag_one(np.ones(9), DAYS[:9], 86400))

    def test_effective_count_and_widening(self):
        assert effective_count(300, 0.5) == pytest.approx(100)
        assert effective_count(300, nan) == effective_count(300, 1.0) == 300
        assert widening(0.5) == pytest.approx(3)
        assert widening(-0.5) == widening(nan) == 1
        assert widening(1.0) == pytest.approx(1999)

    def test_hours_are_widened_by_whole_days(self):
        rng = np.random.default_rng(3)
        hour = np.datetime64("2018-01-01", "s") + np.arange(200 * 24) * np.timedelta64(3600, "s")
        of_day = np.repeat(rng.standard_normal(200), 24)
        found = fit_quality(of_day + 100, np.full(4800, 100.0), 1, hour, 3600)
        assert found.widening == pytest.approx(24 * widening(lag_one(of_day[::24], DAYS[:200], 86400)))
        alone = fit_quality(rng.standard_normal(4800), np.zeros(4800), 1, hour, 3600)
        assert 1.0 <= alone.widening < 1.5
        assert fit_quality(np.ones(48), np.ones(48), 1, hour[:48], 3600).widening == 1.0
        assert fit_quality(np.ones(96), np.ones(96), 1, hour[:96], 3600).widening == 1.0

    def test_limits_of_option_c(self):
        assert [cv_rmse_limit(months) for months in (6, 12, 60, 61)] == [0.20, 0.25, 0.25, 0.30]


class TestStudentsT:
    @pytest.mark.parametrize(
        ("confidence", "freedom", "value"),
        [  # Abramowitz and Stegun, table 26.10, and tables of the t distribution
            (0.90, 1, 6.314),
            (0.90, 10, 1.812),
            (0.95, 5, 2.571),
            (0.95, 30, 2.042),
            (0.80, 120, 1.289),
            (0.99, 2, 9.925),
            (0.90, 1e6, 1.645),
        ],
    )
    def test_tables(self, confidence, freedom, value):
        assert t_value(confidence, freedom) == pytest.approx(value, abs=6e-4)

    def test_both_ways_agree(self):
        assert t_value(0.9, 199.999) == pytest.approx(t_value(0.9, 200.0), abs=2e-7)
        assert within(t_value(0.9, 71.76), 71.76) == pytest.approx(0.9, abs=1e-13)
        assert (within(0.0, 5), within(inf, 5)) == (0.0, 1.0)

    def test_very_few_degrees_of_freedom(self):
        assert within(t_value(0.9, 0.05), 0.05) < 0.9  # beyond what a double can hold apart; wide is enough

    @pytest.mark.parametrize(("confidence", "freedom"), [(0.0, 5), (1.0, 5), (0.9, 0), (0.9, nan)])
    def test_outside(self, confidence, freedom):
        with pytest.raises(ValueError, match="no t for confidence"):
            t_value(confidence, freedom)


class TestBand:
    def test_caltrack_by_hand(self):
        model = fit_on(base(np.linspace(90, 110, 365)), "mean", Basis(), Step.DAY)
        quality = replace(model.quality, n=365, parameters=3, cv_rmse=0.1, lag1=0.5)
        share = caltrack_share(quality, m=180, factor=annex_factor(Step.DAY, 6))
        n_effective = 365 / 3
        factor = -0.00024 * 36 + 0.03535 * 6 + 1.00286
        root = (3 * (1 + 2 / n_effective) / 180) ** 0.5
        assert share == pytest.approx(t_value(0.9, 362) * factor * 0.1 * root)

    def test_factors(self):
        assert annex_factor(Step.HOUR, 6) == 1.26
        assert billing_annex_factor(12) == pytest.approx(-0.00022 * 144 + 0.03306 * 12 + 0.94054)
        assert months(365, Step.DAY) == pytest.approx(11.992, abs=1e-3)
        assert months(8760, Step.HOUR) == pytest.approx(months(365, Step.DAY))

    def test_no_freedom_no_effective_band(self):
        model = fit_on(base(np.linspace(90, 110, 60)), "mean", Basis(), Step.DAY)
        assert isnan(effective_share(replace(model.quality, lag1=0.99), 30, 1.2))

    @pytest.mark.parametrize("variant", list(Variant))
    def test_variants_are_named_and_near_each_other(self, variant):
        before, after = planted_world(1).daily(saving=0.06)
        model = select_daily(before).best
        found = avoided_energy(model, after, variant)
        usual = avoided_energy(model, after)
        assert found.band.variant is variant
        assert found.band.half_width == pytest.approx(usual.band.half_width, rel=0.25)
        assert found.band.fraction == pytest.approx(found.band.half_width / found.avoided)
        wider = avoided_energy(model, after, variant, confidence=0.95)
        assert wider.band.half_width > found.band.half_width

    def test_effective_without_freedom_has_no_width(self):
        before, after = planted_world(1).daily()
        model = fit_on(before, "day types", Basis(linear=True), Step.DAY, by_cell=True)
        stiff = replace(model, quality=replace(model.quality, lag1=0.99))
        band = avoided_energy(stiff, after, Variant.EFFECTIVE).band
        assert isnan(band.half_width)
        assert isnan(band.t)

    def test_a_model_without_freedom_has_no_band(self):
        model = fit_on(base(np.array([5.0])), "mean", Basis(), Step.DAY)
        after = ReportingSeries(DAYS[1:2], np.array([5.0]), Conditions(np.array([10.0]), np.array([0])))
        found = avoided_energy(model, after)
        assert isnan(found.band.half_width)
        assert isnan(found.band.fraction)

    def test_no_saving_has_no_fraction(self):
        model = fit_on(base(np.array([4.0, 6.0, 5.0])), "mean", Basis(), Step.DAY)
        after = ReportingSeries(DAYS[3:4], np.array([5.0]), Conditions(np.array([10.0]), np.array([0])))
        assert isnan(avoided_energy(model, after).band.fraction)


class TestAvoided:
    def test_masked_rows_are_in_no_sum_and_are_counted(self):
        cell = np.arange(60) % 2
        model = fit_on(
            base(np.where(cell, 10.0, 20.0), cell=cell), "day types", Basis(), Step.DAY, by_cell=True
        )
        use = np.array([9.0, nan, 9.0, 9.0, 18.0, 9.0])
        conditions = Conditions(
            np.array([20.0, 20, nan, 20, model.warmest + 5, 20]), np.array([1, 1, 1, NO_CELL, 0, 7])
        )
        found = avoided_energy(model, ReportingSeries(DAYS[60:66], use, conditions))
        assert (found.observed, found.expected, found.avoided) == pytest.approx((27, 30, 3))
        assert found.share == pytest.approx(0.1)
        masked = found.masked
        assert (masked.rows, masked.no_use, masked.no_weather, masked.no_cell, masked.unseen) == (
            6,
            1,
            1,
            1,
            1,
        )
        assert np.isnan(found.expected_rows).tolist() == [False, True, True, True, False, True]
        assert codes(found.findings) == ["reporting_mostly_part", "reporting_extrapolated"]
        assert found.findings[1].fact("rows") == 1

    @pytest.mark.parametrize(("days", "refuses"), [(3, True), (1, False)])
    @pytest.mark.parametrize("of", [54.0, -9.0])
    def test_another_unit_is_no_weather(self, days, refuses, of):
        """A winter's day of 12 degC is one of 54 degF: plausible somewhere, and never here."""
        t = np.linspace(10, 30, 365)
        model = fit_on(base(100 + 2 * t, t), "2P", Basis(linear=True), Step.DAY)
        after = np.full(181, 20.0)
        after[:days] = of
        cells = np.zeros(181, dtype=np.int64)
        found = avoided_energy(
            model, ReportingSeries(DAYS[0:181], np.full(181, 140.0), Conditions(after, cells))
        )
        assert codes(found.findings) == ["temperature_far_from_base" if refuses else "reporting_extrapolated"]
        assert found.findings[0].fact("rows") == days
        assert isnan(found.avoided) is refuses

    def test_no_model_of_weather_asks_whether_it_can_be(self):
        model = fit_on(base(np.linspace(9, 11, 60)), "mean", Basis(), Step.DAY)
        far = Conditions(np.full(30, 54.0), np.zeros(30, dtype=np.int64))
        found = avoided_energy(model, ReportingSeries(DAYS[60:90], np.full(30, 10.0), far))
        assert codes(found.findings) == ["reporting_extrapolated"]

    def test_a_few_masked_rows_are_a_remark(self):
        model = fit_on(base(np.linspace(9, 11, 60)), "mean", Basis(), Step.DAY)
        use = np.full(30, 10.0)
        use[3] = nan
        after = ReportingSeries(DAYS[60:90], use, Conditions(np.full(30, 20.0), np.zeros(30, dtype=np.int64)))
        assert codes(avoided_energy(model, after).findings) == ["reporting_masked"]

    def test_rows_that_are_not_there_are_told(self):
        model = fit_on(base(np.linspace(9, 11, 60)), "mean", Basis(), Step.DAY)
        at = DAYS[[60, 61, 65]]
        after = ReportingSeries(
            at, np.full(3, 10.0), Conditions(np.full(3, 20.0), np.zeros(3, dtype=np.int64))
        )
        (found,) = avoided_energy(model, after).findings
        assert (found.code, found.fact("absent")) == ("reporting_rows_absent", 3)
        nothing = ReportingSeries(at[:0], np.zeros(0), Conditions(np.zeros(0), np.zeros(0, dtype=np.int64)))
        assert codes(avoided_energy(model, nothing).findings) == ["reporting_nothing_known"]

    def test_nothing_known_is_a_finding_and_no_number(self):
        model = fit_on(base(np.linspace(9, 11, 60)), "mean", Basis(), Step.DAY)
        after = ReportingSeries(
            DAYS[60:62], np.full(2, nan), Conditions(np.full(2, 20.0), np.zeros(2, dtype=np.int64))
        )
        found = avoided_energy(model, after)
        assert codes(found.findings) == ["reporting_nothing_known"]
        assert refused(found.findings)
        assert found.band is None
        assert isnan(found.avoided)
        assert isnan(found.share)

    def test_nothing_expected_has_no_share(self):
        model = fit_on(base(np.zeros(40)), "mean", Basis(), Step.DAY)
        after = ReportingSeries(
            DAYS[60:61], np.ones(1), Conditions(np.full(1, 20.0), np.zeros(1, dtype=np.int64))
        )
        assert isnan(avoided_energy(model, after).share)

    def test_normalised_savings(self):
        t = np.linspace(10, 30, 365)
        rng = np.random.default_rng(8)
        before = fit_on(base(100 + 2 * t + rng.standard_normal(365), t), "2P", Basis(linear=True), Step.DAY)
        after = fit_on(base(90 + 2 * t + rng.standard_normal(365), t), "2P", Basis(linear=True), Step.DAY)
        normal = Conditions(np.append(np.full(100, 20.0), nan), np.zeros(101, dtype=np.int64))
        found = normalised_savings(before, after, normal)
        assert found.saved == pytest.approx(1000, abs=2 * found.half_width)
        assert (found.rows, found.skipped) == (100, 1)
        assert 0 < found.half_width < 50
        stiff = fit_on(base(np.array([1.0])), "mean", Basis(), Step.DAY)
        assert isnan(normalised_savings(before, stiff, normal).half_width)


class TestSelection:
    def test_the_losers_stand_beside_the_best(self):
        before, _ = planted_world(5).daily()
        found = select_daily(before)
        assert found.best is found.candidates[0].model
        assert found.best.name == "TOWT"
        names = {candidate.name for candidate in found.candidates}
        assert names == {"mean", "day types", "degree days", "TOWT", *Shape}
        errors = [each.out_of_sample for each in found.candidates[1:] if each.qualifies]
        assert errors == sorted(errors)
        assert found.findings == ()

    def test_insufficient_data_gives_findings_and_no_number(self):
        before, _ = planted_world(5).daily()
        rows = np.arange(365) < 300
        part = BaselineSeries(before.start[rows], before.use[rows], before.conditions.taken(rows))
        for found in (select_daily(part), select_hourly(part)):
            assert found.best is None
            assert found.candidates == ()
            assert "baseline_too_short" in codes(found.findings)

    def test_missing_values_anywhere(self):
        before, _ = planted_world(5).daily()
        before.use[[0, 100, 364]] = [nan, inf, -inf]
        before.conditions.temperature[200] = nan
        found = select_daily(before)
        assert found.best.quality.n == 361
        assert found.findings[0].fact("rows") == 4
        assert len(known_rows(before)) == 361

    def test_shapes_that_lean_the_wrong_way_are_not_chosen(self):
        t = np.linspace(0, 30, 60)
        found = select_daily(base(100 - np.maximum(t - 15, 0), t), SHORT)
        wrong = {each.name: codes(each.findings) for each in found.candidates if not each.qualifies}
        assert wrong[Shape.COOLING] == ["slope_negative"]

    def test_too_few_days_for_a_shape(self):
        found = select_daily(base(np.linspace(9, 11, 24), np.full(24, 20.0)), SHORT)
        why = {each.name: codes(each.findings) for each in found.candidates if not each.qualifies}
        assert why[Shape.LINE] == why[Shape.BOTH] == ["too_few_days_beyond"]
        assert why["degree days"] == ["no_degree_days_qualify"]
        assert found.best.name in {"mean", "day types", "TOWT"}

    def test_more_parameters_than_the_rows_carry(self):
        cell = np.arange(24) % 12
        found = select_daily(base(np.linspace(9, 11, 24), cell=cell), SHORT)
        why = {each.name: codes(each.findings) for each in found.candidates}
        assert why["day types"] == why["TOWT"] == ["too_few_rows"]

    def test_a_loose_fit_is_said(self):
        rng = np.random.default_rng(1)
        found = select_daily(base(rng.uniform(0, 100, 365)))
        assert codes(found.findings) == ["cv_rmse_above_limit"]
        assert found.findings[0].fact("limit") == 0.20

    def test_use_that_never_varies(self):
        found = select_daily(base(np.full(365, 7.0)))
        assert found.best is not None
        assert codes(found.findings) == ["use_never_varies"]
        nothing = select_daily(base(np.zeros(365)))
        assert "use_never_varies" in codes(nothing.findings)
        assert nothing.best.predicted(Conditions(np.array([20.0]), np.array([0]))).tolist() == [0.0]

    def test_no_model_qualifies(self):
        rules = ModelRules(DegreeDayRules((20.0,)), sufficiency=SufficiencyRules(1, 0))
        found = select_daily(base(np.array([5.0, 6.0])), rules)
        assert found.best is None
        assert codes(found.findings)[-1] == "no_model_qualifies"

    def test_a_candidate_without_a_model(self):
        empty = Candidate("5P", None, nan)
        assert (empty.qualifies, empty.error, empty.adjusted_r2) == (False, inf, -inf)
        assert isnan(empty.cv_rmse)

    def test_hours(self):
        before, _ = planted_world(5).hourly()
        found = select_hourly(before)
        assert [each.name for each in found.candidates] == ["TOWT", "day types"]
        assert found.best.levels.group.sum() > 40

    def test_a_second_driver_is_taken_along(self):
        before, _ = planted_world(5).daily()
        wet = np.random.default_rng(2).uniform(30, 70, 365)
        t, cell = before.conditions.temperature, before.conditions.cell
        use = before.use * (1 + 0.004 * wet)
        series = BaselineSeries(before.start, use, Conditions(t, cell, wet))
        with_moisture = select_daily(series).best
        without = select_daily(BaselineSeries(before.start, use, Conditions(t, cell))).best
        assert with_moisture.basis.moisture
        assert with_moisture.quality.cv_rmse < 0.8 * without.quality.cv_rmse


class TestOutOfSample:
    @pytest.mark.parametrize(
        "basis", [Basis(), Basis(linear=True), Basis(heating_below=15.0, cooling_above=24.0)]
    )
    def test_both_ways_agree(self, basis):
        before, _ = planted_world(6).daily()
        one = fit_on(before, "x", basis, Step.DAY)
        same = BaselineSeries(
            before.start, before.use, replace(before.conditions, cell=np.zeros(365, dtype=np.int64))
        )
        other = fit_on(same, "x", basis, Step.DAY, by_cell=True)
        assert out_of_sample_cv_rmse(one, same) == pytest.approx(out_of_sample_cv_rmse(other, same), rel=1e-9)

    def test_columns_that_a_fold_cannot_tell_apart(self):
        t = np.full(70, 20.0)
        t[:3] = 25.0  # warm days in one week alone
        model = fit_on(base(np.linspace(9, 11, 70), t), "3PC", Basis(cooling_above=20.0), Step.DAY)
        assert out_of_sample_cv_rmse(model, base(np.linspace(9, 11, 70), t)) > 0

    def test_one_week_has_no_other_weeks(self):
        series = base(np.linspace(9, 11, 7), cell=np.arange(7))
        model = fit_on(series, "day types", Basis(), Step.DAY, by_cell=True)
        assert isnan(out_of_sample_cv_rmse(model, series))
        flat = fit_on(series, "mean", Basis(), Step.DAY)
        assert isnan(out_of_sample_cv_rmse(flat, series))
