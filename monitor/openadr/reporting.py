"""Telemetry: the mean power of closed intervals, with the instants at which they began."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from config.openadr import UsageReportSettings
from monitor.openadr.messages import ReportRequest
from monitor.openadr.wire import new_id
from monitor.store.reader import StoreReader
from rules.quality import Quality

SPECIFIER = "usage"
NAME = "TELEMETRY_USAGE"

BACK_S = 86_400
"""So far back a VTN gets what it missed."""

_WORDS: Mapping[Quality, str] = {
    Quality.GOOD: "Quality Good - Non Specific",
    Quality.ESTIMATED: "Quality Uncertain - Non Specific",
    Quality.SUSPECT: "Quality Uncertain - Sensor Not Accurate",
}
"""oadrDataQuality, as the profile's schema lists it. What is missing is left out."""


@dataclass(slots=True)
class Wanted:
    """A report that the VTN wants.

    Attributes
    ----------
    next_ms : when it is to be sent next; None = once, and that was done.
    since_s : by meter, from which interval on.
    """

    request: ReportRequest
    next_ms: int | None
    since_s: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """A report to be sent, and what is true once it was taken."""

    wanted: Wanted
    payload: dict[str, Any]
    since_s: dict[str, int]
    next_ms: int | None


class UsageReports:
    """What is offered, what is wanted of it, and what is due.

    Parameters
    ----------
    interval_s : length of the site's intervals.
    """

    def __init__(
        self, settings: tuple[UsageReportSettings, ...], reader: StoreReader, interval_s: int
    ) -> None:
        self._settings = settings
        self._reader = reader
        self._interval_s = interval_s
        self._wanted: dict[str, Wanted] = {}

    def forget(self) -> None:
        """Nothing is wanted any more: a registration begins anew."""
        self._wanted.clear()

    def offered(self, now_ms: int) -> list[dict[str, Any]]:
        """What may be asked for, as openleadr's template takes it."""
        if not self._settings:
            return []
        every = timedelta(seconds=self._interval_s)
        return [
            {
                "report_name": NAME,
                "report_specifier_id": SPECIFIER,
                "report_request_id": "0",
                "created_date_time": instant(now_ms),
                "duration": timedelta(seconds=BACK_S),
                "report_descriptions": [
                    {
                        "r_id": one.meter,
                        "report_data_source": {"resource_id": one.resource or one.meter},
                        "report_type": "usage",
                        "reading_type": "Mean",
                        "sampling_rate": {"min_period": every, "max_period": every, "on_change": False},
                        "measurement": {
                            "name": "powerReal",
                            "description": "RealPower",
                            "unit": "W",
                            "scale": "k",
                            "power_attributes": {"hertz": one.hertz, "voltage": one.voltage_v, "ac": True},
                        },
                    }
                    for one in self._settings
                ],
            }
        ]

    def want(self, request: ReportRequest, now_ms: int) -> bool:
        """Take up what a VTN asks for; False where it is not offered."""
        offered = {one.meter for one in self._settings}
        fits = request.granularity_s in (0, self._interval_s)
        if request.specifier != SPECIFIER or not set(request.points) <= offered or not fits:
            return False
        since_s = (now_ms // 1000 // self._interval_s) * self._interval_s
        if not request.back_s:
            since_s -= self._interval_s  # once: the last one that is closed
        self._wanted[request.id] = Wanted(request, now_ms, dict.fromkeys(request.points, since_s))
        return True

    def take_back(self, id_: str) -> bool:
        """Send a report no longer; False where none is wanted by that id."""
        return self._wanted.pop(id_, None) is not None

    async def due(self, now_ms: int) -> list[Report]:
        """What is to be sent now."""
        waiting = [one for one in self._wanted.values() if one.next_ms is not None and now_ms >= one.next_ms]
        return [await asyncio.to_thread(self._report, one, now_ms) for one in waiting]

    def _report(self, wanted: Wanted, now_ms: int) -> Report:
        intervals: list[dict[str, Any]] = []
        since_s = dict(wanted.since_s)
        for meter in wanted.request.points:
            first_s = max(since_s[meter], now_ms // 1000 - BACK_S)
            found, since_s[meter] = self._intervals(meter, first_s, now_ms // 1000)
            intervals += found
        intervals.sort(key=lambda one: one["dtstart"])
        payload = {
            "report_id": new_id(),
            "report_request_id": wanted.request.id,
            "report_specifier_id": SPECIFIER,
            "report_name": NAME,
            "created_date_time": instant(now_ms),
            "dtstart": intervals[0]["dtstart"] if intervals else None,
            "intervals": intervals,
        }
        back_ms = round(1000 * wanted.request.back_s)
        is_once = not back_ms
        next_ms: int | None = now_ms + back_ms
        if is_once:
            next_ms = None if intervals else now_ms
        return Report(wanted, payload, since_s, next_ms)

    def _intervals(self, meter: str, first_s: int, now_s: int) -> tuple[list[dict[str, Any]], int]:
        """Intervals of a meter from an instant on, and the end of the last one."""
        series = self._reader.intervals(meter, first_s, now_s)
        starts = series.start.astype("datetime64[s]").astype(np.int64)
        told = [
            {
                "dtstart": instant(1000 * int(start_s)),
                "duration": timedelta(seconds=int(length_s)),
                "report_payload": {
                    "r_id": meter,
                    "value": f"{float(kwh) * 3600 / int(length_s):.3f}",
                    "data_quality": _WORDS[Quality(int(quality))],
                },
            }
            for start_s, length_s, kwh, quality in zip(
                starts, series.duration_s, series.quantity, series.quality, strict=True
            )
            if int(quality) in _WORDS and np.isfinite(kwh)
        ]
        last_s = int(starts[-1] + series.duration_s[-1]) if len(series) else first_s
        return told, last_s

    @staticmethod
    def sent(report: Report) -> None:
        """The VTN took it: it is not sent again."""
        report.wanted.since_s, report.wanted.next_ms = report.since_s, report.next_ms


def instant(at_ms: int) -> datetime:
    """Milliseconds as openleadr's templates take them."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)
