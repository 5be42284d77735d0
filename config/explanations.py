"""Pydantic's errors in the words of people who run a building: what is wrong, where, and the cure."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ValidationError

from config.positions import Node, Source
from config.problems import LONGEST_VALUE, Hint, PathKeys, Problem, did_you_mean
from config.shapes import Shape, Spot, fields_of, locate
from drivers.settings import Secret


def explain(error: ValidationError, root: Node, model: type[BaseModel], source: Source) -> list[Problem]:
    """Every error of a validation as a problem with its place.

    Errors of rules over several values (``value_error``) keep the model's own words; the checks of
    ``config.crosschecks`` know these rules with their places and both languages.
    """
    problems = []
    for details in error.errors(include_url=False):
        spot = locate(root, model, details["loc"])
        if spot.node.broken or _counts_only_the_good(spot, details):
            continue  # said already, when the file was read
        problems.append(_Explanation(spot, details, source, _zone_of(root)).problem())
    meant = {(*found.path[:-1], found.hint.data.get("guess")) for found in problems if found.hint}
    return [found for found in problems if found.code != "config.missing_key" or found.path not in meant]


def _counts_only_the_good(spot: Spot, details: Any) -> bool:
    """Whether pydantic finds a list too short only because it leaves out entries with errors."""
    entries = spot.node.sequence
    return bool(details["type"] == "too_short" and len(entries or ()) >= details["ctx"]["min_length"])


def covered(problem: Problem, others: Iterable[Problem]) -> bool:
    """Whether a rule over several values is said better, with its place, by another problem."""
    return problem.code == "config.rule" and any(
        other.code != "config.rule" and not other.warning and _inside(other.path, problem.path)
        for other in others
    )


def _inside(path: PathKeys, outer: PathKeys) -> bool:
    return path[: len(outer)] == outer


_NUMBER_CODES = {
    "greater_than": ("config.not_above", "gt"),
    "greater_than_equal": ("config.too_small", "ge"),
    "less_than": ("config.not_below", "lt"),
    "less_than_equal": ("config.too_large_number", "le"),
    "multiple_of": ("config.not_multiple", "multiple_of"),
}
_PATTERN_CODES = {
    r"^[a-z0-9][a-z0-9_-]{0,62}$": "config.bad_identifier",
    r"^[a-z0-9_]+$": "config.bad_profile_name",
    r"^https?://": "config.bad_url",
    r"^\$argon2id\$": "config.bad_key",
    r"^[0-9]{4}(H[12])?$": "config.bad_target_period",
}
_BOOL_TYPES = ("bool_type", "bool_parsing")
_INT_TYPES = ("int_type", "int_parsing", "int_from_float", "int_parsing_size")
_FLOAT_TYPES = ("float_type", "float_parsing", "finite_number", "decimal_type", "decimal_parsing")
_MAPPING_TYPES = ("model_type", "model_attributes_type", "dict_type", "mapping_type", "dataclass_type")
_INSTANT_TYPES = (
    "datetime_type",
    "datetime_parsing",
    "datetime_object_invalid",
    "datetime_from_date_parsing",
)
_LIST_TYPES = ("tuple_type", "list_type", "iterable_type", "set_type", "frozen_set_type")


class _Explanation:
    """One of pydantic's errors on its way to a problem."""

    def __init__(self, spot: Spot, details: Any, source: Source, zone: str) -> None:
        self.spot = spot
        self.kind: str = details["type"]
        self.context: dict[str, Any] = details.get("ctx", {})
        self.source = source
        self.zone = zone

    def problem(self) -> Problem:
        kind = self.kind
        if kind in _NUMBER_CODES:
            code, limit = _NUMBER_CODES[kind]
            return self._at_value(code, value=self._value(), limit=_plain_number(self.context[limit]))
        return self._writers().get(kind, self._other)()

    def _writers(self) -> dict[str, Callable[[], Problem]]:
        return {
            "missing": self._missing,
            "extra_forbidden": self._unknown_key,
            "invalid_key": self._unknown_key,
            "union_tag_not_found": self._tag_missing,
            "union_tag_invalid": self._tag_unknown,
            "literal_error": self._not_one_of,
            "enum": self._not_one_of,
            "string_type": self._text_wanted,
            "string_too_short": lambda: self._empty_or("config.text_too_short", "min_length"),
            "string_too_long": lambda: self._length("config.text_too_long", "max_length"),
            "string_pattern_mismatch": self._pattern,
            "too_short": lambda: self._length("config.list_too_short", "min_length"),
            "too_long": lambda: self._length("config.list_too_long", "max_length"),
            "value_error": lambda: self._at_value("config.rule", reason=str(self.context.get("error", ""))),
            "timezone_aware": lambda: self._wanted("config.zone_missing", example=self._with_zone()),
            "day_wanted": lambda: self._wanted("config.day_wanted"),
            "clock_wanted": lambda: self._wanted("config.clock_wanted"),
            "month_day_wanted": lambda: self._wanted("config.month_day_wanted"),
            "hours_wanted": lambda: self._wanted("tariff.hours_wanted"),
            **dict.fromkeys(_INSTANT_TYPES, lambda: self._wanted("config.instant_wanted")),
            **dict.fromkeys(_BOOL_TYPES, lambda: self._wanted("config.bool_wanted")),
            **dict.fromkeys(_INT_TYPES, lambda: self._wanted("config.integer_wanted")),
            **dict.fromkeys(_FLOAT_TYPES, lambda: self._wanted("config.number_wanted")),
            **dict.fromkeys(_MAPPING_TYPES, self._mapping_wanted),
            **dict.fromkeys(_LIST_TYPES, lambda: self._wanted("config.list_wanted")),
        }

    def _at_value(self, code: str, hint: Hint | None = None, **data: Any) -> Problem:
        node = self.spot.node
        span = node.span if node.is_scalar and node.raw and not self.spot.on_key else node.label
        return Problem(code, self.source.place(span), self.spot.path, data, hint)

    def _missing(self) -> Problem:
        """Point at the parent's key: the missing key itself has no place."""
        return self._at_value("config.missing_key", key=self.spot.missing or "")

    def _unknown_key(self) -> Problem:
        node, model = self.spot.node, self.spot.parent.model(self.spot.node)
        parent = self.spot.parent
        key = str(self.spot.path[-1]) if self.spot.path else ""
        model = _first(parent.models()) if parent.tag is None else model
        fields = fields_of(model) if model is not None else {}
        hint = did_you_mean(key, fields)
        return Problem(
            "config.unknown_key", self.source.place(node.label), self.spot.path, {"key": key}, hint
        )

    def _tag_missing(self) -> Problem:
        known = Hint("config.known", {"known": tuple(self.spot.shape.tags())})
        key = self.spot.shape.tag or "kind"
        problem = self._at_value("config.missing_key", key=key, hint=known)
        return Problem(problem.code, problem.place, (*problem.path, key), problem.data, known)

    def _tag_unknown(self) -> Problem:
        key = self.spot.shape.tag or "kind"
        tag = self.spot.node.get(key) or self.spot.node
        hint = did_you_mean(tag.raw, self.spot.shape.tags())
        place = self.source.place(tag.span)
        return Problem("config.not_one_of", place, tag.path, {"value": tag.raw}, hint)

    def _not_one_of(self) -> Problem:
        node = self.spot.node
        if self.spot.on_key:
            key = str(self.spot.path[-1])
            choices = self._keys_of_parent()
            return self._at_value("config.unknown_key", did_you_mean(key, choices), key=key)
        if not node.is_scalar or not node.raw:
            return self._wanted(
                "config.word_wanted", Hint("config.known", {"known": self.spot.shape.choices()})
            )
        if node.raw in self.spot.shape.choices():  # a number where the models want a text
            return self._at_value("config.text_wanted", value=node.raw)
        hint = did_you_mean(node.raw, self.spot.shape.choices())
        return self._at_value("config.not_one_of", hint, value=node.raw)

    def _keys_of_parent(self) -> tuple[str, ...]:
        for option in self.spot.parent.options:
            arguments = getattr(option, "__args__", ())
            if arguments:
                return Shape.of(arguments[0]).choices()
        return ()

    def _text_wanted(self) -> Problem:
        node = self.spot.node
        if not node.is_scalar:
            return self._wanted("config.single_wanted")
        return self._wanted("config.text_wanted")

    def _mapping_wanted(self) -> Problem:
        model = self.spot.shape.model(self.spot.node)
        if model is Secret:
            return self._at_value("config.secret_in_file", key=str(self.spot.path[-1]))
        return self._wanted("config.mapping_wanted")

    def _pattern(self) -> Problem:
        if not self.spot.node.raw:
            return self._at_value("config.empty")
        code = _PATTERN_CODES.get(str(self.context.get("pattern")), "config.other")
        if code == "config.bad_identifier":
            return self._at_value(code, _suggestion(self.spot.node.raw), value=self._value())
        return self._at_value(code, value=self._value())

    def _empty_or(self, code: str, limit: str) -> Problem:
        return self._length(code, limit) if self.spot.node.raw else self._at_value("config.empty")

    def _length(self, code: str, limit: str) -> Problem:
        return self._at_value(code, limit=_plain_number(self.context[limit]))

    def _wanted(self, code: str, hint: Hint | None = None, **data: Any) -> Problem:
        """A value of the wrong kind, or none at all."""
        node = self.spot.node
        if node.is_scalar and node.value is None:
            return self._at_value("config.empty", hint)
        return self._at_value(code, hint, value=self._value(), **data)

    def _with_zone(self) -> str:
        """The instant that was written, as it would be in the site's zone."""
        try:
            written = datetime.fromisoformat(self.spot.node.raw)
            return written.replace(tzinfo=ZoneInfo(self.zone)).isoformat()
        except (ValueError, OverflowError, ZoneInfoNotFoundError, OSError):
            return "2026-07-01T00:00:00+08:00"

    def _other(self) -> Problem:
        return self._at_value("config.other", value=self._value())

    def _value(self) -> str:
        node = self.spot.node
        if self.spot.on_key:
            return str(self.spot.path[-1])
        return node.raw if node.is_scalar else "[…]" if node.sequence is not None else "{…}"


def _zone_of(root: Node) -> str:
    site = root.get("site")
    return (site.word("timezone") if site is not None else None) or "Asia/Taipei"


def _first(models: tuple[type[BaseModel], ...]) -> type[BaseModel] | None:
    return models[0] if models else None


def _suggestion(raw: str) -> Hint | None:
    """The id that comes nearest to what was written."""
    near = re.sub(r"[^a-z0-9_-]+", "-", raw.lower()).strip("-_")[:LONGEST_VALUE]
    return Hint("config.did_you_mean", {"guess": near}) if near else None


def _plain_number(number: Any) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)
