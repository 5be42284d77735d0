"""Device profiles: YAML files of facts about a kind of meter, the product's own or an operator's."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from pydantic import ValidationError

import drivers
from config.crosschecks import check_values
from config.explanations import covered, explain
from config.positions import Node, Source
from config.problems import ConfigurationError, Hint, Place, Problem, did_you_mean
from config.shapes import Shape
from config.syntax import read_tree
from drivers.modbus_profile import ModbusProfile, RegisterType, register_points
from drivers.mqtt_profile import MqttProfile
from drivers.planner import PlanError, plan_reads
from rules.quantities import CONVERSIONS, QUANTITIES, Kind

FOLDER = Path(drivers.__file__).parent / "profiles"

_MODELS: dict[str, type[ModbusProfile] | type[MqttProfile]] = {"modbus": ModbusProfile, "mqtt": MqttProfile}


@cache
def profile_names() -> tuple[str, ...]:
    """Names of the profiles that come with the product."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def profile_hint(name: object) -> Hint:
    """What to write instead of a name that the product does not know: the nearest, or where to look."""
    return did_you_mean(name, profile_names()) or Hint("config.see_profiles", {})


def profile_path(name_or_path: str | Path, base: Path | None = None) -> Path | None:
    """File of a profile: one of the product's by its name, or any by its path.

    Parameters
    ----------
    name_or_path : ``eastron_sdm630``, or a path that ends in ``.yaml`` or ``.yml``.
    base : folder from which a relative path counts; the working directory when left out.

    Returns
    -------
    None for a name that the product does not know.
    """
    wish = str(name_or_path)
    if wish.endswith((".yaml", ".yml")) and "\0" not in wish:
        return (base or Path()) / wish
    return FOLDER / f"{wish}.yaml" if wish in profile_names() else None


def load_profile(name_or_path: str | Path, base: Path | None = None) -> ModbusProfile | MqttProfile:
    """Read one profile.

    Raises
    ------
    ConfigurationError
        With everything that is wrong, each with its place in the profile's file.
    """
    path = profile_path(name_or_path, base)
    if path is None:
        hint = profile_hint(name_or_path)
        data = {"profile": str(name_or_path)}
        raise ConfigurationError(
            [Problem("config.unknown_profile", Place(str(name_or_path)), (), data, hint)]
        )
    return _read_own(path) if path.parent == FOLDER else _read(path)


@cache
def _read_own(path: Path) -> ModbusProfile | MqttProfile:
    """Read one of the product's own, which do not change while it runs, once."""
    return _read(path)


def _read(path: Path) -> ModbusProfile | MqttProfile:
    source = Source.read(path)
    root, problems = read_tree(source)
    if root is None:
        raise ConfigurationError(problems)
    transport = root.get("transport")
    model = _MODELS.get("modbus" if transport is None else str(transport.value))
    if model is None:
        assert transport is not None  # noqa: S101  only a transport that is there can be unknown
        place, hint = source.place(transport.span), did_you_mean(transport.raw, _MODELS)
        data = {"value": transport.raw}
        raise ConfigurationError([*problems, Problem("config.not_one_of", place, transport.path, data, hint)])
    problems += check_values(root, Shape.of(model), source)
    problems += _ProfileChecks(root, source, path.stem).all()
    profile = None
    try:
        profile = model.model_validate(root.data())
    except ValidationError as error:
        found = explain(error, root, model, source)
        problems += [problem for problem in found if not covered(problem, problems + found)]
    if isinstance(profile, ModbusProfile) and not problems:
        problems += _unreadable_points(profile, root, source)
    if profile is None or problems:
        raise ConfigurationError(problems)
    return profile


def _unreadable_points(profile: ModbusProfile, root: Node, source: Source) -> Iterator[Problem]:
    """Points that no request within the profile's own limits can read."""
    nodes = root.mapping["points"].mapping or {} if root.mapping else {}
    for point in register_points(profile):
        try:
            plan_reads([point], profile.limits)
        except PlanError:
            node = nodes[point.name].get("address") or nodes[point.name]
            yield Problem(
                "config.point_beyond_limits", source.place(node.span), node.path, {"point": point.name}
            )


class _ProfileChecks:
    """What the models of one value cannot see, or cannot point at."""

    def __init__(self, root: Node, source: Source, stem: str) -> None:
        self.root = root
        self.source = source
        self.stem = stem
        self.points: list[tuple[str, Node]] = []
        for holder in (root, *_children(root.get("parts"))):
            points = holder.get("points")
            self.points += ((points.mapping if points else None) or {}).items()

    def all(self) -> list[Problem]:
        checks: tuple[Callable[[], Iterator[Problem]], ...] = (
            self.name,
            self.quantities,
            self.units,
            self.counters,
            self.registers,
            self.ranges,
            self.probe,
        )
        return [problem for check in checks for problem in check()]

    def at(self, code: str, node: Node, hint: Hint | None = None, **data: object) -> Problem:
        span = node.span if node.is_scalar and node.raw else node.label
        return Problem(code, self.source.place(span), node.path, data, hint)

    def name(self) -> Iterator[Problem]:
        name = self.root.get("profile")
        if name is not None and name.text is not None and name.text != self.stem:
            yield self.at("config.profile_named_otherwise", name, name=name.text, stem=self.stem)

    def quantities(self) -> Iterator[Problem]:
        seen: set[str] = set()
        for key, point in self.points:
            if key in seen:
                place = self.source.place(point.label)
                yield Problem("config.point_in_two_parts", place, point.path, {"point": key})
            seen.add(key)
            if key not in QUANTITIES:
                place, hint = self.source.place(point.label), did_you_mean(key, QUANTITIES)
                yield Problem("config.unknown_quantity", place, point.path, {"point": key}, hint)

    def units(self) -> Iterator[Problem]:
        for key, point in self.points:
            quantity, unit = QUANTITIES.get(key), point.get("unit")
            if quantity is None or (unit is not None and unit.text is None):
                continue
            known = CONVERSIONS[quantity.unit]
            if (unit.text if unit else "") not in known:
                hint = Hint("config.known", {"known": tuple(name or "''" for name in known)})
                if unit is None:
                    place = self.source.place(point.label)
                    yield Problem("config.unit_missing", place, (*point.path, "unit"), {"point": key}, hint)
                else:
                    yield self.at("config.unit_not_of_quantity", unit, hint, unit=unit.raw, point=key)

    def counters(self) -> Iterator[Problem]:
        for key, point in self.points:
            scale, modulus = point.get("scale"), point.get("rolls_over_at")
            if scale is not None and scale.number == 0:
                yield self.at("config.scale_zero", scale)
            kind = QUANTITIES[key].kind if key in QUANTITIES else Kind.COUNTER
            if modulus is not None and modulus.number is not None and kind is not Kind.COUNTER:
                yield self.at("config.rollover_without_counter", modulus, point=key)

    def registers(self) -> Iterator[Problem]:
        defaults = self.root.get("defaults")
        base = 1 if defaults is not None and defaults.word("addressing") == "one_based" else 0
        for _, point in self.points:
            address, kind = point.get("address"), point.word("type")
            words = RegisterType(kind).words if kind in set(RegisterType) else 1
            if address is None or address.number is None:
                continue
            wire = address.number - base
            if base and address.number == 0:
                yield self.at("config.address_zero", address)
            elif 0 <= wire <= 65536 and wire + words > 65536:
                yield self.at("config.address_beyond", address, address=address.raw, words=words)

    def ranges(self) -> Iterator[Problem]:
        limits = self.root.get("limits") or Node((), self.root.span)
        probe = self.root.get("probe") or Node((), self.root.span)
        writable = [node.get("writable") or Node((), self.root.span) for _, node in self.points]
        pairs = [node.get("valid") for _, node in self.points] + [node.get("between") for node in writable]
        for pair in (*pairs, probe.get("between"), *limits.entries("never_read")):
            low, high = _pair(pair)
            if pair is not None and low is not None and high is not None and low > high:
                yield self.at("config.range_reversed", pair, low=f"{low:g}", high=f"{high:g}")

    def probe(self) -> Iterator[Problem]:
        probe = self.root.get("probe")
        point = probe.get("point") if probe is not None else None
        if point is not None and point.text is not None and point.text not in dict(self.points):
            hint = did_you_mean(point.text, dict(self.points))
            yield self.at("config.unknown_point", point, hint, point=point.text, profile=self.stem)


def _children(node: Node | None) -> tuple[Node, ...]:
    return tuple((node.mapping or {}).values()) if node is not None else ()


def _pair(node: Node | None) -> tuple[float | None, float | None]:
    entries = (node.sequence or []) if node is not None else []
    return (entries[0].number, entries[1].number) if len(entries) == 2 else (None, None)
