"""The daemon's turn at the request box: what waits is carried out, and a box in trouble is told once."""

import logging
from pathlib import Path
from typing import Any

from config.words import Spoken
from monitor.alarms import alarm_result
from monitor.clock import SteadyClock
from monitor.store.box_file import BOX_DAMAGED, BOX_HELD
from monitor.store.database import StoreError
from monitor.store.ledgers import WriterEngine
from monitor.store.reader import UNREADABLE, StoreReader
from monitor.store.requests import RequestBox
from monitor.store.rows import Commit, ConditionRow
from monitor.store.writer import Writer

log = logging.getLogger(__name__)

CONDITION = "store/requests"
"""Under this name page and ``status`` find how the request box is."""

HELD_TURNS = 20
"""So many times in a row the box may be in somebody's hands before that is a trouble: about ten seconds."""

Trouble = dict[str, Any]


class RequestTaker:
    """Takes up requests in the writer's thread, and sets a damaged box aside."""

    def __init__(
        self, site: str, box: RequestBox, reader: StoreReader, writer: Writer, clock: SteadyClock
    ) -> None:
        self._site = site
        self._box = box
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._told: Trouble | None = None
        self._has_looked = False
        self._is_asked = False
        self._held = 0

    def ask(self) -> None:
        """Have the writer look into the box, unless it is still to: turns must not pile up before commits."""
        if not self._is_asked:
            self._is_asked = True
            self._writer.call(self.take_up)

    def take_up(self, engine: WriterEngine) -> None:
        """Carry out what waits. A trouble is told when it begins, and taken back when it is over."""
        self._is_asked = False
        try:
            self._know_what_was_told()
            if count := self._box.take_up(engine, self._site):
                log.info(Spoken("log.requests", count=count))
            self._held = 0
            self._tell(self._set_aside())
        except StoreError as error:
            self._held = self._held + 1 if error.code == BOX_HELD else 0
            if not 0 < self._held < HELD_TURNS:
                self._tell(self._cured(error))
        except (
            UNREADABLE
        ) as error:  # of the store: what was asked waits, and is carried out once that is over
            reason = str(error.__cause__ or error)
            self._tell({"code": "box.waits", "data": {"reason": reason}})

    def _know_what_was_told(self) -> None:
        if self._has_looked:
            return
        rows = self._reader.conditions()
        self._told = next((row.error for row in rows if row.device == CONDITION), None)
        self._has_looked = True

    def _cured(self, error: StoreError) -> Trouble | None:
        """What is left to tell of a box in trouble: a damaged one gives way to a new one."""
        if error.code != BOX_DAMAGED:
            return {"code": error.code, "data": dict(error.data)}
        try:
            kept = self._box.begin_anew(self._clock.now_ms())
        except (StoreError, OSError) as second:
            reason = str(second)
            return {"code": "box.unusable", "data": {"path": str(self._box.path), "reason": reason}}
        return _set_aside_as(kept)

    def _set_aside(self) -> Trouble | None:
        """A damaged box that still lies there for somebody to look at."""
        told = self._told
        if told is not None and told["code"] == "box.set_aside" and Path(told["data"]["kept"]).exists():
            return told
        return None

    def _tell(self, trouble: Trouble | None) -> None:
        if trouble == self._told:
            return
        if trouble is not None:
            log.warning(Spoken("log.trouble", error=trouble))
        self._told = trouble
        condition = "ok" if trouble is None else "trouble"
        row = ConditionRow(CONDITION, condition, self._clock.now_ms(), trouble)
        self._writer.submit(
            Commit(conditions=[row], results=[alarm_result(CONDITION, row.since_ms, trouble)])
        )


def _set_aside_as(kept: Path) -> Trouble:
    return {"code": "box.set_aside", "data": {"kept": str(kept)}}
