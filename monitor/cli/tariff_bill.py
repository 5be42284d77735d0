"""``energy-monitor tariff bill``: a month's bill, line by line, with what its peaks stand on."""

import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from config.words import preferred_language, say
from monitor.cli.billing import FINE, PROBLEM, WRONG_USE, Desk, WrongUseError, desk_of, refused
from monitor.cli.words import plain, wide_console
from monitor.demand.as_data import row_data
from monitor.demand.bills import MonthBill
from monitor.demand.provenance import WindowRow, rows_of_windows
from monitor.demand.words import note_words, period_words
from monitor.timestamps import iso_utc, local_text
from rules.calendar import PeriodError, ReportingPeriod, reporting_period
from rules.tariff.bill import Line
from rules.tariff.parts import CannotBillError
from rules.tariff.usage import PartUse, kwh

Rows = dict[int, tuple[WindowRow, ...]]


def run_bill(
    path: Path,
    month: str,
    meter: str | None,
    power_factor: str | None,
    language: str | None,
    *,
    as_json: bool,
) -> int:
    """Print a bill.

    Returns
    -------
    0 a bill with its total; 1 there is no bill, or a price is missing; 2 wrong use or configuration.
    """
    try:
        with desk_of(path, meter, power_factor, language) as desk:
            period = month_named(month, desk)
            try:
                made = desk.maker.bill(period)
            except CannotBillError as error:
                told = [note_words(note, desk.language, desk.zone) for note in error.notes]
                head = say("bill.cannot", desk.language, month=month_words(period, desk.language))
                sys.stderr.write("\n".join([head, *(f"  {text}" for text in told)]) + "\n")
                return PROBLEM
            rows = _rows(made, desk)
            if as_json:
                text = json.dumps(_data(made, rows, desk), ensure_ascii=False, indent=2) + "\n"
                sys.stdout.write(text)
            else:
                _show(made, rows, desk)
            return FINE if made.bill.total is not None else PROBLEM
    except WrongUseError as error:
        return refused(error)
    except PeriodError as error:
        sys.stderr.write(say(error.code, language or preferred_language(), **error.data) + "\n")
        return WRONG_USE


def month_named(text: str, desk: Desk) -> ReportingPeriod:
    """The month that was typed, some day of which is over.

    Raises
    ------
    WrongUseError, PeriodError
    """
    period = reporting_period(text)
    if (period.start.year, period.start.month) != (period.end.year, period.end.month) or "/" in period.id:
        raise WrongUseError(say("bill.not_a_month", desk.language, text=text))
    if period.start >= desk.today:
        month = month_words(period, desk.language)
        raise WrongUseError(say("bill.not_begun", desk.language, month=month))
    return period


def month_words(period: ReportingPeriod, language: str) -> str:
    """A month for a person."""
    return period.id if language == "en" else period.roc


def _rows(made: MonthBill, desk: Desk) -> Rows:
    starts = {peak.start_s for use in made.bill.uses for peak in use.peaks.values()}
    return rows_of_windows(desk.loaded, made.meters, sorted(starts), desk.loaded.site.interval_s)


# -- for people -------------------------------------------------------------------------------------------


def _show(made: MonthBill, rows: Rows, desk: Desk) -> None:
    console, words, bill = wide_console(), desk.language, made.bill
    month = month_words(made.period, words)
    over = made.through == made.period.end
    key = "bill.title" if over else "bill.title_days"
    console.print(plain(say(key, words, site=desk.site_name, month=month, last=made.through)), style="bold")
    for line in _heads(made, desk):
        console.print(plain(line))
    currency = bill.uses[0].part.plan.value.tariff.currency
    for n, use in enumerate(bill.uses):
        part = use.part
        season = say(f"bill.season_{part.season}", words)
        facts = {"first": part.first, "last": part.last, "days": part.days, "of": bill.month_days}
        console.print()
        console.print(plain(say("bill.part", words, season=season, **facts)), style="bold")
        console.print(_table([line for line in bill.lines if line.part == n], words, currency))
    console.print()
    last = [line for line in bill.lines if line.part is None]
    console.print(_table(last, words, currency, bill.known, whole=bill.total is not None))
    if bill.total is None:
        console.print(plain(say("bill.no_total", words)), style="yellow")
    _show_peaks(console, made, rows, desk)
    _show_notes(console, made, desk)


def _heads(made: MonthBill, desk: Desk) -> Iterator[str]:
    words, told = desk.language, set()
    for use in made.bill.uses:
        tariff, contract = use.part.plan.value.tariff, use.part.contract
        capacities = contract.value.capacities_kw if contract is not None else ()
        text = say(
            "bill.tariff",
            words,
            name=tariff.names.get(words, tariff.id),
            id=tariff.id,
            contract=" / ".join(f"{float(kw):,.10g}" for kw in capacities) or "-",
        )
        if text not in told:
            told.add(text)
            yield text
    meters = say("config.comma", words).join(desk.meter_name(meter) for meter in made.meters)
    facts = {"kwh": f"{kwh(made.bill.energy):,.2f}", "coverage": f"{made.bill.coverage:.2%}"}
    yield say("bill.energy", words, meters=meters, **facts)


def _table(
    lines: list[Line], words: str, currency: str, known: Decimal | None = None, *, whole: bool = True
) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(min_width=30)
    table.add_column(min_width=40, overflow="fold")
    table.add_column(justify="right", min_width=18)
    for line in lines:
        amount = say("bill.no_price", words) if line.amount is None else f"{line.amount:,.2f}"
        table.add_row(plain(f"  {_label(line, words)}"), plain(_how(line, words)), plain(amount))
    if known is not None:
        key = "bill.total" if whole else "bill.known_so_far"
        table.add_row(plain(say(key, words)), "", plain(f"{currency} {known:,.2f}"), style="bold")
    return table


def _label(line: Line, words: str) -> str:
    data: dict[str, Any] = {"percent": line.data.get("percent", "")}
    if line.period is not None:
        data["period"] = period_words(line.period.key, words)
    return say(f"bill.line_{line.kind}", words, **data)


def _how(line: Line, words: str) -> str:
    """How an amount was worked out, so that anybody can do it again."""
    data = {key: _number(value) for key, value in line.data.items()}
    price = "?" if line.price is None else f"{line.price:f}"
    if line.kind == "energy":
        return say("bill.how_energy", words, kwh=f"{line.quantity:,.2f}", price=price)
    if line.kind == "over_contract":
        names = {"demand": "demand_kw", "allowed": "allowed_kw", "first": "first_kw", "beyond": "beyond_kw"}
        told = {name: data[key] for name, key in names.items()}
        times = {key: data[key] for key in ("first_times", "beyond_times", "days", "of")}
        return say("bill.how_over", words, price=price, **told, **times)
    if line.kind == "power_factor":
        return say("bill.how_power_factor", words, share=f"{float(line.data['share']):+.1%}")
    if "c1" not in line.data:
        return ""
    others = ""
    if line.data["c2"]:
        others += say("bill.how_half_peak", words, c2=data["c2"], r2=data.get("r2", "?"))
    beyond = line.data["c3"] + line.data["c4"] - (line.data["c1"] + line.data["c2"]) / 2
    if beyond > 0:
        others += say("bill.how_others", words, kw=_number(beyond), r34=data.get("r34", "?"))
    facts = {"c1": data["c1"], "r1": data.get("r1", "?"), "days": data["days"], "of": data["of"]}
    return say("bill.how_basic", words, others=others, **facts)


def _number(value: Any) -> str:
    if value is None:
        return "?"
    if not isinstance(value, Decimal):
        return f"{value:,}" if isinstance(value, int) else str(value)
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _show_peaks(console: Console, made: MonthBill, rows: Rows, desk: Desk) -> None:
    words = desk.language
    console.print()
    console.print(plain(say("bill.peaks", words)), style="bold")
    for use in made.bill.uses:
        for period in use.energy:
            peak = use.peaks.get(period)
            text = say("bill.peak_none", words)
            if peak is not None:
                at = local_text(peak.start_s * 1000, desk.zone)[:16]
                text = say("bill.peak_window", words, kw=f"{peak.kw:,.2f}", at=at)
            days = f"{use.part.first:%m-%d}..{use.part.last:%m-%d}"
            console.print(plain(f"  {days}  {period_words(period.key, words)}: {text}"))
            for row in rows.get(peak.start_s, ()) if peak is not None else ():
                console.print(plain(f"      {row_words(row, desk)}"), style="dim")


def row_words(row: WindowRow, desk: Desk) -> str:
    """What a meter showed in a window."""
    words = desk.language
    quality = say(f"cli.quality_{row.quality.name.lower()}", words)
    meter = desk.meter_name(row.meter)
    if row.register_start is None or row.register_end is None:
        return say("bill.peak_formula", words, meter=meter, kwh=f"{row.kwh:,.3f}", quality=quality)
    registers = {"start": f"{row.register_start:,.3f}", "end": f"{row.register_end:,.3f}"}
    factor = f"{row.factor:g}"
    return say("bill.peak_register", words, meter=meter, factor=factor, quality=quality, **registers)


def _show_notes(console: Console, made: MonthBill, desk: Desk) -> None:
    notes = [note_words(note, desk.language, desk.zone) for note in made.bill.notes]
    if made.through != made.period.end:
        notes.append(say("bill.note_month_not_over", desk.language))
    if not notes:
        return
    console.print()
    console.print(plain(say("bill.notes", desk.language)), style="bold")
    for number, text in enumerate(notes, 1):
        console.print(plain(f"  {number}. {text}"))


# -- for programs -----------------------------------------------------------------------------------------


def _data(made: MonthBill, rows: Rows, desk: Desk) -> dict[str, Any]:
    """Money and energy as texts, so that no digit is lost."""
    bill = made.bill
    return {
        "site": desk.loaded.site.site.id,
        "month": made.period.id,
        "through": made.through.isoformat(),
        "meters": list(made.meters),
        "currency": bill.uses[0].part.plan.value.tariff.currency,
        "coverage": bill.coverage,
        "energy_kwh": str(kwh(bill.energy)),
        "parts": [_part(use, rows) for use in bill.uses],
        "lines": [
            {
                "kind": line.kind,
                "part": line.part,
                "period": None if line.period is None else line.period.key,
                "quantity": _text(line.quantity),
                "price": _text(line.price),
                "amount": _text(line.amount),
                **{key: _plain(value) for key, value in line.data.items()},
            }
            for line in bill.lines
        ],
        "known": str(bill.known),
        "total": _text(bill.total),
        "notes": [
            {"code": note.code, "text": note_words(note, desk.language, desk.zone)} for note in bill.notes
        ],
    }


def _part(use: PartUse, rows: Rows) -> dict[str, Any]:
    part = use.part
    return {
        "first": part.first.isoformat(),
        "last": part.last.isoformat(),
        "tariff": part.plan.value.tariff.id,
        "season": part.season,
        "contract_kw": [float(kw) for kw in part.contract.value.capacities_kw] if part.contract else None,
        "energy_kwh": {period.key: str(kwh(used)) for period, used in use.energy.items()},
        "peaks": {
            period.key: {
                "kw": str(peak.kw),
                "start": iso_utc(peak.start_s * 1000),
                "rows": [row_data(row) for row in rows.get(peak.start_s, ())],
            }
            for period, peak in use.peaks.items()
        },
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _plain(value: Any) -> Any:
    return _text(value) if isinstance(value, Decimal) else value if isinstance(value, int) else str(value)
