"""A plan's actions as the limiter sees them: what its run did with them, and what others need them for."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from monitor.dispatch.run import Run
from monitor.store.limiting import LIMITER, LimiterPast
from rules.curtailment import OPEN, Mode, Plan, wish_for
from rules.limiter import Part, Standing
from rules.shedding import Action


@dataclass(frozen=True, slots=True)
class Others:
    """Ids of the actions whose points somebody else needs.

    Attributes
    ----------
    near : soon enough that shedding it now would be in the way.
    due : now: what is shed goes back first.
    """

    near: frozenset[str]
    due: frozenset[str]

    @classmethod
    def of(cls, runs: Iterable[Run], own: Run | None, plan: Plan, mode: Mode, now_ms: int) -> "Others":
        """What other runs need of a plan's points."""
        near, due = set(), set()
        for run in runs:
            if run is own or not _counts(run, mode):
                continue
            for action in plan.actions:
                found = [one for one in run.row.plan.actions if _same(one, action)]
                if any(run.track(one.id).is_shed or one.id in run.busy for one in found):
                    near.add(action.id)
                if run.row.source == LIMITER or run.row.life not in OPEN:
                    continue
                if any(one.id in run.chosen for one in found):
                    rest_ms = round(1000 * action.min_on_s)
                    if now_ms >= run.row.start_ms - rest_ms - round(1000 * action.min_off_s):
                        near.add(action.id)
                    if now_ms >= run.row.start_ms - rest_ms:
                        due.add(action.id)
        return cls(frozenset(near), frozenset(due))


def _counts(run: Run, mode: Mode) -> bool:
    """What only watches needs nothing, and a rehearsal nothing of what is real."""
    if run.row.mode is Mode.MONITOR_ONLY:
        return False
    return run.row.mode is Mode.LIVE or mode is not Mode.LIVE


def _same(one: Action, other: Action) -> bool:
    return (one.device, one.point) == (other.device, other.point)


def lost(own: Run, unwanted: Collection[str], now_ms: int) -> frozenset[str]:
    """Ids of the own actions that take no further part: unwanted, failed, or too late to begin."""
    gone = set()
    for id_ in own.chosen:
        track = own.track(id_)
        waits = id_ in own.busy or id_ in own.tries
        if (
            id_ in unwanted
            or track.failed is not None
            or (
                not track.is_shed
                and not waits
                and wish_for(own.event, own.row.plan.action(id_), track, now_ms) is None
            )
        ):
            gone.add(id_)
    return frozenset(gone)


def parts_of(
    plan: Plan,
    own: Run | None,
    away: Collection[str],
    offline: Collection[str],
    asked_ms: Mapping[str, int],
) -> tuple[Part, ...]:
    """In the plan's order.

    Parameters
    ----------
    own : the limiter's run; None = nothing is shed.
    away : ids of the actions that others need, or guards hold back.
    offline : devices that do not answer.
    asked_ms : when each action was decided to be shed; its first write comes a moment later.
    """
    return tuple(_part(one, own, away, offline, asked_ms) for one in plan.actions)


def _part(
    action: Action,
    own: Run | None,
    away: Collection[str],
    offline: Collection[str],
    asked_ms: Mapping[str, int],
) -> Part:
    if own is None:
        return Part(action, is_offline=action.id in away or action.device in offline)
    track, takes_part = own.track(action.id), action.id in own.chosen
    leaves = track.is_shed and not takes_part
    return Part(
        action,
        is_shed=takes_part,
        shed_ms=track.shed_ms if track.is_shed else asked_ms.get(action.id, track.shed_ms),
        back_ms=track.back_ms,
        is_offline=leaves
        or track.failed is not None
        or track.left_ms is not None
        or action.id in own.busy
        or action.id in away
        or action.device in offline,
    )


def with_past(
    parts: Sequence[Part], past: LimiterPast, standing: Standing
) -> tuple[tuple[Part, ...], Standing]:
    """The same with what the store knows of before: turns, rests, writes, and when something changed last."""
    known = tuple(
        replace(
            part,
            shed_ms=_later(part.shed_ms, past.shed_ms.get(part.action.id)),
            back_ms=_later(part.back_ms, past.back_ms.get(part.action.id)),
            used=past.used.get(part.action.id, 0),
        )
        for part in parts
    )
    changed_ms = max((*past.shed_ms.values(), *past.back_ms.values()), default=None)
    return known, replace(standing, changed_ms=_later(standing.changed_ms, changed_ms))


def _later(one: int | None, other: int | None) -> int | None:
    return max((ms for ms in (one, other) if ms is not None), default=None)
