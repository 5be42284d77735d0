"""Every text that a person reads, in Traditional Chinese and English.

The catalogues are ``words/<language>/<topic>.toml``, one line a text, with ``{name}`` for what is filled
in; the key is ``topic.text``. A test holds both languages to the same keys and the same names.
"""

import os
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "words"
LANGUAGES = ("zh-TW", "en")


@cache
def catalogue(language: str) -> dict[str, str]:
    """All texts of one language by dotted key, as ``cli.run_help``."""
    texts: dict[str, str] = {}
    for path in sorted((FOLDER / language).glob("*.toml")):
        with path.open("rb") as file:
            texts |= {f"{path.stem}.{key}": str(text) for key, text in tomllib.load(file).items()}
    return texts


def say(key: str, language: str, /, **data: Any) -> str:
    """The text of ``key`` with ``data`` filled in.

    Raises KeyError for an unknown key: a test checks that both catalogues hold the same keys.
    """
    return catalogue(language)[key].format(**data)


def say_error(error: Mapping[str, Any], language: str) -> str:
    """The words of ``{code, data}``, as the store keeps errors; the bare code where there are none."""
    code, data = str(error.get("code", "?")), error.get("data") or {}
    try:
        return say(code, language, **data)
    except (KeyError, IndexError):  # told by another version of the program
        return code


class Spoken:
    """A line of the log, told in the language of whoever reads it; English where nobody asks.

    Parameters
    ----------
    error : ``{code, data}``; its words stand in the text as ``{error}``, with the code to search for.
    """

    def __init__(self, key: str, /, *, error: Mapping[str, Any] | None = None, **data: Any) -> None:
        self.key = key
        self.error = error
        self.data = data

    def in_language(self, language: str) -> str:
        """The line in words. A value that is itself ``Spoken`` is told in the same language."""
        told = {k: v.in_language(language) if isinstance(v, Spoken) else v for k, v in self.data.items()}
        if self.error is not None:
            told["error"] = f"{say_error(self.error, language)} [{self.error.get('code', '?')}]"
        return say(self.key, language, **told)

    def __str__(self) -> str:
        """In English."""
        return self.in_language("en")


def preferred_language() -> str:
    """The language of a terminal: ENERGY_MONITOR_LANGUAGE, else the locale's, else English."""
    wish = os.environ.get("ENERGY_MONITOR_LANGUAGE")
    if wish in LANGUAGES:
        return wish
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        locale = os.environ.get(name)
        if locale:
            return "zh-TW" if locale.lower().startswith("zh") else "en"
    return "en"
