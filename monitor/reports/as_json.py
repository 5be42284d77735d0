"""The summary as JSON: for machines, and for an auditor's own sums."""

import json
from decimal import Decimal
from typing import Any

from config.words import say
from monitor.reports import curtailment
from monitor.reports.notes import note_text
from monitor.reports.summary import FigureSource, Saving, Summary
from rules.calendar import BaselinePeriod, ReportingPeriod
from rules.savings import QualityShares


def as_json(summary: Summary) -> str:
    """The summary as JSON text, the same bytes for the same store."""
    return json.dumps(as_data(summary), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def as_data(summary: Summary) -> dict[str, Any]:
    """The summary as plain lists, texts and numbers; whole numbers are ints."""
    data: dict[str, Any] = {
        "site": {"id": summary.site, "name": summary.name},
        "language": summary.language,
        "period": _period(summary.period),
        "savings": [_saving(saving, summary) for saving in summary.savings],
        "notes": [
            {
                "commodity": saving.commodity.value,
                "figure": note.figure,
                "code": note.code.removeprefix("report.note_"),
                "text": note_text(note, saving, summary),
            }
            for saving in summary.savings
            for note in saving.notes
        ],
    }
    if summary.curtailed:
        data["demand_response"] = curtailment.as_data(summary.curtailed, summary.language)
    return data


def _period(period: ReportingPeriod | BaselinePeriod) -> dict[str, Any]:
    return {
        "id": period.id,
        "roc": period.roc,
        "start": period.start.isoformat(),
        "end": period.end.isoformat(),
    }


def _saving(saving: Saving, summary: Summary) -> dict[str, Any]:
    direction = saving.change.direction
    return {
        "commodity": saving.commodity.value,
        "unit": saving.unit,
        "base_year": saving.base_year,
        "base_period": _period(saving.base_period),
        "base": _number(saving.base),
        "actual": _number(saving.actual),
        "change": _number(saving.change.change),
        "percent": _number(saving.change.percent),
        "direction": direction and say(f"report.direction_{direction}", summary.language),
        "reasons": list(saving.reasons),
        "coverage": _share(saving.actual_usage.coverage),
        "base_coverage": _share(saving.base_usage.coverage),
        "quality": _quality(saving.actual_usage.quality),
        "base_quality": _quality(saving.base_usage.quality),
        "sources": [_source(source) for source in saving.sources],
    }


def _source(source: FigureSource) -> dict[str, Any]:
    if source.entry is None:
        return {"figure": source.figure, "subject": source.subject, "kind": "intervals"}
    return {
        "figure": source.figure,
        "subject": source.subject,
        "kind": "ledger",
        "start": source.entry.start.isoformat(),
        "end": source.entry.end.isoformat(),
        "quantity": _share(source.entry.quantity),
        "unit": source.entry.unit,
        "source": source.entry.source,
        "counted": _number(source.counted),
        "apportioned": source.apportioned,
    }


def _quality(shares: QualityShares) -> dict[str, float]:
    return {
        "good": _share(shares.good),
        "estimated": _share(shares.estimated),
        "suspect": _share(shares.suspect),
        "missing": _share(shares.missing),
    }


def _number(number: Decimal | None) -> float | None:
    return None if number is None else _share(float(number))


def _share(number: float) -> float:
    """A whole number without a point."""
    return int(number) if number.is_integer() else number
