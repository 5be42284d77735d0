"""Three answers in words, in eighty columns."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from math import isfinite

from config.site import Language
from config.words import catalogue, say
from monitor.adjusted.base_model import BaseModel
from monitor.reports.as_text import sentence_of
from monitor.reports.layout import Align, table, wrapped
from monitor.reports.notes import note_text
from monitor.reports.numbers import days_text, figure_text, period_text, rows_text, year_text
from monitor.reports.savings import CountedAdjustment, SavingsAnswer
from rules.adjustments import Book
from rules.models.findings import ModelFinding
from rules.models.fitted import Step
from rules.savings import printed_figures

_COLUMNS: tuple[tuple[str, Align], ...] = (
    ("model", "left"),
    ("parameters", "right"),
    ("cv_rmse", "right"),
    ("out_of_sample", "right"),
    ("adjusted_r2", "right"),
    ("why_not", "left"),
)


def savings_text(answer: SavingsAnswer) -> str:
    """The three answers, the losers beside the chosen model, and the findings."""
    language = answer.language
    heading = _say(answer, "title", site=answer.summary.name, name=_inside(answer), period=_period(answer))
    first, last = answer.period.start, answer.period.end
    about = _say(
        answer,
        "period",
        period=days_text(first, last, language),
        base_year=year_text(answer.plain.base_year, language),
        unit=_unit(answer),
    )
    lines = [*wrapped(heading), *wrapped(about), *_locks(answer), "", _say(answer, "heading_plain")]
    lines += wrapped(sentence_of(answer.plain, answer.summary), first="    ")
    for note in answer.plain.notes:
        lines += wrapped(note_text(note, answer.plain, answer.summary), first="    * ")
    lines += ["", _say(answer, "heading_adjusted"), *_adjusted(answer)]
    lines += ["", _say(answer, "heading_further"), *_further(answer)]
    if text := report_text(answer):
        lines += ["", _say(answer, "heading_text"), *wrapped(text, first="    ")]
    if answer.adjusted.base.candidates:
        year = year_text(answer.plain.base_year, language)
        lines += [
            "",
            _say(answer, "heading_models", base_year=year),
            *_models(answer.adjusted.base, language),
            *wrapped(_say(answer, "models_legend"), first="    "),
        ]
    if found := list(finding_lines(answer)):
        lines += ["", _say(answer, "heading_findings")]
        for text in found:
            lines += wrapped(text, first="  - ")
    return "\n".join(lines) + "\n"


def _locks(answer: SavingsAnswer) -> list[str]:
    """What of the base year is locked, with the hash that anybody can make again."""
    year = year_text(answer.plain.base_year, answer.language)
    if not answer.locks:
        return wrapped(_say(answer, "not_locked", base_year=year))
    lines: list[str] = []
    for one in answer.locks:
        days = days_text(one.scope.start, one.scope.end, answer.language)
        rows = rows_text(one.rows, answer.language)
        key = "locked_not" if answer.broken[one.id] else "locked"
        lines += wrapped(_say(answer, key, days=days, rows=rows, sha256=one.sha256[:16]))
    for first, last in answer.unlocked:
        days = days_text(first, last, answer.language)
        lines += wrapped(_say(answer, "locked_partly", base_year=year, days=days))
    return lines


def _adjusted(answer: SavingsAnswer) -> list[str]:
    adjusted, language = answer.adjusted, answer.language
    source = adjusted.base.source
    weather = "weather_none" if source is None else f"weather_{source.kind}"
    told = _say(answer, weather, name=source.name if source else "")
    found = adjusted.avoided
    if found is None:
        return [*wrapped(_say(answer, "not_answered"), first="    "), *wrapped(told, first="    ")]
    year = year_text(answer.plain.base_year, language)
    expected, observed = (_figure(one, language) for one in (found.expected, found.observed))
    sentences = [
        _say(answer, "expected", base_year=year, expected=expected, observed=observed, unit=_unit(answer))
    ]
    band = found.band
    if band is None or not isfinite(band.half_width):
        sentences.append(_say(answer, "no_band"))
    else:
        verdict = _verdict(found.avoided, band.half_width)
        sentences.append(
            _say(
                answer,
                "saved" if found.avoided >= 0 else "lost",
                avoided=_figure(abs(found.avoided), language, found.expected),
                half=_figure(band.half_width, language, found.expected),
                percent=_percent(abs(found.share)),
                half_percent=_percent(band.half_width / found.expected),
                confidence=_percent(band.confidence, 0),
                variant=band.variant.value,
                unit=_unit(answer),
                verdict=_say(answer, verdict),
            )
        )
        sentences.append(
            _say(
                answer,
                "fsu",
                fraction=_percent(band.fraction, 0),
                effective=f"{band.effective_n:,.0f}",
                lag1=f"{band.lag1:.2f}",
            )
        )
    masked = found.masked
    key = "counted_hours" if adjusted.base.step is Step.HOUR else "counted_days"
    counts = {name: getattr(masked, name) for name in ("no_use", "no_weather", "unseen", "rows", "counted")}
    sentences.append(_say(answer, key, no_calendar=masked.no_cell, **counts))
    return [line for text in (*sentences, told) for line in wrapped(text, first="    ")]


def _further(answer: SavingsAnswer) -> list[str]:
    lines = [line for one in answer.counted for line in wrapped(_adjustment(answer, one), first="    * ")]
    if answer.further is None or answer.adjusted.avoided is None:
        why = "not_answered" if answer.adjusted.avoided is None else "no_band"
        return [*lines, *wrapped(_say(answer, why), first="    ")]
    if not answer.counted:
        return wrapped(_say(answer, "no_adjustments"), first="    ")
    found = answer.further
    key = "further_saved" if found.avoided >= 0 else "further_lost"
    text = _say(
        answer,
        key,
        avoided=_figure(abs(found.avoided), answer.language, answer.adjusted.avoided.expected),
        half=_figure(found.half_width, answer.language, answer.adjusted.avoided.expected),
        percent=_percent(abs(_further_share(answer))),
        unit=_unit(answer),
        verdict=_say(answer, _verdict(found.avoided, found.half_width)),
    )
    return [*lines, *wrapped(text, first="    ")]


def _verdict(avoided: float, half_width: float) -> str:
    return "verdict_clear" if half_width < abs(avoided) else "verdict_unclear"


def _further_share(answer: SavingsAnswer) -> float:
    """Of what would have been used with the adjustments."""
    if answer.further is None or answer.adjusted.avoided is None:
        return float("nan")
    expected = answer.adjusted.avoided.expected + answer.further.adjustment
    return answer.further.avoided / expected if expected else float("nan")


def _adjustment(answer: SavingsAnswer, one: CountedAdjustment) -> str:
    share, language = one.share, answer.language
    entry = share.adjustment
    part = one.counted_days is not None and one.counted_days < share.days
    return _say(
        answer,
        "adjustment_part" if part else "adjustment",
        sign="+" if one.quantity > 0 else "-" if one.quantity < 0 else "",
        quantity=_figure(abs(one.quantity), language),
        uncertainty=_figure(one.uncertainty, language, one.quantity),
        unit=_unit(answer),
        days=days_text(share.start, share.end, language),
        counted=one.counted_days,
        reason=entry.reason.rstrip(".。"),
        evidence=entry.evidence.rstrip(".。"),
        author=entry.author,
    )


def report_text(answer: SavingsAnswer) -> str:
    """The sentence that goes into the report; where there is no number, what the ledger has of events."""
    found, language = answer.further, answer.language
    if found is None or answer.adjusted.avoided is None or answer.adjusted.avoided.band is None:
        return _say(answer, "report_events", texts=_texts(answer)) if answer.counted else ""
    expected = answer.adjusted.avoided.expected
    text = _say(
        answer,
        "report_saved" if found.avoided >= 0 else "report_lost",
        base_year=year_text(answer.plain.base_year, language),
        site=answer.summary.name,
        name=_inside(answer),
        period=_period(answer),
        avoided=_figure(abs(found.avoided), language, expected),
        half=_figure(found.half_width, language, expected),
        unit=_unit(answer),
        percent=_percent(abs(_further_share(answer))),
        confidence=_percent(answer.adjusted.avoided.band.confidence, 0),
    )
    if _verdict(found.avoided, found.half_width) == "verdict_unclear":
        text += _say(answer, "report_unclear")
    if answer.counted:
        text += _say(answer, "report_adjustments", texts=_texts(answer))
    masked = answer.adjusted.avoided.masked
    if masked.total:
        key = "report_masked" if answer.adjusted.base.step is Step.DAY else "report_masked_hours"
        text += _say(answer, key, masked=masked.total, rows=masked.rows)
    return text


def _texts(answer: SavingsAnswer) -> str:
    """The events' sentences, one behind the other."""
    language = answer.language
    stop = "" if language == "zh-TW" else " "
    return stop.join(_stopped(one.share.adjustment.text(language), language) for one in answer.counted)


def _stopped(text: str, language: Language) -> str:
    return text if text.endswith((".", "。")) else text + ("." if language == "en" else "。")


def _models(base: BaseModel, language: Language) -> list[str]:
    rows = [[say(f"savings.head_{name}", language) for name, _ in _COLUMNS]]
    for at, one in enumerate(base.candidates):
        why = [finding_words(found, language).rstrip(".。") for found in one.findings if found.refuses]
        chosen = at == 0 and base.model is not None
        rows.append(
            [
                _model_name(one.name, language),
                str(one.parameters) if one.parameters else "-",
                _share(one.cv_rmse),
                _share(one.out_of_sample),
                f"{round(one.adjusted_r2, 3) + 0.0:.3f}" if isfinite(one.adjusted_r2) else "-",
                say("savings.chosen", language) if chosen else "; ".join(why),
            ]
        )
    return table(rows, [align for _, align in _COLUMNS])


def _model_name(name: str, language: str) -> str:
    """In the reader's language; 2P to 5P and TOWT are called so everywhere."""
    key = f"savings.model_{name.replace(' ', '_')}"
    return say(key, language) if key in catalogue(language) else name


def finding_words(found: ModelFinding, language: str) -> str:
    """What a finding says, and the cure."""
    return say(f"savings.f_{found.code}", language, **dict(found.facts))


def finding_lines(answer: SavingsAnswer) -> Iterator[str]:
    """Each finding with its code and place: of the base year, of the period, then of meters.

    What is no longer as it was agreed on goes before all else that is said of its place.
    """
    language = answer.language
    base = _say(
        answer, "place_base", name=_name(answer), base_year=year_text(answer.plain.base_year, language)
    )
    period = _say(answer, "place_period", name=_name(answer), period=_period(answer))
    for one in answer.broken.values():
        yield from _placed(answer, base, one)
    yield from _placed(answer, base, (*answer.agreed[Book.BASE], *answer.adjusted.base.findings))
    yield from _placed(answer, period, (*answer.agreed[Book.NON_ROUTINE], *answer.adjusted.findings))
    for found in answer.meters:
        yield from _placed(answer, f"{found.fact('meter')}, {found.fact('at')}", [found])


def _placed(answer: SavingsAnswer, place: str, findings: Sequence[ModelFinding]) -> Iterator[str]:
    for one in findings:
        yield _say(answer, "finding", code=one.code, place=place, text=finding_words(one, answer.language))


def _say(answer: SavingsAnswer, key: str, **data: object) -> str:
    return say(f"savings.{key}", answer.language, **data)


def _name(answer: SavingsAnswer) -> str:
    return say(f"report.commodity_{answer.commodity}", answer.language)


def _inside(answer: SavingsAnswer) -> str:
    """The commodity inside a sentence."""
    name = _name(answer)
    return name.lower() if answer.language == "en" else name


def _unit(answer: SavingsAnswer) -> str:
    return say(f"report.unit_{answer.commodity}", answer.language)


def _period(answer: SavingsAnswer) -> str:
    return period_text(answer.period, answer.language)


def _figure(value: float, language: Language, beside: float = 0.0) -> str:
    """A figure, with no more decimals than one that stands beside it."""
    if not isfinite(value):
        return "?"
    figure = printed_figures(Fraction(value), Fraction(beside if isfinite(beside) else 0.0))[0]
    return "?" if figure is None else figure_text(figure, language)


def _percent(share: float, decimals: int = 2) -> str:
    return f"{Decimal(repr(share)) * 100:.{decimals}f}" if isfinite(share) else "?"


def _share(value: float) -> str:
    return f"{value:.1%}" if isfinite(value) else "-"
