"""The site's own weather station: its scans made into hourly means, kept when the scans are gone."""

from collections.abc import Callable, Sequence
from functools import partial

from config.site import WeatherSettings
from monitor.store.climate import HourPart, keep_hours
from monitor.store.ledgers import WriterEngine
from monitor.store.reader import UNREADABLE, StoreReader

STEPS_AT_ONCE = 50
"""Of a store that has years of scans; the next call goes on."""


class StationHours:
    """Follows the station's points. ``catch_up`` blocks: it belongs in a worker thread.

    Parameters
    ----------
    call : has work done in the writer's thread, between two transactions.
    """

    def __init__(
        self,
        settings: WeatherSettings,
        reader: StoreReader,
        call: Callable[[Callable[[WriterEngine], object]], None],
        site: str,
    ) -> None:
        self._points = tuple(
            point for point in (settings.temperature, settings.humidity) if point is not None
        )
        self._reader = reader
        self._call = call
        self._site = site
        self._position: dict[str, int] = {}

    def catch_up(self) -> int:
        """Have every hour written of which there are new scans; returns how many steps it took."""
        return sum(self._follow(point) for point in self._points)

    def _follow(self, point: str) -> int:
        climate = self._reader.climate
        position = self._position.get(point)
        position = climate.position(point) if position is None else position
        for steps in range(STEPS_AT_ONCE):
            until, parts = climate.hour_parts(point, position)
            if until == position:
                return steps
            self._call(partial(self._keep, point=point, read=(position, until), parts=parts))
            self._position[point] = position = until
        return STEPS_AT_ONCE

    def _keep(
        self, engine: WriterEngine, point: str, read: tuple[int, int], parts: Sequence[HourPart]
    ) -> None:
        try:
            kept = keep_hours(engine, self._site, point, read, parts)
        except UNREADABLE:
            kept = False  # the writer tells of a disk in trouble
        if not kept:
            # What was not written is read again, from where the store stands.
            self._position.pop(point, None)
