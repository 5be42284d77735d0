"""``energy-monitor adjust add|list|withdraw`` and ``base adjust|withdraw``: dated events and corrections."""

import json
import sys
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from config.adjustments import AdjustmentRow, fault_of
from config.ledger import number_fault
from config.loading import LoadedSite, load_site
from config.problems import did_you_mean, hinted
from config.site import COMMODITY_UNITS, Commodity
from config.words import say
from monitor.cli.handing_over import carried_out
from monitor.cli.words import plain, tell
from monitor.clock import SystemClock
from monitor.store.adjusting import (
    AdjustRequest,
    WithdrawRequest,
    withdraw_adjustment,
    write_adjustments,
)
from monitor.store.answers import KeptAdjustment
from monitor.store.database import StoreError
from monitor.store.deliveries import who
from monitor.store.provenance import Provenance
from monitor.store.reader import StoreReader
from rules.adjustments import Book, Per, shares_within, sum_of_shares
from rules.calendar import PeriodError, ReportingPeriod, reporting_period

FINE, PROBLEM, WRONG_USE = 0, 1, 2
ANSWER_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Said:
    """What was typed."""

    book: Book
    commodity: str
    start: str
    end: str | None
    quantity: str
    uncertainty: str
    reason: str
    evidence: str
    author: str
    text_zh_tw: str = ""
    text_en: str = ""
    per_day: bool = False


class _Wrong(Exception):
    """What was typed cannot be; the words say what and how it is mended."""


def run_add(path: Path, said: Said, language: str) -> int:
    """Write an adjustment down, or leave it to the process that writes to the store."""
    loaded = load_site(path)
    try:
        row = _row(loaded, said, language)
    except _Wrong as error:
        tell(str(error))
        return WRONG_USE
    given = Provenance("adjustments", "", "", SystemClock().now_ms(), who())
    request = AdjustRequest(given, (row,))
    try:
        outcome = carried_out(
            loaded, request, lambda engine, site: write_adjustments(engine, site, request), ANSWER_WITHIN_S
        )
    except StoreError as error:
        tell(say(error.code, language, **error.data))
        return PROBLEM
    key = "adjust.added" if outcome.added else "adjust.known_already"
    amount = {"quantity": f"{row.quantity:+,.15g}", "unit": row.unit}
    sys.stdout.write(say(key, language, commodity=row.commodity, **amount) + "\n")
    return FINE


def _row(loaded: LoadedSite, said: Said, language: str) -> AdjustmentRow:
    commodity = wanted_commodity(loaded, said.commodity, language)
    if commodity is None:
        raise _Wrong(unknown_commodity(loaded, said.commodity, language))
    row = AdjustmentRow(
        book=said.book,
        commodity=commodity.value,
        start=_day(said.start, "--start", language),
        end=None if said.end is None else _day(said.end, "--end", language),
        quantity=_figure(said.quantity, "--quantity", language),
        unit=COMMODITY_UNITS[commodity],
        uncertainty=_figure(said.uncertainty, "--uncertainty", language),
        per=Per.DAY if said.per_day else Per.EVENT,
        reason=said.reason.strip(),
        evidence=said.evidence.strip(),
        author=said.author.strip(),
        text_zh_tw=said.text_zh_tw.strip(),
        text_en=said.text_en.strip(),
    )
    fault = fault_of(row)
    if fault is not None:
        text = say(fault.code, language, **fault.data)
        raise _Wrong(f"--{fault.column.replace('_', '-')}: {text}")
    return row


def _day(text: str, option: str, language: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _Wrong(f"{option}: {say('ledger.bad_day', language, day=text)}") from None


def _figure(text: str, option: str, language: str) -> float:
    code = number_fault(text)
    if code is not None and code != "ledger.negative":
        raise _Wrong(f"{option}: {say(code, language, value=text)}")
    return float(Decimal(text))


def wanted_commodity(loaded: LoadedSite, text: str, language: str) -> Commodity | None:
    """A commodity of the site by its id, or by its name in the reader's language."""
    for one in loaded.site.commodities:
        if text in (one.value, say(f"report.commodity_{one}", language)):
            return one
    return None


def unknown_commodity(loaded: LoadedSite, text: str, language: str) -> str:
    """What to say of a commodity that the site does not answer for."""
    known = [str(one) for one in loaded.site.commodities]
    hint = did_you_mean(text, known, listed=True)
    words = say("base.unknown_commodity", language, commodity=text, known=", ".join(known) or "-")
    return hinted(words, hint, language)


def run_withdraw(path: Path, book: Book, number: int, reason: str, language: str) -> int:
    """Take an adjustment back; it stays to be seen."""
    loaded = load_site(path)
    if not reason.strip():
        tell(f"--reason: {say('ledger.empty', language, column='reason')}")
        return WRONG_USE
    request = WithdrawRequest(number, book, reason.strip(), who(), SystemClock().now_ms())
    try:
        outcome = carried_out(
            loaded, request, lambda engine, site: withdraw_adjustment(engine, site, request), ANSWER_WITHIN_S
        )
    except StoreError as error:
        tell(say(error.code, language, **error.data))
        return PROBLEM
    key = "adjust.withdrawn" if outcome.added else "adjust.withdrawn_already"
    sys.stdout.write(say(key, language, number=number) + "\n")
    return FINE


def run_list(path: Path, wanted: str | None, period_text: str | None, language: str, *, as_json: bool) -> int:
    """List the non-routine adjustments; with a period, what falls into it, and the sum."""
    loaded = load_site(path)
    commodity = None if wanted is None else wanted_commodity(loaded, wanted, language)
    if wanted is not None and commodity is None:
        tell(unknown_commodity(loaded, wanted, language))
        return WRONG_USE
    try:
        period = None if period_text is None else reporting_period(period_text)
    except PeriodError as error:
        tell(say(error.code, language, **error.data))
        return WRONG_USE
    reader = StoreReader.open(loaded.store_path, loaded.site.site.id)
    try:
        kept = reader.answers.kept(Book.NON_ROUTINE, None if commodity is None else commodity.value)
    finally:
        reader.close()
    facts = [adjustment_facts(one, period, language) for one in kept]
    if as_json:
        sys.stdout.write(json.dumps(facts, ensure_ascii=False, indent=2) + "\n")
        return FINE
    if not facts:
        sys.stdout.write(say("adjust.none", language) + "\n")
        return FINE
    Console().print(adjustment_table(facts, language, with_band=True))
    if period is not None:
        _tell_sums(kept, period, language)
    return FINE


def adjustment_facts(kept: KeptAdjustment, period: ReportingPeriod | None, language: str) -> dict[str, Any]:
    """One adjustment for programs; with a period, its share of that."""
    one = kept.adjustment
    facts: dict[str, Any] = {
        "number": one.id,
        "commodity": one.commodity,
        "start": one.start.isoformat(),
        "end": None if one.end is None else one.end.isoformat(),
        "quantity": one.quantity,
        "unit": one.unit,
        "per": one.per.value,
        "uncertainty": one.uncertainty,
        "reason": one.reason,
        "evidence": one.evidence,
        "author": one.author,
        "text": one.text(language),
        "withdrawn": kept.withdrawn,
    }
    if period is not None:
        shares = shares_within([one], period.start, period.end) if kept.withdrawn is None else ()
        quantity, half = sum_of_shares(shares)
        facts["in_period"] = {
            "quantity": float(quantity),
            "uncertainty": half,
            "days": sum(share.days for share in shares),
            "apportioned": any(share.apportioned for share in shares),
        }
    return facts


def adjustment_table(facts: list[dict[str, Any]], language: str, *, with_band: bool) -> Table:
    """Adjustments as a table; those of a base year were measured, and have no band."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for key in ("number", "commodity", "days", "quantity", "reason", "evidence", "author"):
        column = "quantity_band" if key == "quantity" and with_band else key
        table.add_column(say(f"adjust.col_{column}", language), overflow="fold")
    for one in facts:
        days = f"{one['start']} – {one['end'] or ''}"
        band = f" ± {one['uncertainty']:,.6g}" if with_band else ""
        amount = f"{one['quantity']:+,.15g}{band} {one['unit']}"
        if one["per"] == "day":
            amount = say("adjust.each_day", language, amount=amount)
        reason = one["reason"]
        if one["withdrawn"] is not None:
            reason = say("adjust.void", language, reason=reason, why=one["withdrawn"])
        name = say(f"report.commodity_{one['commodity']}", language)
        cells = (str(one["number"]), name, days, amount, reason, one["evidence"], one["author"])
        table.add_row(*(plain(text) for text in cells), style="" if one["withdrawn"] is None else "dim")
    return table


def _tell_sums(kept: tuple[KeptAdjustment, ...], period: ReportingPeriod, language: str) -> None:
    by_commodity: dict[str, list[KeptAdjustment]] = {}
    for one in kept:
        by_commodity.setdefault(one.adjustment.commodity, []).append(one)
    for commodity, mine in by_commodity.items():
        counting = [one.adjustment for one in mine if one.withdrawn is None]
        shares = shares_within(counting, period.start, period.end)
        quantity, half = sum_of_shares(shares)
        data = {"period": period.id, "name": say(f"report.commodity_{commodity}", language)}
        amount = {"quantity": f"{float(quantity):+,.10g}", "half": f"{half:,.6g}"}
        unit = COMMODITY_UNITS[Commodity(commodity)]
        sys.stdout.write(say("adjust.sum", language, **data, **amount, unit=unit) + "\n")
        for share in shares:
            if share.apportioned:
                told = {"number": share.adjustment.id, "days": share.days}
                sys.stdout.write(say("adjust.apportioned", language, **told) + "\n")
