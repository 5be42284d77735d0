"""How a decoder says no: a payload that gave nothing, with a code and data that make a text of it."""

from typing import Any

_SHOWN = 40


class PayloadRefused(Exception):
    """A payload that gave nothing; ``code`` names the text, ``data`` fills it."""

    def __init__(self, code: str, /, **data: Any) -> None:
        self.code = f"payload.{code}"
        self.data = data
        super().__init__(f"{self.code}: {data}")


def sample_of(value: object) -> str:
    """A short look at a payload, for people. Never the whole of it: it may be huge."""
    if isinstance(value, dict):
        return "{" + shorten(", ".join(str(key) for key in list(value)[:8])) + "}"
    if isinstance(value, list):
        return f"[{len(value)}]"
    return shorten(value) if isinstance(value, str) else shorten(f"{value!r:.{_SHOWN}}")


def shorten(text: str) -> str:
    """The beginning of a text, without what a terminal would act on."""
    printable = "".join(sign if sign.isprintable() else "?" for sign in text[: _SHOWN + 1])
    return printable if len(printable) <= _SHOWN else printable[:_SHOWN] + "…"
