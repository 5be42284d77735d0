import math

import pytest

from rules.chiller import cooling_kw, kw_per_rt, refrigeration_tons
from rules.humidity import wet_bulb_c


def test_a_hundred_litres_a_second_over_five_kelvin() -> None:
    assert cooling_kw(100.0, supply_c=7.0, return_c=12.0) == pytest.approx(2093.0)
    assert refrigeration_tons(2093.0) == pytest.approx(595.109, abs=1e-3)


def test_a_minimum_cop_of_6_10_is_0_577_kw_a_ton() -> None:
    assert kw_per_rt(1000.0, 6100.0) == pytest.approx(0.577, abs=5e-4)


def test_no_cooling_has_no_efficiency() -> None:
    assert math.isnan(kw_per_rt(12.0, 0.0))
    assert math.isnan(kw_per_rt(12.0, cooling_kw(100.0, supply_c=12.0, return_c=11.0)))


def test_wet_bulb_of_the_published_points() -> None:
    assert wet_bulb_c(20.0, 50.0) == pytest.approx(13.699, abs=1e-3)
    assert wet_bulb_c(33.0, 65.0) == pytest.approx(27.553, abs=1e-3)


def test_wet_bulb_outside_the_formula_is_not_known() -> None:
    assert math.isnan(wet_bulb_c(20.0, 100.0))
    assert math.isnan(wet_bulb_c(51.0, 50.0))
