"""The daemon's eye on the open demand window: an alarm before the contract is passed."""

import asyncio
import logging
from typing import Any

from config.loading import LoadedSite
from config.meter_checks import formulas_of
from config.words import Spoken
from monitor.clock import SteadyClock
from monitor.demand.limits import Limits
from monitor.demand.windows import site_meters
from monitor.pipeline import Pipeline
from monitor.store.reader import StoreReader
from monitor.store.rows import Commit, ConditionRow
from monitor.store.writer import Writer
from rules.demand import DemandWindow
from rules.formulas import over_registers
from rules.open_window import AlarmRules, Level, OpenPart, next_level, open_window

log = logging.getLogger(__name__)

CONDITION = "demand/contract"
"""Under this name page and ``status`` find the alarm."""

LOOK_EVERY_S = 1.0
CODES = {Level.NEAR: "demand.near", Level.OVER: "demand.over"}


class DemandWatch:
    """Looks at the window that is open, once a second, and writes down each change of its standing."""

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
        limit_kw = self._limits.kw(window.start_s) if window is not None else None
        if window is None or limit_kw is None:
            return
        level = next_level(self._level, window, limit_kw, self._rules)
        if level is self._level:
            return
        self._level = level
        error = None if level is Level.CALM else {"code": CODES[level], "data": _figures(window, limit_kw)}
        self._writer.submit(Commit(conditions=[ConditionRow(CONDITION, level.value, now_ms, error)]))
        if error is None:
            log.info(Spoken("demand.log_calm", limit=f"{limit_kw:,.0f}"))
        else:
            log.warning(Spoken("log.trouble", error=error))

    def _told_before(self) -> Level:
        """The standing that another run of the daemon wrote down last."""
        row = next((row for row in self._reader.conditions() if row.device == CONDITION), None)
        return Level(row.condition) if row is not None else Level.CALM


def _figures(window: DemandWindow, limit_kw: float) -> dict[str, Any]:
    shed_kw = max(0.0, window.shed_kw(limit_kw))
    return {
        "projected": f"{window.projected_kw:,.0f}",
        "limit": f"{limit_kw:,.0f}",
        "mean": f"{window.mean_kw:,.0f}",
        "shed": f"{shed_kw:,.0f}",
        "left_min": f"{window.left_s / 60:.1f}",
    }
