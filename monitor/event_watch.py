"""How an event is doing: its actions' states, and what is drawn against what would have been drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from config.loading import LoadedSite
from monitor.baselines import measured_kw, metered
from monitor.event_baseline import EventBaselines
from monitor.store.event_reader import EventReader
from monitor.store.events import EventRow
from monitor.store.limiting import LIMITER
from monitor.store.reader import StoreReader
from monitor.timestamps import iso_utc
from rules.curtailment import OPEN, Life, Track, choose

RECENT_MS = 6 * 3_600_000
"""So long after its end an event is still shown."""

INSTANTS = ("at_ms", "sent_ms", "done_ms", "shed_ms", "back_ms", "left_ms")


def event_facts(row: EventRow) -> dict[str, Any]:
    """An event for machines."""
    return {
        "event": row.id,
        "plan": row.plan.id,
        "mode": row.mode.value,
        "life": row.life.value,
        "start": iso_utc(row.start_ms),
        "end": iso_utc(row.end_ms),
        "noticed": iso_utc(row.noticed_ms),
        "ended": None if row.ended_ms is None else iso_utc(row.ended_ms),
        "wanted_kw": row.wanted_kw,
        "programme": row.programme,
        "source": row.source,
        "who": row.who,
        "note": row.note,
    }


def state_of(track: Track, *, takes_part: bool = True) -> str:
    """One word for where an action stands."""
    if track.is_shed:
        return "not_confirmed" if track.standing is None else "shed"
    if track.failed is not None:
        return "failed"
    if track.left_ms is not None:
        return "left_alone"
    if track.back_ms is not None:
        return "handed_back"
    return "waiting" if takes_part else "not_in_turn"


def action_facts(reader: EventReader, row: EventRow) -> list[dict[str, Any]]:
    """What became of each action of an event."""
    tracks, troubles, chosen = reader.tracks(row.id), reader.troubles(row.id), chosen_of(reader, row)
    return [
        {
            "action": action.id,
            "point": f"{action.device}.{action.point}",
            "expected_kw": action.expected_kw,
            **timed(asdict(tracks.get(action.id, Track()))),
            "takes_part": action.id in chosen,
            "state": state_of(tracks.get(action.id, Track()), takes_part=action.id in chosen),
            "error": troubles.get(action.id),
        }
        for action in row.plan.actions
    ]


def whole_facts(reader: EventReader, row: EventRow) -> dict[str, Any]:
    """An event with its plan, its actions, its writes and all that happened."""
    return {
        **event_facts(row),
        "plan_data": asdict(row.plan),
        "actions": action_facts(reader, row),
        "writes": [timed(one) for one in reader.writes(row.id)],
        "steps": [timed(one) for one in reader.steps(row.id)],
    }


def timed(facts: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds as instants that people and programs can read."""
    return {
        key.removesuffix("_ms") if key in INSTANTS else key: iso_utc(value)
        if key in INSTANTS and value is not None
        else value
        for key, value in facts.items()
    }


class EventWatch:
    """What page and ``status`` show of events that are open, of late, or not handed back."""

    def __init__(self, loaded: LoadedSite) -> None:
        self._loaded = loaded
        self._presets = {one.id: one.baseline for one in loaded.site.curtailment.plans}
        self._baselines = EventBaselines(loaded)

    def standings(self, events: EventReader, reader: StoreReader, now_ms: int) -> list[dict[str, Any]]:
        """Every event that is worth a look now, by its start.

        A run of the limiter is shown with the limiter, but where it is over and not handed back.
        """
        shed = set(events.shed())
        return [
            self._standing(events, reader, row, row.id in shed, now_ms)
            for row in events.watched(now_ms - RECENT_MS)
            if row.source != LIMITER or (row.life not in OPEN and row.id in shed)
        ]

    def _standing(
        self, events: EventReader, reader: StoreReader, row: EventRow, is_shed: bool, now_ms: int
    ) -> dict[str, Any]:
        actions = action_facts(events, row)
        expected_kw = sum(action["expected_kw"] for action in actions if action["takes_part"])
        began = now_ms >= row.start_ms and row.life is not Life.CANCELLED
        preset = self._presets.get(row.plan.id) or None
        asked = began and preset is not None
        baseline_kw, why = self._baselines.of(reader, row, preset or "", now_ms) if asked else (None, None)
        actual_kw = self._actual_kw(reader, row, now_ms) if began else None
        delivered_kw = None if baseline_kw is None or actual_kw is None else baseline_kw - actual_kw
        return {
            **event_facts(row),
            "is_shed": is_shed,
            "committed_kw": expected_kw if row.wanted_kw is None else row.wanted_kw,
            "expected_kw": expected_kw,
            "baseline": preset,
            "baseline_kw": baseline_kw,
            "why_no_baseline": why,
            "actual_kw": actual_kw,
            "delivered_kw": delivered_kw,
            "actions": actions,
        }

    def _actual_kw(self, reader: StoreReader, row: EventRow, now_ms: int) -> float | None:
        """Mean kW of the intervals that are closed since its start; None before the first."""
        step_s = self._loaded.site.interval_s
        start_s = -(-row.start_ms // 1000 // step_s) * step_s
        end_s = min(now_ms, row.end_ms) // 1000
        return _together([self._mean_kw(reader, one, start_s, end_s) for one in metered(self._loaded.site)])

    def _mean_kw(self, reader: StoreReader, meter: str, start_s: int, end_s: int) -> float | None:
        series = reader.intervals(meter, start_s, end_s)
        kw = measured_kw(series, self._loaded.site.interval_s)
        known = kw[kw == kw]  # noqa: PLR0124  NaN is no value
        return float(known.mean()) if len(known) else None


def failed_in(event: Mapping[str, Any]) -> list[str]:
    """Ids of the actions that failed, also in an event that is over: somebody has to look before the next."""
    return [action["action"] for action in event["actions"] if action["failed"] is not None]


def chosen_of(reader: EventReader, row: EventRow) -> frozenset[str]:
    """Ids of the actions that take part, as the dispatcher chooses them: what was shed does in any case."""
    turn = choose(row.plan.actions, row.wanted_kw, reader.last_shed_ms(row.plan.id, row.start_ms))
    return frozenset(turn) | {a for a, track in reader.tracks(row.id).items() if track.shed_ms is not None}


def left_over(event: Mapping[str, Any]) -> list[str]:
    """Ids of the actions that are not handed back although their event is over."""
    if event["life"] in OPEN:
        return []
    return [action["action"] for action in event["actions"] if action["is_shed"]]


def _together(parts: Sequence[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if known and len(known) == len(parts) else None


def standings_of(loaded: LoadedSite, path: Path, now_ms: int) -> list[dict[str, Any]]:
    """Events of a store that are worth a look now. Raises ``StoreError``."""
    site = loaded.site.site.id
    events, reader = EventReader.open(path, site), StoreReader.open(path, site)
    try:
        return EventWatch(loaded).standings(events, reader, now_ms)
    finally:
        events.close()
        reader.close()
