"""What ``profiles new`` asks a person at a terminal, in that person's language, until it has an answer."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, get_args

import typer

from config.problems import did_you_mean, hinted
from config.quantity_names import known_names, quantity_for
from config.register_cells import Unreadable, read_number, register_address, register_type, unit_of
from config.register_lists import ListedRegister
from config.words import LANGUAGES, say
from drivers.modbus_profile import RegisterType
from drivers.profile import Family
from monitor.cli.words import tell
from rules.quantities import CONVERSIONS, QUANTITIES

Answer = TypeVar("Answer")

_UNITS = tuple(dict.fromkeys(unit for units in CONVERSIONS.values() for unit in units if unit))


class NobodyAnswers(Exception):
    """The person left, or there is no more to read."""


def with_guess(text: str, word: str, known: Iterable[str], language: str) -> str:
    """A sentence, and what was probably meant."""
    hint = did_you_mean(word, known)
    return hinted(text, hint, language) if hint else text


class Questions:
    """Asks, and asks again where an answer cannot be used."""

    def __init__(self, language: str) -> None:
        self._language = language

    def words(self, what: str) -> str:
        """Any text."""
        return self._asked(say(f"profiles.ask_{what}", self._language))

    def family(self) -> str:
        """One of the families of devices."""
        families = get_args(Family)
        question = say("profiles.ask_family", self._language, families=", ".join(families))
        return self._until(
            question, lambda answer: _one_of(answer, families, _named()), "bad_family", "family", families
        )

    def points(self) -> list[ListedRegister]:
        """Point after point, until an empty name."""
        tell(say("profiles.ask_points", self._language))
        found: list[ListedRegister] = []
        while name := self._asked(say("profiles.ask_point", self._language), default=""):
            quantity = name if name in QUANTITIES else quantity_for(name, "")
            if quantity is None:
                text = say("profiles.unknown_quantity", self._language, name=name)
                tell(with_guess(text, name, known_names(), self._language))
            else:
                found.append(self._point(name, quantity))
        return found

    def _point(self, name: str, quantity: str) -> ListedRegister:
        own = QUANTITIES[quantity].unit
        # What a unit makes of the same name counts too: 總流量 is a volume in m3 and a flow in m3/h.
        meant = {unit: found for unit in _UNITS if (found := quantity_for(name, unit)) is not None}
        units = tuple(dict.fromkeys((*CONVERSIONS[own], *meant)))
        address, table = self._until(self._ask("address"), register_address)
        kind = self._until(self._ask("type"), _type, default=RegisterType.F32.value)
        unit = self._until(
            self._ask("unit"),
            lambda answer: _one_of(answer, units, {answer: unit_of(answer, name)}),
            "bad_unit",
            "unit",
            units,
            default=own,
        )
        scale = self._until(self._ask("scale"), lambda answer: read_number(answer, "scale"), default="1")
        on_wire = table is not None
        quantity = meant.get(unit, quantity)
        return ListedRegister(0, name, quantity, address, table, kind, unit, scale, 0.0, "", on_wire)

    def _ask(self, what: str) -> str:
        return say(f"profiles.ask_{what}", self._language)

    def _until(
        self,
        question: str,
        read: Callable[[str], Answer],
        code: str = "",
        name: str = "",
        known: Iterable[str] = (),
        default: str | None = None,
    ) -> Answer:
        """Ask until the answer can be read; what cannot is told with its cure."""
        while True:
            answer = self._asked(question, default)
            try:
                return read(answer)
            except Unreadable as error:
                tell(say(error.code, self._language, value=answer))
            except KeyError:
                text = say(f"profiles.{code}", self._language, **{name: answer, f"{name}s": ", ".join(known)})
                tell(with_guess(text, answer, known, self._language))

    def _asked(self, question: str, default: str | None = None) -> str:
        shown: Any = {} if default is None else {"default": default, "show_default": default != ""}
        try:
            return str(typer.prompt(question, **shown)).strip()
        except typer.Abort as error:
            raise NobodyAnswers from error


def _one_of(answer: str, known: Iterable[str], meant: Mapping[str, str]) -> str:
    """The answer, or what it means in the product's words. KeyError when there is no such choice."""
    choice = answer if answer in known else meant.get(answer, answer)
    if choice not in known:
        raise KeyError(answer)
    return choice


def _named() -> dict[str, str]:
    """Each family by its name in each language."""
    return {
        say(f"profiles.family_{family}", language): family
        for language in LANGUAGES
        for family in get_args(Family)
    }


def _type(answer: str) -> RegisterType:
    """One of our own words, or a spelling that lists use. Raises ``Unreadable``."""
    known = {kind.value: kind for kind in RegisterType}
    return known.get(answer) or register_type(answer)
