"""The base year's model of a commodity: chosen once, and kept with the hash of what went into it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from monitor.adjusted.climate import SourceKind, WeatherSource, span_s
from monitor.adjusted.keeping import model_from_data, model_to_data
from monitor.adjusted.observations import Subject, observed, without_weather
from rules.adjustments import Book
from rules.models.changes import Spread, spread_of
from rules.models.findings import ModelFinding, refused, remark
from rules.models.fitted import FittedModel, Step
from rules.models.observations import BaselineSeries, Masked
from rules.models.selection import Candidate, ModelRules, Selection, select_daily, select_hourly
from rules.savings import Days

MODELS_VERSION = 4
"""Changes when the same observations would give another model: kept ones are then made anew."""


@dataclass(frozen=True, slots=True)
class Loser:
    """What speaks for and against one of the models; the chosen one stands first among them."""

    name: str
    qualifies: bool
    parameters: int
    cv_rmse: float
    out_of_sample: float
    adjusted_r2: float
    findings: tuple[ModelFinding, ...]

    @classmethod
    def of(cls, candidate: Candidate) -> "Loser":
        """Keep of a candidate what people look at."""
        quality = candidate.model.quality if candidate.model else None
        return cls(
            candidate.name,
            candidate.qualifies,
            quality.parameters if quality else 0,
            candidate.cv_rmse,
            candidate.out_of_sample,
            candidate.adjusted_r2,
            candidate.findings,
        )


@dataclass(frozen=True, slots=True)
class BaseModel:
    """What the base year says.

    Attributes
    ----------
    inputs : SHA-256 of what went in, hexadecimal.
    source : whose weather; None where there is none.
    model : the chosen one; None where a finding refuses.
    candidates : all of them, the chosen one first.
    masked : days (or hours) of the base year that could not be used, by reason.
    spread : how its days lie about the model, for whoever watches days; None without a model by the day.
    findings : of the observations, of the base year and of the choice.
    """

    inputs: str
    step: Step
    source: WeatherSource | None
    model: FittedModel | None
    candidates: tuple[Loser, ...]
    masked: Masked
    spread: Spread | None
    findings: tuple[ModelFinding, ...]


def base_model(subject: Subject, source: WeatherSource | None, reporting_months: float = 6.0) -> BaseModel:
    """The kept model where nothing has changed that went into it; else one that is fitted now."""
    inputs = inputs_hash(subject, source, reporting_months)
    kept = subject.reader.expected.model(_key(subject), inputs)
    return from_json(kept) if kept is not None else fitted(subject, source, inputs, reporting_months)


def fitted(
    subject: Subject, source: WeatherSource | None, inputs: str, reporting_months: float = 6.0
) -> BaseModel:
    """Fit every model on the base year, and choose."""
    if source is None:
        found = without_weather(subject)
        return BaseModel(inputs, subject.step, None, None, (), Masked(0, 0, 0, 0), None, found)
    seen = observed(subject, source, subject.base_days, Book.BASE)
    base = seen.as_base()
    choose = select_hourly if subject.step is Step.HOUR else select_daily
    chosen = (
        Selection(None, (), ())
        if refused(seen.findings)
        else choose(base, ModelRules(reporting_months=reporting_months))
    )
    return BaseModel(
        inputs,
        subject.step,
        source,
        chosen.best,
        tuple(Loser.of(one) for one in chosen.candidates),
        base.masked,
        _spread(chosen.best, base),
        (*seen.findings, *chosen.findings),
    )


def of_base_year(subject: Subject, days: Days) -> tuple[ModelFinding, ...]:
    """That days of a period are of the base year itself: what they seem to save is the model's own error."""
    first, last = (max(days[0], subject.base_days[0]), min(days[1], subject.base_days[1]))
    inside = (last - first).days + 1
    return (remark("period_in_base_year", days=inside),) if inside > 0 else ()


def _spread(model: FittedModel | None, base: BaselineSeries) -> Spread | None:
    if model is None or model.step is not Step.DAY:
        return None
    return spread_of(base.use, model.predicted(base.conditions))


def inputs_hash(subject: Subject, source: WeatherSource | None, reporting_months: float) -> str:
    """SHA-256 of all that the model depends on, without reading the year again.

    Intervals and weather are told by counts and numbers of change, which move with every correction.
    """
    start_s, end_s = span_s(*subject.base_days, subject.zone)
    reader, settings = subject.reader, subject.settings
    ledgers = [
        [row.subject, row.start.isoformat(), row.end.isoformat(), row.quantity]
        for one in (subject.commodity, *settings.meters)
        for row in reader.ledger(one, *subject.base_days)
    ]
    calendar = subject.calendar
    days = None
    if calendar is not None:
        days = [sorted(map(str, calendar.holidays)), sorted(map(str, calendar.makeup_workdays))]
    told = {
        "version": MODELS_VERSION,
        "step": subject.step,
        "base_year": settings.base_year,
        "commodity": subject.commodity,
        "zone": subject.zone.key,
        "second_driver": settings.second_driver,
        "meters": {meter: reader.expected.stamp(meter, start_s, end_s) for meter in settings.meters},
        "ledgers": ledgers,
        "adjustments": [
            [one.adjustment.id, one.withdrawn is None]
            for one in reader.answers.kept(Book.BASE, subject.commodity)
        ],
        "calendar": days,
        "weather": None
        if source is None
        else [*astuple_of(source), source.stamp(reader.climate, start_s, end_s)],
        "months": reporting_months,
    }
    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def astuple_of(source: WeatherSource) -> tuple[str, str, str | None]:
    """A source as texts."""
    return source.kind.value, source.name, source.humidity


def _key(subject: Subject) -> str:
    return kept_key(subject.commodity, subject.step)


def kept_key(commodity: str, step: Step) -> str:
    """Under which name a model is kept."""
    return commodity if step is Step.DAY else f"{commodity}/{step}"


# -- as text --------------------------------------------------------------------------------------------


def to_json(base: BaseModel) -> str:
    """A model as text, every figure to the last bit."""
    data = {
        "inputs": base.inputs,
        "step": base.step,
        "source": None if base.source is None else astuple_of(base.source),
        "model": None if base.model is None else model_to_data(base.model),
        "candidates": [{**asdict(one), "findings": _told(one.findings)} for one in base.candidates],
        "masked": asdict(base.masked),
        "spread": None if base.spread is None else asdict(base.spread),
        "findings": _told(base.findings),
    }
    return json.dumps(data, separators=(",", ":"))


def from_json(text: str) -> BaseModel:
    """Inverse of ``to_json``."""
    data = json.loads(text)
    source = data["source"]
    return BaseModel(
        data["inputs"],
        Step(data["step"]),
        None if source is None else WeatherSource(SourceKind(source[0]), source[1], source[2]),
        None if data["model"] is None else model_from_data(data["model"]),
        tuple(Loser(**{**one, "findings": _findings(one["findings"])}) for one in data["candidates"]),
        Masked(**data["masked"]),
        None if data["spread"] is None else Spread(**data["spread"]),
        _findings(data["findings"]),
    )


def _told(findings: tuple[ModelFinding, ...]) -> list[dict[str, Any]]:
    return [{"code": one.code, "refuses": one.refuses, "facts": dict(one.facts)} for one in findings]


def _findings(told: list[Mapping[str, Any]]) -> tuple[ModelFinding, ...]:
    return tuple(ModelFinding(one["code"], one["refuses"], tuple(one["facts"].items())) for one in told)
