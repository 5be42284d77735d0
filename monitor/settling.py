"""From an event to its settlement: the baseline, what was drawn, and the credit by the programme's text."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from config.baseline_presets import Preset
from config.event_list import CalledEvent
from monitor.baselines import SiteLoad, as_data, preset_baseline
from monitor.store.settlements import SettlementRequest
from rules.baseline.baseline import Baseline, Occasion, window_kw
from rules.models.findings import ModelFinding, refusal, remark
from rules.settlement.money import measured
from rules.settlement.programme import Programme
from rules.settlement.settle import (
    Delivered,
    EventSettlement,
    Line,
    MonthSettlement,
    settle_event,
    settle_month,
)
from rules.settlement.terms import Called, Terms, event_findings


@dataclass(frozen=True, slots=True)
class Settled:
    """An event with all that its settlement rests on.

    Attributes
    ----------
    baseline : by ``preset``.
    drawn_kw : mean or maximum as the programme has it; None where it is not wholly measured. [kW]
    result : None where there is nothing to settle by.
    findings : where the event goes past the text, and why there is no result.
    """

    event: CalledEvent
    programme: Programme
    preset: Preset
    terms: Terms
    baseline: Baseline
    drawn_kw: float | None
    result: EventSettlement | None
    findings: tuple[ModelFinding, ...]

    @property
    def amount(self) -> Decimal | None:
        """The credit to the cent; None where it cannot be settled. [NT$]"""
        return None if self.result is None else self.result.amount


def occasion_of(event: CalledEvent) -> Occasion:
    """The event's window as instants."""
    notice_s = None if event.notice is None else int(event.notice.timestamp())
    return Occasion(int(event.start.timestamp()), int(event.end.timestamp()), notice_s)


def called(event: CalledEvent) -> Called:
    """The event as the programme's text looks at it: as it was called, whatever of it is settled."""
    start, end = event.whole or (event.start, event.end)
    return Called(start, end, event.notice)


def settle(
    event: CalledEvent,
    programme: Programme,
    preset: Preset,
    terms: Terms,
    load: SiteLoad,
    others: Iterable[CalledEvent] = (),
) -> Settled:
    """Settle one event.

    Parameters
    ----------
    terms : what was agreed; the event's own promise and bid go before it.
    others : the customer's other events, for the limits of a day and a month.
    """
    agreed = Terms(
        committed_kw=terms.committed_kw if event.committed_kw is None else event.committed_kw,
        bid=terms.bid if event.bid is None else event.bid,
        minimum_kw=terms.minimum_kw,
        notice_min=terms.notice_min,
    )
    when = occasion_of(event)
    found = preset_baseline(preset, load, when, event.start.date())
    drawn_kw = window_kw(load.load, when, programme.statistic, load.around.zone)
    findings = list(event_findings(programme, called(event), map(called, others)))
    if event.whole is not None:
        texts = (at.isoformat(timespec="seconds") for at in (*event.whole, event.start, event.end))
        facts = dict(zip(("start", "end", "first", "last"), texts, strict=True))
        findings.append(remark("whole_intervals", **facts))
    result = None
    if found.kw is None:
        findings.append(refusal("no_baseline"))
    elif drawn_kw is None:
        findings.append(refusal("event_not_measured"))
    else:
        seen = Called(event.start, event.end, event.notice)
        whole_hours = called(event).hours
        kw = measured(found.kw), measured(drawn_kw)
        delivered = Delivered(*kw, seen.hours, seen.on_the_day, called_hours=whole_hours)
        result = settle_event(programme, agreed, delivered)
    return Settled(event, programme, preset, agreed, found, drawn_kw, result, tuple(findings))


def by_month(settled: Sequence[Settled], terms: Terms) -> list[tuple[str, Programme, MonthSettlement]]:
    """(month, programme, settlement) of every month and text that has events, in order."""
    groups: dict[tuple[str, str], list[Settled]] = {}
    for one in settled:
        groups.setdefault((f"{one.event.start:%Y-%m}", one.programme.id), []).append(one)
    return [
        (month, events[0].programme, _month(events, terms)) for (month, _), events in sorted(groups.items())
    ]


def _month(events: Sequence[Settled], terms: Terms) -> MonthSettlement:
    committed = terms.committed_kw if terms.committed_kw is not None else events[0].terms.committed_kw
    agreed = Terms(committed, terms.bid, terms.minimum_kw, terms.notice_min)
    results = [one.result for one in events if one.result is not None]
    month = settle_month(events[0].programme, agreed, results)
    if len(results) == len(events):
        return month
    missing = refusal("event_unsettled", count=len(events) - len(results))
    lines = tuple(line for line in month.lines if line.code != "total")
    return MonthSettlement(month.kwh, month.mean_percent, None, lines, (*month.findings, missing))


def line_data(line: Line) -> dict[str, Any]:
    """A line for programs: ``amount`` as text, so that no digit is lost."""
    amount = None if line.amount is None else f"{line.amount:f}"
    return {"code": line.code, "facts": dict(line.facts), "amount": amount}


def settled_data(one: Settled) -> dict[str, Any]:
    """What a settlement rests on, as plain lists, texts and numbers."""
    result, terms = one.result, one.terms
    agreed = {name: getattr(terms, name) for name in ("committed_kw", "bid", "minimum_kw")}
    return {
        "event": one.event.id,
        "programme": one.programme.id,
        "start": one.event.start.isoformat(),
        "end": one.event.end.isoformat(),
        "notice": None if one.event.notice is None else one.event.notice.isoformat(),
        "called_hours": f"{called(one.event).hours:f}",
        "terms": {**_plain(agreed), "notice_min": terms.notice_min},
        "drawn_kw": one.drawn_kw,
        "curtailed_kw": None if result is None else float(result.counted_kw),
        "kwh": None if result is None else float(result.kwh),
        "execution_percent": None if result is None or result.percent is None else float(result.percent),
        "credit": None if one.amount is None else f"{one.amount:f}",
        "lines": [] if result is None else [line_data(line) for line in result.lines],
        "findings": [
            {"code": finding.code, "refuses": finding.refuses, "facts": dict(finding.facts)}
            for finding in (*one.findings, *(() if result is None else result.findings))
        ],
    }


def _plain(figures: Mapping[str, Decimal | None]) -> dict[str, str | None]:
    return {name: None if figure is None else f"{figure:f}" for name, figure in figures.items()}


def request_of(
    one: Settled, load: SiteLoad, *, at_ms: int, who: str, replace: bool
) -> SettlementRequest | None:
    """What the store keeps of a settlement; None where there is none."""
    if one.result is None or one.amount is None or one.baseline.kw is None:
        return None
    when = occasion_of(one.event)
    return SettlementRequest(
        id=one.event.id,
        programme=one.programme.id,
        start_day=one.event.start.date().isoformat(),
        end_day=one.event.end.date().isoformat(),
        kwh=float(one.result.kwh),
        credit=f"{one.amount:f}",
        source=one.event.source,
        detail=_json(settled_data(one)),
        preset=one.preset.id,
        digest=one.preset.digest,
        meters=json.dumps(load.meters),
        start_s=when.start_s,
        end_s=when.end_s,
        kw=one.baseline.kw,
        baseline=_json(as_data(one.baseline)),
        at_ms=at_ms,
        replace=replace,
        who=who,
    )


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, sort_keys=True, allow_nan=False)
