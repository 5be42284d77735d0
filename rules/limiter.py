"""The demand limiter: which action of a plan is shed or handed back, by the open window against a limit.

Pure: one look at the window gives one decision. It sheds one action at a time and lets the building answer
(the freeze) before it looks again; it hands back one at a time, and only what leaves room under the limit.
What nobody has measured whole sheds nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from rules.curtailment import turn_order, within_budget
from rules.demand import DemandWindow
from rules.shedding import Action


@dataclass(frozen=True, slots=True)
class LimiterRules:
    """When the limiter acts.

    Attributes
    ----------
    shed_share : of the limit: an action is shed once the projection passes it.
    back_share : of the limit: an action is handed back once the projection, with its expected power back on,
        stays at or below it. Lower than ``shed_share``: between the two nothing changes.
    settle_s : so young a window says nothing yet: its mean is that of a moment. [s]
    freeze_s : after each change, nothing changes so long. [s]
    blind_s : after so long without a window that is measured whole, everything is handed back. [s]
    dead_man_s : everything is handed back so long after the first of it was shed. [s]

    References
    ----------
    .. [1] Niagara kitControl, ElectricalDemandLimit: projection, staged shed and restore, rotation, min and
       max off times.
    """

    dead_man_s: float
    shed_share: float = 0.98
    back_share: float = 0.93
    settle_s: float = 60.0
    freeze_s: float = 120.0
    blind_s: float = 900.0


@dataclass(frozen=True, slots=True)
class Part:
    """One action as the limiter sees it.

    Attributes
    ----------
    shed_ms, back_ms : when it was shed, and handed back, last.
    is_offline : its device does not answer, or it failed in this run: it is skipped.
    used : writes of its point within the last 24 hours.
    """

    action: Action
    is_shed: bool = False
    shed_ms: int | None = None
    back_ms: int | None = None
    is_offline: bool = False
    used: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """What the limiter remembers.

    Attributes
    ----------
    changed_ms : when something was shed or handed back last.
    known_ms : when the window was measured whole last.
    since_ms : since when something is shed without a break; None = nothing is.
    """

    changed_ms: int | None = None
    known_ms: int | None = None
    since_ms: int | None = None


class Why(StrEnum):
    """What a decision rests on."""

    CALM = "calm"
    UNKNOWN = "unknown"
    BLIND = "blind"
    DEAD_MAN = "dead_man"
    YOUNG = "young"
    FROZEN = "frozen"
    OVER = "over"
    NOTHING_LEFT = "nothing_left"
    HELD = "held"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to change now.

    Attributes
    ----------
    shed : id of the action to shed; None = none.
    back : ids of the actions to hand back.
    short_kw : power to take off for the rest of the window, so that it closes at the limit; 0 where the
        projection does not pass the limit's share. [kW]
    """

    why: Why
    shed: str | None = None
    back: tuple[str, ...] = ()
    short_kw: float = 0.0


def decide(
    parts: Sequence[Part],
    window: DemandWindow | None,
    limit_kw: float | None,
    now_ms: int,
    standing: Standing,
    rules: LimiterRules,
) -> Decision:
    """What to do after one look at the window.

    Parameters
    ----------
    parts : in the plan's order.
    window, limit_kw : None = not measured whole, no limit known. [kW]

    Examples
    --------
    >>> one = Action("one", "chiller-1", "limit", to=60, by=None, low=40, high=100, release=None)
    >>> seen = DemandWindow(0, 900, 600, mean_kw=1050, power_kw=1020)
    >>> decide([Part(one)], seen, 1000, 600_000, Standing(), LimiterRules(dead_man_s=3600))
    Decision(why=<Why.OVER: 'over'>, shed='one', back=(), short_kw=180.0)
    """
    shed = [part for part in parts if part.is_shed]
    due = tuple(part.action.id for part in shed if _may_go_back(part, now_ms))
    if standing.since_ms is not None and _passed(standing.since_ms, rules.dead_man_s, now_ms):
        return Decision(Why.DEAD_MAN, back=due)
    if window is None or limit_kw is None:
        is_blind = bool(shed) and _passed(standing.known_ms, rules.blind_s, now_ms)
        return Decision(Why.BLIND, back=due) if is_blind else Decision(Why.UNKNOWN)
    if window.elapsed_s < min(rules.settle_s, window.duration_s / 2) or window.left_s <= 0:
        return Decision(Why.YOUNG)
    if not _passed(standing.changed_ms, rules.freeze_s, now_ms):
        return Decision(Why.FROZEN)
    if window.projected_kw > rules.shed_share * limit_kw:
        short_kw = window.shed_kw(rules.shed_share * limit_kw)
        found = _next_to_shed(parts, now_ms, standing, rules)
        return Decision(Why.NOTHING_LEFT if found is None else Why.OVER, found, short_kw=short_kw)
    return _calm(shed, window, limit_kw, now_ms, rules)


def _calm(
    shed: Sequence[Part], window: DemandWindow, limit_kw: float, now_ms: int, rules: LimiterRules
) -> Decision:
    """What a window says that closes under the limit."""
    if not shed:
        return Decision(Why.CALM)
    back = _next_to_hand_back(shed, window, limit_kw, now_ms, rules)
    return Decision(Why.HELD) if back is None else Decision(Why.BACK, back=(back,))


def _passed(since_ms: int | None, length_s: float, now_ms: int) -> bool:
    return since_ms is None or now_ms >= since_ms + round(1000 * length_s)


def _may_go_back(part: Part, now_ms: int) -> bool:
    return _passed(part.shed_ms, part.action.min_off_s, now_ms)


def writes_to_shed(action: Action) -> int:
    """The most writes that shedding an action can take: more than one where it is approached in steps."""
    if action.ramp is None:
        return 1
    way = action.high - action.low if action.by is None else abs(action.by)
    return max(1, math.ceil(way / action.ramp.step))


def _next_to_shed(parts: Sequence[Part], now_ms: int, standing: Standing, rules: LimiterRules) -> str | None:
    ends_ms = round(1000 * rules.dead_man_s) + (now_ms if standing.since_ms is None else standing.since_ms)
    last = {part.action.id: part.shed_ms for part in parts if part.shed_ms is not None}
    for at in turn_order([part.action for part in parts], last):
        part, action = parts[at], parts[at].action
        if part.is_shed or part.is_offline:
            continue
        is_worth = now_ms + round(1000 * action.min_off_s) <= ends_ms
        fits = within_budget(action, part.used + writes_to_shed(action) - 1, is_release=False)
        if is_worth and fits and _passed(part.back_ms, action.min_on_s, now_ms):
            return action.id
    return None


def _next_to_hand_back(
    shed: Sequence[Part], window: DemandWindow, limit_kw: float, now_ms: int, rules: LimiterRules
) -> str | None:
    """What was taken last by priority goes back first; inside one priority what is shed longest."""
    order = sorted(shed, key=lambda part: (-part.action.priority, part.shed_ms or 0))
    for part in order:
        back_kw = part.action.expected_kw * window.left_s / window.duration_s
        fits = window.projected_kw + back_kw <= rules.back_share * limit_kw
        if fits and _may_go_back(part, now_ms):
            return part.action.id
    return None


def after(
    parts: Sequence[Part], decision: Decision, standing: Standing, now_ms: int, *, is_known: bool
) -> tuple[tuple[Part, ...], Standing]:
    """Parts and memory once a decision is carried out.

    Parameters
    ----------
    is_known : the window was measured whole.
    """
    changed = tuple(_changed(part, decision, now_ms) for part in parts)
    has_changed = decision.shed is not None or bool(decision.back)
    since_ms = standing.since_ms if standing.since_ms is not None else now_ms
    return changed, Standing(
        changed_ms=now_ms if has_changed else standing.changed_ms,
        known_ms=now_ms if is_known else standing.known_ms,
        since_ms=since_ms if any(part.is_shed for part in changed) else None,
    )


def _changed(part: Part, decision: Decision, now_ms: int) -> Part:
    if part.action.id == decision.shed:
        return replace(part, is_shed=True, shed_ms=now_ms)
    if part.action.id in decision.back:
        return replace(part, is_shed=False, back_ms=now_ms)
    return part
