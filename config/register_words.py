"""What makers' register lists write, as data: ``register_words.toml``, and text made comparable with it."""

import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("register_words.toml")


@cache
def section(name: str) -> Mapping[str, Any]:
    """One table of the data."""
    with _FILE.open("rb") as file:
        found: Mapping[str, Any] = tomllib.load(file)[name]
    return found


def plain(text: str) -> str:
    """Text to compare: half-width, small letters, traditional characters, one blank where there are more."""
    said = unicodedata.normalize("NFKC", text).casefold().translate(_traditional())
    return re.sub(r"[\s_]+", " ", said).strip()


def replaced(text: str, terms: Iterable[str], by: Callable[[str], str]) -> str:
    """The text with every term replaced, the longest that stands at a place, blanks around it."""
    longest_first = sorted(terms, key=len, reverse=True)
    pattern = "|".join(re.escape(term) for term in longest_first)
    return re.sub(pattern, lambda found: f" {by(found[0])} ", text)


@cache
def _traditional() -> dict[int, int]:
    letters = section("simplified")
    return str.maketrans(letters["from"], letters["to"])
