"""The daemon's eye on the open demand window: how it stands, and an alarm before the contract is passed."""

import asyncio
import logging
from typing import Any

from config.loading import LoadedSite
from config.meter_checks import formulas_of
from config.words import Spoken
from monitor.alarms import alarm_result
from monitor.clock import SteadyClock
from monitor.demand.limits import Limits
from monitor.demand.standing import CONDITION, alarm_row, window_row
from monitor.demand.windows import site_meters
from monitor.pipeline import Pipeline
from monitor.store.reader import StoreReader
from monitor.store.rows import Commit
from monitor.store.writer import Writer
from rules.demand import DemandWindow
from rules.formulas import over_registers
from rules.open_window import AlarmRules, Level, OpenPart, next_level, open_window

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
RENEW_MS = 10_000


class DemandWatch:
    """Looks at the window that is open, once a second.

    Each change of its standing is written down at once; its figures now and then, so that who reads them in
    another process can tell how old they are.
    """

    def __init__(
        self, loaded: LoadedSite, pipeline: Pipeline, reader: StoreReader, writer: Writer, clock: SteadyClock
    ) -> None:
        formulas = formulas_of(loaded.site)
        self._shares: dict[str, float] = {}
        for meter in site_meters(loaded.site):
            for register, share in over_registers(formulas, meter).items():
                self._shares[register] = self._shares.get(register, 0.0) + share
        self._interval_s = loaded.site.interval_s
        self._limits = Limits(loaded)
        contract = loaded.site.contract
        self._rules = AlarmRules(near_share=contract.alarm_percent / 100) if contract else AlarmRules()
        self._pipeline = pipeline
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._level = Level.CALM
        self._since_ms = self._written_ms = 0

    async def run(self) -> None:
        """Look until cancelled."""
        self._level = self._told_before()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if not self._clock.is_holding:
                self.look(self._clock.now_ms())

    def window(self, now_ms: int) -> DemandWindow | None:
        """The open window of the site; None where a part of it is not measured whole."""
        parts = []
        for meter, share in self._shares.items():
            found = self._pipeline.unclosed(meter)
            if found is None:
                return None
            rules, readings = found
            parts.append(OpenPart(share, readings, rules.limits.factors, rules.max_gap_ms))
        return open_window(parts, now_ms, self._interval_s)

    def look(self, now_ms: int) -> None:
        """Look once; write and say what has changed."""
        window = self.window(now_ms)
        if window is None:
            return
        limit_kw, before = self._limits.kw(window.start_s), self._level
        if limit_kw is not None:
            self._level = next_level(before, window, limit_kw, self._rules)
        changed = self._level is not before
        if not changed and 0 <= now_ms - self._written_ms < RENEW_MS:
            return
        self._written_ms = now_ms
        self._since_ms = now_ms if changed else self._since_ms
        rows = [window_row(window, limit_kw, self._level, now_ms)]
        if limit_kw is not None and (changed or self._level is not Level.CALM):
            rows.append(alarm_row(window, limit_kw, self._level, self._since_ms, now_ms))
        results = [alarm_result(CONDITION, now_ms, rows[-1].error)] if changed else []
        self._writer.submit(Commit(conditions=rows, results=results))
        if changed:
            self._tell(rows[-1].error, limit_kw)

    def _tell(self, error: dict[str, Any] | None, limit_kw: float | None) -> None:
        if error is None:
            log.info(Spoken("demand.log_calm", limit=f"{limit_kw:,.0f}"))
        else:
            log.warning(Spoken("log.trouble", error=error))

    def _told_before(self) -> Level:
        """The standing that another run of the daemon wrote down last, and since when it was so."""
        row = next((row for row in self._reader.conditions() if row.device == CONDITION), None)
        if row is None:
            return Level.CALM
        self._since_ms = row.since_ms
        return Level(row.condition)
