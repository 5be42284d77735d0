"""What holds of every model: units, constant loads, masks, and bands that keep their word."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.models.avoided import AvoidedEnergy, avoided_energy
from rules.models.basis import Basis
from rules.models.change_points import Shape, change_point_basis
from rules.models.fitted import FittedModel, Step, fit_on
from rules.models.hinge_sums import TemperatureOrder
from rules.models.observations import BaselineSeries, Conditions, ReportingSeries
from rules.models.selection import select_daily
from rules.models.towt import CALTRACK_HOURLY_C, CALTRACK_HOURLY_F, fit_towt
from tests.model_world import planted_world

SEEDS = st.integers(0, 10_000)
SERIES = 160
"""Planted series for each band; the seeds are fixed, and so is the verdict."""


def scaled(series, factor: float):
    return replace(series, use=series.use * factor)


def answers(base, after):
    model = select_daily(base).best
    return model, avoided_energy(model, after)


@given(SEEDS, st.integers(-12, 12))
@settings(max_examples=15, deadline=None)
def test_a_unit_twice_as_small_doubles_every_figure_exactly(seed, power):
    base, after = planted_world(seed).daily(saving=0.05)
    model, found = answers(base, after)
    same, moved = answers(scaled(base, 2.0**power), scaled(after, 2.0**power))
    assert same.name == model.name
    assert same.basis == model.basis
    assert moved.avoided == found.avoided * 2.0**power
    assert moved.band.half_width == found.band.half_width * 2.0**power
    assert moved.band.fraction == found.band.fraction
    assert same.quality.cv_rmse == model.quality.cv_rmse


@given(SEEDS, st.sampled_from([3.6, 3600.0, 0.001, 860.42]))
@settings(max_examples=15, deadline=None)
def test_any_other_unit_scales_every_figure(seed, factor):
    base, after = planted_world(seed).daily(saving=0.05)
    model, found = answers(base, after)
    same, moved = answers(scaled(base, factor), scaled(after, factor))
    assert same.name == model.name
    assert moved.avoided == pytest.approx(found.avoided * factor, rel=1e-8)
    assert moved.band.half_width == pytest.approx(found.band.half_width * factor, rel=1e-8)


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_fahrenheit_and_celsius_are_one_model(seed):
    base, after = planted_world(seed).hourly(saving=0.05)

    def warm(series):
        conditions = replace(series.conditions, temperature=series.conditions.temperature * 1.8 + 32)
        return replace(series, conditions=conditions)

    celsius = avoided_energy(fit_towt(base, CALTRACK_HOURLY_C, Step.HOUR), after)
    fahrenheit = avoided_energy(fit_towt(warm(base), CALTRACK_HOURLY_F, Step.HOUR), warm(after))
    assert fahrenheit.avoided == pytest.approx(celsius.avoided, rel=1e-8)
    assert fahrenheit.band.half_width == pytest.approx(celsius.band.half_width, rel=1e-8)


@given(SEEDS, st.floats(0, 1e5), st.sampled_from(list(Shape)))
@settings(max_examples=30, deadline=None)
def test_a_constant_load_leaves_the_slopes(seed, load, shape):
    base, _ = planted_world(seed).daily()
    more = replace(base, use=base.use + load)
    plain, loaded = (shaped(series, shape) for series in (base, more))
    np.testing.assert_allclose(loaded.levels.slopes, plain.levels.slopes, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(loaded.levels.level, plain.levels.level + load, rtol=1e-7)


def shaped(series, shape: Shape) -> FittedModel:
    basis = change_point_basis(shape, TemperatureOrder(series.conditions.temperature, series.use))
    return fit_on(series, shape, basis or Basis(), Step.DAY)


@given(SEEDS, st.data())
@settings(max_examples=20, deadline=None)
def test_missing_values_are_masked_counted_and_in_no_sum(seed, data):
    base, after = planted_world(seed).daily(saving=0.05)
    rows = st.sets(st.integers(0, 181), max_size=30)
    no_use, no_weather = data.draw(rows), data.draw(rows)
    blanked = st.sampled_from([np.nan, np.inf, -np.inf])
    use, t = after.use.copy(), after.conditions.temperature.copy()
    use[list(no_use)], t[list(no_weather)] = data.draw(blanked), data.draw(blanked)
    holed = ReportingSeries(after.start, use, Conditions(t, after.conditions.cell))
    model = select_daily(base).best
    found = avoided_energy(model, holed)
    kept = np.ones(len(use), dtype=bool)
    kept[list(no_use | no_weather)] = False
    part = ReportingSeries(after.start[kept], after.use[kept], after.conditions.taken(kept))
    alone = avoided_energy(model, part)
    assert (found.avoided, found.band) == (alone.avoided, alone.band)
    assert found.masked.total == len(no_use | no_weather)
    assert found.masked.no_use == len(no_use)
    assert found.masked.counted == kept.sum()


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_the_daily_band_holds_what_was_planted(rho):
    """In 85 to 95 % of the series, of a placebo and of a measure of 6 % alike."""
    held = []
    for seed in range(SERIES):
        base, placebo = planted_world(seed, noise=0.03, rho=rho).daily()
        model = select_daily(base).best
        saved = avoided_energy(model, scaled(placebo, 0.94))
        held.append((holds(avoided_energy(model, placebo), 0.0), holds(saved, 0.06)))
    assert all(0.85 <= share <= 0.95 for share in np.mean(held, axis=0)), np.mean(held, axis=0)


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_the_hourly_band_holds_what_was_planted(rho):
    held = []
    for seed in range(SERIES // 2):
        base, placebo = planted_world(seed, noise=0.03, rho=rho).hourly()
        model = fit_towt(base, CALTRACK_HOURLY_C, Step.HOUR)
        saved = avoided_energy(model, scaled(placebo, 0.94))
        held.append((holds(avoided_energy(model, placebo), 0.0), holds(saved, 0.06)))
    assert all(0.85 <= share <= 0.95 for share in np.mean(held, axis=0)), np.mean(held, axis=0)


def holds(found: AvoidedEnergy, saving: float) -> bool:
    truth = found.observed / (1 - saving) * saving
    return abs(found.avoided - truth) <= found.band.half_width


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("saving", [0.0, 0.06])
@pytest.mark.parametrize("half", [1, 2])
def test_half_years_are_found_to_three_tenths_of_a_point(seed, saving, half):
    """A quiet building, half a percent of chance a day: what is off is the model's doing."""
    world = planted_world(seed, noise=0.005, rho=0.3)
    rows = slice(0, 181) if half == 1 else slice(181, 365)
    daily_base, daily = world.daily(saving, days=365)
    hourly_base, hourly = world.hourly(saving, days=365)
    part = taken(daily, rows)
    hours = taken(hourly, slice(rows.start * 24, rows.stop * 24))
    for found in (
        answers(daily_base, part)[1],
        avoided_energy(fit_towt(hourly_base, CALTRACK_HOURLY_C, Step.HOUR), hours),
    ):
        assert found.share * 100 == pytest.approx(saving * 100, abs=0.3)


def taken(series: ReportingSeries, rows: slice) -> ReportingSeries:
    kept = np.zeros(len(series), dtype=bool)
    kept[rows] = True
    return ReportingSeries(series.start[kept], series.use[kept], series.conditions.taken(kept))


def test_base_and_reporting_are_two_types():
    base, after = planted_world(0).daily()
    assert isinstance(base, BaselineSeries)
    assert not isinstance(after, BaselineSeries)
