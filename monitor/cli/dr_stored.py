"""Events of the store as they are settled: by their full intervals, and among the others of their month."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from config.event_list import CalledEvent
from config.problems import ConfigurationError
from config.programme_texts import programme_on
from config.words import say
from monitor.cli.dr_asking import Asking
from monitor.store.curtailment import CurtailmentReader
from monitor.store.events import EventRow
from rules.settlement.programme import Programme


def stored_event(asking: Asking, events: CurtailmentReader, id_: str) -> EventRow | None:
    """An event that a plan was run for; None: there is none. Raises ``Refused`` where it is not settled."""
    row = events.event(id_)
    if why := events.why_not_settled(id_):
        told = dict(why.data)
        if "life" in told:
            told["life"] = say(f"dispatch.life_{told['life']}", asking.language)
        raise asking.refuse(why.code, **told)
    return row


def called_of(asking: Asking, row: EventRow) -> CalledEvent | None:
    """An event by the full intervals within the window that was called; None where it has none."""
    step_s = asking.loaded.site.interval_s
    first_s, last_s = -(-row.start_ms // 1000 // step_s) * step_s, row.end_ms // 1000 // step_s * step_s
    if last_s <= first_s:
        return None
    start, end, notice, whole_start, whole_end = (
        datetime.fromtimestamp(at_s, UTC).astimezone(asking.zone)
        for at_s in (first_s, last_s, row.noticed_ms / 1000, row.start_ms / 1000, row.end_ms / 1000)
    )
    return CalledEvent(
        id=row.id,
        programme=row.programme,
        notice=min(notice, whole_start),
        start=start,
        end=end,
        committed_kw=None if row.wanted_kw is None else Decimal(f"{row.wanted_kw:.15g}"),
        bid=None if row.bid is None else Decimal(f"{row.bid:.15g}"),
        source=row.source,
        row=0,
        whole=None if (start, end) == (whole_start, whole_end) else (whole_start, whole_end),
    )


def month_mates(
    asking: Asking, events: CurtailmentReader, event: CalledEvent, text: Programme
) -> list[CalledEvent]:
    """The store's other events of the same month and programme: they share its limits and its total."""
    first = event.start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    after = (first + timedelta(days=32)).replace(day=1)
    first_ms, last_ms = (round(1000 * at.timestamp()) for at in (first, after))
    found = []
    for row in events.took_place(first_ms, last_ms - 1):
        called = called_of(asking, row)
        if called is None or row.id == event.id or (called.start < event.end and event.start < called.end):
            continue
        if _family(asking, called) == text.family:
            found.append(replace(called, programme=text.id))
    return found


def list_mates(event: CalledEvent, text: Programme, every: Sequence[CalledEvent]) -> list[CalledEvent]:
    """A list's other events of the same month and programme."""
    month = (event.start.year, event.start.month)
    return [
        one
        for one in every
        if one is not event
        and (one.start.year, one.start.month) == month
        and one.programme in (event.programme, text.id, text.family)
    ]


def _family(asking: Asking, event: CalledEvent) -> str | None:
    try:
        return programme_on(event.programme, event.start.date(), asking.loaded.folder).family
    except ConfigurationError:  # its text is not known, so that no limit can be shared
        return None
