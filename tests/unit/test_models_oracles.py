"""Models held against what others found: a row of results each, from their own tests or their own
programs.
"""

import csv
import importlib
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from rules.models.avoided import avoided_energy
from rules.models.basis import Basis
from rules.models.change_points import Shape, change_point_basis
from rules.models.degree_days import CALTRACK_F, DegreeDayRules, degree_day_choice
from rules.models.fitted import FittedModel, Step, fit_on
from rules.models.hinge_sums import TemperatureOrder
from rules.models.observations import BaselineSeries, Conditions, ReportingSeries
from rules.models.towt import CALTRACK_HOURLY_F, EQUAL_COUNTS_F, fit_towt
from rules.models.uncertainty import annex_factor, effective_share

ROOT = Path(__file__).parents[2]
NMECR = ROOT.parent / "shared" / "data" / "nmecr"
EXPECTED = ROOT / "tests" / "golden" / "models"
formula_building = importlib.import_module("benchmarks.oracle.formula_building")

needs_nmecr = pytest.mark.skipif(not NMECR.is_dir(), reason=f"the reference building is not here: {NMECR}")


def expected(name: str):
    return json.loads((EXPECTED / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def nmecr():
    with (NMECR / "building_daily.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    start = np.array([row["date"] for row in rows], dtype="datetime64[s]")
    use = np.array([float(row["kwh"]) for row in rows])
    temperature = np.array([float(row["temperature_f"]) for row in rows])
    cell = np.array([date.fromisoformat(row["date"]).weekday() for row in rows])

    def between(kind, first, last):
        rows = (start >= np.datetime64(first)) & (start <= np.datetime64(last))
        return kind(start[rows], use[rows], Conditions(temperature[rows], cell[rows]))

    base = between(BaselineSeries, "2012-03-01", "2013-02-28")
    return base, between(ReportingSeries, "2014-03-01", "2015-02-28")


def change_points(series, shape: Shape, side_days: int = 10) -> FittedModel:
    order = TemperatureOrder(series.conditions.temperature, series.use)
    return fit_on(series, shape, change_point_basis(shape, order, side_days), Step.DAY)


@needs_nmecr
class TestNmecr:
    """R package nmecr of kW Engineering; numbers as its own tests store them (see SOURCE.md there)."""

    def test_periods(self, nmecr):
        assert [len(period) for period in nmecr] == [364, 365]

    def test_simple_linear_regression(self, nmecr):
        assert change_points(nmecr[0], Shape.LINE).quality.r2 == pytest.approx(0.6908902469, abs=5e-11)

    def test_four_parameters_are_never_worse_than_a_local_search(self, nmecr):
        assert change_points(nmecr[0], Shape.BOTH).quality.r2 >= 0.7197438069

    def test_towt_fit(self, nmecr):
        assert towt(nmecr).quality.r2 == pytest.approx(0.8964727414, abs=5e-11)

    def test_towt_predictions_by_day(self, nmecr):
        with (NMECR / "expected_towt_predictions.csv").open(encoding="utf-8") as file:
            theirs = [float(row["predicted_kwh"]) for row in csv.DictReader(file)]
        ours = towt(nmecr).predicted(nmecr[1].conditions)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)

    def test_towt_savings_over_the_reporting_year(self, nmecr):
        found = avoided_energy(towt(nmecr), nmecr[1])
        assert found.avoided == pytest.approx(408141.5941437797, rel=1e-11)
        assert found.masked.total == 0

    def test_fractional_savings_uncertainty(self, nmecr):
        # The figure that is stored counts 17 parameters; the two parts of the model have 19 coefficients.
        # Months are thirty days there.
        quality = replace(towt(nmecr).quality, parameters=17)
        share = effective_share(quality, m=365, factor=annex_factor(Step.DAY, 364 / 30))
        assert share / 0.07 == pytest.approx(0.2620893707, abs=5e-10)


def towt(nmecr) -> FittedModel:
    return fit_towt(nmecr[0], EQUAL_COUNTS_F, Step.DAY)


@pytest.fixture(scope="module")
def sample():
    theirs = expected("eemeter_daily.json")
    start = np.array(theirs["days"], dtype="datetime64[s]")
    t = np.array(theirs["temperature_f"])
    conditions = Conditions(t, np.zeros(len(t), dtype=np.int64))
    return theirs, BaselineSeries(start, np.array(theirs["kwh"]), conditions)


class TestEemeter:
    """eemeter 2.10.11's CalTRACK models, run by `make oracle`."""

    @pytest.mark.parametrize("kind", ["hdd_only", "cdd_only", "cdd_hdd"])
    def test_daily_coefficients(self, sample, kind):
        theirs, series = sample
        known = theirs["best_of_kind"][kind]
        assert_same_degree_days(fit_on(series, kind, basis_of(known["parameters"]), Step.DAY), known)

    def test_daily_choice(self, sample):
        theirs, series = sample
        choice = degree_day_choice(order_of(series), float(series.use.mean()), CALTRACK_F)
        known = theirs["best_of_kind"][theirs["chosen"]]
        assert choice.basis == basis_of(known["parameters"])
        assert choice.adjusted_r2 == pytest.approx(known["adjusted_r2"], rel=1e-9)
        assert choice.qualified == theirs["qualified"]

    def test_celsius_is_the_same_model(self, sample):
        _, series = sample
        fahrenheit = degree_day_choice(order_of(series), float(series.use.mean()), CALTRACK_F)
        celsius = DegreeDayRules(
            tuple((point - 32) / 1.8 for point in CALTRACK_F.balance_points), fewest_degree_days=20 / 1.8
        )
        order = TemperatureOrder((series.conditions.temperature - 32) / 1.8, series.use)
        same = degree_day_choice(order, float(series.use.mean()), celsius)
        assert same.adjusted_r2 == pytest.approx(fahrenheit.adjusted_r2, rel=1e-12)
        in_celsius = [(point - 32) / 1.8 for point in points_of(fahrenheit.basis)]
        assert points_of(same.basis) == pytest.approx(in_celsius)

    def test_hourly_model_of_one_segment(self):
        theirs = expected("eemeter_hourly.json")
        series = formula_hours()
        model = fit_towt(series, CALTRACK_HOURLY_F, Step.HOUR)
        assert list(model.basis.knots) == theirs["knots_f"]
        assert model.levels.group.tolist() == theirs["occupied"]
        ours = model.predicted(series.conditions)
        np.testing.assert_allclose(ours[::37], theirs["predicted_every_37_hours"], rtol=1e-9)
        assert ours.sum() == pytest.approx(theirs["sum"], rel=1e-9)


class TestCamber:
    """camber-toolkit 0.110.0, run by `make oracle`."""

    @pytest.mark.parametrize("shape", list(Shape))
    def test_squared_error_is_never_above_theirs(self, shape):
        start, temperature, use = formula_building.days()
        series = BaselineSeries(
            start.astype("datetime64[s]"), use, Conditions(temperature, np.zeros(len(use), dtype=np.int64))
        )
        theirs = expected("camber.json")["change_points"][shape]["sse"]
        ours = change_points(series, shape, side_days=1).quality.squared_error
        assert ours <= theirs * (1 + 1e-9)

    def test_hourly_model_of_one_segment(self):
        theirs = expected("camber.json")["hourly"]
        series = formula_hours()
        ours = fit_towt(series, CALTRACK_HOURLY_F, Step.HOUR).predicted(series.conditions)
        np.testing.assert_allclose(ours[::37], theirs["predicted_every_37_hours"], rtol=1e-9)
        assert ours.sum() == pytest.approx(theirs["sum"], rel=1e-9)


def formula_hours() -> BaselineSeries:
    start, temperature, use = formula_building.hours()
    return BaselineSeries(
        start.astype("datetime64[s]"), use, Conditions(temperature, np.arange(len(use)) % 168)
    )


def order_of(series: BaselineSeries) -> TemperatureOrder:
    return TemperatureOrder(series.conditions.temperature, series.use)


def points_of(basis: Basis) -> list[float]:
    return [point for point in (basis.heating_below, basis.cooling_above) if point is not None]


def basis_of(parameters) -> Basis:
    return Basis(
        heating_below=parameters.get("heating_balance_point"),
        cooling_above=parameters.get("cooling_balance_point"),
    )


def assert_same_degree_days(model: FittedModel, known) -> None:
    slopes = [known["parameters"][name] for name in ("beta_hdd", "beta_cdd") if name in known["parameters"]]
    np.testing.assert_allclose(model.levels.slopes[0], slopes, rtol=1e-9)
    assert model.levels.level[0] == pytest.approx(known["parameters"]["intercept"], rel=1e-9)
