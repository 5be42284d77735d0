"""A site with a meter beside its chillers that asks a utility's VTN, and what it answered."""

import json
import math
import sqlite3
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from monitor.store.database import open_writer
from monitor.store.interval_rows import write_intervals
from monitor.store.openadr import CONDITION
from monitor.store.reader import StoreReader
from monitor.store.rows import IntervalRow
from rules.intervals import Interval
from rules.quality import Quality
from tests.dispatch_world import KEY, PLAN, Plant, plant

METER = """\
      - {id: meter, profile: siemens_pac3200, unit: 5}
meters:
  - {id: main, name: {zh-TW: 總表, en: Main}, commodity: electricity, counter: meter.energy_import,
     max_rate: 9000}
curtailment:
"""
SITE = [
    ("electricity: {base_year: 2015}", "electricity: {base_year: 2015, meters: [main]}"),
    ("curtailment:\n", METER),
]
OPENADR = """\
  openadr:
    vtn_url: {url}
    ven_name: hall
    operator: wang
    operator_key: {{file: wang.key}}
    poll_s: 0.5
    unknown_after_s: {ttl}
    rules:
      - {{plan: summer, market_context: "http://utility/dr", levels: {{1: 80, 2: all}}}}
      - {{plan: summer, market_context: "http://utility/power", signal: LOAD_DISPATCH}}
    reports:
      - {{meter: main, resource: building}}
"""
INTERVAL_S = 5


@contextmanager
def hall(
    folder: Path, url: str, ttl: float = 60, *, replaced: Collection[tuple[str, str]] = (), key: str = KEY
) -> Iterator[Plant]:
    """The site with a meter beside its chillers, that asks this VTN."""
    (folder / "wang.key").write_text(key + "\n")
    (folder / "wang.key").chmod(0o600)
    with plant(folder, PLAN + OPENADR.format(url=url, ttl=ttl), replaced=[*SITE, *replaced]) as one:
        one.devices = 5
        yield one


def audited(one: Plant) -> list[dict[str, Any]]:
    """What was answered to the VTN's events, as the audit has it."""
    with closing(sqlite3.connect(one.site.with_name("energy.db"))) as store:
        rows = store.execute("SELECT detail FROM audit WHERE action = 'openadr.event' ORDER BY id").fetchall()
    return [json.loads(detail) for (detail,) in rows]


def reasons(one: Plant, event: str) -> list[str]:
    """Why an event was opted out of, each time."""
    return [row["reason"]["code"] for row in audited(one) if row["vtn_event"] == event and "reason" in row]


def condition(one: Plant) -> tuple[str, str | None]:
    """How the connection stands, as the store has it: a word, and the code of what is wrong."""
    store = StoreReader.open(one.site.with_name("energy.db"), "hall")
    try:
        (row,) = [row for row in store.conditions() if row.device == CONDITION]
    finally:
        store.close()
    return row.condition, None if row.error is None else row.error["code"]


def give_past(store: Path, kw: float, days: int = 25, ahead_s: int = 600) -> None:
    """Days before, measured at this time of the day and a while after it."""
    now_s = int(time.time()) // INTERVAL_S * INTERVAL_S
    kwh = kw * INTERVAL_S / 3600
    rows = [
        IntervalRow(
            "main", Interval(at_s, INTERVAL_S, kwh, 1.0, Quality.GOOD, kw, kw, kw, False, 0.0, kwh, 0)
        )
        for day in range(1, days + 1)
        for at_s in range(now_s - 86_400 * day, now_s - 86_400 * day + ahead_s, INTERVAL_S)
    ]
    engine = open_writer(store)
    with engine.begin() as connection:
        write_intervals(connection, "hall", rows, 0)
    engine.dispose()


def edge_in(seconds: float) -> int:
    """An edge of the site's intervals, at least so far ahead."""
    return math.ceil((time.time() + seconds) / INTERVAL_S) * INTERVAL_S
