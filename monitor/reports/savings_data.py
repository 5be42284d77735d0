"""Three answers as plain lists, texts and numbers, for programs; null is not known."""

import json
from dataclasses import asdict
from math import isfinite
from typing import Any

import numpy as np

from config.site import Language
from monitor.adjusted.base_model import BaseModel, Loser
from monitor.reports.as_json import as_data
from monitor.reports.savings import CountedAdjustment, SavingsAnswer
from monitor.reports.savings_words import finding_words, report_text
from monitor.timestamps import iso_utc
from rules.adjustments import Book
from rules.models.findings import ModelFinding
from rules.models.fitted import Step


def savings_json(answer: SavingsAnswer) -> str:
    """The answers as JSON text."""
    return json.dumps(savings_data(answer), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def savings_data(answer: SavingsAnswer) -> dict[str, Any]:
    """The answers as data; ``plain`` is what ``report`` gives for the commodity."""
    report = as_data(answer.summary)
    return {
        "site": report["site"],
        "language": report["language"],
        "period": report["period"],
        "commodity": answer.commodity.value,
        "unit": answer.unit,
        "plain": report["savings"][0],
        "notes": report["notes"],
        "locks": [
            {
                "start": one.scope.start.isoformat(),
                "end": one.scope.end.isoformat(),
                "sha256": one.sha256,
                "holds": not answer.broken[one.id],
            }
            for one in answer.locks
        ],
        "unlocked": [[first.isoformat(), last.isoformat()] for first, last in answer.unlocked],
        "adjusted": _adjusted(answer),
        "non_routine": _further(answer),
        "text": report_text(answer) or None,
        "findings": _findings(answer),
        "days": _rows(answer),
    }


def _adjusted(answer: SavingsAnswer) -> dict[str, Any]:
    base, found = answer.adjusted.base, answer.adjusted.avoided
    told: dict[str, Any] = {
        "weather": None if base.source is None else {"kind": base.source.kind, "name": base.source.name},
        "step": base.step.value,
        "model": base.model.name if base.model else None,
        "models": [_loser(one, at == 0 and base.model is not None) for at, one in enumerate(base.candidates)],
        "base_masked": asdict(base.masked),
        "quality": _quality(base),
    }
    if found is None:
        return told | {"expected": None, "observed": None, "avoided": None, "band": None, "masked": None}
    band = None
    if found.band is not None:
        band = {name: _finite(value) for name, value in asdict(found.band).items()}
    return told | {
        "expected": found.expected,
        "observed": found.observed,
        "avoided": found.avoided,
        "share": _finite(found.share),
        "band": band,
        "masked": asdict(found.masked) | {"counted": found.masked.counted},
    }


def _quality(base: BaseModel) -> dict[str, Any] | None:
    if base.model is None:
        return None
    return {name: _finite(value) for name, value in asdict(base.model.quality).items()}


def _loser(one: Loser, chosen: bool) -> dict[str, Any]:
    figures = {name: _finite(getattr(one, name)) for name in ("cv_rmse", "out_of_sample", "adjusted_r2")}
    why = [found.code for found in one.findings if found.refuses]
    return {"name": one.name, "chosen": chosen, "parameters": one.parameters, **figures, "why_not": why}


def _further(answer: SavingsAnswer) -> dict[str, Any]:
    found = answer.further
    return {
        "adjustments": [_adjustment(one, answer.language) for one in answer.counted],
        "adjustment": None if found is None else found.adjustment,
        "avoided": None if found is None else found.avoided,
        "half_width": None if found is None else _finite(found.half_width),
    }


def _adjustment(one: CountedAdjustment, language: Language) -> dict[str, Any]:
    entry = one.share.adjustment
    return {
        "id": entry.id,
        "start": one.share.start.isoformat(),
        "end": one.share.end.isoformat(),
        "days": one.share.days,
        "counted_days": one.counted_days,
        "quantity": one.quantity,
        "uncertainty": one.uncertainty,
        "reason": entry.reason,
        "evidence": entry.evidence,
        "author": entry.author,
        "text": entry.text(language),
    }


def _findings(answer: SavingsAnswer) -> list[dict[str, Any]]:
    base = f"{answer.commodity}/base/{answer.plain.base_year}"
    period = f"{answer.commodity}/period/{answer.period.id}"
    told = [(base, one) for broken in answer.broken.values() for one in broken]
    told += [(base, one) for one in (*answer.agreed[Book.BASE], *answer.adjusted.base.findings)]
    told += [(period, one) for one in (*answer.agreed[Book.NON_ROUTINE], *answer.adjusted.findings)]
    told += [(f"{answer.commodity}/meter/{one.fact('meter')}/{one.fact('at')}", one) for one in answer.meters]
    return [_finding(place, one, answer.language) for place, one in told]


def _finding(place: str, one: ModelFinding, language: str) -> dict[str, Any]:
    return {
        "code": one.code,
        "place": place,
        "refuses": one.refuses,
        "facts": {name: _finite(value) for name, value in one.facts},
        "text": finding_words(one, language),
    }


def _rows(answer: SavingsAnswer) -> list[dict[str, Any]]:
    adjusted = answer.adjusted
    at_s = adjusted.start.astype("datetime64[s]").astype(np.int64).tolist()
    rows = zip(adjusted.days, at_s, adjusted.use.tolist(), adjusted.expected.tolist(), strict=True)
    hourly = adjusted.base.step is Step.HOUR
    return [
        {"day": day.isoformat()}
        | ({"start": iso_utc(1000 * start_s)} if hourly else {})
        | {"actual": _finite(use), "expected": _finite(expected)}
        for day, start_s, use, expected in rows
    ]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not isfinite(value) else value
