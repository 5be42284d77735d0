"""What all checks of a file's nodes share: a problem with its place."""

from typing import Any

from config.positions import Node, Source
from config.problems import Hint, Problem


class Checks:
    """Checks of one file; each is a method that yields problems."""

    def __init__(self, root: Node, source: Source) -> None:
        self.root = root
        self.source = source

    def at(self, code: str, node: Node, hint: Hint | None = None, **data: Any) -> Problem:
        """A problem at a value, or at its key when the value as a whole is meant."""
        span = node.span if node.is_scalar and node.raw else node.label
        return Problem(code, self.source.place(span), node.path, data, hint)

    def warn(self, code: str, node: Node, **data: Any) -> Problem:
        """Say what may be wrong but hinders nothing."""
        return Problem(code, self.source.place(node.span), node.path, data, warning=True)


def number_of(node: Node, key: str, default: float = 0) -> float:
    """A child's number; the default where there is none."""
    child = node.get(key)
    number = child.number if child is not None else None
    return default if number is None else number


def children(node: Node | None) -> tuple[Node, ...]:
    """Values of a mapping."""
    return tuple((node.mapping or {}).values()) if node is not None else ()


def pair_of(node: Node | None) -> tuple[float | None, float | None]:
    """The numbers of a list of two."""
    entries = (node.sequence or []) if node is not None else []
    return (entries[0].number, entries[1].number) if len(entries) == 2 else (None, None)
