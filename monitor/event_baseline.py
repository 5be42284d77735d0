"""The baseline of an event that runs or is over, as far as it can be known by now."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from config.baseline_presets import Preset, load_preset
from config.loading import LoadedSite
from config.problems import ConfigurationError
from monitor.baselines import metered, preset_baseline, site_load, span_of
from monitor.store.database import StoreError
from monitor.store.events import EventRow
from monitor.store.reader import StoreReader
from monitor.timestamps import iso_utc
from rules.baseline.baseline import Occasion, measured_until_s

AGAIN_AFTER_MS = 10_000
"""So long after a baseline could not be told it is tried again: hours of its own day may have closed."""

Why = dict[str, Any]
"""Code and data of why there is no number."""

Answer = tuple[float | None, Why | None]


@dataclass(slots=True)
class EventBaselines:
    """Answers for one site.

    A number does not change while its event lasts and is worked out once. That there is none yet is asked
    again and again: a method may look at hours up to the notice that are not closed yet, or after the end.
    """

    loaded: LoadedSite
    _known: dict[tuple[str, str, Occasion], float] = field(default_factory=dict)
    _tried: dict[tuple[str, str, Occasion], tuple[int, Why]] = field(default_factory=dict)

    def of(self, reader: StoreReader, row: EventRow, name: str, now_ms: int) -> Answer:
        """Mean kW that would have been drawn by a preset, or why that cannot be said (yet)."""
        occasion = occasion_of(row, self.loaded.site.interval_s)
        key = (row.id, name, occasion)
        if key in self._known:
            return self._known[key], None
        tried = self._tried.get(key)
        if tried is not None and 0 <= now_ms - tried[0] < AGAIN_AFTER_MS:
            return None, tried[1]
        kw, why = self._worked_out(reader, occasion, name, now_ms)
        if kw is not None:
            self._known[key] = kw
        elif why is not None:
            self._tried[key] = (now_ms, why)
        return kw, why

    def _worked_out(self, reader: StoreReader, occasion: Occasion, name: str, now_ms: int) -> Answer:
        site, folder = self.loaded.site, self.loaded.folder
        zone = ZoneInfo(site.site.timezone)
        try:
            preset = load_preset(name, folder)
            until_s = measured_until_s(preset.method, occasion, zone)
            if until_s is not None and now_ms < until_s * 1000:
                return None, {"code": "event.hours_to_come", "data": {"at": iso_utc(until_s * 1000)}}
            return self._number(reader, occasion, preset, zone)
        except ConfigurationError:
            return None, {"code": "dispatch.unknown_preset", "data": {"preset": name}}
        except StoreError as error:
            return None, {"code": error.code, "data": error.data}
        except ValueError as error:  # as where the zone's clock and the intervals do not meet
            return None, {"code": "event.not_worked_out", "data": {"reason": str(error)}}

    def _number(self, reader: StoreReader, occasion: Occasion, preset: Preset, zone: ZoneInfo) -> Answer:
        site = self.loaded.site
        meters = metered(site)
        if not meters:
            return None, {"code": "limiter.no_meters", "data": {}}
        found = site_load(reader, site, self.loaded.folder, meters, span_of(occasion, [preset]))
        day = datetime.fromtimestamp(occasion.start_s, UTC).astimezone(zone).date()
        worked = preset_baseline(preset, found, occasion, day)
        if worked.kw is not None:
            return worked.kw, None
        refusing = next(one for one in worked.findings if one.refuses)
        return None, {"code": f"dr.finding_{refusing.code}", "data": dict(refusing.facts)}


def occasion_of(row: EventRow, step_s: int) -> Occasion:
    """The full intervals that an event touches; what began inside of one was noticed before it."""
    start_s = row.start_ms // 1000 // step_s * step_s
    end_s = max(start_s + step_s, -(-row.end_ms // (1000 * step_s)) * step_s)
    return Occasion(start_s, end_s, min(row.noticed_ms // 1000, start_s))
