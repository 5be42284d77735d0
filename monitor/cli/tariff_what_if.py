"""``energy-monitor tariff what-if``: another contract over past months, and the cheapest of all."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from rich.table import Table

from config.words import preferred_language, say
from monitor.cli.billing import FINE, PROBLEM, WRONG_USE, Desk, WrongUseError, desk_of, number_of, refused
from monitor.cli.tariff_bill import month_words
from monitor.cli.words import plain, wide_console
from monitor.demand.bills import Unbilled
from monitor.demand.words import note_words
from rules.calendar import PeriodError, month_of, reporting_period
from rules.tariff.bill import data_notes, unverified_notes
from rules.tariff.charges import to_cents
from rules.tariff.terms import Contract, on
from rules.tariff.what_if import Best, Month, best_regular, contract_cost

ONE_DAY = timedelta(days=1)
MONTHS_BACK = 12


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found: the months that count, the contracts beside each other, and what a reader must know."""

    first: date
    last: date
    months: tuple[Month, ...]
    contracts: dict[str, Contract]
    costs: dict[str, tuple[Fraction, ...]]
    best: Best
    notes: tuple[str, ...]


def run_what_if(
    path: Path,
    contract: str | None,
    span: tuple[str | None, str | None],
    meter: str | None,
    power_factor: str | None,
    language: str | None,
    *,
    as_json: bool,
) -> int:
    """Print what contracts would have cost.

    Returns
    -------
    0 an answer; 1 there is none, because of what the store or the tariff lacks; 2 wrong use or configuration.
    """
    try:
        with desk_of(path, meter, power_factor, language) as desk:
            asked = None if contract is None else _capacity(contract, desk)
            answer = _answer(desk, asked, *_span(desk, *span))
            if answer is None:
                return PROBLEM
            if as_json:
                sys.stdout.write(json.dumps(_data(answer, desk), ensure_ascii=False, indent=2) + "\n")
            else:
                _show(answer, desk)
            return FINE
    except WrongUseError as error:
        return refused(error)
    except PeriodError as error:
        sys.stderr.write(say(error.code, language or preferred_language(), **error.data) + "\n")
        return WRONG_USE


def _capacity(text: str, desk: Desk) -> Decimal:
    found = number_of(text)
    if found is None or found <= 0:
        raise WrongUseError(say("bill.bad_capacity", desk.language, text=text))
    return found


def _span(desk: Desk, first: str | None, last: str | None) -> tuple[date, date]:
    """First and last day of the months that are asked about."""
    end = month_of(month_of(desk.today).start - ONE_DAY).end if last is None else _month(desk, last)[1]
    if first is not None:
        start = _month(desk, first)[0]
    else:
        start = end.replace(day=1)
        for _ in range(MONTHS_BACK - 1):
            start = (start - ONE_DAY).replace(day=1)
    if start > end:
        raise WrongUseError(say("bill.span_reversed", desk.language, first=first, last=last or end))
    return start, end


def _month(desk: Desk, text: str) -> tuple[date, date]:
    period = reporting_period(text)
    if (period.start.year, period.start.month) != (period.end.year, period.end.month):
        raise WrongUseError(say("bill.bad_span", desk.language, text=text))
    return period.start, period.end


def _answer(desk: Desk, asked: Decimal | None, first: date, last: date) -> Answer | None:
    """Hold contracts against the months; None, with the reasons told, where none of them can be."""
    dated = on(desk.supply.contracts, desk.today)
    if dated is None:
        raise WrongUseError(say("bill.no_contract_section", desk.language))
    now, factor = dated.value, desk.supply.power_factor_percent
    months, notes = [], []
    for one in desk.maker.months(first, last):
        if isinstance(one, Unbilled):
            notes += [
                _left_out(desk, one.period.id, note_words(n, desk.language, desk.zone)) for n in one.notes
            ]
        elif not one.is_billable() or contract_cost(one, now, factor) is None:
            notes.append(_left_out(desk, one.id, say("bill.no_rates", desk.language)))
        else:
            months.append(one)
            notes += _doubts(desk, one)
    best = best_regular(months, now, desk.supply)
    if best is None:
        head = say("bill.what_if_none", desk.language, first=first, last=last)
        sys.stderr.write("\n".join([head, *(f"  {note}" for note in notes)]) + "\n")
        return None
    contracts = {"now": now}
    if asked is not None:
        contracts["asked"] = replace(now, regular_kw=asked)
    contracts["best"] = replace(now, regular_kw=Decimal(best.whole_kw))
    costs = {
        name: tuple(contract_cost(month, one, factor) or Fraction(0) for month in months)
        for name, one in contracts.items()
    }
    unverified = [note for month in months for note in unverified_notes(month.uses)]
    told = dict.fromkeys(note_words(note, desk.language, desk.zone) for note in unverified)
    return Answer(first, last, tuple(months), contracts, costs, best, (*notes, *told))


def _left_out(desk: Desk, month: str, why: str) -> str:
    return say("bill.what_if_left_out", desk.language, month=_named(month, desk), why=why)


def _doubts(desk: Desk, month: Month) -> list[str]:
    """What makes a month's demand less than sure."""
    return [
        say(
            "bill.what_if_doubt",
            desk.language,
            month=_named(month.id, desk),
            why=note_words(note, desk.language, desk.zone),
        )
        for note in data_notes(month.uses)
        if note.code != "estimated"
    ]


def _named(month: str, desk: Desk) -> str:
    return month_words(reporting_period(month), desk.language)


# -- for people -------------------------------------------------------------------------------------------


def _show(answer: Answer, desk: Desk) -> None:
    console, words = wide_console(), desk.language
    span = {"first": f"{answer.first:%Y-%m}", "last": f"{answer.last:%Y-%m}"}
    console.print(plain(say("bill.what_if_title", words, site=desk.site_name, **span)), style="bold")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(say("bill.what_if_month", words))
    table.add_column(say("bill.what_if_demand", words), justify="right")
    for name, contract in answer.contracts.items():
        table.add_column(say(f"bill.what_if_{name}", words, kw=_kw(contract)), justify="right")
    for n, month in enumerate(answer.months):
        amounts = [f"{to_cents(costs[n]):,.2f}" for costs in answer.costs.values()]
        table.add_row(_named(month.id, desk), f"{_highest(month):,.1f}", *amounts)
    sums = [f"{_sum(costs):,.2f}" for costs in answer.costs.values()]
    table.add_row(say("bill.what_if_sum", words), "", *sums, style="bold")
    console.print(table)
    for name in [name for name in answer.contracts if name != "now"]:
        console.print(plain(_sentence(answer, name, words)))
    console.print(plain(say("bill.what_if_is_best", words, kw=_kw(answer.contracts["best"]))))
    if answer.notes:
        console.print(plain(say("bill.notes", words)), style="bold")
    for number, note in enumerate(answer.notes, 1):
        console.print(plain(f"  {number}. {note}"))


def _sentence(answer: Answer, name: str, words: str) -> str:
    change = _sum(answer.costs[name]) - _sum(answer.costs["now"])
    key = "same" if not change else "saves" if change < 0 else "costs"
    facts = {"kw": _kw(answer.contracts[name]), "now": _kw(answer.contracts["now"])}
    return say(f"bill.what_if_{key}", words, amount=f"{abs(change):,.2f}", **facts)


def _sum(costs: Sequence[Fraction]) -> Decimal:
    return to_cents(sum(costs, Fraction(0)))


def _kw(contract: Contract) -> str:
    return f"{float(contract.regular_kw):,.10g}"


def _highest(month: Month) -> Decimal:
    return max((peak.kw for use in month.uses for peak in use.peaks.values()), default=Decimal(0))


# -- for programs -----------------------------------------------------------------------------------------


def _data(answer: Answer, desk: Desk) -> dict[str, Any]:
    return {
        "site": desk.loaded.site.site.id,
        "first": f"{answer.first:%Y-%m}",
        "last": f"{answer.last:%Y-%m}",
        "contracts": {
            name: {
                "capacities_kw": [float(kw) for kw in one.capacities_kw],
                "cost": str(_sum(answer.costs[name])),
                "change": str(_sum(answer.costs[name]) - _sum(answer.costs["now"])),
            }
            for name, one in answer.contracts.items()
        },
        "best_kw": answer.best.whole_kw,
        "best_exact_kw": str(answer.best.exact_kw),
        "months": [
            {
                "month": month.id,
                "highest_kw": str(_highest(month)),
                "cost": {name: str(to_cents(costs[n])) for name, costs in answer.costs.items()},
            }
            for n, month in enumerate(answer.months)
        ],
        "notes": list(answer.notes),
    }
