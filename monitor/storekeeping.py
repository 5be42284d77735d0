"""The daemon's care for its store: old rows go, the cap on its size holds, damage is noticed and told."""

import asyncio
import logging
import stat
from datetime import UTC, datetime, time, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from config.site import Site
from config.words import Spoken
from monitor.alarms import alarm_result
from monitor.clock import SteadyClock
from monitor.store.care.files import in_mb
from monitor.store.care.full_disk import FullDisk
from monitor.store.care.lost import lost_beside
from monitor.store.care.quarantine import damage_in, quarantined_beside
from monitor.store.care.size import Room, SizeCap, used_bytes
from monitor.store.care.told import CONDITIONS, Trouble
from monitor.store.database import StoreError
from monitor.store.given_up import Cause, Order, Went, told
from monitor.store.reader import UNREADABLE, StoreReader
from monitor.store.retention import (
    Steps,
    delete_old_scans,
    forget_health,
    give_up_oldest_scans,
    oldest_within,
    thin_out,
)
from monitor.store.rows import Commit, ConditionRow
from monitor.store.writer import Writer
from monitor.timestamps import iso_utc

log = logging.getLogger(__name__)

LOOK_EVERY_S, SIZE_EVERY_S, ASK_EVERY_S = 1.0, 30.0, 600.0

NIGHT = time(3, 20)
RETENTION = CONDITIONS + "retention"
"""The condition that tells since when old rows are gone."""

GIGABYTE = 1_000_000_000
OTHERS_MAY_WRITE = 0o002


def last_night_ms(now_ms: int, zone: tzinfo) -> int:
    """The last 03:20 of a site's time, milliseconds UTC."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone)
    night = datetime.combine(now.date(), NIGHT, zone)
    if night > now:
        night = datetime.combine(now.date() - timedelta(days=1), NIGHT, zone)
    return round(night.timestamp() * 1000)


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
        cap_bytes = None if self._cap is None else self._cap.bytes_at_most
        self._disk = FullDisk(path, reader, writer, cap_bytes)
        self._told: dict[str, Trouble | None] = {}

    async def run(self) -> None:
        """Look until cancelled.

        Raises
        ------
        StoreError : ``care.damaged_at_work``: the store cannot take any more.
        """
        knows, since_s = False, SIZE_EVERY_S
        while True:
            self.look_for_damage()
            since_s += LOOK_EVERY_S
            if since_s >= SIZE_EVERY_S or self._disk.is_met():
                since_s = 0.0
                knows = knows or await asyncio.to_thread(self._know_what_was_told)
                if knows:
                    await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOK_EVERY_S)

    def _know_what_was_told(self) -> bool:
        try:
            known = self._reader.conditions()
        except UNREADABLE as error:
            if damage_in(error) is not None:
                raise
            log.warning(Spoken("care.log_unreadable", reason=error.__cause__ or error))
            return False
        self._told = {row.device: row.error for row in known if row.device.startswith(CONDITIONS)}
        return True

    def look_for_damage(self) -> None:
        """End what cannot go on; whoever started it sets the store aside and begins a new one."""
        reason = self._writer.damage
        if reason is not None:
            raise StoreError("care.damaged_at_work", path=str(self._path), reason=reason)

    def look(self) -> None:
        """Hold the store against its cap, and tell what people should know; blocks."""
        try:
            self._mind_disk()
            self._tell("size", self._mind_size())
            self._tell("disk", self._disk.trouble())
            self._tell("quarantine", self._quarantined())
            self._tell("lost", self._lost())
            self._tell("permissions", self._loose())
        except UNREADABLE as error:
            if damage_in(error) is not None:
                raise
            log.warning(Spoken("care.log_unreadable", reason=error.__cause__ or error))

    async def forget_in_time(self) -> None:
        """Let go of what is old, every night; until cancelled. A night that was missed is made up for."""
        while True:
            try:
                if await asyncio.to_thread(self.is_night_due):
                    await self.forget()
            except UNREADABLE as error:
                log.warning(Spoken("care.log_unreadable", reason=error.__cause__ or error))
            await asyncio.sleep(ASK_EVERY_S)

    def is_night_due(self) -> bool:
        """Whether no retention was done since 03:20 of the site's time; state decides, and no timer."""
        if not self._clock.is_settled:
            return False  # a clock that was set years ahead must not cost the readings of years
        now_ms = self._clock.now_ms()
        done_ms = next((row.since_ms for row in self._reader.conditions() if row.device == RETENTION), None)
        night_ms = last_night_ms(now_ms, ZoneInfo(self._site.site.timezone))
        return done_ms is None or not night_ms <= done_ms <= now_ms

    async def forget(self) -> None:
        """Let go of scans that are older than they are to be kept, and remember that it was done."""
        days, now_ms = self._site.store.keep_scans_days, self._clock.now_ms()
        sinks = [one.id for one in self._site.sinks if "scans" in one.streams()]
        before_ms, steps = now_ms - days * 86_400_000, Steps(self._writer)
        count = await asyncio.to_thread(delete_old_scans, self._reader, self._writer, before_ms, sinks, steps)
        await asyncio.to_thread(thin_out, self._writer, self._site.site.id, now_ms)
        sinks = [one.id for one in self._site.sinks if "results" in one.streams()]
        await asyncio.to_thread(forget_health, self._reader, self._writer, self._site.site.id, now_ms, sinks)
        log.info(Spoken("log.retention", count=count, days=days))
        if steps.failure is None:
            self._writer.submit(Commit(conditions=[ConditionRow(RETENTION, "ok", now_ms, None)]))

    def _mind_disk(self) -> None:
        """Have room in reserve; on a full disk use it. With a cap it was decided as well what goes first."""
        self._disk.prepare()
        order = None if self._cap is None else self._order(Cause.DISK)
        self._log(Cause.DISK, self._disk.make_room(order))

    def _mind_size(self) -> Trouble | None:
        cap = self._cap
        if cap is None:
            return None
        used, failure = used_bytes(self._path), None
        if cap.room(used) is Room.FULL:
            failure = self._give_up(cap)
            used = used_bytes(self._path)
        room = cap.room(used)
        if room is Room.ENOUGH:
            return None
        # Where a step failed there may well be readings left: then it is the disk that is told.
        code = "care.size_held" if room is Room.FULL and failure is None else "care.size_near"
        return {"code": code, "data": {"used": in_mb(used), "cap": in_mb(cap.bytes_at_most)}}

    def _order(self, cause: Cause) -> Order:
        sinks = tuple(one.id for one in self._site.sinks if "scans" in one.streams())
        return Order(self._site.site.id, sinks, cause, self._clock.now_ms())

    def _give_up(self, cap: SizeCap) -> str | None:
        """Give up what is above the cap; returns what the database said where it did not take that."""
        steps = Steps(self._writer)
        while (above := used_bytes(self._path) - cap.eased_bytes) > 0:
            rows = oldest_within(self._reader, above)
            order = self._order(Cause.CAP)
            went = give_up_oldest_scans(self._reader, self._writer, order, steps=steps, at_most=rows)
            self._log(Cause.CAP, went)
            if not went.count:
                break
        return steps.failure

    @staticmethod
    def _log(cause: Cause, went: Went) -> None:
        if went.count:
            log.warning(Spoken("log.trouble", error=told(cause, went, iso_utc)))

    def _quarantined(self) -> Trouble | None:
        found = list(quarantined_beside(self._path))
        return {"code": "care.quarantined", "data": {"kept": str(found[-1])}} if found else None

    def _lost(self) -> Trouble | None:
        found = list(lost_beside(self._path))
        return {"code": "care.lost", "data": {"kept": str(found[-1])}} if found else None

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
        commit = Commit(conditions=[row])
        if (trouble and trouble["code"]) != (told and told["code"]):  # figures change all the time
            commit.results.append(alarm_result(name, row.since_ms, trouble))
        self._writer.submit(commit)
