"""What meters must be: a register or a formula, with what belongs to each; and formulas without a circle."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from config.positions import Node, Source, Span
from config.problems import Hint, Problem, did_you_mean
from config.site import COMMODITY_UNITS, Commodity, Site
from rules.formulas import Formula, FormulaError, Term, circle, over_registers, parse_formula
from rules.quantities import PULSE, QUANTITIES

_OF_A_REGISTER = ("rate", "max_rate", "factor", "changes", "stuck_after_s")


def formulas_of(site: Site) -> dict[str, Formula]:
    """The virtual meters of a site that was loaded, by id."""
    return {meter.id: parse_formula(meter.formula) for meter in site.meters if meter.formula is not None}


def check_meters(root: Node, source: Source) -> list[Problem]:
    """Everything that does not fit in ``meters``, and meters that a commodity would count twice."""
    checks = _MeterChecks(root, source)
    return [
        *checks.keys(),
        *checks.pulses(),
        *checks.changes(),
        *checks.formulas(),
        *checks.circles(),
        *checks.counted_twice(),
    ]


class _MeterChecks:
    def __init__(self, root: Node, source: Source) -> None:
        self.root = root
        self.source = source
        self.meters = [meter for meter in root.entries("meters") if meter.mapping is not None]
        self.known = {meter.word("id") or "": meter for meter in reversed(self.meters)}
        self.parsed: dict[str, Formula] = {}
        self.nodes: dict[str, Node] = {}
        self.refused: list[Problem] = []
        for meter in self.meters:
            self._parse(meter)

    def _parse(self, meter: Node) -> None:
        node, id_ = meter.get("formula"), meter.word("id") or ""
        if node is None or node.text is None:
            return
        try:
            formula = parse_formula(node.text)
        except FormulaError as error:
            self.refused.append(self._inside(node, error.code, error.at, error.length, data=error.data))
        else:
            self.parsed.setdefault(id_, formula)
            self.nodes.setdefault(id_, node)

    def keys(self) -> Iterator[Problem]:
        """A register or a formula, and what belongs to it."""
        for meter in self.meters:
            counter, formula = meter.get("counter"), meter.get("formula")
            if counter is not None and formula is not None:
                yield self._at("config.counter_or_formula", formula)
            elif counter is None and formula is None:
                yield self._at("config.neither_counter_nor_formula", meter)
            elif counter is not None and meter.get("max_rate") is None:
                yield Problem(
                    "config.max_rate_missing", self.source.place(meter.label), (*meter.path, "max_rate")
                )
            elif formula is not None:
                for key in _OF_A_REGISTER:
                    if (node := meter.get(key)) is not None:
                        place = self.source.place(node.label)
                        yield Problem("config.not_with_formula", place, node.path, {"key": key})

    def pulses(self) -> Iterator[Problem]:
        """Pulses are no energy and no water until somebody says what one is worth."""
        for meter in self.meters:
            counter = meter.get("counter")
            if counter is None or meter.get("factor") is not None:
                continue
            quantity = QUANTITIES.get((counter.text or "").rpartition(".")[2])
            if quantity is not None and quantity.unit == PULSE:
                yield self._at("config.pulses_without_factor", counter, point=quantity.name)

    def changes(self) -> Iterator[Problem]:
        """Dated changes stand in the order of time."""
        for meter in self.meters:
            before: datetime | None = None
            for change in meter.entries("changes"):
                node = change.get("at")
                if node is not None and node.number is not None:  # a date without hyphens is no instant
                    yield self._at("config.instant_wanted", node, value=node.raw)
                at = _instant(node)
                if node is None or at is None:
                    continue
                if before is not None and at <= before:
                    same = at == before
                    yield self._at(
                        "config.changes_same_instant" if same else "config.changes_out_of_order", node
                    )
                before = at if before is None else max(at, before)

    def formulas(self) -> Iterator[Problem]:
        """Names that are known, of meters that may be added."""
        yield from self.refused
        for id_, formula in self.parsed.items():
            for term in formula.terms:
                yield from self._term(id_, term)

    def _term(self, id_: str, term: Term) -> Iterator[Problem]:
        node, length = self.nodes[id_], len(term.meter)
        part = self.known.get(term.meter)
        if part is None:
            hint = _spaced(term.meter, self.known) or did_you_mean(term.meter, self._others(id_))
            data = {"meter": term.meter}
            yield self._inside(node, "config.unknown_meter", term.at, length, hint, data)
            return
        if term.meter == id_:
            yield self._inside(node, "config.formula_itself", term.at, length, data={"meter": id_})
            return
        own, other = self.known[id_].word("commodity"), part.word("commodity")
        if own == other or own not in set(Commodity) or other not in set(Commodity):
            return
        unit, wanted = COMMODITY_UNITS[Commodity(other)], COMMODITY_UNITS[Commodity(own)]
        data = {"meter": term.meter, "is_of": other, "commodity": own}
        if unit != wanted:
            data |= {"unit": unit, "wanted": wanted}
            yield self._inside(node, "config.formula_unit_differs", term.at, length, data=data)
        else:
            yield self._inside(
                node, "config.formula_other_commodity", term.at, length, data=data, warning=True
            )

    def _others(self, id_: str) -> list[str]:
        commodity = self.known[id_].word("commodity")
        of_it = [one for one, meter in self.known.items() if meter.word("commodity") == commodity]
        return [one for one in of_it if one and one != id_]

    def circles(self) -> Iterator[Problem]:
        """Formulas that need each other."""
        left = dict(self.parsed)
        while found := circle(left):
            if len(found) > 2:  # a meter that names itself is told already
                first = min(found[:-1], key=list(self.parsed).index)
                at = found.index(first)
                round_ = (*found[at:-1], *found[:at], first)
                term = next(term for term in self.parsed[first].terms if term.meter == round_[1])
                data = {"circle": " → ".join(round_)}
                node = self.nodes[first]
                yield self._inside(node, "config.formula_circle", term.at, len(term.meter), data=data)
            left.pop(found[0])

    def counted_twice(self) -> Iterator[Problem]:
        """Meters of a commodity that hold the same register with the same sign."""
        if circle(self.parsed):
            return
        section = self.root.get("commodities")
        for settings in ((section.mapping if section else None) or {}).values():
            before: dict[str, dict[str, float]] = {}
            for node in settings.entries("meters"):
                meter = node.text
                if meter is None or meter in before:
                    continue
                registers = over_registers(self.parsed, meter)
                for first, held in before.items():
                    if any(held.get(one, 0.0) * share > 0 for one, share in registers.items()):
                        yield self._at("config.counted_twice", node, meter=meter, first=first)
                        break
                before[meter] = registers

    def _at(self, code: str, node: Node, **data: Any) -> Problem:
        span = node.span if node.is_scalar and node.raw else node.label
        return Problem(code, self.source.place(span), node.path, data)

    def _inside(
        self,
        node: Node,
        code: str,
        at: int,
        length: int,
        hint: Hint | None = None,
        data: Mapping[str, Any] | None = None,
        *,
        warning: bool = False,
    ) -> Problem:
        """A problem with a part of a formula; with its beginning where it goes over several lines."""
        text, span = node.text or "", node.span
        line = self.source.lines[span.line - 1]
        begins = line.find(text, span.column - 1)
        if begins >= 0 and text:
            span = Span(span.line, begins + 1 + min(at, len(text)), length)
        return Problem(code, self.source.place(span), node.path, data or {}, hint, warning)


def _spaced(word: str, known: Mapping[str, Node]) -> Hint | None:
    """What was meant where a minus without spaces made one name of two."""
    for at, sign in enumerate(word):
        left, right = word[:at], word[at + 1 :]
        if sign == "-" and left in known and (right in known or not right):
            return Hint("config.formula_minus", {"guess": f"{left} - {right}".rstrip()})
    return None


def _instant(node: Node | None) -> datetime | None:
    """An instant with its zone; None for what the models refuse anyway."""
    try:
        at = datetime.fromisoformat((node.text if node else None) or "")
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
