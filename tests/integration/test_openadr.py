"""Events of a utility's VTN, carried out over the wire; openleadr's server is the far end, a process."""

import json
import math
import sqlite3
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from monitor.store.database import open_writer
from monitor.store.interval_rows import write_intervals
from monitor.store.rows import IntervalRow
from rules.intervals import Interval
from rules.quality import Quality
from tests.dispatch_world import KEY, PATIENCE_S, PLAN, SHED, plant, wait_for
from tests.servers.vtn import vtn

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
def hall(folder, url, ttl=60, *, plan=PLAN, key=KEY, replaced=()):
    """The site with a meter beside its chillers, that asks this VTN."""
    (folder / "wang.key").write_text(key + "\n")
    (folder / "wang.key").chmod(0o600)
    with plant(folder, plan + OPENADR.format(url=url, ttl=ttl), replaced=[*SITE, *replaced]) as one:
        one.devices = 5
        yield one


def in_a_moment(seconds=2.0):
    return time.time() + seconds


def audited(one):
    """What was answered to the VTN's events, as the audit has it."""
    with closing(sqlite3.connect(one.site.with_name("energy.db"))) as store:
        rows = store.execute("SELECT detail FROM audit WHERE action = 'openadr.event' ORDER BY id").fetchall()
    return [json.loads(detail) for (detail,) in rows]


def reason(one, event):
    """Why an event was opted out of last."""
    return [row["reason"]["code"] for row in audited(one) if row["vtn_event"] == event and "reason" in row][
        -1
    ]


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


def test_an_event_is_received_opted_in_to_curtailed_reported_and_settled(tmp_path):
    with vtn(report_s=1) as (utility, _), hall(tmp_path, utility.url) as one:
        give_past(tmp_path / "energy.db", 500.0)
        with one.daemon() as daemon:
            before = one.registers()
            daemon.wait_for_line("registered with .* as ven-7", timeout_s=PATIENCE_S)
            start_s = edge_in(3)
            utility.tell("event", event_id="summer peak/1", start_s=start_s, parts=[[5, 1], [5, 2]])
            wait_for("the opt", lambda: utility.opts("summer peak/1") == [(0, "optIn")])
            wait_for("level 1", lambda: one.registers() == {**SHED, "third": before["third"]})
            wait_for("level 2", lambda: one.registers() == SHED)
            assert set(one.outcomes("shed", "summer-peak-1").values()) == {"obeyed"}
            wait_for("the release", lambda: one.registers() == before)
            wait_for("its end", lambda: one.facts("summer-peak-1")["life"] == "ended")
            facts = one.facts("summer-peak-1")
            assert (facts["source"], facts["who"]) == ("openadr", "wang (hall)")
            assert "changed" in [step["kind"] for step in facts["steps"]]

            def of_the_event():
                told = {at: kw for resource, at, kw in utility.reported() if resource == "building"}
                ours = {datetime_of(start_s), datetime_of(start_s + INTERVAL_S)}
                return {at: kw for at, kw in told.items() if at in ours}

            wait_for("its intervals to be reported", lambda: len(of_the_event()) == 2)
            drawn_kw = sum(of_the_event().values()) / 2
            assert drawn_kw > 0
            wanted = ("--programme", "taipower-demand-bidding-later", "--bid", "5", "--committed", "80")
            code, said = one.dr(
                "settle", "summer-peak-1", *wanted, "--preset", "taipower-mean-of-5", "--json"
            )
            assert code == 0, said
            (settled,) = json.JSONDecoder().raw_decode(said)[0]["events"]
            assert settled["drawn_kw"] == pytest.approx(drawn_kw, abs=0.001)
            assert settled["curtailed_kw"] == pytest.approx(500 - drawn_kw, abs=0.001)
            assert float(settled["credit"]) > 0
            status = one.status()["openadr"]
            assert (status["state"], status["error"]) == ("online", None)


def datetime_of(at_s: int) -> str:
    """As the VTN keeps instants."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at_s))}+00:00"
