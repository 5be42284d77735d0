"""The calendar's job: the station's hours, and days that are over against what was expected of them."""

import asyncio
import contextlib
import logging
from functools import partial

from config.loading import LoadedSite
from config.words import Spoken
from monitor.adjusted.base_model import to_json
from monitor.adjusted.expected import Expectations
from monitor.adjusted.station import StationHours
from monitor.clock import SteadyClock
from monitor.store.expected import KeptModel, keep_base_model
from monitor.store.reader import UNREADABLE, StoreReader
from monitor.store.rows import Commit
from monitor.store.writer import Writer

log = logging.getLogger(__name__)


class DayWatch:
    """Asks the store what is due, and has it written. A look too many changes nothing."""

    def __init__(self, loaded: LoadedSite, reader: StoreReader, writer: Writer, clock: SteadyClock) -> None:
        self._site = loaded.site.site.id
        self._writer = writer
        self._clock = clock
        self._station = StationHours(loaded.site.weather, reader, writer.call, self._site)
        self._expectations = Expectations(loaded, reader)

    async def look(self) -> None:
        """What is due now."""
        if self._clock.is_holding:
            return  # there is no today
        # The end of the daemon is no failure of the job: what is due is found again at the next start.
        with contextlib.suppress(asyncio.CancelledError):
            try:
                await asyncio.to_thread(self._station.catch_up)
                due = await asyncio.to_thread(self._expectations.due, self._clock.now_ms() // 1000)
            except UNREADABLE as error:
                log.warning(Spoken("log.expected_waits", reason=error.__cause__ or error))
                return
            if due.results or due.conditions:
                self._writer.submit(Commit(results=due.results, conditions=due.conditions))
            for name, base in due.models:
                kept = KeptModel(self._site, name, base.inputs, to_json(base), self._clock.now_ms())
                self._writer.call(partial(keep_base_model, kept=kept))
