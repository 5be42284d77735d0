"""A building that begins to use otherwise: since when, how much, as a step or a drift."""

import numpy as np
import pytest

from rules.models.changes import (
    Change,
    ChangeKind,
    Spread,
    Watch,
    changes,
    cusum,
    spread_of,
    whitened,
)
from rules.models.non_routine import further_adjusted

SPREAD = Spread(0.02, 0.4, 1000.0, proportional=True)


def quiet(seed: int, days: int = 180, spread: Spread = SPREAD) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shocks = rng.standard_normal(days) * spread.sigma * np.sqrt(1 - spread.rho**2)
    found = np.empty(days)
    found[0] = shocks[0]
    for at in range(1, days):
        found[at] = spread.rho * found[at - 1] + shocks[at]
    return found


class TestSpread:
    def test_chance_that_grows_with_the_expected_is_proportional(self):
        rng = np.random.default_rng(1)
        expected = np.linspace(500, 2000, 300)
        grown = spread_of(expected * (1 + 0.03 * rng.standard_normal(300)), expected)
        assert grown.proportional
        assert grown.sigma == pytest.approx(0.03, rel=0.1)
        same = spread_of(expected + 40 * rng.standard_normal(300), expected)
        assert not same.proportional
        assert same.sigma == pytest.approx(40 / 1250, rel=0.1)
        assert same.rms == pytest.approx(same.sigma, rel=0.02)
        assert same.shares(np.array([1300.0]), np.array([1250.0])) == pytest.approx([0.04])
        assert grown.shares(np.array([600.0]), np.array([500.0])) == pytest.approx([0.2])

    @pytest.mark.parametrize(("rho", "told"), [(0.6, 0.6), (-0.6, 0.0), (0.99, 0.9)])
    def test_memory_is_found_within_bounds(self, rho, told):
        spread = Spread(0.02, rho, 1.0, proportional=True)
        expected = np.full(2000, 1000.0)
        found = spread_of(1000 * (1 + quiet(2, 2000, spread)), expected)
        assert found.rho == pytest.approx(told, abs=0.06)

    def test_odd_days_do_not_hide_the_others(self):
        rng = np.random.default_rng(4)
        expected = np.full(365, 1000.0)
        use = expected + 10 * rng.standard_normal(365)
        use[::30] += 400
        found = spread_of(use, expected)
        assert found.sigma < 0.015
        assert found.rms > 0.06

    def test_a_flat_expected_has_no_upper_half(self):
        found = spread_of(1000 + np.where(np.arange(60) % 2, 5.0, -5.0), np.full(60, 1000.0))
        assert not found.proportional
        assert found.sigma == pytest.approx(0.005)

    def test_the_same_every_day_has_no_memory(self):
        found = spread_of(np.full(60, 1010.0), np.full(60, 1000.0))
        assert (found.sigma, found.rho) == (pytest.approx(0.01), 0.0)

    def test_too_few_days_or_no_chance_have_none(self):
        expected = np.full(60, 1000.0)
        assert spread_of(expected, expected) is None
        use = expected + np.arange(60)
        use[20:] = np.nan
        assert spread_of(use, expected) is None


class TestCharts:
    def test_whitening_takes_the_memory_out(self):
        spread = Spread(1.0, 0.8, 1.0, proportional=True)
        days = quiet(3, 20_000, spread)
        left = whitened(days, spread)[1:]
        assert np.std(left) == pytest.approx(1.0, abs=0.02)
        assert np.corrcoef(left[:-1], left[1:])[0, 1] == pytest.approx(0.0, abs=0.02)

    def test_the_cumulative_sum_by_hand(self):
        # The first day is its own reference; then days against the mean of those before.
        e = np.array([1.0, 3.0, 2.0])
        second = np.sqrt(1 / 2) * 2.0 - 0.25
        third = max(0.0, second + np.sqrt(2 / 3) * 0.0 - 0.25)
        assert cusum(e, 0.25) == pytest.approx([0.0, second, third])
        assert cusum(-e, 0.25) == pytest.approx(cusum(e, 0.25))


class TestFinding:
    @pytest.mark.parametrize("share", [0.06, -0.06, 0.10, 0.20])
    def test_a_step_is_found_with_its_day_and_size(self, share):
        days = quiet(5)
        days[120:] += share
        (found,) = changes(days, SPREAD)
        assert found.kind is ChangeKind.STEP
        assert abs(found.at - 120) <= 2
        assert found.found_at - 120 <= 14
        assert found.share == pytest.approx(share, abs=2 * found.half_width)
        assert 0 < found.half_width < 0.03

    def test_a_large_step_is_seen_within_three_days(self):
        days = quiet(7)
        days[120:] += 0.15
        (found,) = changes(days, SPREAD)
        assert found.at in (119, 120)
        assert found.found_at in (121, 122)

    def test_one_odd_day_is_no_change(self):
        days = quiet(7)
        days[[60, 120]] = -0.5, 0.4
        assert changes(days, SPREAD) == ()

    def test_a_drift_is_found_and_called_so(self):
        days = quiet(5, 300)
        days[100:] += np.arange(200) * 0.0006
        found = changes(days, SPREAD)
        assert found[0].kind is ChangeKind.DRIFT
        assert abs(found[0].at - 100) < 40
        assert found[0].share > 0

    def test_what_was_saved_from_the_first_day_is_no_news(self):
        assert changes(quiet(5) - 0.3, SPREAD) == ()

    def test_two_steps_are_two_findings(self):
        days = quiet(11, 240)
        days[90:] += 0.1
        days[170:] -= 0.12
        first, second = changes(days, SPREAD)
        assert (abs(first.at - 90) <= 1, abs(second.at - 170) <= 1) == (True, True)
        assert (first.share > 0, second.share < 0) == (True, True)

    def test_days_that_are_missing_are_stepped_over(self):
        days = quiet(5)
        days[120:] += 0.1
        days[[3, 50, 51, 52, 119, 122]] = np.nan
        (found,) = changes(days, SPREAD)
        assert 118 <= found.at <= 121
        assert found.found_at not in (119, 122)

    def test_what_was_found_stays_found_on_that_day(self):
        """Day by day the same date and day of finding: the figures alone get better."""
        days = quiet(5)
        days[120:] += 0.08
        (last,) = changes(days, SPREAD)
        for end in range(last.found_at + 1, len(days)):
            (found,) = changes(days[:end], SPREAD)
            assert (found.at, found.found_at, found.kind) == (last.at, last.found_at, last.kind)
        assert changes(days[: last.found_at], SPREAD) == ()

    def test_a_short_record_says_nothing(self):
        assert changes(np.full(20, 0.5), SPREAD) == ()
        assert changes(np.full(40, np.nan), SPREAD) == ()

    def test_a_watch_can_be_closer(self):
        days = quiet(5)
        days[120:] += 0.03
        close = changes(days, SPREAD, Watch(step_limit=3.0, cusum_limit=8.0))
        assert len(close) >= 1
        assert isinstance(close[0], Change)


def test_adjustments_are_added_and_their_bands_in_quadrature():
    found = further_adjusted(1000.0, 300.0, -200.0, 400.0)
    assert (found.adjustment, found.avoided, found.half_width) == (-200.0, 800.0, 500.0)
