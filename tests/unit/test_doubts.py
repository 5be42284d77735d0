import math

import pytest

from rules.doubts import Doubt, doubt_of
from rules.quality import Quality
from rules.quantities import Kind
from rules.scan import PointSpec

POWER = PointSpec("active_power_total", "kW", Kind.GAUGE, low=-10.0, high=500.0)


@pytest.mark.parametrize(
    ("value", "quality", "doubt"),
    [
        (math.nan, Quality.MISSING, Doubt.NO_VALUE),
        (math.inf, Quality.MISSING, Doubt.NO_VALUE),
        (-10.1, Quality.SUSPECT, Doubt.BELOW),
        (500.1, Quality.SUSPECT, Doubt.ABOVE),
        (5.0, Quality.SUSPECT, Doubt.TOLD),
        (5.0, Quality.ESTIMATED, None),
        (500.0, Quality.GOOD, None),
    ],
)
def test_what_speaks_against_a_value(value, quality, doubt):
    assert doubt_of(POWER, value, quality) is doubt
