import math

import pytest

from rules.demand import DemandWindow, window_start_s


def window(elapsed_s: float = 600, mean_kw: float = 1050, power_kw: float = 1020) -> DemandWindow:
    return DemandWindow(0, 900, elapsed_s, mean_kw, power_kw)


def test_the_worked_example_projects_1040_and_sheds_120() -> None:
    assert window().projected_kw == 1040
    assert window().shed_kw(1000) == 120
    assert window().headroom_kw(1000) == -40
    assert window().left_s == 300


def test_a_window_that_has_just_begun_projects_the_power_of_now() -> None:
    assert window(elapsed_s=0, mean_kw=0).projected_kw == 1020
    assert window(elapsed_s=0, mean_kw=0).energy_kwh == 0


def test_nothing_can_be_shed_when_no_time_is_left() -> None:
    assert math.isnan(window(elapsed_s=900).shed_kw(1000))
    assert window(elapsed_s=900).projected_kw == 1050


def test_more_time_than_the_window_has_is_refused() -> None:
    with pytest.raises(ValueError, match="901"):
        window(elapsed_s=901)


def test_windows_start_on_the_clock() -> None:
    assert window_start_s(899.999, 900) == 0
    assert window_start_s(900, 900) == 900
