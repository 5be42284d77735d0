"""A month cut into parts: runs of days on which tariff, season, prices and contract are the same."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from rules.tariff.periods import Clock, DayKind, kind_of
from rules.tariff.terms import (
    BasicRates,
    Contract,
    ContractRules,
    Dated,
    EnergyPrices,
    Plan,
    Supply,
    on,
)

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a reader of a bill has to know; ``code`` names its words, ``data`` fills them."""

    code: str
    data: Mapping[str, Any]


class CannotBillError(Exception):
    """Days whose periods nobody knows; ``notes`` say which, and what is to be written down."""

    def __init__(self, notes: Iterable[Note]) -> None:
        self.notes = tuple(notes)
        super().__init__(", ".join(note.code for note in self.notes))


@dataclass(frozen=True, slots=True)
class Part:
    """A run of days, both ends included, that is billed alike.

    ``kinds`` is the kind of each of its days; what is None is not known.
    """

    first: date
    last: date
    plan: Dated[Plan]
    clock: Dated[Clock]
    season: str
    contract: Dated[Contract] | None
    energy: Dated[EnergyPrices] | None
    basic: Dated[Mapping[str, BasicRates]] | None
    rules: Dated[ContractRules] | None
    kinds: tuple[DayKind, ...]

    @property
    def days(self) -> int:
        """How many days."""
        return len(self.kinds)

    @property
    def rates(self) -> BasicRates | None:
        """Its basic rates."""
        return None if self.basic is None else self.basic.value.get(self.season)

    def goes_on(self, other: "Part") -> bool:
        """Whether the next day is billed as this part is."""
        mine = (self.plan, self.clock, self.season, self.contract, self.energy, self.basic, self.rules)
        its = (other.plan, other.clock, other.season, other.contract, other.energy, other.basic, other.rules)
        return all(a is b or (isinstance(a, str) and a == b) for a, b in zip(mine, its, strict=True))


def parts_of(supply: Supply, first: date, last: date) -> tuple[Part, ...]:
    """Cut the days from ``first`` to ``last``, both included.

    Raises
    ------
    CannotBillError : days without a tariff, without a clock, or of a year without a list of off-peak days.
    """
    parts: list[Part] = []
    lacks: list[tuple[str, dict[str, Any], date]] = []
    day = first
    while day <= last:
        found = _one_day(supply, day)
        if not isinstance(found, Part):
            lacks.append((*found, day))
        elif parts and parts[-1].last == day - ONE_DAY and parts[-1].goes_on(found):
            parts[-1] = _longer(parts[-1], found)
        else:
            parts.append(found)
        day += ONE_DAY
    if lacks:
        raise CannotBillError(_told(lacks))
    return tuple(parts)


def _longer(part: Part, day: Part) -> Part:
    return Part(
        part.first,
        day.last,
        part.plan,
        part.clock,
        part.season,
        part.contract,
        part.energy,
        part.basic,
        part.rules,
        part.kinds + day.kinds,
    )


def _one_day(supply: Supply, day: date) -> Part | tuple[str, dict[str, Any]]:
    """The part that a day alone makes, or what is not known of it."""
    plan = on(supply.plans, day)
    if plan is None:
        return "no_tariff", {}
    tariff, listed = plan.value.tariff, plan.value.days
    clock = on(tariff.clocks, day)
    if clock is None:
        return "no_clock", {"tariff": tariff.id}
    if day.year not in listed.lists:
        return "no_list", {"calendar": listed.name, "year": day.year}
    return Part(
        first=day,
        last=day,
        plan=plan,
        clock=clock,
        season=clock.value.season(day),
        contract=on(supply.contracts, day),
        energy=on(tariff.energy, day),
        basic=on(tariff.basic, day),
        rules=on(tariff.rules, day),
        kinds=(kind_of(day, listed.holds(day)),),
    )


def _told(lacks: list[tuple[str, dict[str, Any], date]]) -> list[Note]:
    """One note for each run of days with the same lack."""
    notes: list[Note] = []
    runs: list[tuple[str, dict[str, Any], date, date]] = []
    for code, data, day in lacks:
        if runs and runs[-1][:2] == (code, data) and runs[-1][3] == day - ONE_DAY:
            runs[-1] = (code, data, runs[-1][2], day)
        else:
            runs.append((code, data, day, day))
    for code, data, first, last in runs:
        notes.append(Note(code, {**data, "first": first.isoformat(), "last": last.isoformat()}))
    return notes
