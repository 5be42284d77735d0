"""Tariffs: ``config/tariffs/*.yaml`` and an operator's own, as the finished objects that bills are made with.

An operator's file may extend one of the product's: each of its entries takes the place of what it extends on
its own days, so that prices nobody published are given in a few lines.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from config.data_files import Shelf, read_data_file
from config.tariff_checks import check_tariff
from config.tariff_models import (
    BasicEntry,
    BasicSeason,
    ClockEntry,
    EnergyEntry,
    Entry,
    RulesEntry,
    TariffFile,
)
from rules.tariff.periods import OTHER, SUMMER, Clock, DayKind, Hours, Period
from rules.tariff.terms import BasicRates, ContractRules, Dated, EnergyPrices, Tariff

PERIODS = {period.key: period for period in Period}
KINDS = {"weekday": DayKind.WEEKDAY, "saturday": DayKind.SATURDAY}
HUNDRED = Decimal(100)

T = TypeVar("T")


def _read(path: Path) -> Tariff:
    read = read_data_file(path, TariffFile, check_tariff)
    said = read.model
    base = TARIFFS.extended(read, said.extends) if said.extends is not None else None
    names = said.name and {"zh-TW": said.name.zh_TW, "en": said.name.en}
    return Tariff(
        id=said.tariff,
        names=names or (base.names if base else {"zh-TW": said.tariff, "en": said.tariff}),
        currency=said.currency or (base.currency if base else "NT$"),
        calendar=said.calendar or (base.calendar if base else ""),
        clocks=over(tuple(_dated(one, _clock(one)) for one in said.clocks), base.clocks if base else ()),
        energy=over(tuple(_dated(one, _energy(one)) for one in said.energy), base.energy if base else ()),
        basic=over(tuple(_dated(one, _basic(one)) for one in said.basic), base.basic if base else ()),
        rules=over(tuple(_dated(one, _rules(one)) for one in said.rules), base.rules if base else ()),
    )


TARIFFS = Shelf("tariffs", "tariff.unknown_tariff", _read)
load_tariff, tariff_names = TARIFFS.load, TARIFFS.names


def over(upper: Sequence[Dated[T]], lower: Sequence[Dated[T]]) -> tuple[Dated[T], ...]:
    """Entries where each of ``upper`` takes its own days from ``lower``, which keeps the rest of its own."""
    kept = list(lower)
    for one in upper:
        kept = [piece for entry in kept for piece in _without(entry, one)]
    return tuple(sorted([*upper, *kept], key=lambda entry: entry.first))


def _without(entry: Dated[T], taken: Dated[T]) -> list[Dated[T]]:
    """What is left of an entry outside of the days of another."""
    day = timedelta(days=1)
    if (taken.last is not None and taken.last < entry.first) or (
        entry.last is not None and entry.last < taken.first
    ):
        return [entry]
    left = []
    if entry.first < taken.first:
        left.append(replace(entry, last=taken.first - day))
    if taken.last is not None and (entry.last is None or taken.last < entry.last):
        left.append(replace(entry, first=taken.last + day))
    return left


def _dated(entry: Entry, value: T) -> Dated[T]:
    return Dated(entry.since, entry.to, value, entry.grade, entry.source)


def _clock(entry: ClockEntry) -> Clock:
    hours: Hours = {
        (str(season), kind): [
            (begin, end, PERIODS[period])
            for period, spans in getattr(one, key).items()
            for begin, end in spans
        ]
        for season, one in entry.hours.items()
        for key, kind in KINDS.items()
    }
    return Clock.of_hours((entry.summer.first, entry.summer.last), hours)


def _energy(entry: EnergyEntry) -> EnergyPrices:
    seasons = {SUMMER: entry.summer, OTHER: entry.other}
    return EnergyPrices({
        season: {PERIODS[period]: price for period, price in prices.items()}
        for season, prices in seasons.items()
    })  # fmt: skip


def _basic(entry: BasicEntry) -> dict[str, BasicRates]:
    return {SUMMER: _rates(entry.summer), OTHER: _rates(entry.other)}


def _rates(season: BasicSeason) -> BasicRates:
    return BasicRates(season.regular, season.half_peak, season.saturday_and_off_peak)


def _rules(entry: RulesEntry) -> ContractRules:
    excess, factor = entry.over_contract, entry.power_factor
    return ContractRules(
        first_share=excess.first_percent / HUNDRED,
        first_times=excess.first_times,
        beyond_times=excess.beyond_times,
        neutral_percent=factor.neutral_percent,
        best_percent=factor.best_percent,
        step_share=factor.percent_of_bill / HUNDRED,
    )
