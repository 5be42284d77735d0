"""What holds in every run of the limiter, whatever the load, the meters and the devices do."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from rules.curtailment import RESERVED_WRITES
from rules.demand import DemandWindow, window_start_s
from rules.limiter import LimiterRules, Part, Standing, Why, after, decide, writes_to_shed
from rules.shedding import Action, Ramp

STEP_S, WINDOW_S, DAY_S = 30, 900, 86_400

times = st.sampled_from([0.0, 60.0, 300.0, 900.0])


@st.composite
def plans(draw):
    def one(n):
        return Action(
            f"a{n}",
            "d",
            f"p{n}",
            to=draw(st.one_of(st.none(), st.floats(0, 120))),
            by=None,
            low=40.0,
            high=90.0,
            release=None,
            expected_kw=draw(st.floats(0, 300)),
            ramp=draw(st.one_of(st.none(), st.builds(Ramp, st.floats(5, 20), st.just(60.0)))),
            min_off_s=draw(times),
            min_on_s=draw(times),
            priority=draw(st.integers(1, 2)),
            rotates=draw(st.booleans()),
            writes_per_day=draw(st.integers(3, 14)),
        )

    return [one(n) for n in range(draw(st.integers(1, 4)))]


rules = st.builds(
    LimiterRules,
    dead_man_s=st.sampled_from([900.0, 1800.0, 7200.0]),
    freeze_s=st.sampled_from([30.0, 120.0, 600.0]),
    blind_s=st.sampled_from([300.0, 900.0]),
)
blocks = st.lists(
    st.tuples(st.one_of(st.none(), st.floats(0, 2000)), st.integers(0, 4)), min_size=1, max_size=12
)
"""Load of a while (None = nobody measured it), and whose device is offline meanwhile."""


@settings(max_examples=40, deadline=None)
@given(plans(), rules, blocks)
def test_a_run_keeps_every_promise(actions, rules, blocks):
    parts, standing, written = tuple(Part(one) for one in actions), Standing(), {a.id: [] for a in actions}
    energy_kws, kw = 0.0, 0.0
    # After the blocks of load a calm that is long enough for everything to go back.
    steps = [block for block in blocks for _ in range(10)] + [(0.0, len(actions))] * 300
    for number, (load, offline) in enumerate(steps):
        now_s = number * STEP_S
        now_ms = now_s * 1000
        elapsed_s = now_s - window_start_s(now_s, WINDOW_S)
        energy_kws = 0.0 if elapsed_s == 0 else energy_kws
        parts = tuple(
            Part(
                p.action,
                p.is_shed,
                p.shed_ms,
                p.back_ms,
                is_offline=n == offline,
                used=sum(at > now_s - DAY_S for at in written[p.action.id]),
            )
            for n, p in enumerate(parts)
        )
        window = None
        if load is not None:
            mean_kw = energy_kws / elapsed_s if elapsed_s else kw
            window = DemandWindow(now_s - elapsed_s, WINDOW_S, elapsed_s, mean_kw, kw)
        found = decide(parts, window, 1000.0, now_ms, standing, rules)
        by_id = {p.action.id: p for p in parts}

        if window is None:
            assert found.shed is None
        if found.shed is not None:
            part = by_id[found.shed]
            assert not part.is_shed
            assert not part.is_offline
            assert part.back_ms is None or now_ms >= part.back_ms + 1000 * part.action.min_on_s
            written[found.shed] += [now_s] * writes_to_shed(part.action)
            assert not found.back
            assert window.projected_kw > rules.shed_share * 1000.0
            # What is left of the budget hands it back, and once more.
            used = sum(at > now_s - DAY_S for at in written[found.shed])
            assert used + RESERVED_WRITES <= part.action.writes_per_day
        for id_ in found.back:
            part = by_id[id_]
            assert part.is_shed
            assert part.shed_ms is not None
            assert now_ms >= part.shed_ms + 1000 * part.action.min_off_s
            written[id_].append(now_s)
            assert sum(at > now_s - DAY_S for at in written[id_]) <= part.action.writes_per_day
        if (found.shed or found.back) and found.why not in (Why.DEAD_MAN, Why.BLIND):
            assert standing.changed_ms is None or now_ms >= standing.changed_ms + 1000 * rules.freeze_s
        parts, standing = after(parts, found, standing, now_ms, is_known=window is not None)
        assert standing.since_ms is None or now_ms < standing.since_ms + 1000 * rules.dead_man_s + 1
        kw = max(0.0, (load or 0.0) - sum(p.action.expected_kw for p in parts if p.is_shed))
        energy_kws += kw * STEP_S
    assert not any(part.is_shed for part in parts)
    assert math.isfinite(energy_kws)


@given(plans(), st.floats(0, 150), st.floats(0, 7200))
def test_what_is_written_while_shedding_stays_within_the_floors(actions, stood, shed_s):
    for action in actions:
        value = action.value_at(stood, shed_s)
        assert action.low <= value <= action.high
