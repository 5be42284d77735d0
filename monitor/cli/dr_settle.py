"""``energy-monitor dr settle``: what an event, a month, a season earned, line by line."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from rich.console import Console

from config.baseline_presets import load_preset
from config.event_list import CalledEvent
from config.loading import load_site
from config.programme_texts import programme_on
from config.words import say
from monitor.baselines import SiteLoad
from monitor.cli.dr_asking import Asking, Refused, event_days
from monitor.cli.dr_stored import called_of, list_mates, month_mates, stored_event
from monitor.cli.dr_words import doubts, finding_data, finding_text, named, span_text
from monitor.cli.handing_over import carried_out
from monitor.cli.import_reading import who
from monitor.cli.importing import ANSWER_WITHIN_S
from monitor.cli.words import plain, tell
from monitor.clock import SystemClock
from monitor.event_words import counted
from monitor.settling import Settled, by_month, line_data, occasion_of, request_of, settle, settled_data
from monitor.store.curtailment import CurtailmentReader
from monitor.store.database import StoreError
from monitor.store.reader import StoreReader
from monitor.store.settlements import SettlementRequest, keep_settlement
from rules.settlement.programme import Programme
from rules.settlement.settle import Line, MonthSettlement
from rules.settlement.terms import Terms

FINE, PROBLEM, WRONG_USE = 0, 1, 2
COMMAND_LINE = "energy-monitor dr settle"


@dataclass(frozen=True, slots=True)
class SettleWish:
    """What was typed; texts where nobody has looked at them yet.

    Attributes
    ----------
    window : ``--from``, ``--to``, ``--notice``; None where a list is given.
    events : the list; None where a window is given.
    event : id of one event of the list, or of the store without a list and a window; None settles all.
    programme : goes before the list's own; None takes that.
    preset : goes before the programme's own baseline.
    committed, bid, minimum : figures of the window, or of events without their own.
    keep, replace : write the settlements into the store, also over others.
    """

    window: tuple[str, str, str | None] | None
    events: Path | None
    event: str | None
    programme: str | None
    preset: str | None
    meters: Sequence[str]
    committed: str | None
    bid: str | None
    minimum: str | None
    notice_min: int | None
    keep: bool
    replace: bool


def run_settle(site: Path, wish: SettleWish, language: str, *, as_json: bool) -> int:
    """Settle events.

    Returns
    -------
    0 fine; 1 an event or its month cannot be settled, or an event not kept; 2 wrong use.
    """
    asking = Asking(load_site(site), language)
    reader = StoreReader.open(asking.loaded.store_path, asking.loaded.site.site.id)
    try:
        terms = _terms(asking, wish)
        every = _events(asking, reader, wish)
        wanted = _wanted(asking, every, wish)
        meters = asking.meters(wish.meters)
        asked = _with_mates(asking, reader, wanted, every, wish)
        every = tuple(dict.fromkeys((*every, *asked)))
        texts = [_text(asking, event, wish) for event in asked]
        presets = [load_preset(wish.preset or text.baseline, asking.loaded.folder) for text in texts]
        windows = [occasion_of(event) for event in asked]
        load = asking.load_around(reader, meters, windows, presets, event_days(every))
    except Refused as error:
        tell(error.text)
        return WRONG_USE
    finally:
        reader.close()
    whole = [
        settle(event, text, preset, terms, load, [one for one in every if one is not event])
        for event, text, preset in zip(asked, texts, presets, strict=True)
    ]
    settled = [one for one in whole if one.event in wanted]
    months = by_month(whole, terms)
    if as_json:
        _write(settled, months, language)
    else:
        _show(settled, months, language)
    kept = not wish.keep or _keep(asking, settled, load, wish.replace)
    known = all(one.amount is not None for one in settled) and all(
        sums.total is not None for *_, sums in months
    )
    return FINE if kept and known else PROBLEM


def _terms(asking: Asking, wish: SettleWish) -> Terms:
    committed, bid, minimum = (
        _figure(asking, option, text)
        for option, text in (
            ("--committed", wish.committed),
            ("--bid", wish.bid),
            ("--minimum", wish.minimum),
        )
    )
    return Terms(committed, bid, minimum, wish.notice_min)


def _figure(asking: Asking, option: str, text: str | None) -> Decimal | None:
    """A figure of the command line, exactly as it was typed."""
    if text is None:
        return None
    try:
        figure = Decimal(text)
    except InvalidOperation:
        figure = Decimal("NaN")
    if not figure.is_finite() or figure < 0:
        raise asking.refuse("dr.bad_figure", option=option, value=text)
    return figure


def _events(asking: Asking, reader: StoreReader, wish: SettleWish) -> tuple[CalledEvent, ...]:
    """The events that are meant: of the list, of the window, or one that the store has."""
    if wish.events is not None:
        return asking.events(wish.events)
    if wish.window is not None or wish.event is None:
        return (_window(asking, reader.past.curtailment, wish),)
    return (_stored(asking, reader.past.curtailment, wish.event, wish.programme),)


def _stored(asking: Asking, events: CurtailmentReader, id_: str, programme: str | None) -> CalledEvent:
    """An event that a plan was run for; it is settled by the window that was called."""
    row = stored_event(asking, events, id_)
    if row is None:
        raise asking.refuse("dr.no_event_in_store", event=id_)
    if not (programme or row.programme):
        raise asking.refuse("dr.no_programme")
    called = called_of(asking, row)
    if called is None:
        raise asking.refuse("dr.no_full_interval", event=id_, minutes=asking.loaded.site.interval_s // 60)
    return replace(called, programme=programme or row.programme)


def _window(asking: Asking, events: CurtailmentReader, wish: SettleWish) -> CalledEvent:
    """A window as it was typed; of an event of the store the rest is as it stands there."""
    if wish.window is None:
        raise asking.refuse("dr.window_or_list")
    window = asking.window(*wish.window)
    row = None if wish.event is None else stored_event(asking, events, wish.event)
    known = None if row is None else called_of(asking, row)
    programme = wish.programme or (known.programme if known else "")
    if not programme:
        raise asking.refuse("dr.no_programme")
    return CalledEvent(
        id=wish.event or f"{programme}-{window.start:%Y-%m-%dT%H%M}",
        programme=programme,
        notice=window.notice or (min(known.notice, window.start) if known and known.notice else None),
        start=window.start,
        end=window.end,
        committed_kw=known.committed_kw if known else None,
        bid=known.bid if known else None,
        source=known.source if known else COMMAND_LINE,
        row=0,
    )


def _wanted(asking: Asking, every: Sequence[CalledEvent], wish: SettleWish) -> list[CalledEvent]:
    if wish.events is None or wish.event is None:
        return list(every)
    found = [one for one in every if one.id == wish.event]
    if not found:
        raise asking.refuse("dr.no_such_event", event=wish.event)
    return found


def _with_mates(
    asking: Asking,
    reader: StoreReader,
    wanted: Sequence[CalledEvent],
    every: Sequence[CalledEvent],
    wish: SettleWish,
) -> list[CalledEvent]:
    """What was asked for and the others of its month, by start: a month's total is one of all its events."""
    if len(wanted) != 1 or (wish.events is not None and wish.event is None):
        return list(wanted)
    (event,) = wanted
    text = _text(asking, event, wish)
    if wish.events is not None:
        mates = list_mates(event, text, every)
    else:
        mates = month_mates(asking, reader.past.curtailment, event, text)
    return sorted((event, *mates), key=lambda one: one.start)


def _text(asking: Asking, event: CalledEvent, wish: SettleWish) -> Programme:
    return programme_on(wish.programme or event.programme, event.start.date(), asking.loaded.folder)


def _keep(asking: Asking, settled: Sequence[Settled], load: SiteLoad, replace: bool) -> bool:
    """Write what could be settled; say of each what became of it."""
    fine = True
    for one in settled:
        facts = {"at_ms": SystemClock().now_ms(), "who": who(), "replace": replace}
        request = request_of(one, load, **facts)  # type: ignore[arg-type]
        if request is None:
            continue
        try:
            outcome = _carried_out(asking, request)
        except StoreError as error:
            tell(say(error.code, asking.language, **error.data))
            fine = False
        else:
            tell(say(f"dr.kept_{outcome}", asking.language, event=one.event.id))
    return fine


def _carried_out(asking: Asking, request: SettlementRequest) -> str:
    return carried_out(
        asking.loaded, request, lambda engine, site: keep_settlement(engine, site, request), ANSWER_WITHIN_S
    ).state


def _write(
    settled: Sequence[Settled], months: Sequence[tuple[str, Programme, MonthSettlement]], language: str
) -> None:
    data: dict[str, Any] = {
        "events": [
            {
                **settled_data(one),
                "preset": one.preset.id,
                "baseline_kw": one.baseline.kw,
                "baseline_days": [day.day.isoformat() for day in one.baseline.days],
                "findings": [finding_data(finding, language) for finding in _findings(one)],
            }
            for one in settled
        ],
        "months": [
            {
                "month": month,
                "programme": text.id,
                "kwh": float(sums.kwh),
                "credit": None if sums.total is None else int(sums.total),
                "lines": [line_data(line) for line in sums.lines],
                "findings": [finding_data(finding, language) for finding in sums.findings],
            }
            for month, text, sums in months
        ],
    }
    sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")


def _findings(one: Settled) -> list[Any]:
    """Everything that is to be said of an event: of its baseline too."""
    return [*one.baseline.findings, *one.findings, *(() if one.result is None else one.result.findings)]


def _show(
    settled: Sequence[Settled], months: Sequence[tuple[str, Programme, MonthSettlement]], language: str
) -> None:
    console = Console()

    def out(text: str, style: str = "") -> None:
        console.print(plain(text), style=style, soft_wrap=True)

    for one in settled:
        when = span_text(one.event.start, one.event.end)
        out(f"{one.event.id}  {when}  {named(one.programme, language)}", "bold")
        for line in () if one.result is None else one.result.lines:
            out(f"  {line_text(line, language)}")
        texts = [finding_text(finding, language) for finding in _findings(one)]
        seen = [*doubts(one.programme, language), *doubts(one.preset, language)]
        for text in [*texts, *dict.fromkeys(seen)]:
            out(f"  {text}")
        out("")
    for month, programme, sums in months:
        out(say("dr.month", language, month=month, programme=named(programme, language)), "bold")
        for line in sums.lines:
            out(f"  {line_text(line, language)}")
        for finding in sums.findings:
            out(f"  {finding_text(finding, language)}")


def line_text(line: Line, language: str) -> str:
    """One line of a settlement, its money at the end."""
    facts = dict(line.facts)
    text = say(counted(f"dr.settle_{line.code}", facts.get("count"), language), language, **facts)
    if line.amount is None:
        return text
    return say("dr.amount", language, text=text, amount=f"{line.amount:,f}")
