"""The pydantic models of a tariff's file; loading and what no model of one value can see are in others."""

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from config.data_files import Grade, Graded
from config.days import Day, DayOfYear
from config.site import LocalName
from drivers.settings import Identifier, Settings
from rules.tariff.periods import MINUTES_A_DAY

Money = Annotated[Decimal, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
PeriodName = Literal["peak", "half_peak", "saturday_half_peak", "off_peak"]
SeasonName = Literal["summer", "other"]
_HOURS = re.compile(r"(\d{1,2}):(00|15|30|45) ?- ?(\d{1,2}):(00|15|30|45)", re.ASCII)


def minutes_of(value: object) -> tuple[int, int]:
    """``07:30-10:00`` as minutes of the day; 24:00 is its end. ValueError for anything else."""
    if isinstance(value, tuple):
        return value
    found = _HOURS.fullmatch(value) if isinstance(value, str) else None
    begin, end = (int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])) if found else (0, 0)
    if not begin < end <= MINUTES_A_DAY:
        raise PydanticCustomError("hours_wanted", "hours, as 07:30-10:00")
    return begin, end


Hours = Annotated[tuple[int, int], BeforeValidator(minutes_of, json_schema_input_type=str)]


class Entry(Settings):
    """What holds from a day to a day, both included, and how far to trust it."""

    since: Day = Field(alias="from")
    to: Day | None = None
    grade: Grade
    source: Graded


class SeasonDays(Settings):
    """First and last day of the summer season, both included; the other season is the rest."""

    first: DayOfYear
    last: DayOfYear


class SeasonHours(Settings):
    """Hours of one season, by kind of day; what is left out is off-peak."""

    weekday: dict[PeriodName, tuple[Hours, ...]] = Field(default_factory=dict)
    saturday: dict[PeriodName, tuple[Hours, ...]] = Field(default_factory=dict)


class ClockEntry(Entry):
    """Which hours are in which period."""

    summer: SeasonDays
    hours: dict[SeasonName, SeasonHours]


class EnergyEntry(Entry):
    """Prices of a kWh."""

    summer: dict[PeriodName, Money] = Field(default_factory=dict)
    other: dict[PeriodName, Money] = Field(default_factory=dict)


class BasicSeason(Settings):
    """Basic charge per kW and month of one season."""

    regular: Money
    half_peak: Money | None = None
    saturday_and_off_peak: Money | None = None


class BasicEntry(Entry):
    """Basic charge per kW and month."""

    summer: BasicSeason
    other: BasicSeason


class OverContract(Settings):
    """What an excess over the contract costs."""

    first_percent: Annotated[Decimal, Field(ge=0, le=100)]
    first_times: Annotated[Decimal, Field(ge=0, le=100)]
    beyond_times: Annotated[Decimal, Field(ge=0, le=100)]


class PowerFactor(Settings):
    """How the monthly mean power factor changes the bill."""

    neutral_percent: Annotated[int, Field(ge=0, le=100)]
    best_percent: Annotated[int, Field(ge=0, le=100)]
    percent_of_bill: Annotated[Decimal, Field(ge=0, le=10)]


class RulesEntry(Entry):
    """How excess over the contract and the power factor are charged."""

    over_contract: OverContract
    power_factor: PowerFactor


class TariffFile(Settings):
    """The whole of a tariff's file."""

    tariff: Identifier
    extends: str | None = Field(default=None, description="A tariff whose other entries hold too.")
    name: LocalName | None = None
    currency: Annotated[str, Field(min_length=1, max_length=8)] | None = None
    calendar: Annotated[str, Field(min_length=1)] | None = None
    clocks: tuple[ClockEntry, ...] = ()
    energy: tuple[EnergyEntry, ...] = ()
    basic: tuple[BasicEntry, ...] = ()
    rules: tuple[RulesEntry, ...] = ()
