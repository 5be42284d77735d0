"""Curtailment: the life of an event, and what each action of its plan is to be at an instant.

Pure: time is an argument. State decides, a schedule only wakes: whoever asks late gets the answer that holds
then, so that nothing depends on having been awake.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rules.quality import Quality
from rules.shedding import Action

DAY_S = 86_400.0

RESERVED_WRITES = 2
"""Of a point's budget, what is kept for handing it back: once, and once more."""


class Life(StrEnum):
    """Where an event stands."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    NOTIFIED = "notified"
    ACTIVE = "active"
    ENDED = "ended"
    SETTLED = "settled"
    CANCELLED = "cancelled"
    ABORTED = "aborted"


NEXT: Mapping[Life, frozenset[Life]] = {
    Life.DRAFT: frozenset({Life.SCHEDULED, Life.CANCELLED}),
    Life.SCHEDULED: frozenset({Life.NOTIFIED, Life.ACTIVE, Life.ENDED, Life.CANCELLED}),
    Life.NOTIFIED: frozenset({Life.ACTIVE, Life.ENDED, Life.CANCELLED}),
    Life.ACTIVE: frozenset({Life.ENDED, Life.ABORTED}),
    Life.ENDED: frozenset({Life.SETTLED}),
    Life.SETTLED: frozenset(),
    Life.CANCELLED: frozenset(),
    Life.ABORTED: frozenset({Life.SETTLED}),
}
"""What may follow what. An event that was missed as a whole has ended; nothing of it was active."""

WAITING = (Life.SCHEDULED, Life.NOTIFIED)
OPEN = (*WAITING, Life.ACTIVE)


class Mode(StrEnum):
    """How much of a plan is carried out: all; everything but the writes; nothing but watching."""

    LIVE = "live"
    DRY_RUN = "dry-run"
    MONITOR_ONLY = "monitor-only"


@dataclass(frozen=True, slots=True)
class Guard:
    """A comfort limit: past it, actions are handed back.

    Attributes
    ----------
    above, below : limits in the point's unit; either may be left out.
    back_at : the actions shed again once the value is on the good side of this; None = not in this event.
    stale_after_s : a reading older than this says nothing. [s]
    unknown_releases : whether not knowing is treated as past the limit.
    actions : ids of those it hands back; all when empty.
    """

    device: str
    point: str
    above: float | None = None
    below: float | None = None
    back_at: float | None = None
    stale_after_s: float = 600.0
    unknown_releases: bool = True
    actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done in an event, and what is done whatever happens.

    Attributes
    ----------
    dead_man_s : whatever is shed is handed back so long after the event's start, whatever else holds. [s]
    resumes : after a restart in the middle of an event it goes on; otherwise all is handed back.
    holds_without_signal : a lost signal changes nothing; otherwise all is handed back.
    all_or_nothing : one action that fails ends the event.
    stage_s : at the regular end, seconds between one action's release and the next one's. [s]
    notify_s : people are told so long before the start. [s]
    """

    id: str
    mode: Mode
    dead_man_s: float
    actions: tuple[Action, ...]
    guards: tuple[Guard, ...] = ()
    resumes: bool = True
    holds_without_signal: bool = False
    all_or_nothing: bool = False
    stage_s: float = 0.0
    notify_s: float = 1800.0

    def action(self, wanted: str) -> Action:
        """By its id. KeyError when there is none."""
        for action in self.actions:
            if action.id == wanted:
                return action
        raise KeyError(wanted)


@dataclass(frozen=True, slots=True)
class Signal:
    """What keeps an event going: the schedule alone, or somebody who must say so again and again.

    Attributes
    ----------
    is_active : what was said last.
    at_ms : when; ttl_s : how long it holds; None = until something else is said.
    """

    is_active: bool = True
    at_ms: int = 0
    ttl_s: float | None = None

    def state(self, now_ms: int) -> bool | None:
        """Active, inactive, or unknown (None) because it was said too long ago."""
        if self.ttl_s is not None and now_ms >= self.at_ms + round(1000 * self.ttl_s):
            return None
        return self.is_active


BY_SCHEDULE = Signal()
"""Nobody needs to say anything: start and end tell."""


@dataclass(frozen=True, slots=True)
class Track:
    """What became of one action so far. Everything in it stands in the store.

    Attributes
    ----------
    previous : what stood in the point before the first write; stood : what the device went by then.
    is_shed : a write went out, or was about to, and it is not handed back yet.
    standing : the last value that the device was seen to go by; None when that is not known.
    shed_ms, back_ms : when it was shed first, and handed back last.
    left_ms : when what was found shed as much already, so that it is left as it is in this event.
    failed : code of why it takes no further part in the event.
    """

    previous: float | None = None
    stood: float | None = None
    is_shed: bool = False
    standing: float | None = None
    shed_ms: int | None = None
    back_ms: int | None = None
    left_ms: int | None = None
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """An event as the decisions see it.

    Attributes
    ----------
    chosen : ids of the actions that take part.
    ended_ms : when it ended before its time, or its regular end was acted upon.
    """

    plan: Plan
    life: Life
    start_ms: int
    end_ms: int
    chosen: frozenset[str]
    signal: Signal = BY_SCHEDULE
    ended_ms: int | None = None


def _last_ms(event: Event) -> int:
    """When everything is to be handed back, whatever else holds."""
    return min(event.end_ms, event.start_ms + round(1000 * event.plan.dead_man_s))


def life_at(event: Event, now_ms: int) -> Life:
    """Where an event stands by the clock; what people and failures decided is not undone."""
    if event.life not in OPEN:
        return event.life
    if now_ms >= _last_ms(event):
        return Life.ENDED
    if now_ms >= event.start_ms:
        return Life.ACTIVE
    if now_ms >= event.start_ms - round(1000 * event.plan.notify_s):
        return Life.NOTIFIED
    return event.life


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be written now.

    Attributes
    ----------
    value : None where it depends on what stands there, which has to be read first.
    """

    is_release: bool
    value: float | None


def wish_for(
    event: Event,
    action: Action,
    track: Track,
    now_ms: int,
    held_back: Collection[str] = (),
    *,
    at_once: bool = False,
) -> Wish | None:
    """What one action wants now; None = nothing.

    Parameters
    ----------
    held_back : ids of the actions that a guard hands back.
    at_once : what is to be handed back is so now, before its minimum off time and out of its turn, because
        nobody will be there later.
    """
    sheds = _sheds(event, action, track, now_ms) and action.id not in held_back
    if not sheds:
        return _release(event, action, track, now_ms, at_once=at_once)
    if not track.is_shed:
        rested = track.back_ms is None or now_ms >= track.back_ms + round(1000 * action.min_on_s)
        worth = now_ms + round(1000 * action.min_off_s) <= _last_ms(event)
        return Wish(is_release=False, value=None) if rested and worth else None
    if track.stood is None or track.shed_ms is None:
        return Wish(is_release=False, value=None)
    value = action.value_at(track.stood, (now_ms - track.shed_ms) / 1000)
    return None if value == track.standing else Wish(is_release=False, value=value)


def _sheds(event: Event, action: Action, track: Track, now_ms: int) -> bool:
    plan = event.plan
    if event.life is not Life.ACTIVE or action.id not in event.chosen:
        return False
    if track.failed is not None or track.left_ms is not None:
        return False
    if now_ms < event.start_ms + round(1000 * action.after_s):
        return False
    if now_ms >= _last_ms(event):
        return False
    state = event.signal.state(now_ms)
    return plan.holds_without_signal and event.signal.is_active if state is None else state


def _release(
    event: Event, action: Action, track: Track, now_ms: int, *, at_once: bool = False
) -> Wish | None:
    if not track.is_shed:
        return None
    wish = Wish(is_release=True, value=track.previous if action.release is None else action.release)
    if at_once:
        return wish
    if track.shed_ms is not None and now_ms < track.shed_ms + round(1000 * action.min_off_s):
        return None
    if event.life is Life.ENDED and event.ended_ms is not None and track.failed is None:
        chosen = [one.id for one in event.plan.actions if one.id in event.chosen]
        later = len(chosen) - 1 - chosen.index(action.id) if action.id in chosen else 0
        staged_ms = event.ended_ms + round(1000 * event.plan.stage_s * later)
        if now_ms < min(staged_ms, event.start_ms + round(1000 * event.plan.dead_man_s)):
            return None
    return wish


@dataclass(frozen=True, slots=True)
class Reading:
    """What a guard's point showed last; NaN where it had no value."""

    at_ms: int
    value: float
    quality: int


def is_past(guard: Guard, reading: Reading | None, now_ms: int, since_ms: int, was_past: bool) -> bool:
    """Whether a guard holds its actions back.

    Parameters
    ----------
    since_ms : since when somebody looks: what was not heard before that is not stale yet.
    was_past : whether it did so a moment ago, in the same event.
    """
    last_ms = since_ms if reading is None else max(reading.at_ms, since_ms)
    known = (
        reading is not None
        and math.isfinite(reading.value)
        and reading.quality < Quality.SUSPECT
        and now_ms < reading.at_ms + round(1000 * guard.stale_after_s)
    )
    if reading is None or not known:
        is_stale = now_ms >= last_ms + round(1000 * guard.stale_after_s)
        return was_past or (is_stale and guard.unknown_releases)
    over = guard.above is not None and reading.value > guard.above
    under = guard.below is not None and reading.value < guard.below
    if over or under or not was_past:
        return over or under
    if guard.back_at is None:
        return True
    return reading.value > guard.back_at if guard.above is not None else reading.value < guard.back_at


def held_back(plan: Plan, past: Collection[int]) -> frozenset[str]:
    """Ids of the actions that guards hand back; ``past`` are the guards' places in the plan."""
    ids: set[str] = set()
    for place in past:
        guard = plan.guards[place]
        ids |= set(guard.actions or (action.id for action in plan.actions))
    return frozenset(ids)


def turn_order(actions: Sequence[Action], last_shed_ms: Mapping[str, int]) -> list[int]:
    """Places of actions in the order in which they are taken; ``last_shed_ms`` as ``choose`` has it."""
    return sorted(
        range(len(actions)),
        key=lambda at: (
            actions[at].priority,
            last_shed_ms.get(actions[at].id, -1) if actions[at].rotates else -1,
            at,
        ),
    )


def choose(
    actions: Sequence[Action], wanted_kw: float | None, last_shed_ms: Mapping[str, int]
) -> tuple[str, ...]:
    """The actions that take part: by priority, those that rotate in turn, until they are expected to do.

    Parameters
    ----------
    wanted_kw : None = all of them. [kW]
    last_shed_ms : when each was shed last; those that never were come first.
    """
    order = turn_order(actions, last_shed_ms)
    taken: list[str] = []
    kw = 0.0
    for at in order:
        if wanted_kw is not None and kw >= wanted_kw:
            break
        taken.append(actions[at].id)
        kw += actions[at].expected_kw
    return tuple(action.id for action in actions if action.id in taken)


def within_budget(action: Action, used: int, *, is_release: bool) -> bool:
    """Whether a point bears one more write after ``used`` within a day; some are kept for the release."""
    return used + (0 if is_release else RESERVED_WRITES) < action.writes_per_day


def release_rest_s(action: Action, used: int) -> float:
    """How long a release that did not go well rests at least, after ``used`` writes within a day.

    Half of the budget is tried quickly, the other half is spread over a day: however long a device is not to
    be had, it is tried until it is.
    """
    half = action.writes_per_day / 2
    return 0.0 if used <= half else DAY_S / half
