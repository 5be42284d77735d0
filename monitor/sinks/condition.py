"""How a sink is doing, and what the log says about it: the same trouble once a minute, with the cure."""

import logging
from collections.abc import Mapping
from typing import Any

from config.words import Spoken
from monitor.clock import Clock
from monitor.sinks.contract import SinkState, Trouble

log = logging.getLogger(__name__)

QUIET_S = 60.0


class Condition:
    """State of one sink since when, and its last trouble."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._logged_s: dict[str, float] = {}
        self.state = SinkState.OK
        self.since_ms = clock.now_ms()
        self.trouble: Trouble | None = None

    def worse(self, state: SinkState, code: str, data: Mapping[str, Any]) -> None:
        """Something is wrong: remember it, and say so."""
        self.trouble = Trouble(code, data, self._clock.now_ms())
        self._become(state)
        self.mention(logging.ERROR if state is SinkState.HOLDING else logging.WARNING, code, data)

    def fine(self, code: str, data: Mapping[str, Any]) -> None:
        """It works; ``code`` is what to say when it did not before."""
        if self.state is SinkState.OK:
            return
        self._become(SinkState.OK)
        self.mention(logging.INFO, code, data)

    def mention(self, level: int, code: str, data: Mapping[str, Any]) -> None:
        """Log a text, unless the same code was logged within the last minute."""
        now_s = self._clock.monotonic_s()
        last_s = self._logged_s.get(code)
        if last_s is not None and now_s - last_s < QUIET_S:
            return
        self._logged_s[code] = now_s
        log.log(level, Spoken("log.trouble", error={"code": code, "data": data}))

    def _become(self, state: SinkState) -> None:
        if state is not self.state:
            self.state = state
            self.since_ms = self._clock.now_ms()
