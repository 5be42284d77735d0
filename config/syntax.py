"""Reading YAML so that one mistake does not hide the next.

ruamel.yaml composes the nodes with their marks (YAML 1.2: ``09:00`` and ``yes`` stay texts); what the
nodes mean is decided here, so that duplicate keys, tags and bad numbers are all reported at once.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from config.positions import Node, Source, Span
from config.problems import PathKeys, Problem, shown

DEEPEST = 32
MOST_BORROWED = 100_000  # values that come through aliases: aliases of aliases multiply
_TAG = "tag:yaml.org,2002:"


def read_tree(source: Source) -> tuple[Node | None, list[Problem]]:
    """All values of a YAML file with their places, and everything that is wrong with it as YAML.

    The node is None when the file cannot be understood, is empty, or does not hold keys at its top.
    """
    composed, problems = _compose(source)
    if problems:
        return None, problems
    if composed is None:
        return None, [Problem("config.empty_file", source.place())]
    builder = _Builder(source)
    root = builder.build(composed, (), None)
    if builder.exhausted:
        return None, builder.problems
    if root.mapping is None:
        builder.problems.append(Problem("config.top_not_mapping", source.place(root.span)))
        return None, builder.problems
    return root, builder.problems


def _compose(source: Source) -> tuple[Any, list[Problem]]:
    """ruamel's node graph, or the one place where the file stops being YAML."""
    from ruamel.yaml import YAML
    from ruamel.yaml.composer import MaxDepthExceededError
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.reader import ReaderError

    slips = list(_typing_slips(source))
    if slips:
        return None, slips
    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = DEEPEST
    yaml.composer.warn_double_anchors = False
    try:
        return yaml.compose(source.text), []
    except MaxDepthExceededError as error:
        return None, [_at_mark(source, "config.too_deep", error.problem_mark)]
    except MarkedYAMLError as error:
        return None, [_syntax_problem(source, error)]
    except ReaderError as error:
        place = source.place(source.at_offset(error.position))
        return None, [Problem("config.control_character", place, data={"code": f"{error.character:04X}"})]
    except (
        YAMLError,
        ValueError,
        RecursionError,
        AttributeError,
        TypeError,
        IndexError,
        AssertionError,
    ) as error:
        # What the parser itself trips over is still only a file that is not YAML.
        return None, [Problem("config.not_yaml", source.place(), data={"reason": shown(str(error))})]


def _typing_slips(source: Source) -> Iterator[Problem]:
    """Report what an editor or a Chinese keyboard does to every line alike, all lines at once."""
    for number, line in enumerate(source.lines, 1):
        slip = _SLIP.match(line)
        if slip and slip.lastgroup and line.strip() and not line.lstrip().startswith("#"):
            span = Span(number, slip.start(slip.lastgroup) + 1)
            yield Problem(f"config.{slip.lastgroup}", source.place(span))


_SLIP = re.compile(r"[ -]*(?:(?P<tab>\t)|(?P<wide_space>\u3000)|[A-Za-z_][\w-]*(?P<wide_colon>：))")


def _at_mark(source: Source, code: str, mark: Any, **data: Any) -> Problem:
    span = Span(mark.line + 1, mark.column + 1) if mark is not None else None
    return Problem(code, source.place(span), data=data)


# What the parser says, in the words of the catalogue.
_SYNTAX: tuple[tuple[str, str], ...] = (
    ("mapping values are not allowed", "config.colon_in_value"),
    ("cannot start any token", "config.bad_start"),
    ("could not find expected ':'", "config.no_colon"),
    ("expected ',' or", "config.unclosed"),
    ("found undefined alias", "config.no_anchor"),
    ("found another document", "config.two_documents"),
    ("while scanning a quoted scalar", "config.unclosed_quote"),
    ("unknown escape character", "config.bad_escape"),
    ("expected <block end>", "config.bad_indent"),
    ("sequence entries are not allowed", "config.bad_indent"),
    ("block sequence entries", "config.bad_indent"),
)


def _syntax_problem(source: Source, error: Any) -> Problem:
    said = f"{error.context or ''} {error.problem or ''}"
    for words, code in _SYNTAX:
        if words in said:
            # An open quote or bracket is found out far below: point at where it was opened.
            opened = code in ("config.unclosed", "config.unclosed_quote") and error.context_mark
            return _at_mark(source, code, opened or error.problem_mark or error.context_mark)
    mark = error.problem_mark or error.context_mark
    return _at_mark(source, "config.not_yaml", mark, reason=shown(error.problem or error.context or ""))


class _Builder:
    """Makes Node trees of ruamel's nodes and gathers what is wrong on the way."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.exhausted = False
        self._open: list[int] = []
        self._seen: set[int] = set()
        self._borrowed = 0

    def build(self, composed: Any, path: PathKeys, key: Span | None) -> Node:
        node = Node(path, self._span(composed), key)
        if self.exhausted or self._is_endless(composed):
            if not self.exhausted:
                self._problem("config.endless_alias", node)
            self.exhausted = self._borrowed > MOST_BORROWED
            return node
        self._open.append(id(composed))
        tag = str(composed.tag)
        if isinstance(composed.value, str):
            self._scalar(node, composed, tag)
        elif tag == _TAG + "map":
            self._mapping(node, composed)
        elif tag == _TAG + "seq":
            node.sequence = [
                self.build(child, (*path, index), None) for index, child in enumerate(composed.value)
            ]
        else:
            self._problem("config.tag", node, tag=tag)
        self._open.pop()
        return node

    def _is_endless(self, composed: Any) -> bool:
        """Whether a node lies inside itself, or aliases have brought more than any site needs."""
        self._borrowed += id(composed) in self._seen
        self._seen.add(id(composed))
        return id(composed) in self._open or self._borrowed > MOST_BORROWED

    def _mapping(self, node: Node, composed: Any) -> None:
        node.mapping = {}
        inherited: dict[str, Node] = {}
        for key, value in composed.value:
            span = self._span(key)
            if not isinstance(key.value, str):
                self.problems.append(Problem("config.complex_key", self.source.place(span), node.path))
            elif str(key.tag) == _TAG + "merge":
                self._merge(node, value, inherited)
            elif key.value in node.mapping:
                first = node.mapping[key.value].label.line
                place, path = self.source.place(span), (*node.path, key.value)
                data = {"key": key.value, "line": first}
                self.problems.append(Problem("config.duplicate_key", place, path, data))
            else:
                node.mapping[key.value] = self.build(value, (*node.path, key.value), span)
        node.mapping = inherited | node.mapping

    def _merge(self, node: Node, value: Any, inherited: dict[str, Node]) -> None:
        """``<<: *other``: the other mapping's keys, unless they are given here."""
        merged = self.build(value, node.path, None)
        for other in [merged] if merged.sequence is None else merged.sequence:
            if other.mapping is None:
                self._problem("config.merge", other)
            inherited |= {key: child for key, child in (other.mapping or {}).items() if key not in inherited}

    def _scalar(self, node: Node, composed: Any, tag: str) -> None:
        node.raw = composed.value
        kind = tag.removeprefix(_TAG)
        try:
            node.value = _SCALARS[kind](composed.value)
        except KeyError:
            self._problem("config.tag", node, tag=tag)
        except ValueError:
            self._problem("config.bad_scalar", node, value=shown(composed.value))

    def _problem(self, code: str, node: Node, **data: Any) -> None:
        node.broken = True
        self.problems.append(Problem(code, self.source.place(node.span), node.path, data))

    def _span(self, composed: Any) -> Span:
        start, end = composed.start_mark, composed.end_mark
        whole = isinstance(composed.value, str) and end.line == start.line
        return Span(start.line + 1, start.column + 1, max(1, end.column - start.column) if whole else 1)


def _integer(text: str) -> int:
    digits = text.replace("_", "")
    sign, digits = (-1, digits[1:]) if digits[:1] == "-" else (1, digits.lstrip("+"))
    base = {"0x": 16, "0o": 8, "0b": 2}.get(digits[:2].lower(), 10)
    return sign * int(digits, base)


def _float(text: str) -> float:
    return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))


_SCALARS: Mapping[str, Any] = {
    "str": str,
    "int": _integer,
    "float": _float,
    "bool": lambda text: text.lower() == "true",
    "null": lambda _: None,
    "timestamp": str,  # no setting is a date in time; what wants one parses it
    "value": str,
}
