"""What is wrong in a file that an operator wrote: where, what, and the cure.

A problem keeps a code and data; the words are made where a person looks, in that person's language.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from config.words import say

PathKeys = tuple[str | int, ...]

# User and password inside an address; never shown.
LOGIN = re.compile(r"(?<=//)[^/\s@'\"]*@")
LONGEST_VALUE = 60
LONGEST_LIST = 24

_RED, _YELLOW, _BOLD, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[0m"
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Place:
    """A spot in a file, as an editor counts it.

    Attributes
    ----------
    file : name as the operator gave it.
    line, column : both from 1, in characters; 0 when the file could not be read at all.
    length : how many characters the caret line marks.
    text : the line itself, secrets blotted out; None when there is none to show.
    """

    file: str
    line: int = 0
    column: int = 0
    length: int = 1
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Hint:
    """Words that go with a problem: what was probably meant, or what there is to choose from."""

    code: str
    data: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    def text(self, language: str) -> str:
        """Words to put behind a sentence whose full stop is left out."""
        return say(self.code, language, **_worded(self.data, language))


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or worth a warning.

    ``code`` is a key of the word catalogue that ``data`` fills; ``path`` leads to the value from the top
    of the file, as ``('buses', 0, 'host')``, or names the column of a table.
    """

    code: str
    place: Place
    path: PathKeys = ()
    data: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    hint: Hint | None = None
    warning: bool = False

    def message(self, language: str) -> str:
        """What is wrong and the cure, without the place."""
        return hinted(say(self.code, language, **_worded(self.data, language)), self.hint, language)

    def location(self) -> str:
        """``file:line:column: path``, as editors and people follow it."""
        place = self.place
        where = place.file if place.line == 0 else f"{place.file}:{place.line}:{place.column}"
        path = ".".join(shown(key) for key in self.path)
        return f"{where}: {path}" if path else where

    def render(self, language: str, colour: bool = False) -> str:
        """The problem as a terminal shows it: place, words, the line and a caret under the spot."""
        head = f"{self.location()}: "
        message = self.message(language)
        if self.warning:
            message = say("config.warning", language) + message
        if colour:
            head = f"{_BOLD}{head}{_PLAIN}{_YELLOW if self.warning else _RED}"
            message += _PLAIN
        return head + message + self._excerpt(colour)

    def _excerpt(self, colour: bool) -> str:
        text = self.place.text
        if text is None:
            return ""
        before, marked = text[: self.place.column - 1], text[self.place.column - 1 :][: self.place.length]
        indent = "".join("\t" if letter == "\t" else " " * _columns(letter) for letter in before)
        caret = "^" * max(1, sum(_columns(letter) for letter in marked))
        if colour:
            caret = f"{_YELLOW if self.warning else _RED}{caret}{_PLAIN}"
        return f"\n    {_printable(text)}\n    {indent}{caret}"


class ConfigurationError(Exception):
    """A file that an operator wrote cannot be used; ``problems`` holds everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = in_order(problems)
        super().__init__("\n".join(problem.render("en") for problem in self.problems))


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each problem once, file by file as they come, from the top of each file down."""
    unique = list({(found.code, found.place, found.path): found for found in problems}.values())
    files = {file: number for number, file in enumerate(dict.fromkeys(p.place.file for p in unique))}
    return tuple(sorted(unique, key=lambda p: (files[p.place.file], p.place.line, p.place.column)))


def render_all(problems: Iterable[Problem], language: str, colour: bool = False) -> str:
    """All problems as text for a terminal, with a count at the end; empty when there are none."""
    found = in_order(problems)
    if not found:
        return ""
    errors = sum(not problem.warning for problem in found)
    lines = [problem.render(language, colour) for problem in found]
    lines.append(say("config.count", language, errors=errors, warnings=len(found) - errors))
    return "\n".join(lines)


def did_you_mean(word: object, known: Iterable[str], *, listed: bool = False) -> Hint | None:
    """Offer the nearest known word, else the whole choice when it is short enough to read.

    Parameters
    ----------
    listed : the sentence before it names the choice already.
    """
    choice = tuple(known)
    folded = {name.casefold(): name for name in reversed(choice)}
    near = get_close_matches(str(word)[:LONGEST_VALUE].casefold(), folded, n=1, cutoff=0.6)
    if near:
        return Hint("config.did_you_mean", {"guess": folded[near[0]]})
    if choice and not listed and len(choice) <= LONGEST_LIST:
        return Hint("config.known", {"known": choice})
    return None


def hinted(text: str, hint: Hint | None, language: str) -> str:
    """A sentence and what helps with it, as one: it ends with one full stop, or with the question."""
    return text.rstrip(".。") + (say("config.stop", language) if hint is None else hint.text(language))


def shown(value: object) -> str:
    """Render a value for a message: short, and nothing that could steer a terminal."""
    text = LOGIN.sub("•••@", _printable(str(value)))
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _worded(data: Mapping[str, Any], language: str) -> dict[str, Any]:
    """Lists joined as the language joins them; everything else made safe to print."""
    comma = say("config.comma", language)
    return {
        name: comma.join(shown(item) for item in value)
        if isinstance(value, tuple)
        else shown(value)
        if isinstance(value, str)
        else value
        for name, value in data.items()
    }


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() or letter == "\t" else "\ufffd" for letter in text)


def _columns(letter: str) -> int:
    """Columns of a terminal that a letter takes; Chinese takes two."""
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 0 if unicodedata.combining(letter) else 1
