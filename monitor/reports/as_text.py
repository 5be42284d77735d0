"""The summary as text of eighty columns, in the manner of the document that a city council gets."""

from itertools import groupby

from config.site import Language
from config.words import say
from monitor.reports import curtailment
from monitor.reports.layout import Align, table, wrapped
from monitor.reports.notes import note_text
from monitor.reports.numbers import days_text, figure_text, period_text, signed_text, year_text
from monitor.reports.summary import FigureSource, Saving, Summary
from monitor.store.booked import LedgerEntry

_CHINESE_NUMBERS = "〇一二三四五六七八九十"
_COLUMNS: tuple[tuple[str, Align], ...] = (
    ("commodity", "left"),
    ("unit", "left"),
    ("base_year", "right"),
    ("base", "right"),
    ("actual", "right"),
    ("change", "right"),
    ("percent", "right"),
)


def as_text(summary: Summary) -> str:
    """The summary as text, the same bytes for the same store."""
    language = summary.language
    heading = say("report.title", language, site=summary.name, period=period_text(summary.period, language))
    days = days_text(summary.period.start, summary.period.end, language)
    lines = [heading, say("report.period", language, period=days), ""]
    numbers = _note_numbers(summary)
    lines += _table(summary, numbers) if summary.savings else wrapped(say("report.sentence_none", language))
    if summary.savings or summary.curtailed:
        lines.append("")
    for number, saving in enumerate(summary.savings, start=1):
        lines += [*_section(number, saving, summary), ""]
    if summary.curtailed:
        name = say("report.curtailment", language)
        lines += [_heading(len(summary.savings) + 1, name, language)]
        lines += [*curtailment.sentences(summary.curtailed, language), ""]
    lines += _notes(summary, numbers)
    lines += _sources(summary)
    return "\n".join(lines) + "\n"


def _note_numbers(summary: Summary) -> list[list[int]]:
    """Numbers of each commodity's footnotes, counted through the report."""
    numbers: list[list[int]] = []
    at = 1
    for saving in summary.savings:
        numbers.append(list(range(at, at + len(saving.notes))))
        at += len(saving.notes)
    return numbers


def _table(summary: Summary, numbers: list[list[int]]) -> list[str]:
    language = summary.language
    columns = list(_COLUMNS)
    rows = [_row(saving, language) for saving in summary.savings]
    if any(numbers):
        columns.append(("notes", "left"))
        rows = [[*row, _short(of)] for row, of in zip(rows, numbers, strict=True)]
    heading = [say(f"report.head_{name}", language) for name, _ in columns]
    return table([heading, *rows], [align for _, align in columns])


def _short(numbers: list[int]) -> str:
    """Footnotes of a line: 1, or 1-3."""
    return "-".join(str(number) for number in dict.fromkeys((*numbers[:1], *numbers[-1:])))


def _row(saving: Saving, language: Language) -> list[str]:
    none = say("report.no_figure", language)
    change, percent = saving.change.change, saving.change.percent
    return [
        say(f"report.commodity_{saving.commodity}", language),
        say(f"report.unit_{saving.commodity}", language),
        year_text(saving.base_year, language),
        none if saving.base is None else figure_text(saving.base, language),
        none if saving.actual is None else figure_text(saving.actual, language),
        say("report.no_percent", language) if change is None else signed_text(change, language),
        say("report.no_percent", language) if percent is None else f"{_sign(saving)}{percent}%",
    ]


def _sign(saving: Saving) -> str:
    change = saving.change.change or 0
    return "-" if change < 0 else "+" if change > 0 else ""


def _section(number: int, saving: Saving, summary: Summary) -> list[str]:
    language = summary.language
    lines = [_heading(number, say(f"report.commodity_{saving.commodity}", language), language)]
    lines += wrapped(sentence_of(saving, summary), first="    ")
    if saving.reasons:
        direction = saving.change.direction or "unknown"
        lines.append("    " + say(f"report.reasons_{direction}", language))
        for position, text in enumerate(saving.reasons, start=1):
            mark = say("report.reason", language, number=position, text="")
            lines += wrapped(text, first=f"      {mark}")
    return lines


def _heading(number: int, name: str, language: Language) -> str:
    chinese = language != "en" and number < len(_CHINESE_NUMBERS)
    shown = _CHINESE_NUMBERS[number] if chinese else str(number)
    return say("report.section", language, number=shown, name=name)


def sentence_of(saving: Saving, summary: Summary) -> str:
    """The plain difference in one sentence."""
    language = summary.language
    base, actual, change = saving.base, saving.actual, saving.change
    if base is None or actual is None:
        known = "nothing" if base is actual else "no_base" if base is None else "no_actual"
    elif change.change and change.percent is None:
        known = "from_nothing"
    else:
        known = str(change.direction)
    return say(
        f"report.sentence_{known}",
        language,
        name=say(f"report.commodity_{saving.commodity}", language),
        unit=say(f"report.unit_{saving.commodity}", language),
        period=period_text(summary.period, language),
        base_year=year_text(saving.base_year, language),
        base=None if base is None else figure_text(base, language),
        actual=None if actual is None else figure_text(actual, language),
        change=None if change.change is None else figure_text(abs(change.change), language),
        percent=change.percent,
    )


def _notes(summary: Summary, numbers: list[list[int]]) -> list[str]:
    language = summary.language
    of_curtailment = curtailment.notes(summary.curtailed, language)
    if not any(numbers) and not of_curtailment:
        return []
    lines = [say("report.heading_notes", language)]
    for saving, of in zip(summary.savings, numbers, strict=True):
        for number, note in zip(of, saving.notes, strict=True):
            mark = say("report.note", language, number=number, text="")
            lines += wrapped(note_text(note, saving, summary), first=f"  {mark}")
    for number, text in enumerate(of_curtailment, start=sum(map(len, numbers)) + 1):
        lines += wrapped(text, first=f"  {say('report.note', language, number=number, text='')}")
    return [*lines, ""]


def _sources(summary: Summary) -> list[str]:
    language = summary.language
    lines = []
    for saving in summary.savings:
        name = say(f"report.commodity_{saving.commodity}", language)
        for figure, of_figure in groupby(saving.sources, key=lambda source: source.figure):
            shown = say(f"report.figure_{figure}", language)
            for text in _source_texts(list(of_figure), saving, summary):
                item = say("report.source_item", language, name=name, figure=shown, text=text)
                lines += wrapped(item, first="  - ")
    for text in curtailment.sources(summary.curtailed, language):
        lines += wrapped(text, first="  - ")
    return [say("report.heading_sources", language), *lines] if lines else []


def _source_texts(sources: list[FigureSource], saving: Saving, summary: Summary) -> list[str]:
    """One text a source, however many rows it gave."""
    rows: dict[tuple[str, str], list[LedgerEntry]] = {}
    texts = []
    for source in sources:
        if source.entry is not None:
            rows.setdefault((source.subject, source.entry.source), []).append(source.entry)
        else:
            meter = summary.meters[source.subject]
            texts.append(say("report.source_intervals", summary.language, meter=meter))
    return [_ledger_text(*key, entries, saving, summary) for key, entries in rows.items()] + texts


def _ledger_text(
    subject: str, origin: str, entries: list[LedgerEntry], saving: Saving, summary: Summary
) -> str:
    language = summary.language
    days = days_text(min(one.start for one in entries), max(one.end for one in entries), language)
    if subject != saving.commodity:
        origin = say("report.subject_meter", language, meter=summary.meters[subject], text=origin)
    if len(entries) == 1:
        return say("report.source_row", language, text=origin, period=days)
    return say("report.source_rows", language, text=origin, period=days, rows=len(entries))
