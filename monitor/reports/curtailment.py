"""Demand response in the summary: what was curtailed under each programme, and what it was credited with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

from config.settlement_list import cap_passed, price, text_of
from config.site import Language
from config.words import say
from monitor.reports.layout import wrapped
from monitor.reports.numbers import days_text, exact, figure_text
from monitor.store.curtailment import SettlementEntry
from monitor.store.reader import StoreReader
from rules.calendar import ReportingPeriod


@dataclass(frozen=True, slots=True)
class Curtailed:
    """What was curtailed under one programme in a period.

    Attributes
    ----------
    programme, name : the family, and its name.
    kwh, credit : sums of ``entries``. [kWh, NT$]
    entries : settlements that count.
    beyond : settlements that reach over the period's edges: nobody knows what of them belongs in it.
    within : settlements made here on days that a utility's own settlement holds.
    above_cap : (price, published cap) of entries whose price lies above it. [NT$/kWh]
    """

    programme: str
    name: str
    kwh: Decimal
    credit: Decimal
    entries: tuple[SettlementEntry, ...]
    beyond: tuple[SettlementEntry, ...]
    within: tuple[SettlementEntry, ...]
    above_cap: tuple[tuple[Decimal, Decimal], ...]

    @property
    def price(self) -> Decimal | None:
        """What a kWh earned; None where nothing was curtailed. [NT$/kWh]"""
        return price(float(self.kwh), str(self.credit))


def curtailed(reader: StoreReader, period: ReportingPeriod, language: Language) -> tuple[Curtailed, ...]:
    """Settlements of a period by programme; empty where there are none."""
    entries = reader.past.curtailment.settlements(period.start, period.end)
    ordered = sorted(entries, key=lambda one: (_family(one), one.start, one.id))
    return tuple(
        _of_programme(family, list(group), period, language)
        for family, group in groupby(ordered, key=_family)
    )


def _family(entry: SettlementEntry) -> str:
    text = text_of(entry.programme, entry.start, Path())
    return entry.programme if text is None else text.family


def _of_programme(
    family: str, entries: Sequence[SettlementEntry], period: ReportingPeriod, language: Language
) -> Curtailed:
    beyond = [one for one in entries if one.start < period.start or one.end > period.end]
    inside = [one for one in entries if one not in beyond]
    stated = [one for one in entries if one.imported]
    within = [one for one in inside if not one.imported and any(_holds(other, one) for other in stated)]
    counted = [one for one in inside if one not in within]
    text = text_of(entries[0].programme, entries[0].start, Path())
    above = [cap_passed(one.programme, one.start, one.kwh, one.credit, Path()) for one in counted]
    return Curtailed(
        programme=family,
        name=family if text is None else text.family_names[language],
        kwh=sum((exact(one.kwh) for one in counted), Decimal(0)),
        credit=sum((Decimal(one.credit) for one in counted), Decimal(0)),
        entries=tuple(counted),
        beyond=tuple(beyond),
        within=tuple(within),
        above_cap=tuple(pair for pair in above if pair is not None),
    )


def _holds(stated: SettlementEntry, one: SettlementEntry) -> bool:
    return stated.start <= one.end and one.start <= stated.end


def sentences(found: Sequence[Curtailed], language: Language) -> list[str]:
    """One sentence a programme, wrapped."""
    lines = []
    for one in found:
        if one.entries:
            days = _days([*one.entries], language)
            figures = {"kwh": figure_text(_trim(one.kwh), language), "credit": _money(one.credit, language)}
            text = say("report.curtailment_sentence", language, name=one.name, days=days, **figures)
        else:
            text = say("report.curtailment_none", language, name=one.name)
        lines += wrapped(text, first="    ")
    return lines


def _trim(number: Decimal) -> Decimal:
    """A figure without zeros at its end."""
    return number.quantize(Decimal(1)) if number == number.to_integral_value() else number.normalize()


def _money(amount: Decimal, language: Language) -> str:
    """An amount; cents only where there are some."""
    return figure_text(_trim(amount), language)


def _days(entries: Sequence[SettlementEntry], language: Language) -> str:
    first: date = min(one.start for one in entries)
    return days_text(first, max(one.end for one in entries), language)


def notes(found: Sequence[Curtailed], language: Language) -> list[str]:
    """Footnotes: prices above a cap, and settlements that are not counted."""
    texts = []
    for one in found:
        for paid, cap in one.above_cap:
            data: dict[str, Any] = {"name": one.name, "price": paid, "cap": f"{cap:.2f}"}
            texts.append(say("report.curtailment_above_cap", language, **data))
        for kind, entries in (("beyond", one.beyond), ("within", one.within)):
            for entry in entries:
                days = days_text(entry.start, entry.end, language)
                figures = {
                    "kwh": figure_text(_trim(exact(entry.kwh)), language),
                    "credit": _money(Decimal(entry.credit), language),
                }
                texts.append(say(f"report.curtailment_{kind}", language, name=one.name, days=days, **figures))
    return texts


def sources(found: Sequence[Curtailed], language: Language) -> list[str]:
    """Where each figure comes from."""
    return [
        say(
            "report.curtailment_source",
            language,
            name=one.name,
            text=entry.source,
            days=days_text(entry.start, entry.end, language),
        )
        for one in found
        for entry in one.entries
    ]


def as_data(found: Sequence[Curtailed], language: Language) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {
            "programme": one.programme,
            "name": one.name,
            "kwh": _plain(one.kwh),
            "credit": _plain(one.credit),
            "currency": "TWD",
            "price": None if one.price is None else float(one.price),
            "settlements": [_entry(entry) for entry in one.entries],
            "notes": notes([one], language),
        }
        for one in found
    ]


def _entry(entry: SettlementEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "kind": "imported" if entry.imported else "settled",
        "start": entry.start.isoformat(),
        "end": entry.end.isoformat(),
        "kwh": _plain(exact(entry.kwh)),
        "credit": _plain(Decimal(entry.credit)),
        "source": entry.source,
    }


def _plain(number: Decimal) -> int | float:
    """A whole number without a point."""
    return int(number) if number == number.to_integral_value() else float(number)
