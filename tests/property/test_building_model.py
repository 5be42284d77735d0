"""What must hold for the building at any instant, however it is asked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.building import GAUGES, Building
from simulators.history import meter_intervals
from simulators.sources import ELECTRICITY, INTEGRATED, WATER

INSTALLED_S = 1_498_867_200  # a building of one season keeps the search quick
MODEL = Building(seed=7, installed_s=INSTALLED_S)
IDS = (*INTEGRATED, "main", "plant", "water-main", "meter-12")

instants = st.floats(INSTALLED_S, INSTALLED_S + 100 * 86400, allow_nan=False)
ids = st.sampled_from(IDS)


@given(st.tuples(instants, instants))
def test_the_main_meter_is_the_sum_of_its_sub_meters(ends: tuple[float, float]):
    start, end = sorted(ends)
    assert MODEL.energy("main", start, end) == pytest.approx(
        sum(MODEL.energy(part, start, end) for part in ELECTRICITY), rel=1e-9, abs=1e-6
    )
    assert MODEL.energy("water-main", start, end) == pytest.approx(
        sum(MODEL.energy(part, start, end, "water") for part in WATER), rel=1e-9, abs=1e-6
    )
    main = MODEL.at(start)
    assert main.rate(MODEL.source("main")) == pytest.approx(
        sum(main.rate(MODEL.source(part)) for part in ELECTRICITY), rel=1e-12
    )


@given(ids, st.tuples(instants, instants, instants))
def test_energy_adds_up_and_never_flows_back(source: str, cuts: tuple[float, float, float]):
    a, b, c = sorted(cuts)
    whole = MODEL.energy(source, a, c)
    assert whole == pytest.approx(MODEL.energy(source, a, b) + MODEL.energy(source, b, c), rel=1e-9, abs=1e-6)
    assert whole >= -1e-9


@settings(max_examples=30)
@given(ids, instants, st.floats(1, 3 * 86400))
def test_a_counter_is_the_integral_of_its_rate(source: str, start: float, length_s: float):
    what = MODEL.source(source)
    nodes = np.arange(np.ceil(start / 300), np.ceil((start + length_s) / 300)) * 300
    corners = np.unique(np.concatenate([[start], nodes, [start + length_s]]))
    integral = np.trapezoid(MODEL.rate(what, corners), corners) / 3600
    assert MODEL.energy(source, start, start + length_s) == pytest.approx(float(integral), rel=1e-7, abs=1e-6)


@given(ids, st.lists(instants, min_size=1, max_size=20))
def test_asked_one_by_one_in_any_order_or_at_once_it_says_the_same(source: str, when: list[float]):
    what = MODEL.source(source)
    rates, counters = MODEL.rate(what, when), MODEL.counter(what, when)
    for index in reversed(range(len(when))):
        moment = MODEL.at(when[index])
        assert moment.rate(what) == pytest.approx(rates[index], rel=1e-12, abs=1e-12)
        assert moment.counter(what) == pytest.approx(counters[index], rel=1e-12, abs=1e-9)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**63), instants)
def test_two_buildings_of_one_seed_agree_to_the_last_bit(seed: int, when: float):
    first, second = (Building(seed, INSTALLED_S) for _ in range(2))
    second.rate(second.source("main"), INSTALLED_S + 200 * 86400)  # another past makes no difference
    for name in (*INTEGRATED, *GAUGES):
        assert first.gauge(name, when) == second.gauge(name, when)
    main = first.source("main")
    assert first.counter(main, when) == second.counter(main, when)
    other = Building(seed + 1, INSTALLED_S)
    assert first.gauge("dry_bulb_c", when) != other.gauge("dry_bulb_c", when)


@settings(max_examples=40)
@given(ids, instants, st.integers(0, 40), st.sampled_from([5, 60, 300, 420, 900, 3600]))
def test_closed_intervals_chain_and_hold_their_extremes(
    source: str, start: float, count: int, interval_s: int
):
    start = np.ceil(start / interval_s) * interval_s
    history = meter_intervals(MODEL, source, start, start + count * interval_s, interval_s)
    assert len(history) == count
    assert history.start_s.tolist() == [int(start) + n * interval_s for n in range(count)]
    assert history.register_start[1:].tolist() == history.register_end[:-1].tolist()
    if not count:
        return
    assert history.quantity.sum() == pytest.approx(
        MODEL.energy(source, start, start + count * interval_s), rel=1e-9, abs=1e-6
    )
    slack = 1e-6
    assert (history.rate_min <= history.rate_avg + slack).all()
    assert (history.rate_avg <= history.rate_max + slack).all()
    inside = MODEL.rate(MODEL.source(source), start + np.linspace(0, interval_s, 97))
    assert inside.max() <= history.rate_max[0] + slack
    assert inside.min() >= history.rate_min[0] - slack
    live = MODEL.at(start + count * interval_s).counter(MODEL.source(source))
    assert live == pytest.approx(history.register_end[-1], rel=1e-12, abs=1e-9)
