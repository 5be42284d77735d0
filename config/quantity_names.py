"""Our word for what a maker calls a quantity, in English or Chinese: told for sure, or left open."""

import re
from collections.abc import Iterator
from functools import cache

from config.register_words import plain, replaced, section
from rules.quantities import CONVERSIONS, QUANTITIES

_CHINESE = re.compile(r"[\u3400-\u9fff]")
_PHASES = dict(zip("abcrst123", "123" * 3, strict=True))
_PAIRS = {
    pair: one
    for group in (("ab", "bc", "ca"), ("rs", "st", "tr"), ("12", "23", "31"))
    for pair, one in zip(group, "123", strict=True)
}
_PAIR = "|".join(_PAIRS)
_KINDS_OF_POWER = frozenset(("reactive", "apparent", "factor", "cooling", "thermal"))
_L123 = frozenset(("l1", "l2", "l3"))


def quantity_for(name: str, unit: str) -> str | None:
    """Our word for what a maker calls a quantity, or None where the name does not say for sure.

    Parameters
    ----------
    unit : one of ours; empty where the list has none.
    """
    for reading in _readings(name, unit):
        fitting = [
            own
            for own, quantity in QUANTITIES.items()
            if _own_tokens(own) == reading and (not unit or unit in CONVERSIONS[quantity.unit])
        ]
        if reading and len(fitting) == 1:
            return fitting[0]
    return None


def known_names() -> tuple[str, ...]:
    """Everything that a person may have meant: our own words, then the Chinese terms."""
    return (*QUANTITIES, *section("chinese"))


@cache
def _own_tokens(name: str) -> frozenset[str]:
    return next(_readings(name, ""))


def _readings(name: str, unit: str) -> Iterator[frozenset[str]]:
    """What a name says: first what it most often means, then what else a unit may make of it."""
    text = re.sub(r"[(\[][^()\[\]]*[)\]]", _without_unit, plain(name))
    chinese = bool(_CHINESE.search(text))
    for choice in (0, 1):
        said = _english(text, choice)
        yield _tokens(_phases(said, unit, chinese))


def _without_unit(found: re.Match[str]) -> str:
    """Brackets whose text is a unit say nothing of the quantity."""
    inside = found[0][1:-1].strip()
    return " " if inside in _units() else f" {inside} "


@cache
def _units() -> frozenset[str]:
    ours = {plain(unit) for units in CONVERSIONS.values() for unit in units}
    theirs = {plain(word) for words in section("units").values() for word in words}
    return frozenset(ours | theirs | {plain(word) for word in section("units_by_quantity")})


def _english(text: str, choice: int) -> str:
    """Chinese terms and whole phrases in single English words; where one means two things, the one chosen."""
    chinese, phrases = section("chinese"), section("phrases")

    def chosen(meanings: str) -> str:
        parts = meanings.split("|")
        return parts[min(choice, len(parts) - 1)].strip()

    text = replaced(text, chinese, lambda term: chosen(chinese[term]))
    return replaced(text, phrases, lambda phrase: chosen(phrases[phrase]))


def _phases(text: str, unit: str, chinese: bool) -> str:
    """Phases and pairs of phases, however they are written, as l1, and ll l1 or ln l1."""
    text = re.sub(rf"\b[vu] ?({_PAIR})\b", lambda pair: f"voltage ll l{_PAIRS[pair[1]]}", text.strip())
    text = re.sub(r"\b[vu] ?([abcrst123])n\b", lambda one: f"voltage ln l{_PHASES[one[1]]}", text)
    if unit in CONVERSIONS["V"]:  # VA alone may be apparent power
        text = re.sub(r"^[vu] ?([abcrst123])$", lambda one: f"voltage ln l{_PHASES[one[1]]}", text)
    text = re.sub(r"^i ?([abcrst123])$", lambda one: f"current l{_PHASES[one[1]]}", text)
    text = re.sub(r"\bphase ?([rst])\b", lambda one: f"l{_PHASES[one[1]]}", text)
    text = re.sub(r"\b(phase|l|p) ?([123abc])\b", r"l\2", text)
    text = re.sub(r"\bl([abc])\b", lambda one: f"l{_PHASES[one[1]]}", text)
    text = re.sub(r"\bl([123])[ -]*n\b", r"ln l\1", text)
    text = re.sub(r"\bl([123])[ -]*l[123]\b", r"ll l\1", text)
    if chinese:  # a bare letter beside Chinese is a phase
        text = re.sub(r"\b([abcrst123])[-~/ ]([abcrst123])\b", r"\1\2", text)
        text = re.sub(rf"\b({_PAIR})\b", lambda pair: f"ll l{_PAIRS[pair[1]]}", text)
        text = re.sub(r"\b([abcrst])[ -]?n\b", lambda one: f"ln l{_PHASES[one[1]]}", text)
        text = re.sub(r"\b([abcrst123])\b", lambda one: f"l{_PHASES[one[1]]}", text)
    return text


@cache
def _aliases() -> dict[str, str]:
    return {alias: word for word, aliases in section("words").items() for alias in aliases.split()}


def _tokens(text: str) -> frozenset[str]:
    """What a name says, without the words that only some lists write."""
    words = re.findall(r"[a-zφ]+\d*|\d+|[\u3400-\u9fff]", text.replace("_", " ").replace("-", " "))
    said = set(" ".join(_aliases().get(word, word) for word in words).split())
    _complete_electricity(said)
    _complete_water(said)
    return frozenset(said)


def _complete_electricity(said: set[str]) -> None:
    """What goes without saying."""
    if "energy" in said:
        said -= {"active"} | ({"total"} if said & {"import", "export", "net", "partial"} else set())
    if "power" in said and not said & _KINDS_OF_POWER:
        said.add("active")
    if said & {"power", "factor"}:
        said -= {"total"}
        said |= set() if said & _L123 else {"total"}
    if "voltage" in said and not said & {"ln", "ll"}:
        said.add("ln")
    if said >= {"voltage", "ln"} and not said & {"avg", *_L123}:
        said.add("avg")  # a meter of one phase: its only voltage
    if "current" in said and not said & {"avg", "total", "ln", *_L123}:
        said.add("avg")


def _complete_water(said: set[str]) -> None:
    """Volumes are total and go forward; a chiller's cold water leaves it to supply the building."""
    if "volume" in said:
        said -= {"total", "import"}
    if "chw" in said:
        for machine, building in (("leaving", "supply"), ("entering", "return")):
            if machine in said:
                said.remove(machine)
                said.add(building)
        if "setpoint" in said:
            said -= {"supply", "temp"}
