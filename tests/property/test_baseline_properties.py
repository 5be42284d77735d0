"""What holds for every baseline method, load and calendar."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from config.baseline_presets import load_preset, preset_names
from rules.baseline.baseline import baseline, window_kw
from rules.baseline.method import (
    Adjustment,
    AdjustmentKind,
    Anchor,
    DayKinds,
    Days,
    Method,
    Selection,
    Span,
    Statistic,
)
from tests.baseline_world import FIRST, SLOTS, around, laid_out, occasion

DAYS = 60
CONTRACT_KW = 1500.0
PRESETS = {name: load_preset(name, Path()).method for name in preset_names()}

starts = st.sampled_from([0, 1.25, 8, 13, 16.5, 22])
lengths = st.sampled_from([0.25, 1, 2, 4, 6])


@st.composite
def methods(draw):
    """Any preset, or any parameters."""
    if draw(st.booleans()):
        return PRESETS[draw(st.sampled_from(sorted(PRESETS)))]
    wanted = draw(st.integers(1, 12))
    select = draw(st.sampled_from(list(Selection)))
    count = None if select is Selection.ALL else draw(st.integers(1, wanted))
    if select is Selection.MIDDLE and count is not None:
        count += (wanted - count) % 2
    span = Span(
        *draw(st.sampled_from([(Anchor.START, -4, -1), (Anchor.NOTICE, -2, 0), (Anchor.MIDNIGHT, 22, 24)]))
    )
    kind = draw(st.sampled_from(list(AdjustmentKind)))
    limits = (
        {"low": 0.8, "high": 1.2} if kind is AdjustmentKind.MULTIPLICATIVE and draw(st.booleans()) else {}
    )
    return Method(
        days=Days(
            wanted=wanted,
            kinds=draw(st.sampled_from(list(DayKinds))),
            lookback_days=draw(st.one_of(st.none(), st.integers(wanted, 45))),
            select=select,
            count=count,
            drop_below=draw(st.sampled_from([None, 0.25])),
        ),
        statistic=draw(st.sampled_from(list(Statistic))),
        adjustment=draw(
            st.sampled_from([None, Adjustment(kind, span, upward_only=draw(st.booleans()), **limits)])
        ),
    )


@st.composite
def worlds(draw):
    """A load with gaps, its off-peak days and event days, and a window on one of its last days."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kw = rng.uniform(50, 1000, (DAYS, SLOTS))
    for row in draw(st.lists(st.integers(0, DAYS - 2), max_size=6)):
        kw[row, int(rng.integers(SLOTS))] = np.nan
    days = st.integers(0, DAYS - 2).map(lambda row: FIRST + timedelta(days=row))
    events = draw(st.sets(days, max_size=12))
    off_peak = {2025: frozenset(draw(st.sets(days, max_size=6)))}
    start = draw(starts)
    day = FIRST + timedelta(days=draw(st.integers(DAYS - 12, DAYS - 2)))
    return kw, off_peak, events, occasion(day, start, start + draw(lengths), notice=start - 1.1), day


def asked(kw, method, world, contract_kw=CONTRACT_KW):
    _, off_peak, events, when, _ = world
    load = laid_out(kw)
    return baseline(load, method, when, around(load, off_peak, events, contract_kw))


@given(worlds(), methods())
def test_no_event_day_is_ever_used(world, method):
    events, day = world[2], world[4]
    found = asked(world[0], method, world)
    used = {one.day for one in found.days}
    assert not used & events
    assert day not in used
    assert all(one < day for one in used)


@given(worlds(), methods())
def test_days_are_used_or_left_out_and_fewer_than_wanted_give_no_number(world, method):
    found = asked(world[0], method, world)
    used, out = [one.day for one in found.days], [one.day for one in found.left_out]
    assert not set(used) & set(out)
    assert used == sorted(used, reverse=True)
    assert out == sorted(out, reverse=True)
    assert (found.kw is None) == any(one.refuses for one in found.findings)
    if found.kw is not None and method.days is not None:
        rule = method.days
        assert len(used) == (rule.count or rule.wanted)
        if rule.lookback_days is not None:
            assert min(used) >= world[4] - timedelta(days=rule.lookback_days)


@given(worlds(), methods(), st.sampled_from([0.125, 0.5, 2.0, 16.0]))
def test_scaling_every_load_scales_the_baseline(world, method, factor):
    plain, scaled = (
        asked(world[0], method, world),
        asked(world[0] * factor, method, world, CONTRACT_KW * factor),
    )
    assert [one.day for one in plain.days] == [one.day for one in scaled.days]
    assert (plain.kw is None) == (scaled.kw is None)
    if plain.kw is not None:
        assert np.isclose(scaled.kw, plain.kw * factor, rtol=1e-9)


@given(worlds(), methods(), st.sampled_from([1.0, 64.0, 500.0]))
def test_a_constant_load_beside_shifts_the_baseline_by_itself(world, method, shift_kw):
    """All but ratios, which are no sums, and days that fall out by their share of the mean."""
    ratio = method.adjustment is not None and method.adjustment.kind is AdjustmentKind.MULTIPLICATIVE
    if ratio:
        method = replace(method, adjustment=None)
    if method.days is not None:
        method = replace(method, days=replace(method.days, drop_below=None))
    plain = asked(world[0], method, world)
    shifted = asked(world[0] + shift_kw, method, world, CONTRACT_KW + shift_kw)
    assert (plain.kw is None) == (shifted.kw is None)
    if plain.kw is not None:
        assert np.isclose(shifted.kw, plain.kw + shift_kw, rtol=1e-9)


@given(worlds(), methods(), st.integers(0, 2**32 - 1))
def test_days_outside_the_look_back_change_nothing(world, method, seed):
    assume(method.days is not None and method.days.lookback_days is not None)
    kw, when = world[0], world[4]
    rows_before = (when - FIRST).days - method.days.lookback_days - 1
    assume(rows_before > 0)
    other = kw.copy()
    other[:rows_before] = np.random.default_rng(seed).uniform(0, 5000, (rows_before, SLOTS))
    assert asked(other, method, world) == asked(kw, method, world)


@given(worlds(), st.sampled_from(list(Statistic)))
def test_a_window_is_the_plain_mean_or_maximum_of_its_intervals(world, statistic):
    kw, _, _, when, day = world
    load = laid_out(kw)
    flat = kw.reshape(-1)
    row = (day - FIRST).days * SLOTS
    start = round(((when.start_s + 8 * 3600) % 86400) / 900)
    values = flat[row + start : row + start + round(when.hours * 4)]
    wanted = values.mean() if statistic is Statistic.MEAN else values.max()
    found = window_kw(load, when, statistic, ZoneInfo("Asia/Taipei"))
    assert (found is None) == bool(np.isnan(wanted))
    if found is not None:
        assert np.isclose(found, wanted, rtol=1e-12)
