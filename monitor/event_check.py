"""Whether the record of an event is as it was written, and the event kept to its plan: without the store."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from monitor.event_bundle import FORMAT, digest_of
from monitor.event_sums import Fault, sums_again
from monitor.store.writes import NOT_SENT
from rules.curtailment import NEXT, RESERVED_WRITES, Life

_BACK = ("obeyed", "already", "dry_run")
_LEFT_ALONE = "sheds_already"
"""What was found shed as much: nothing went out, so nothing is to be handed back."""
_SLACK = 1e-6

A_TURN_S = 5.0
"""A write that was decided upon may go out so long after something else was."""

LATE_S = 60.0
"""What is handed back later than this after it was due is told, whatever the reason."""

DAY_S = 86_400.0


def faults_of(bundle: Any) -> list[Fault]:
    """What is wrong with a record: its sum does not fit, or the event broke its own plan."""
    content = bundle.get("content") if isinstance(bundle, dict) else None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return [("dispatch.bundle_foreign", {})]
    found: list[Fault] = []
    if digest_of(content) != bundle.get("sha256"):
        found.append(("dispatch.bundle_changed", {}))
    try:
        found += [*_lives(content), *_writes(content)]
        for action in content["plan_data"]["actions"]:
            found += _Course.of(content, action).faults()
        found += sums_again(content)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError) as error:
        found.append(("dispatch.bundle_incomplete", {"reason": f"{type(error).__name__}: {error}"}))
    return found


def _lives(content: dict[str, Any]) -> Iterator[Fault]:
    lives = [Life(step["kind"]) for step in content["steps"] if step["kind"] in list(Life)]
    for one, after in pairwise(lives):
        if after not in NEXT[one]:
            yield "dispatch.bundle_lives", {"one": one.value, "next": after.value}


def _writes(content: dict[str, Any]) -> Iterator[Fault]:
    """Each write by itself."""
    actions = {action["id"]: action for action in content["plan_data"]["actions"]}
    for write in content["writes"]:
        action, data = actions[write["action"]], {"number": write["id"], "action": write["action"]}
        if write["purpose"] == "shed" and write["outcome"] != _LEFT_ALONE:
            if not action["low"] - _SLACK <= write["asked"] <= action["high"] + _SLACK:
                yield "dispatch.bundle_floor", {**data, "value": f"{write['asked']:g}"}
            if write["previous"] is None:
                yield "dispatch.bundle_no_previous", data
        if write["outcome"] != "obeyed":
            continue
        if write["shown"] is None:
            yield "dispatch.bundle_no_read_back", data
            continue
        half_step = content["resolution"].get(action["id"], 0.0)
        bears = 2 * half_step + _SLACK * max(1.0, abs(write["asked"]))  # asked and shown are rounded each
        if abs(write["shown"] - write["asked"]) > bears:
            shown = {"asked": f"{write['asked']:g}", "shown": f"{write['shown']:g}"}
            yield "dispatch.bundle_shown", {**data, **shown}


def _s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@dataclass(frozen=True, slots=True)
class _Course:
    """One action through the event: instants are seconds since 1970.

    Attributes
    ----------
    writes : of this action, without those that were left alone.
    alive : [from, to] of the event's active life; to is None while it lasts, and both where there was none.
    last_s : when the event was to be over, whatever else held.
    due_s : when everything was to be handed back, least times apart.
    held : [from, to] of each time that a guard held it back; the last may be open.
    stops_s : when the daemon ended and nobody followed: minimum off times give way.
    """

    action: dict[str, Any]
    writes: list[dict[str, Any]]
    alive: tuple[float, float | None] | None
    last_s: float
    due_s: float
    held: list[tuple[float, float | None]]
    stops_s: list[float]
    is_open: bool

    @classmethod
    def of(cls, content: dict[str, Any], action: dict[str, Any]) -> "_Course":
        """Out of a record."""
        plan, steps = content["plan_data"], content["steps"]
        began = next((_s(step["at"]) for step in steps if step["kind"] == "active"), None)
        ended = next((_s(step["at"]) for step in steps if step["kind"] in ("ended", "aborted")), None)
        dead_s = _s(content["start"]) + plan["dead_man_s"]
        last_s = min(_s(content["end"]), dead_s)
        due_s = last_s if ended is None else min(ended, last_s)
        if any(step["kind"] == "ended" for step in steps):  # a regular end: one after another
            due_s = min(due_s + plan["stage_s"] * len(plan["actions"]), dead_s)
        return cls(
            action,
            [
                write
                for write in content["writes"]
                if write["action"] == action["id"] and write["outcome"] != _LEFT_ALONE
            ],
            None if began is None else (began, ended),
            last_s,
            due_s,
            _held(plan, steps, action["id"]),
            [_s(step["at"]) for step in steps if step["kind"] == "stop"],
            content["life"] == Life.ACTIVE.value,
        )

    def faults(self) -> list[Fault]:
        """What broke the plan."""
        codes = [*self._out_of_time(), *self._minimum_times(), *self._budget()]
        if self.writes and not self.is_open:
            last = self.writes[-1]
            if last["purpose"] != "release" or last["outcome"] not in _BACK:
                codes.append("not_back")
        return [(f"dispatch.bundle_{code}", {"action": self.action["id"]}) for code in dict.fromkeys(codes)]

    def _out_of_time(self) -> Iterator[str]:
        """Shed where the event, its plan or a guard did not allow it; handed back late."""
        shed_s: float | None = None
        for write in self.writes:
            at_s = _s(write["at"])
            if write["purpose"] == "release":
                if shed_s is not None and at_s > self._due_s(shed_s) + LATE_S:
                    yield "late"
                shed_s = None
                continue
            shed_s = at_s if shed_s is None else shed_s
            if self.alive is None or not self.alive[0] - A_TURN_S <= at_s <= self._until_s():
                yield "no_life"
            if at_s > self.last_s + A_TURN_S:
                yield "after_end"
            if any(
                from_s + A_TURN_S < at_s < (at_s + 1 if to_s is None else to_s) for from_s, to_s in self.held
            ):
                yield "guard"

    def _until_s(self) -> float:
        ended = self.alive[1] if self.alive else None
        return (self.last_s if ended is None else ended) + A_TURN_S

    def _due_s(self, shed_s: float) -> float:
        """When what was shed at an instant was to be handed back at the latest."""
        held_s = [from_s for from_s, _ in self.held if from_s >= shed_s]
        return max(min([self.due_s, *held_s]), shed_s + float(self.action["min_off_s"]))

    def _minimum_times(self) -> Iterator[str]:
        shed_s: float | None = None
        back_s: float | None = None
        for write in self.writes:
            at_s = _s(write["at"])
            if write["purpose"] == "shed":
                if back_s is not None and at_s - back_s < self.action["min_on_s"] - 1:
                    yield "min_on"
                shed_s, back_s = (at_s if shed_s is None else shed_s), None
            elif shed_s is not None:
                stopped = any(shed_s <= one <= at_s for one in self.stops_s)
                if at_s - shed_s < self.action["min_off_s"] - 1 and not stopped:
                    yield "min_off"
                if write["outcome"] in _BACK:
                    shed_s, back_s = None, at_s

    def _budget(self) -> Iterator[str]:
        """More writes within a day than the point bears; some are kept for handing back."""
        sent: list[float] = []
        for write in self.writes:
            if write["outcome"] in NOT_SENT:
                continue
            at_s = _s(write["at"])
            used = sum(one > at_s - DAY_S for one in sent)
            kept = RESERVED_WRITES if write["purpose"] == "shed" else 0
            if used + kept >= self.action["writes_per_day"]:
                yield "budget"
            sent.append(at_s)


def _held(plan: dict[str, Any], steps: list[dict[str, Any]], action: str) -> list[tuple[float, float | None]]:
    """[from, to] of each time that a guard held an action back."""
    found: list[tuple[float, float | None]] = []
    for place, guard in enumerate(plan["guards"]):
        if guard["actions"] and action not in guard["actions"]:
            continue
        since: float | None = None
        for step in steps:
            if step["kind"] != "guard" or step["data"]["place"] != place:
                continue
            if step["data"]["holds_back"]:
                since = _s(step["at"]) if since is None else since
            elif since is not None:
                found.append((since, _s(step["at"])))
                since = None
        if since is not None:
            found.append((since, None))
    return found
