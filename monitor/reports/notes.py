"""Footnotes in words."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from config.words import say
from monitor.reports.numbers import day_text, days_text, exact, figure_text, period_text, signed_text
from monitor.reports.summary import FigureSource, Note, Saving, Summary
from monitor.store.base_rows import BaseLock
from monitor.store.booked import LedgerEntry
from monitor.store.past import MeterRecord
from rules.adjustments import AdjustmentShare
from rules.models.findings import ModelFinding
from rules.savings import printed_figures


def note_text(note: Note, saving: Saving, summary: Summary) -> str:
    """A footnote in the summary's language."""
    language = summary.language
    data: dict[str, Any] = {"name": say(f"report.commodity_{saving.commodity}", language)}
    if note.figure is not None:
        period = saving.base_period if note.figure == "base" else summary.period
        data["figure"] = say(f"report.figure_{note.figure}", language)
        data["period"] = period_text(period, language)
    for name, value in note.data.items():
        if isinstance(value, FigureSource):
            data |= _of_row(value, saving, summary)
        elif isinstance(value, LedgerEntry):
            data |= _of_readings(value, saving, summary)
        elif isinstance(value, MeterRecord):
            data |= _of_record(value, summary)
        elif isinstance(value, BaseLock):
            data |= _of_lock(value, summary)
        elif isinstance(value, AdjustmentShare):
            data |= _of_adjustment(value, saving, summary)
        elif isinstance(value, ModelFinding):
            data["text"] = say(f"savings.f_{value.code}", language, **dict(value.facts))
        elif isinstance(value, datetime):
            data[name] = f"{day_text(value.date(), language)} {value:%H:%M}"
        elif name == "subject":
            data["meter"] = summary.meters[value]
        else:
            data[name] = value
    return say(note.code, language, **data)


def _of_row(source: FigureSource, saving: Saving, summary: Summary) -> dict[str, Any]:
    """What a footnote says of a ledger's row that lies only partly inside."""
    language = summary.language
    if source.entry is None or source.days is None or source.counted is None:
        raise AssertionError("only a ledger's row is apportioned")
    first, last = source.days
    return {
        "row_period": days_text(source.entry.start, source.entry.end, language),
        "quantity": figure_text(exact(source.entry.quantity), language),
        "unit": say(f"report.unit_{saving.commodity}", language),
        "days": (last - first).days + 1,
        "total": (source.entry.end - source.entry.start).days + 1,
        "counted": figure_text(source.counted, language),
    }


def _of_lock(lock: BaseLock, summary: Summary) -> dict[str, Any]:
    """What a footnote says of a locked base period."""
    at = datetime.fromtimestamp(lock.locked_ms / 1000, UTC).astimezone(ZoneInfo(lock.scope.zone))
    return {
        "at": day_text(at.date(), summary.language),
        "who": lock.who,
        "locked_days": days_text(lock.scope.start, lock.scope.end, summary.language),
        "sha256": lock.sha256,
    }


def _of_adjustment(share: AdjustmentShare, saving: Saving, summary: Summary) -> dict[str, Any]:
    """What a footnote says of an adjustment of the base year."""
    language, one = summary.language, share.adjustment
    quantity = printed_figures(share.quantity)[0]
    assert quantity is not None  # noqa: S101  there is one
    return {
        "number": one.id,
        "quantity": signed_text(quantity, language),
        "unit": say(f"report.unit_{saving.commodity}", language),
        "row_period": days_text(share.start, share.end, language),
        "reason": one.text(language).rstrip(".。"),
        "evidence": one.evidence,
        "author": one.author,
    }


def _of_record(record: MeterRecord, summary: Summary) -> dict[str, Any]:
    """What a footnote says of a register that was replaced or reset."""
    language = summary.language
    unread = say("report.register_unread", language)
    more = say("report.record_serial", language, serial=record.serial) if record.serial else ""
    if record.forced:
        more += say("report.record_forced", language)
    return {
        "old": unread if record.old_final is None else f"{record.old_final:,.15g}",
        "new": "" if record.new_start is None else f"{record.new_start:,.15g}",
        "reason": record.reason.rstrip(".。"),
        "more": more,
    }


def _of_readings(entry: LedgerEntry, saving: Saving, summary: Summary) -> dict[str, Any]:
    """What a footnote says of readings that gave way to the ledger."""
    text = entry.source
    if entry.subject != saving.commodity:
        meter = summary.meters[entry.subject]
        text = say("report.subject_meter", summary.language, meter=meter, text=text)
    return {"row_period": days_text(entry.start, entry.end, summary.language), "text": text}
