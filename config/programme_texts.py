"""Demand-response programmes: ``config/programmes/*.yaml`` and an operator's own, one text a file.

How to ask::

    load_programme("taipower-demand-bidding-2016", site_folder)        # or "programmes/mine.yaml"
    programme_on("taipower-demand-bidding", date(2017, 7, 3), folder)  # the text of a family on a day

A text whose first day is not known is never picked by a day.
"""

import re
from collections.abc import Iterator
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from config.baseline_presets import Valid, by_language, load_preset, names_of
from config.data_files import Grade, Graded, Shelf, named_as_file, read_data_file
from config.days import DayOfYear
from config.positions import Node, Source
from config.problems import ConfigurationError, Place, Problem
from config.site import LocalName
from drivers.settings import Identifier, Settings
from rules.baseline.method import Statistic
from rules.settlement.programme import (
    BidCredit,
    CapacityCredit,
    Credit,
    Notice,
    NoticeKind,
    Programme,
    RateCredit,
    Step,
)


def _clock(value: object) -> time:
    found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", value, re.ASCII) if isinstance(value, str) else None
    if found is None:
        raise PydanticCustomError("clock_wanted", "a time of day, as 18:00")
    return time(int(found[1]), int(found[2]))


Clock = Annotated[time, BeforeValidator(_clock)]
Price = Annotated[float, Field(ge=0, le=100_000)]
Percent = Annotated[float, Field(ge=0, le=1000)]


class SeasonFile(Settings):
    """Days of the year on which events are called, both included."""

    from_: DayOfYear = Field(alias="from")
    through: DayOfYear


class NoticeFile(Settings):
    """One way of announcing: by a time of the day before, or some minutes before the event."""

    day_before: Clock | None = None
    minutes_before: int | None = Field(default=None, ge=0, le=10_080)

    @model_validator(mode="after")
    def _one_of_them(self) -> "NoticeFile":
        if (self.day_before is None) == (self.minutes_before is None):
            raise ValueError("give one of 'day_before' and 'minutes_before'")
        return self

    def notice(self) -> Notice:
        """The finished rule."""
        kind = NoticeKind.BEFORE_START if self.day_before is None else NoticeKind.DAY_BEFORE
        return Notice(kind, self.day_before, self.minutes_before)


class StepFile(Settings):
    """One step by execution rate: under a rate, up to one, or all that is left."""

    below: Percent | None = None
    through: Percent | None = None
    ratio: float = Field(ge=0, le=10)

    def step(self) -> Step:
        """The finished step."""
        return Step(_decimal(self.ratio), _maybe(self.below), _maybe(self.through))


class BidFile(Settings):
    """A credit by energy at the price that was bid."""

    kind: Literal["bid"]
    cap: Price | None = None
    decimals: int = Field(default=2, ge=0, le=6)
    bid_until: Clock | None = None
    steps: tuple[StepFile, ...] = ()
    zero_under_minimum: bool = False
    same_day_bonus: Price = 0.0

    def credit(self) -> Credit:
        """The finished rule."""
        return BidCredit(
            cap=_maybe(self.cap),
            decimals=self.decimals,
            steps=tuple(step.step() for step in self.steps),
            zero_under_minimum=self.zero_under_minimum,
            same_day_bonus=_decimal(self.same_day_bonus),
        )


class RateFile(Settings):
    """A credit by execution rate, at a rate by the event's length."""

    kind: Literal["rate"]
    rates: dict[float, Price] = Field(min_length=1, description="NT$/kWh by hours of the event.")
    steps: tuple[StepFile, ...] = Field(min_length=1)
    most_percent: Percent | None = None

    def credit(self) -> Credit:
        """The finished rule."""
        rates = tuple((_decimal(hours), _decimal(price)) for hours, price in self.rates.items())
        return RateCredit(rates, tuple(step.step() for step in self.steps), _maybe(self.most_percent))


class CapacityFile(Settings):
    """A credit for capacity, energy beside it, and a penalty."""

    kind: Literal["capacity"]
    capacity: dict[int, Price] = Field(min_length=1, description="NT$/kW-month by minutes of notice.")
    steps: tuple[StepFile, ...] = Field(min_length=1)
    energy: Price
    energy_from_percent: Percent
    penalty_below_percent: Percent
    penalty_factor: float = Field(ge=0, le=100)
    most_percent: Percent | None = None

    def credit(self) -> Credit:
        """The finished rule."""
        return CapacityCredit(
            capacity=tuple((minutes, _decimal(price)) for minutes, price in self.capacity.items()),
            steps=tuple(step.step() for step in self.steps),
            energy=_decimal(self.energy),
            energy_from_percent=_decimal(self.energy_from_percent),
            penalty_below_percent=_decimal(self.penalty_below_percent),
            penalty_factor=_decimal(self.penalty_factor),
            most_percent=_maybe(self.most_percent),
        )


class ProgrammeFile(Settings):
    """The whole of a programme's file."""

    programme: Identifier
    family: Identifier
    family_name: LocalName
    name: LocalName
    valid: Valid
    grade: Grade
    source: Graded
    unverified: tuple[LocalName, ...] = ()
    baseline: str = Field(min_length=1, description="Preset, by name or path.")
    statistic: Statistic
    season: SeasonFile | None = None
    notices: tuple[NoticeFile, ...] = ()
    durations_h: tuple[float, ...] = ()
    events_a_day: int | None = Field(default=None, ge=1)
    hours_a_month: float | None = Field(default=None, gt=0, le=744)
    minimum_kw: float | None = Field(default=None, ge=0)
    credit: Annotated[BidFile | RateFile | CapacityFile, Field(discriminator="kind")]


def programme_families() -> tuple[str, ...]:
    """Families of the texts that come with the product."""
    return tuple(dict.fromkeys(load_programme(name, Path()).family for name in programme_names()))


def programme_on(wish: str, day: date, base: Path) -> Programme:
    """Text of a programme on a day: by the family's name, or one text by its own.

    Raises
    ------
    ConfigurationError : neither is known, or the family has no text for the day.
    """
    every = (load_programme(name, base) for name in programme_names())
    texts = [text for text in every if text.family == wish]
    if not texts:
        return load_programme(wish, base)
    found = next((text for text in texts if text.holds_on(day)), None)
    if found is None:
        data = {"family": wish, "day": day.isoformat(), "known": tuple(text.id for text in texts)}
        raise ConfigurationError([Problem("dr.no_text_on_day", Place(wish), (), data)])
    return found


def _read(path: Path) -> Programme:
    read = read_data_file(path, ProgrammeFile, _checks)
    file = read.model
    named_as_file(read, path, "programme", file.programme)
    try:
        load_preset(file.baseline, path.parent)
    except ConfigurationError as error:
        if any(problem.code != "dr.unknown_preset" for problem in error.problems):
            raise
        hint = error.problems[0].hint
        problem = read.problem("dr.unknown_preset", "baseline", hint=hint, name=file.baseline)
        raise ConfigurationError([problem]) from None
    return Programme(
        id=file.programme,
        family=file.family,
        first=file.valid.from_,
        last=file.valid.through,
        names=names_of(file.name),
        family_names=names_of(file.family_name),
        baseline=_baseline_path(file.baseline, path),
        statistic=file.statistic,
        credit=file.credit.credit(),
        season=None if file.season is None else (file.season.from_, file.season.through),
        notices=tuple(notice.notice() for notice in file.notices),
        durations_h=tuple(_decimal(hours) for hours in file.durations_h),
        events_a_day=file.events_a_day,
        hours_a_month=_maybe(file.hours_a_month),
        minimum_kw=_maybe(file.minimum_kw),
        bid_until=file.credit.bid_until if isinstance(file.credit, BidFile) else None,
        grade=file.grade,
        source=file.source,
        unverified=by_language(file.unverified),
    )


PROGRAMMES = Shelf("programmes", "dr.unknown_programme", _read)
load_programme, programme_names = PROGRAMMES.load, PROGRAMMES.names


def _baseline_path(wish: str, programme: Path) -> str:
    """A preset's name; the whole path of a file that is named from the programme's own folder."""
    return str(programme.parent / wish) if wish.endswith((".yaml", ".yml")) else wish


def _checks(root: Node, source: Source) -> Iterator[Problem]:
    """A notice is of one kind, and the last step of a table takes all that is left."""
    for notice in root.entries("notices"):
        if len(set(notice.mapping or ()) & {"day_before", "minutes_before"}) != 1:
            yield Problem("dr.notice_one_of", source.place(notice.span), notice.path)
    credit = root.get("credit")
    steps = credit.entries("steps") if credit is not None else []
    for number, step in enumerate(steps, 1):
        limits = len(set(step.mapping or ()) & {"below", "through"})
        if limits != (number < len(steps)):
            code = "dr.step_open" if number == len(steps) else "dr.step_limit"
            yield Problem(code, source.place(step.span), step.path)


def _decimal(number: float) -> Decimal:
    """A number as it was written: 2.47, not 2.4700000000000002."""
    return Decimal(f"{number:.15g}")


def _maybe(number: float | None) -> Decimal | None:
    return None if number is None else _decimal(number)
