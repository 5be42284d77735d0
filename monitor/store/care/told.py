"""What people should know of a store: what its keeper found, and what the books say was given up."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from monitor.store.care.disk import disk_trouble
from monitor.store.given_up import Cause, GivenUp, summed, told
from monitor.store.reader import StoreReader
from monitor.store.rows import ConditionRow
from monitor.timestamps import iso_utc

CONDITIONS = "store/"
"""Under names that begin so page and ``status`` find how the store is."""

TOLD_FOR_MS = 30 * 86_400_000
"""So long after the last of them page and ``status`` speak of readings that went early; the books always."""

Trouble = dict[str, Any]


def troubles_of(
    conditions: Iterable[ConditionRow], given_up: Iterable[GivenUp], now_ms: int
) -> list[Trouble]:
    """What is to be told of the store: {code, data} each."""
    found = [row.error for row in conditions if row.device.startswith(CONDITIONS) and row.error is not None]
    rows = list(given_up)
    for cause in Cause:
        of_cause = [row for row in rows if row.cause is cause]
        if of_cause and max(row.at_ms for row in of_cause) > now_ms - TOLD_FOR_MS:
            found.append(told(cause, summed(of_cause, cause), iso_utc))
    return found


def store_troubles(
    reader: StoreReader, conditions: Collection[ConditionRow], path: Path, now_ms: int
) -> list[Trouble]:
    """The same of a store and its disk: on a full one the daemon cannot write down that it is full."""
    found = troubles_of(conditions, reader.given_up(), now_ms)
    disk = disk_trouble(path)
    if disk is not None:
        found = [disk, *(one for one in found if one["code"] != "care.disk_full")]
    return found
