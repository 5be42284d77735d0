"""Places in a file: its text, and the tree of its values with line and column of each."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config.problems import LOGIN, ConfigurationError, PathKeys, Place, Problem

Scalar = str | int | float | bool | None

LARGEST_FILE_BYTES = 32 * 1024 * 1024

_SECRET_WORDS = re.compile(
    r"(?P<key>['\"]?\b\w*(?:passw|passwd|pwd|token|secret|api_?key)\w*['\"]?\s*:\s*)(?P<value>[^\s{#][^,}#]*)",
    re.IGNORECASE,
)
_BLOT = "•"


@dataclass(frozen=True, slots=True)
class Span:
    """Line and column from 1, and how many characters on that line."""

    line: int
    column: int
    length: int = 1


class Source:
    """The text of one file, able to point at a place in it.

    ``digest`` is the SHA-256 of the file's bytes, hexadecimal.
    """

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.digest = ""
        self.lines = re.split(r"\r\n|\n|\r", text)
        if len(self.lines) > 1 and not self.lines[-1]:
            self.lines.pop()
        self._secrets: list[Span] = []

    @classmethod
    def read(cls, path: Path) -> "Source":
        """Read a file of UTF-8 text, or raise ConfigurationError that says why it cannot be read."""
        file = str(path)
        try:
            with path.open("rb") as stream:
                raw = stream.read(LARGEST_FILE_BYTES + 1)
        except OSError as error:
            raise ConfigurationError([unreadable(path, error)]) from None
        if len(raw) > LARGEST_FILE_BYTES:
            megabytes = LARGEST_FILE_BYTES // 1024**2
            raise ConfigurationError(
                [Problem("config.too_large", Place(file), data={"megabytes": megabytes})]
            )
        return cls.decode(file, raw)

    @classmethod
    def decode(cls, file: str, raw: bytes) -> "Source":
        """Decode bytes as UTF-8, with or without a mark at the start, or raise ConfigurationError."""
        try:
            source = cls(file, raw.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            before = cls(file, raw[: error.start].decode("utf-8", "replace"))
            line, letters = len(re.findall(r"\r\n|\n|\r", before.text)) + 1, before.lines[-1]
            column = 1 if before.text[-1:] in ("\n", "\r", "") else len(letters) + 1
            problem = Problem("config.not_utf8", Place(file, line, column), data={"byte": raw[error.start]})
            raise ConfigurationError([problem]) from None
        source.digest = hashlib.sha256(raw).hexdigest()
        return source

    def hide(self, span: Span) -> None:
        """Blot out a secret wherever its line is shown."""
        self._secrets.append(span)

    def place(self, span: Span | None = None) -> Place:
        """Where a span is, kept inside the file whatever the parser said."""
        if span is None:
            span = Span(1, 1)
        line = min(max(span.line, 1), len(self.lines))
        text = self.lines[line - 1]
        beyond = span.line > len(self.lines)
        column = len(text) + 1 if beyond else min(max(span.column, 1), len(text) + 1)
        length = max(1, min(span.length, len(text) - column + 1))
        return Place(self.file, line, column, length, self._blotted(line))

    def at_offset(self, offset: int) -> Span:
        """Line and column of a character counted from the start of the text."""
        before = self.text[:offset]
        breaks = list(re.finditer(r"\r\n|\n|\r", before))
        start = breaks[-1].end() if breaks else 0
        return Span(len(breaks) + 1, offset - start + 1)

    def _blotted(self, line: int) -> str:
        text = self.lines[line - 1]
        for span in self._secrets:
            if span.line == line:
                start, end = span.column - 1, span.column - 1 + span.length
                text = text[:start] + _BLOT * len(text[start:end]) + text[end:]
        text = LOGIN.sub(lambda login: _BLOT * len(login[0]), text)
        return _SECRET_WORDS.sub(lambda m: m["key"] + _BLOT * len(m["value"]), text)


def unreadable(path: Path, error: OSError) -> Problem:
    """Why a file cannot be read, with the cure."""
    place = Place(str(path))
    if isinstance(error, FileNotFoundError):
        return Problem("config.no_file", place)
    if isinstance(error, IsADirectoryError):
        return Problem("config.is_folder", place)
    if isinstance(error, PermissionError):
        return Problem("config.no_permission", place)
    return Problem("config.unreadable", place, data={"reason": error.strerror or str(error)})


@dataclass(slots=True)
class Node:
    """One value of a YAML file.

    Attributes
    ----------
    path : from the top of the file, as ``('buses', 0, 'host')``.
    span : where the value stands; ``key`` where its key stands (None in a list).
    value : of a scalar, else None.
    mapping, sequence : the children; None when the value is not of that kind.
    raw : how a scalar was written.
    """

    path: PathKeys
    span: Span
    key: Span | None = None
    value: Scalar = None
    mapping: dict[str, "Node"] | None = None
    sequence: list["Node"] | None = None
    raw: str = ""
    broken: bool = field(default=False, repr=False)

    @property
    def is_scalar(self) -> bool:
        """Whether it is neither a mapping nor a list."""
        return self.mapping is None and self.sequence is None

    @property
    def text(self) -> str | None:
        """The value when it is a text."""
        return self.value if isinstance(self.value, str) else None

    @property
    def number(self) -> float | None:
        """The value when it is a number."""
        number = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        return self.value if number else None  # type: ignore[return-value]

    @property
    def label(self) -> Span:
        """Where to point when the value as a whole is meant: its key, else its start."""
        return self.key or self.span

    def get(self, key: str) -> "Node | None":
        """Child of a mapping; None when there is none, or this is no mapping."""
        return (self.mapping or {}).get(key)

    def entries(self, key: str) -> list["Node"]:
        """The entries of a child list; empty when it is missing or no list."""
        child = self.get(key)
        return (child.sequence or []) if child is not None else []

    def word(self, key: str) -> str | None:
        """Text of a child."""
        child = self.get(key)
        return child.text if child is not None else None

    def data(self) -> Any:
        """The plain Python value, for pydantic."""
        if self.mapping is not None:
            return {key: child.data() for key, child in self.mapping.items()}
        if self.sequence is not None:
            return [child.data() for child in self.sequence]
        return self.value

    def walk(self) -> Iterator["Node"]:
        """Yield this node and everything below it."""
        yield self
        for child in (self.mapping or {}).values():
            yield from child.walk()
        for child in self.sequence or ():
            yield from child.walk()
