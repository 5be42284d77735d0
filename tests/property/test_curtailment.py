"""What holds in every run of an event, whatever guards, signals, people and devices do."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rules.curtailment import (
    Event,
    Life,
    Mode,
    Plan,
    Signal,
    Track,
    life_at,
    wish_for,
    within_budget,
)
from rules.shedding import Action, Ramp, Sheds

START, END, STEP_S = 0, 3_600_000, 30
DAY_S = 86_400

times = st.sampled_from([0.0, 60.0, 300.0, 900.0])
actions = st.builds(
    Action,
    id=st.just("a"),
    device=st.just("d"),
    point=st.just("p"),
    to=st.floats(40, 90),
    by=st.none(),
    low=st.just(40.0),
    high=st.just(90.0),
    release=st.one_of(st.none(), st.just(100.0)),
    ramp=st.one_of(st.none(), st.builds(Ramp, st.floats(2, 20), st.sampled_from([30.0, 120.0]))),
    min_off_s=times,
    min_on_s=times,
    writes_per_day=st.integers(3, 12),
    after_s=times,
    sheds=st.sampled_from(Sheds),
)
plans = st.builds(
    Plan,
    id=st.just("p"),
    mode=st.just(Mode.LIVE),
    dead_man_s=st.sampled_from([1200.0, 2400.0, 3600.0]),
    actions=st.tuples(actions),
    holds_without_signal=st.booleans(),
    stage_s=times,
)
STEPS = 150
steps = st.integers(0, 125)
spans = st.lists(st.tuples(steps, st.integers(1, 20)), max_size=3)


class World:
    """A device that holds a value, and a book of what was written; it keeps tracks as the daemon does."""

    def __init__(self, plan, abort_at, found):
        self.event = Event(plan, Life.SCHEDULED, START, END, frozenset({"a"}))
        self.action = plan.actions[0]
        self.abort_at = abort_at
        self.value, self.track = found, Track()
        self.written: list[tuple[float, float, bool]] = []  # second, value, release
        self.off_since_s: float | None = None
        self.on_since_s: float | None = None

    def step(self, now_s, guard, said, fails):
        now_ms = 1000 * now_s
        if said is not None:
            self.event = replace(self.event, signal=Signal(said, now_ms, 300.0))
        life = life_at(self.event, now_ms)
        if now_s == self.abort_at and life is Life.ACTIVE:
            life = Life.ABORTED
        if life is not self.event.life:
            ended_ms = now_ms if life in (Life.ENDED, Life.ABORTED) else None
            self.event = replace(self.event, life=life, ended_ms=ended_ms)
        wish = wish_for(self.event, self.action, self.track, now_ms, {"a"} if guard else ())
        if wish is not None:
            self.carry_out(wish, now_s, now_ms, fails)

    def carry_out(self, wish, now_s, now_ms, fails):
        used = sum(now_s - at_s < DAY_S for at_s, _, _ in self.written)
        if not within_budget(self.action, used, is_release=wish.is_release):
            if not wish.is_release:
                self.track = replace(self.track, failed="write.budget_spent")
            return
        if wish.is_release:
            assert wish.value is not None
            self.written.append((now_s, wish.value, True))
            if fails:
                return
            self.value, self.track = wish.value, Track(shed_ms=self.track.shed_ms, back_ms=now_ms)
            self.off_since_s, self.on_since_s = None, now_s
            return
        track = self.track
        if not track.is_shed and self.action.sheds_already(self.value):
            self.track = replace(track, previous=self.value, stood=self.value, left_ms=now_ms)
            return
        if not track.is_shed:
            track = replace(track, previous=self.value, stood=self.value, is_shed=True, shed_ms=now_ms)
        value = self.action.value_at(track.stood, (now_ms - track.shed_ms) / 1000)
        self.track = replace(track, standing=None if fails else value)
        self.written.append((now_s, value, False))
        if self.off_since_s is None:
            self.off_since_s = now_s
        if not fails:
            self.value = value


def covers(spans, step):
    return any(begin <= step < begin + length for begin, length in spans)


@given(
    plans,
    spans,
    spans,
    st.dictionaries(steps, st.booleans(), max_size=4),
    st.one_of(st.none(), steps),
    st.sampled_from([30.0, 50.0, 80.0, 95.0]),
)
def test_no_run_breaks_a_minimum_time_a_floor_or_a_budget_takes_load_on_or_keeps_what_it_shed(
    plan, guards, failures, signals, abort_at, found
):
    world, action = World(plan, None if abort_at is None else abort_at * STEP_S, found), plan.actions[0]
    for step in range(STEPS):
        now_s = step * STEP_S
        before, off_since_s, on_since_s = len(world.written), world.off_since_s, world.on_since_s
        was_shed = world.track.is_shed
        world.step(now_s, covers(guards, step), signals.get(step), covers(failures, step))
        for at_s, value, is_release in world.written[before:]:
            if is_release:
                assert off_since_s is not None
                assert at_s - off_since_s >= action.min_off_s
                assert value in (found, 100.0)
            else:
                assert world.track.stood is not None
                stood = world.track.stood
                assert 40.0 <= value <= 90.0
                assert action.sheds is not Sheds.DOWN or value < stood
                assert action.sheds is not Sheds.UP or value > stood
                assert at_s < plan.dead_man_s
                if not was_shed and on_since_s is not None:
                    assert at_s - on_since_s >= action.min_on_s
        assert sum(now_s - at_s < DAY_S for at_s, _, _ in world.written) <= action.writes_per_day
    # The wire is well again: it is handed back as soon as the budget allows.
    for step in range(STEPS, STEPS + 4):
        world.step(step * STEP_S + DAY_S, guard=False, said=None, fails=False)
    assert not world.track.is_shed
    assert world.value in (found, 100.0)
