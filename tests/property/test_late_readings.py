"""Whatever order readings arrive in, the intervals are those of their own order."""

import math
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.rework_world import House

T0 = 1_800_000_000


@st.composite
def arrivals(draw):
    """Readings in their own order, and the order and bursts in which they arrive."""
    at_s, register, readings = T0, draw(st.floats(0, 1e5)), []
    modest = st.floats(0, 0.9)
    for _ in range(draw(st.integers(2, 60))):
        readings.append((at_s, register, draw(st.floats(0, 150))))
        step_s = draw(st.sampled_from([10, 60, 400, 3000]))
        at_s += step_s
        register += draw(modest) * 200.0 * step_s / 3600
    delays = st.sampled_from([0, 0, 0, 100, 2000, 20_000])
    order = sorted(readings[1:], key=lambda one: one[0] + draw(delays))
    bursts = sorted(draw(st.sets(st.integers(0, len(order)), max_size=3)) | {0, len(order)})
    return readings, [order[a:b] for a, b in pairwise(bursts)]


# A store for each example: shrinking one would take minutes, and what fails is small as it is.
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(arrivals(), st.booleans())
def test_any_order_gives_the_intervals_of_the_readings_own_order(case, kill):
    readings, bursts = case
    with tempfile.TemporaryDirectory() as folder:
        house, whole = House(Path(folder) / "any.db"), House(Path(folder) / "own.db")
        house.feed(readings[:1])
        for number, burst in enumerate(bursts):
            house.feed(burst)
            if number % 2:
                house.rework()
            if kill:
                house.leave()
                house = House(Path(folder) / "any.db", now_s=house.clock.ms / 1000)
        house.rework()
        whole.feed(readings)
        mine, its = house.rows(), whole.rows()
        house.leave()
        whole.leave()
    for one, other in zip(mine, its, strict=True):
        assert figures(one) == pytest.approx(figures(other), rel=1e-9, abs=1e-6, nan_ok=True)


def figures(row):
    return [math.nan if value is None else value for value in row]
