"""What does not fit together in ``curtailment``: points, values and limits, each with its place."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from config.baseline_presets import load_preset, preset_names
from config.checking import Checks, number_of
from config.curtailment import sheds_of, writable_of
from config.device_checks import Profiles, devices_of
from config.positions import Node, Source
from config.problems import ConfigurationError, Problem, did_you_mean
from config.programme_texts import load_programme, programme_families, programme_names
from drivers.modbus_profile import ModbusProfile
from drivers.mqtt_profile import MqttProfile
from drivers.writable import Writable, allows
from rules.curtailment import RESERVED_WRITES
from rules.shedding import Sheds, puts_load_on

AnyProfile = ModbusProfile | MqttProfile


@dataclass(frozen=True, slots=True)
class Around:
    """What of a site a plan is held against.

    Attributes
    ----------
    by_device : each device's profile; None where something is wrong with it.
    roles : of the operators.
    base : folder from which relative paths count.
    """

    by_device: Mapping[str, AnyProfile | None]
    roles: frozenset[str]
    base: Path


def around(root: Node, base: Path, profiles: Profiles) -> Around:
    """What stands around the plans of a site file."""
    by_device = {
        device.word("id") or "": profiles.get(device.word("profile") or "")
        for _, device in reversed(devices_of(root))
    }
    section = root.get("curtailment")
    operators = [] if section is None else section.entries("operators")
    return Around(by_device, frozenset(one.word("role") or "" for one in operators), base)


def check_curtailment(root: Node, source: Source, site: Around) -> list[Problem]:
    """Everything that is wrong in the plans of a site file."""
    section = root.get("curtailment")
    if section is None or section.mapping is None:
        return []
    plans = [plan for plan in section.entries("plans") if plan.mapping is not None]
    checks = PlanChecks(section, source, plans, site)
    return [*checks.ids(plans, section.entries("operators")), *checks.every()]


class PlanChecks(Checks):
    """Checks of plans that stand in one file."""

    def __init__(self, root: Node, source: Source, plans: list[Node], site: Around) -> None:
        super().__init__(root, source)
        self.by_device = site.by_device
        self.site = site
        self.plans = plans

    def every(self) -> Iterator[Problem]:
        """All that may be wrong with a plan by itself."""
        yield from self.ids(*(plan.entries("actions") for plan in self.plans))
        yield from self.actions()
        yield from self.guards()
        yield from self.armed()
        yield from self.baselines()
        yield from self.programmes()

    def ids(self, *lists: list[Node]) -> Iterator[Problem]:
        """Each id once in its list."""
        for entries in lists:
            seen: set[str] = set()
            for entry in entries:
                node = entry.get("id")
                if node is None or node.text is None:
                    continue
                if node.text in seen:
                    yield self.at("dispatch.same_id", node, id=node.text)
                seen.add(node.text)

    def armed(self) -> Iterator[Problem]:
        """A live plan that nobody may start."""
        for plan in self.plans:
            mode = plan.get("mode")
            if mode is not None and mode.text == "live" and "dispatcher" not in self.site.roles:
                yield self.at("dispatch.nobody_may_arm", mode)

    def baselines(self) -> Iterator[Problem]:
        """Presets that there are."""
        for plan in self.plans:
            preset = plan.get("baseline")
            if preset is None or not preset.text:
                continue
            try:
                load_preset(preset.text, self.site.base)
            except ConfigurationError:
                hint = did_you_mean(preset.text, preset_names())
                yield self.at("dispatch.unknown_preset", preset, hint, preset=preset.text)

    def programmes(self) -> Iterator[Problem]:
        """Programmes that there are."""
        for plan in self.plans:
            programme = plan.get("programme")
            if programme is None or not programme.text:
                continue
            known = programme_families()
            if programme.text in known:
                continue
            try:
                load_programme(programme.text, self.site.base)
            except ConfigurationError:
                hint = did_you_mean(programme.text, (*known, *programme_names()))
                yield self.at("dr.unknown_programme", programme, hint, name=programme.text)

    def actions(self) -> Iterator[Problem]:
        """Points that may be written, with values that the device bears."""
        for plan in self.plans:
            first: dict[str, Node] = {}
            for action in plan.entries("actions"):
                point = action.get("point")
                if point is None or point.text is None:
                    continue
                if first.setdefault(point.text, action) is not action:
                    yield self.at("dispatch.point_twice", point, point=point.text)
                writable = None
                for found in self._writable(point):
                    if isinstance(found, Problem):
                        yield found
                    else:
                        writable = found
                yield from self._one_of(action)
                if writable is not None:
                    yield from self._direction(action, point.text.partition(".")[2], writable)
                if writable is not None:
                    yield from self._values(action, writable)
                    yield from self._limits(plan, action, writable)

    def _writable(self, point: Node) -> Iterator[Problem | Writable]:
        device, _, name = (point.text or "").partition(".")
        if device not in self.by_device:
            hint = did_you_mean(device, self.by_device)
            yield self.at("dispatch.unknown_device", point, hint, device=device)
            return
        profile = self.by_device[device]
        if profile is None:
            return  # what is wrong with it is told where it is named
        writable = writable_of(profile, name)
        if writable is not None:
            yield writable
            return
        fitting = [one for one in profile.every_point() if writable_of(profile, one) is not None]
        known = name in profile.every_point()
        code = "dispatch.not_writable" if known else "dispatch.unknown_point"
        yield self.at(code, point, did_you_mean(name, fitting), point=name, device=device)

    def _one_of(self, action: Node) -> Iterator[Problem]:
        to, by = action.get("to"), action.get("by")
        if (to is None) == (by is None):
            yield self.at("dispatch.to_or_by", by if by is not None else action)
        elif by is not None and by.number == 0:
            yield self.at("dispatch.by_nothing", by)

    def _direction(self, action: Node, point: str, writable: Writable) -> Iterator[Problem]:
        """An action that may put load on, or of which nobody could tell."""
        by = action.get("by")
        step = None if by is None else by.number
        word = action.word("sheds")
        said = Sheds(word) if word in set(Sheds) else None
        sheds = sheds_of(point, writable, said, step)
        if by is not None and puts_load_on(sheds, step):
            yield self.at("dispatch.sheds_against", by, by=by.raw, sheds=sheds)
        elif sheds is None and action.get("to") is not None:
            yield self.at("dispatch.sheds_unknown", action)

    def _values(self, action: Node, writable: Writable) -> Iterator[Problem]:
        low, high = writable.between
        floor, ceiling = number_of(action, "floor", -math.inf), number_of(action, "ceiling", math.inf)
        for key in ("floor", "ceiling", "to", "release"):
            node = action.get(key)
            if node is None or node.number is None:
                continue
            fits = allows(writable, node.number) if key == "release" else low <= node.number <= high
            if not fits:
                yield self.at("dispatch.out_of_range", node, value=node.raw, low=f"{low:g}", high=f"{high:g}")
            elif key == "to" and not floor <= node.number <= ceiling:
                yield self.at("dispatch.beyond_floor", node, value=node.raw)
        release = action.get("release")
        if release is not None and release.text == "hand-back" and writable.release is None:
            yield self.at("dispatch.no_hand_back", release)
        node = action.get("floor")
        if node is not None and floor > ceiling:
            yield self.at("config.range_reversed", node, low=f"{floor:g}", high=f"{ceiling:g}")

    def _limits(self, plan: Node, action: Node, writable: Writable) -> Iterator[Problem]:
        budget = action.get("writes_per_day")
        if budget is not None and budget.number is not None and budget.number > writable.writes_per_day:
            yield self.at("dispatch.budget_above", budget, value=budget.raw, budget=writable.writes_per_day)
        node = action.get("min_off_s")
        dead_man_s = number_of(plan, "dead_man_s", math.inf)
        if node is not None and node.number is not None and node.number > dead_man_s:
            yield self.at("dispatch.min_off_beyond", node, dead_man=f"{dead_man_s:g}")
        elif node is not None and node.number and writable.between == (0.0, 1.0):
            yield self.warn("dispatch.min_off_of_switch", node)
        yield from self._late(action, dead_man_s)
        ramp = action.get("ramp")
        if ramp is None or ramp.mapping is None:
            return
        step = number_of(ramp, "step", math.inf)
        low, high = writable.between
        way = abs(number_of(action, "by")) or high - low
        allowed = number_of(action, "writes_per_day", writable.writes_per_day) - RESERVED_WRITES
        if step > 0 and math.ceil(way / step) > allowed:
            yield self.at("dispatch.ramp_too_fine", ramp, steps=math.ceil(way / step), budget=f"{allowed:g}")

    def _late(self, action: Node, dead_man_s: float) -> Iterator[Problem]:
        """An action that never sheds: it is not begun where its time would not be over before the end."""
        after, min_off_s = action.get("after_s"), number_of(action, "min_off_s")
        if after is None or after.number is None or min_off_s > dead_man_s:
            return
        if after.number + max(min_off_s, 1.0) > dead_man_s:
            off, dead_man = f"{min_off_s:g}", f"{dead_man_s:g}"
            yield self.at("dispatch.after_beyond", after, after=after.raw, min_off=off, dead_man=dead_man)

    def guards(self) -> Iterator[Problem]:
        """Points that are read, with a limit, and actions that there are."""
        for plan in self.plans:
            ids = [action.word("id") or "" for action in plan.entries("actions")]
            for guard in plan.entries("guards"):
                yield from self._guard(guard, ids)

    def _guard(self, guard: Node, ids: list[str]) -> Iterator[Problem]:
        point = guard.get("point")
        device, _, name = ((point.text if point else None) or "").partition(".")
        profile = self.by_device.get(device)
        if point is not None and device not in self.by_device:
            yield self.at(
                "dispatch.unknown_device", point, did_you_mean(device, self.by_device), device=device
            )
        elif point is not None and profile is not None and name not in profile.every_point():
            hint = did_you_mean(name, profile.every_point())
            yield self.at("dispatch.unknown_point", point, hint, point=name, device=device)
        above, below = guard.get("above"), guard.get("below")
        if (above is None) == (below is None):
            yield self.at("dispatch.above_or_below", below if below is not None else guard)
        back = guard.get("back_at")
        if back is not None and back.number is not None and (above is None) != (below is None):
            good = (
                back.number <= number_of(guard, "above", math.inf)
                if above is not None
                else back.number >= number_of(guard, "below", -math.inf)
            )
            if not good:
                yield self.at("dispatch.back_on_bad_side", back, value=back.raw)
        for node in guard.entries("actions"):
            if node.text is not None and node.text not in ids:
                yield self.at("dispatch.unknown_action", node, did_you_mean(node.text, ids), action=node.text)
