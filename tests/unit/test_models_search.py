"""Exact search: change points, degree days, levels, TOWT's knots."""

import itertools

import numpy as np
import pytest

from rules.models.basis import Basis
from rules.models.change_points import Shape, change_point_basis
from rules.models.degree_days import CALTRACK_C, DegreeDayRules, degree_day_choice
from rules.models.fitted import Step, fit_on
from rules.models.hinge_sums import TemperatureOrder
from rules.models.levels import fit_levels
from rules.models.observations import BaselineSeries, Conditions
from rules.models.towt import TowtRules, equal_count_knots, fit_towt, merged_knots

START = np.datetime64("2023-01-01", "s")
DAY = np.timedelta64(86400, "s")
HINGED = [Shape.COOLING, Shape.HEATING, Shape.BOTH, Shape.LEVEL_BETWEEN]


def series_of(temperature, use, cell=None, moisture=None) -> BaselineSeries:
    n = len(use)
    cells = np.zeros(n, dtype=np.int64) if cell is None else cell
    return BaselineSeries(START + np.arange(n) * DAY, use, Conditions(temperature, cells, moisture))


def squares(columns, use) -> float:
    design = np.stack([np.ones(len(use)), *columns], axis=1)
    coefficients = np.linalg.lstsq(design, use, rcond=None)[0]
    return float(((use - design @ coefficients) ** 2).sum())


def corners(shape, taus):
    if shape is not Shape.LEVEL_BETWEEN:
        low = shape in {Shape.HEATING, Shape.BOTH}
        high = shape in {Shape.COOLING, Shape.BOTH}
        return [(tau if low else None, tau if high else None) for tau in taus]
    return [(low, high) for low in taus for high in taus if low <= high]


def hinges(low, high, t):
    made = [] if low is None else [np.maximum(low - t, 0)]
    return made if high is None else [*made, np.maximum(t - high, 0)]


def least_by_trying(shape, t, use, side_days, extra=(), between=5) -> float:
    """Every pair of places, on days and between them, one regression each."""
    values = np.unique(t)
    steps = [np.linspace(a, b, between, endpoint=False) for a, b in itertools.pairwise(values)]
    taus = np.concatenate([*steps, values[-1:]])
    found = np.inf
    for low, high in corners(shape, taus):
        enough_low = low is None or (t < low).sum() >= side_days
        if not (enough_low and (high is None or (t > high).sum() >= side_days)):
            continue
        if shape is Shape.LEVEL_BETWEEN and low < high and not ((t >= low) & (t <= high)).any():
            continue
        found = min(found, squares([*hinges(low, high, t), *extra], use))
    return found


def error_of(basis: Basis, t, use, moisture=None) -> float:
    return fit_on(series_of(t, use, moisture=moisture), "x", basis, Step.DAY).quality.squared_error


@pytest.mark.parametrize("shape", HINGED)
@pytest.mark.parametrize("seed", range(6))
def test_no_line_that_was_tried_is_better(shape, seed):
    rng = np.random.default_rng(seed)
    t = np.round(rng.uniform(0, 30, 24), 0 if seed % 2 else 2)  # ties every other time
    use = 5 + np.maximum(9 - t, 0) * 0.8 + np.maximum(t - 18, 0) * 1.1 + rng.standard_normal(24)
    basis = change_point_basis(shape, TemperatureOrder(t, use), side_days=2)
    best = least_by_trying(shape, t, use, 2)
    assert error_of(basis, t, use) <= best * (1 + 1e-9)


@pytest.mark.parametrize("shape", HINGED)
def test_no_line_on_days_is_better_with_a_second_driver(shape):
    rng = np.random.default_rng(7)
    t, moisture = rng.uniform(0, 30, 22), rng.uniform(20, 80, 22)
    use = 5 + np.maximum(t - 18, 0) + 0.2 * moisture + rng.standard_normal(22)
    order = TemperatureOrder(t, use, moisture)
    basis = change_point_basis(shape, order, side_days=2)
    assert basis.moisture
    best = least_by_trying(shape, t, use, 2, extra=[moisture], between=1)
    assert error_of(basis, t, use, moisture) <= best * (1 + 1e-9)


@pytest.mark.parametrize(
    ("shape", "low", "high"),
    [
        (Shape.COOLING, None, 18.3),
        (Shape.HEATING, 11.7, None),
        (Shape.BOTH, 15.2, 15.2),
        (Shape.LEVEL_BETWEEN, 10.4, 20.6),
    ],
)
def test_corners_without_noise_are_found_between_days(shape, low, high):
    t = np.linspace(0, 30, 61)  # half degrees: none of the corners is a day
    cold = 0.0 if low is None else 2.0 * np.maximum(low - t, 0)
    warm = 0.0 if high is None else 3.0 * np.maximum(t - high, 0)
    basis = change_point_basis(shape, TemperatureOrder(t, 40 + cold + warm))
    assert basis.heating_below == pytest.approx(low, abs=1e-9)
    assert basis.cooling_above == pytest.approx(high, abs=1e-9)


def test_one_corner_on_a_day_and_one_between():
    t = np.linspace(0, 30, 61)
    for low, high in ((10.0, 20.6), (10.4, 20.0)):
        use = 40 + 2 * np.maximum(low - t, 0) + 3 * np.maximum(t - high, 0)
        basis = change_point_basis(Shape.LEVEL_BETWEEN, TemperatureOrder(t, use))
        assert (basis.heating_below, basis.cooling_above) == pytest.approx((low, high), abs=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_five_parameters_are_never_worse_than_four(seed):
    rng = np.random.default_rng(seed)
    t = rng.uniform(0, 30, 80)
    use = 40 + 2 * np.maximum(15 - t, 0) + np.maximum(t - 15, 0) + rng.standard_normal(80)
    order = TemperatureOrder(t, use)
    one, two = (change_point_basis(shape, order) for shape in (Shape.BOTH, Shape.LEVEL_BETWEEN))
    assert error_of(two, t, use) <= error_of(one, t, use) * (1 + 1e-12)


@pytest.mark.parametrize("shape", HINGED)
def test_too_few_days_beyond_a_corner(shape):
    t = np.linspace(0, 30, 9)
    assert change_point_basis(shape, TemperatureOrder(t, t * t)) is None


def test_a_level_with_days_on_one_side_only():
    t = np.array([0.0] * 30 + [1.0] * 4)
    order = TemperatureOrder(t, t * 3 + 1)
    assert change_point_basis(Shape.LEVEL_BETWEEN, order, side_days=5) is None
    assert change_point_basis(Shape.BOTH, order, side_days=5) is None


@pytest.mark.parametrize("shape", [*HINGED, Shape.LINE])
def test_one_temperature_has_no_shape(shape):
    order = TemperatureOrder(np.full(30, 20.0), np.arange(30.0))
    assert change_point_basis(shape, order) is None


def test_two_temperatures_have_a_line_alone():
    t = np.array([10.0] * 20 + [20.0] * 20)
    order = TemperatureOrder(t, t + 1)
    assert change_point_basis(Shape.LINE, order) == Basis(linear=True)
    assert change_point_basis(Shape.COOLING, order) is not None


def test_basis_tells_what_it_needs():
    conditions = Conditions(np.array([10.0]), np.array([0]))
    with pytest.raises(ValueError, match="second driver"):
        Basis(linear=True, moisture=True).columns(conditions)
    everything = Basis(linear=True, heating_below=12, cooling_above=8, knots=(5, 9))
    assert everything.columns(conditions).tolist() == [[10.0, 2.0, 2.0, 5.0, 4.0, 1.0]]
    assert everything.width == 6
    assert Basis().columns(conditions).shape == (1, 0)


class TestDegreeDays:
    def test_no_slope_where_none_qualifies(self):
        t = np.linspace(0, 30, 60)
        order = TemperatureOrder(t, 100 - np.abs(t - 15))  # the less extreme, the more: both slopes negative
        choice = degree_day_choice(order, 92.0, CALTRACK_C)
        assert choice.basis == Basis()
        assert choice.qualified >= 1
        assert choice.tried > 61

    def test_use_that_never_varies(self):
        order = TemperatureOrder(np.linspace(0, 30, 60), np.full(60, 4.0))
        assert degree_day_choice(order, 4.0, CALTRACK_C).basis == Basis()

    def test_fewer_degree_days_than_asked(self):
        t = np.r_[np.full(50, 20.0), np.full(12, 21.0)]
        rules = DegreeDayRules((20.0,), fewest_degree_days=13.0)
        assert degree_day_choice(TemperatureOrder(t, t), 20.2, rules).basis == Basis()
        enough = DegreeDayRules((20.0,), fewest_degree_days=12.0)
        assert degree_day_choice(TemperatureOrder(t, t), 20.2, enough).basis == Basis(cooling_above=20.0)

    def test_heating_and_cooling(self):
        t = np.linspace(0, 30, 61)
        use = 40 + 2 * np.maximum(10 - t, 0) + 3 * np.maximum(t - 20, 0)
        rules = DegreeDayRules((5.0, 10.0, 15.0, 20.0))
        choice = degree_day_choice(TemperatureOrder(t, use), float(use.mean()), rules)
        assert choice.basis == Basis(heating_below=10.0, cooling_above=20.0)
        assert choice.adjusted_r2 == pytest.approx(1.0)

    def test_a_negative_level_does_not_qualify(self):
        t = np.linspace(0, 30, 61)
        order = TemperatureOrder(t, np.maximum(t - 20, 0) * 3 - 5)
        choice = degree_day_choice(
            order, float((np.maximum(t - 20, 0) * 3 - 5).mean()), DegreeDayRules((20.0,))
        )
        assert choice.basis == Basis()


class TestLevels:
    def test_same_as_one_large_matrix(self):
        rng = np.random.default_rng(1)
        cell, columns = rng.integers(0, 12, 300), rng.normal(10, 3, (300, 3))
        group = (np.arange(12) % 3 == 0).astype(np.int64)
        use = rng.normal(50, 5, 300) + cell * 2 + columns @ [1.0, -2.0, 0.5] * (1 + group[cell])
        fit = fit_levels(use, cell, columns, group)
        ours = fit.predicted(cell, columns)
        onehot = (cell[:, None] == np.arange(12)).astype(float)
        apart = [columns * (group[cell] == number)[:, None] for number in (0, 1)]
        design = np.hstack([onehot, *apart])
        theirs = design @ np.linalg.lstsq(design, use, rcond=None)[0]
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
        assert fit.rank == 18
        g = design[:40].sum(axis=0)
        assert fit.leverage(cell[:40], columns[:40]) == pytest.approx(
            float(g @ np.linalg.inv(design.T @ design) @ g), rel=1e-9
        )

    def test_columns_that_say_the_same_or_nothing(self):
        rng = np.random.default_rng(2)
        t = rng.uniform(20, 30, 50)
        use = 3 * t + rng.standard_normal(50)
        one = np.zeros(50, dtype=np.int64)
        plain = fit_levels(use, one, t[:, None])
        more = fit_levels(use, one, np.stack([t, 2 * t, np.full(50, 0.1), np.zeros(50)], axis=1))
        assert more.rank == plain.rank == 2
        assert more.slopes[0, 2] == more.slopes[0, 3] == 0.0
        columns = np.stack([t, 2 * t, np.full(50, 0.1), np.zeros(50)], axis=1)
        np.testing.assert_allclose(more.predicted(one, columns), plain.predicted(one, t[:, None]), rtol=1e-10)
        assert more.leverage(one, columns) == pytest.approx(plain.leverage(one, t[:, None]), rel=1e-9)

    def test_a_group_without_rows(self):
        fit = fit_levels(
            np.array([1.0, 2.0, 3.0]),
            np.zeros(3, dtype=np.int64),
            np.array([[1.0], [2.0], [4.0]]),
            np.array([1, 0]),
        )
        assert fit.slopes[0, 0] == 0.0
        assert fit.slopes[1, 0] > 0
        assert fit.seen(np.array([-1, 0, 1, 2])).tolist() == [False, True, False, False]
        assert np.isnan(fit.predicted(np.array([1]), np.array([[1.0]]))[0])


class TestTowt:
    def test_knots_of_equal_count(self):
        assert equal_count_knots(np.arange(12.0), 4) == (2.0, 5.0, 8.0, 11.0)
        assert equal_count_knots(np.full(12, 5.0), 4) == (5.0,)
        assert equal_count_knots(np.arange(2.0), 6) == (0.0, 1.0)

    def test_bins_merge_from_outside_first(self):
        t = np.r_[np.full(5, 0.0), np.full(30, 12.0), np.full(3, 22.0), np.full(30, 32.0)]
        assert merged_knots(t, (5.0, 15.0, 25.0), 20) == (15.0,)
        assert merged_knots(t, (5.0, 15.0, 25.0), 1) == (5.0, 15.0, 25.0)
        assert merged_knots(t, (15.0, 25.0), 20) == (15.0,)
        assert merged_knots(t, (50.0,), 20) == ()
        assert merged_knots(t, (), 20) == ()

    def test_without_knots_the_temperature_is_a_line(self):
        rng = np.random.default_rng(3)
        t = rng.uniform(15, 20, 70)
        model = fit_towt(series_of(t, 10 + t, np.arange(70) % 7), TowtRules(10, 18, (40.0,)), Step.DAY)
        assert model.basis == Basis(linear=True)
        assert model.quality.r2 == pytest.approx(1)

    def test_occupied_kinds_have_slopes_of_their_own(self):
        rng = np.random.default_rng(4)
        t, cell = rng.uniform(10, 35, 350), np.arange(350) % 7
        use = np.where(cell < 5, 100 + 6 * np.maximum(t - 20, 0), 40 + np.maximum(t - 20, 0))
        model = fit_towt(series_of(t, use, cell), TowtRules(10, 18.3, (20.0, 30.0)), Step.DAY)
        assert model.levels.group.tolist() == [1, 1, 1, 1, 1, 0, 0]
        assert model.levels.slopes[1, 1:] == pytest.approx([6, 6])
        assert model.levels.slopes[0, 1:] == pytest.approx([1, 1])
        assert model.levels.slopes[:, 0] == pytest.approx([0, 0], abs=1e-9)

    def test_moisture_is_a_second_driver(self):
        rng = np.random.default_rng(5)
        t, wet, cell = rng.uniform(10, 35, 350), rng.uniform(20, 90, 350), np.arange(350) % 7
        use = 100 + 6 * np.maximum(t - 20, 0) + 0.7 * wet
        series = series_of(t, use, cell, wet)
        model = fit_towt(series, TowtRules(10, 18.3, (20.0, 30.0)), Step.DAY)
        assert model.basis.moisture
        assert model.levels.slopes[model.levels.group[0], -1] == pytest.approx(0.7)
