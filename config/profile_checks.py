"""What is wrong in a profile's file, seen at its nodes: said even where something else is broken too."""

from collections.abc import Callable, Iterable, Iterator

from config.checking import Checks, children, pair_of
from config.positions import Node, Source
from config.problems import Hint, Problem, did_you_mean
from config.quantity_names import quantity_for
from config.register_cells import unit_of
from drivers.modbus_profile import RegisterType
from drivers.planner import REGISTERS
from rules.quantities import CONVERSIONS, QUANTITIES, Kind


class PointChecks(Checks):
    """What is wrong with what is said of one point, in a profile or by one device."""

    def unit(self, name: str, point: Node) -> Iterator[Problem]:
        """A unit that is none of the quantity's."""
        quantity, unit = QUANTITIES.get(name), point.get("unit")
        if quantity is None or unit is None or unit.text is None:
            return
        known = CONVERSIONS[quantity.unit]
        if unit.text not in known:
            meant = unit_of(unit.text, name)
            hint = Hint("config.did_you_mean", {"guess": meant}) if meant in known else _units(known)
            yield self.at("config.unit_not_of_quantity", unit, hint, unit=unit.raw, point=name)

    def factor(self, name: str, point: Node) -> Iterator[Problem]:
        """A scale of 0, and a modulus of what does not count."""
        scale, modulus = point.get("scale"), point.get("rolls_over_at")
        if scale is not None and scale.number == 0:
            yield self.at("config.scale_zero", scale)
        kind = QUANTITIES[name].kind if name in QUANTITIES else Kind.COUNTER
        if modulus is not None and modulus.number is not None and kind is not Kind.COUNTER:
            yield self.at("config.rollover_without_counter", modulus, point=name)

    def address(self, value: Node, words: int, base: int) -> Iterator[Problem]:
        """An address that no register has; ``base`` is that of the first register."""
        address = value.get("address")
        if address is None or address.number is None:
            return
        wire = address.number - base
        if base and address.number == 0:
            yield self.at("config.address_zero", address)
        elif 0 <= wire <= REGISTERS and wire + words > REGISTERS:
            yield self.at("config.address_beyond", address, address=address.raw, words=words)

    def range(self, pair: Node | None) -> Iterator[Problem]:
        """A range that begins above its end."""
        low, high = pair_of(pair)
        if pair is not None and low is not None and high is not None and low > high:
            yield self.at("config.range_reversed", pair, low=f"{low:g}", high=f"{high:g}")

    def never_read(self, limits: Node | None) -> Iterator[Problem]:
        """Ranges of registers that there are not."""
        for pair in limits.entries("never_read") if limits is not None else ():
            yield from self.range(pair)
            for end in pair.sequence or ():
                if end.number is not None and not 0 <= end.number < REGISTERS:
                    yield self.at("config.no_such_register", end, value=end.raw)


class ProfileChecks(PointChecks):
    """What the models of one value cannot see, or cannot point at."""

    def __init__(self, root: Node, source: Source, stem: str) -> None:
        super().__init__(root, source)
        self.stem = stem
        self.points: list[tuple[str, Node]] = []
        for holder in (root, *children(root.get("parts"))):
            points = holder.get("points")
            self.points += ((points.mapping if points else None) or {}).items()

    def all(self) -> list[Problem]:
        """Run every check."""
        checks: tuple[Callable[[], Iterator[Problem]], ...] = (
            self.name,
            self.quantities,
            self.units,
            self.factors,
            self.told,
            self.registers,
            self.ranges,
            self.names_of_points,
        )
        return [problem for check in checks for problem in check()]

    def name(self) -> Iterator[Problem]:
        """A profile is found by its file's name."""
        name = self.root.get("profile")
        if name is not None and name.text is not None and name.text != self.stem:
            yield self.at("config.profile_named_otherwise", name, name=name.text, stem=self.stem)

    def quantities(self) -> Iterator[Problem]:
        """Points are named by the product's own words, each once."""
        seen: set[str] = set()
        for key, point in self.points:
            if key in seen:
                place = self.source.place(point.label)
                yield Problem("config.point_in_two_parts", place, point.path, {"point": key})
            seen.add(key)
            if key not in QUANTITIES:
                place, meant = self.source.place(point.label), quantity_for(key, "")
                hint = did_you_mean(meant or key, QUANTITIES)
                yield Problem("config.unknown_quantity", place, point.path, {"point": key}, hint)

    def units(self) -> Iterator[Problem]:
        """Every point has a unit of its quantity; a bare number has none."""
        for key, point in self.points:
            yield from self.unit(key, point)
            quantity = QUANTITIES.get(key)
            if quantity is not None and point.get("unit") is None and "" not in CONVERSIONS[quantity.unit]:
                place, hint = self.source.place(point.label), _units(CONVERSIONS[quantity.unit])
                yield Problem("config.unit_missing", place, (*point.path, "unit"), {"point": key}, hint)

    def factors(self) -> Iterator[Problem]:
        """Scales, of parts too, and moduli."""
        for key, point in self.points:
            yield from self.factor(key, point)
            for part in point.entries("plus"):
                yield from self.factor(key, part)

    def told(self) -> Iterator[Problem]:
        """Factors that registers tell: by one that is there, and in one way."""
        known = (registers.mapping or {}) if (registers := self.root.get("registers")) is not None else {}
        for _, point in self.points:
            for factor in point.entries("factors"):
                name = factor.get("told_by")
                if name is not None and name.text is not None and name.text not in known:
                    yield self.at(
                        "config.unknown_register", name, did_you_mean(name.text, known), register=name.text
                    )
                power, values = factor.get("power_of_ten"), factor.get("values")
                has_values = values is not None and not (values.is_scalar and values.value is None)
                if has_values == (power is not None and power.value is True):
                    yield self.at("config.factor_one_of", factor)

    def registers(self) -> Iterator[Problem]:
        """Addresses of points, of their parts, and of registers that tell factors."""
        defaults = self.root.get("defaults")
        base = 1 if defaults is not None and defaults.word("addressing") == "one_based" else 0
        parts = [part for _, point in self.points for part in point.entries("plus")]
        points = [point for _, point in self.points]
        yield from self._as_printed(points)
        for value in (*points, *parts, *children(self.root.get("registers"))):
            kind = value.word("type")
            words = RegisterType(kind).words if kind in set(RegisterType) else 1
            yield from self.address(value, words, base)

    def _as_printed(self, points: list[Node]) -> Iterator[Problem]:
        """Addresses that all look like 4xxxx of holding registers, or 3xxxx of input registers."""
        for first in (30001, 40001):
            found = [node for point in points if (node := point.get("address")) is not None]
            numbers = [node.number or 0 for node in found]
            if found and all(first <= number < first + 9999 for number in numbers):
                table = "input" if first == 30001 else "holding"
                data = {"address": found[0].raw, "register": f"{numbers[0] - first + 1:g}", "table": table}
                yield self.warn("config.address_as_printed", found[0], **data)

    def ranges(self) -> Iterator[Problem]:
        """Every pair of a lowest and a highest."""
        yield from self.never_read(self.root.get("limits"))
        writable = [found for _, node in self.points if (found := node.get("writable")) is not None]
        probe = self.root.get("probe")
        for _, point in self.points:
            yield from self.range(point.get("valid"))
        for holder in (*writable, *([probe] if probe is not None else [])):
            yield from self.range(holder.get("between"))

    def names_of_points(self) -> Iterator[Problem]:
        """Where a point is named, the profile has it."""
        if not self.points:
            return  # told already: with its points every name is missing too
        probe = self.root.get("probe")
        names: list[Node | None] = [probe.get("point") if probe is not None else None]
        names += [found.get("read_back") for _, node in self.points if (found := node.get("writable"))]
        for name in names:
            if name is not None and name.text is not None and name.text not in dict(self.points):
                hint = did_you_mean(name.text, dict(self.points))
                yield self.at("config.unknown_point", name, hint, point=name.text, profile=self.stem)


def _units(known: Iterable[str]) -> Hint:
    return Hint("config.known", {"known": tuple(name or "''" for name in known)})
