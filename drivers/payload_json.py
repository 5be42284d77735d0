"""What lies where in a payload of JSON or plain text: safe against any bytes."""

import json
import math
import re
from math import isfinite
from typing import TypeGuard

from pydantic_core import from_json

from drivers.refusals import PayloadRefused, shorten

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32

SUM = "*"
"""As the last step of a path: the sum of a list of numbers. A single number counts as such a list."""

ABSENT = object()
"""Nothing lies there; a ``null`` that lies there is something."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_STEP = re.compile(r"(?:[^.\\]|\\.)+")

# NaN and Infinity are not JSON: they come out as their own names, which are no numbers.
_JSON = json.JSONDecoder(parse_constant=str)


def steps_of(path: str) -> tuple[str, ...]:
    r"""A path taken apart at its dots; ``\.`` is a dot inside a key."""
    return tuple(re.sub(r"\\(.)", r"\1", step) for step in _STEP.findall(path))


def parse(payload: bytes, *, is_json: bool) -> object:
    """The content of a payload. Raises ``PayloadRefused``."""
    if len(payload) > MAX_BYTES:
        raise PayloadRefused("too_large", size=len(payload), limit=MAX_BYTES)
    if not is_json:
        return _text(payload)
    try:
        # A quarter of the library's time, the same content; and for all that it does not take, the library.
        root: object = from_json(payload, allow_inf_nan=False)
    except ValueError:
        root = _parse_at_length(_text(payload))
    if payload.count(b"{") + payload.count(b"[") > MAX_DEPTH and _is_too_deep(root):
        raise PayloadRefused("too_deep", limit=MAX_DEPTH)
    return root


def _text(payload: bytes) -> str:
    try:
        return payload.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise PayloadRefused("not_text", position=error.start) from None


def _parse_at_length(text: str) -> object:
    """With the standard library: what is no JSON, and what a device says beyond it."""
    try:
        return _JSON.decode(text)
    except RecursionError:
        raise PayloadRefused("too_deep", limit=MAX_DEPTH) from None
    except ValueError:  # not JSON, or a number of thousands of digits
        raise PayloadRefused("not_json", sample=shorten(text)) from None


def walk(root: object, steps: tuple[str, ...]) -> object:
    """What lies at a path, or ``ABSENT``. A step of digits picks from a list."""
    node = root
    for step in steps:
        if isinstance(node, dict):
            node = node.get(step, ABSENT)
        elif isinstance(node, list) and step.isdecimal() and len(step) < 7 and int(step) < len(node):
            node = node[int(step)]
        elif step == SUM and node is not ABSENT:
            node = _sum(node)
        else:
            return ABSENT
    return node


def number_of(raw: object) -> float:
    """A finite number, or NaN. Plain decimal text counts; true, "NaN", "1,234" and "unavailable" do not."""
    if isinstance(raw, float):
        return raw if isfinite(raw) else math.nan
    if isinstance(raw, bool) or not isinstance(raw, int | str):
        return math.nan
    if isinstance(raw, str) and not _NUMBER.fullmatch(raw):
        return math.nan
    try:
        value = float(raw)
    except OverflowError:
        return math.nan
    return value if isfinite(value) else math.nan


def _sum(node: object) -> object:
    """One entry that is no number makes the sum none."""
    return sum(map(number_of, node)) if isinstance(node, list) and node else node


def _is_too_deep(root: object) -> bool:
    level = [root]
    for _ in range(MAX_DEPTH):
        nested = (node.values() if isinstance(node, dict) else node for node in level if _is_nested(node))
        level = [child for children in nested for child in children]
    return any(_is_nested(node) for node in level)


def _is_nested(node: object) -> TypeGuard[dict[str, object] | list[object]]:
    return isinstance(node, dict | list)
