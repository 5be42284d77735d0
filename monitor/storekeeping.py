"""The daemon's care for its store: old rows go, the cap on its size holds, damage is noticed and told."""

import asyncio
import logging
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from config.site import Site
from config.words import Spoken
from monitor.clock import SteadyClock
from monitor.store.care.files import in_mb
from monitor.store.care.full_disk import FullDisk
from monitor.store.care.quarantine import damage_in, quarantined_beside
from monitor.store.care.size import Room, SizeCap, used_bytes
from monitor.store.database import StoreError
from monitor.store.reader import UNREADABLE, StoreReader
from monitor.store.retention import delete_old_scans, give_up_oldest_scans, thin_out
from monitor.store.rows import Commit, ConditionRow
from monitor.store.writer import Writer
from monitor.timestamps import iso_utc

log = logging.getLogger(__name__)

LOOK_EVERY_S, SIZE_EVERY_S = 1.0, 30.0

CONDITIONS = "store/"
"""Under names that begin so page and ``status`` find how the store is."""

GIGABYTE = 1_000_000_000
OTHERS_MAY_WRITE = 0o002

Trouble = dict[str, Any]


def troubles_of(conditions: Iterable[ConditionRow]) -> list[Trouble]:
    """What is to be told of the store: {code, data} each, out of all conditions."""
    return [row.error for row in conditions if row.device.startswith(CONDITIONS) and row.error is not None]


class StoreKeeper:
    """Looks after the store of a running daemon. Its work on rows is done in the writer's thread."""

    def __init__(
        self, site: Site, path: Path, reader: StoreReader, writer: Writer, clock: SteadyClock
    ) -> None:
        self._site = site
        self._path = path
        self._reader = reader
        self._writer = writer
        self._clock = clock
        gigabytes = site.store.max_size_gb
        self._cap = None if gigabytes is None else SizeCap(round(gigabytes * GIGABYTE))
        self._disk = FullDisk(reader, writer)
        self._told: dict[str, Trouble | None] = {}

    async def run(self) -> None:
        """Look until cancelled.

        Raises
        ------
        StoreError : ``care.damaged_at_work``: the store cannot take any more.
        """
        known = await asyncio.to_thread(self._reader.conditions)
        self._told = {row.device: row.error for row in known if row.device.startswith(CONDITIONS)}
        since_s = SIZE_EVERY_S
        while True:
            self.look_for_damage()
            since_s += LOOK_EVERY_S
            if since_s >= SIZE_EVERY_S or self._is_full_disk():
                since_s = 0.0
                await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOK_EVERY_S)

    def look_for_damage(self) -> None:
        """End what cannot go on; whoever started it sets the store aside and begins a new one."""
        reason = self._writer.damage
        if reason is not None:
            raise StoreError("care.damaged_at_work", path=str(self._path), reason=reason)

    def look(self) -> None:
        """Hold the store against its cap, and tell what people should know; blocks."""
        try:
            self._tell("size", self._mind_size())
            self._tell("quarantine", self._quarantined())
            self._tell("permissions", self._loose())
        except UNREADABLE as error:
            if damage_in(error) is not None:
                raise
            log.warning(Spoken("care.log_unreadable", reason=error.__cause__ or error))

    async def forget(self) -> None:
        """Let go of scans that are older than they are to be kept, once a night."""
        if not self._clock.is_settled:
            return  # a clock that was set years ahead must not cost the readings of years
        days, now_ms = self._site.store.keep_scans_days, self._clock.now_ms()
        sinks = [one.id for one in self._site.sinks if "scans" in one.streams()]
        before_ms = now_ms - days * 86_400_000
        count = await asyncio.to_thread(delete_old_scans, self._reader, self._writer, before_ms, sinks)
        await asyncio.to_thread(thin_out, self._writer, self._site.site.id, now_ms)
        log.info(Spoken("log.retention", count=count, days=days))

    def _is_full_disk(self) -> bool:
        return self._cap is not None and self._disk.is_met()

    def _mind_size(self) -> Trouble | None:
        cap = self._cap
        if cap is None:
            return None
        # A disk that is smaller than was thought is a cap as well: what goes first was decided.
        if count := self._disk.make_room():
            self._log_given_up(count)
        used = used_bytes(self._path)
        figures = {"used": in_mb(used), "cap": in_mb(cap.bytes_at_most)}
        room = cap.room(used)
        if room is Room.ENOUGH:
            return None
        if room is Room.NEAR and self._given_up() is None:
            return {"code": "care.size_near", "data": figures}
        if room is Room.FULL:
            self._give_up(cap)
            if used_bytes(self._path) >= cap.bytes_at_most:
                return {"code": "care.size_held", "data": figures}
        given_up = self._given_up()
        if given_up is None:
            return {"code": "care.size_near", "data": figures}
        return {"code": "care.size_full", "data": {"cap": figures["cap"], **given_up}}

    def _give_up(self, cap: SizeCap) -> None:
        count = give_up_oldest_scans(
            self._reader, self._writer, lambda: used_bytes(self._path) > cap.eased_bytes
        )
        if count:
            self._log_given_up(count)

    def _log_given_up(self, count: int) -> None:
        given_up = self._given_up() or {"before": "?", "undelivered": 0}
        log.warning(Spoken("care.log_given_up", count=count, **given_up))

    def _given_up(self) -> dict[str, Any] | None:
        """Since when there are scans, and how many went before a sink had them; None when none went early."""
        first = self._reader.follow(0, limit=1)
        if not first or first[0][0] == 1:
            return None
        id_, _, scan = first[0]
        oldest_ms = self._clock.now_ms() - self._site.store.keep_scans_days * 86_400_000
        if scan.at_ms < oldest_ms + 2 * 86_400_000:
            return None  # their time was over
        sinks = [one.id for one in self._site.sinks if "scans" in one.streams()]
        positions = [self._reader.cursors(sink).get("scans", 0) for sink in sinks]
        undelivered = max((id_ - 1 - position for position in positions), default=0)
        return {"before": iso_utc(scan.at_ms), "undelivered": max(0, undelivered)}

    def _quarantined(self) -> Trouble | None:
        found = list(quarantined_beside(self._path))
        return {"code": "care.quarantined", "data": {"kept": str(found[-1])}} if found else None

    def _loose(self) -> Trouble | None:
        folder = self._path.absolute().parent
        mode = folder.stat().st_mode
        if mode & OTHERS_MAY_WRITE and not mode & stat.S_ISVTX:  # who may write there may replace the store
            return {"code": "care.loose_folder", "data": {"path": str(folder), "mode": f"{mode & 0o777:o}"}}
        mode = self._path.stat().st_mode
        if not mode & OTHERS_MAY_WRITE:
            return None
        return {"code": "care.loose", "data": {"path": str(self._path), "mode": f"{mode & 0o777:o}"}}

    def _tell(self, what: str, trouble: Trouble | None) -> None:
        name = CONDITIONS + what
        if self._told.get(name) == trouble:
            return
        told = self._told.get(name)
        if trouble is not None and (told is None or told["code"] != trouble["code"]):
            log.warning(Spoken("log.trouble", error=trouble))
        self._told[name] = trouble
        condition = "ok" if trouble is None else "trouble"
        row = ConditionRow(name, condition, self._clock.now_ms(), trouble)
        self._writer.submit(Commit(conditions=[row]))
