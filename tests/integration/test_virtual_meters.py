"""A site whose electricity is ``main_1 + main_2 - tenant``: simulators, daemon, series server, page, report.

The oracle is the building model. The tenant's meter is behind a gateway of its own, which goes away.
"""

import json
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from config.loading import load_site
from monitor.reports.as_json import as_data
from monitor.reports.summary import half_year_summary
from monitor.store.database import StoreError
from monitor.store.reader import StoreReader
from monitor.web.live import LiveState
from rules.calendar import reporting_period
from rules.quality import Quality
from simulators.building import Building
from tests.servers import free_port, run_program

INTERVAL_S = 6
WITHIN = 1e-3
ZONE = ZoneInfo("Asia/Taipei")

HEAD = """
site: {{id: hall, name: {{zh-TW: 市政大樓, en: City Hall}}, timezone: Asia/Taipei, language: en}}
store: {{path: energy.db}}
interval_s: {interval}
contract: {{capacity_kw: 5000}}
commodities:
  electricity: {{base_year: 2015, meters: [site-use]}}
sinks:
  - {{id: series, kind: influxdb, url: "{series}", bucket: energy}}
buses:
"""
BUS = """\
  - id: {bus}
    kind: modbus_tcp
    host: 127.0.0.1
    every_s: 0.5
    timeout_s: 0.5
    devices:
"""
DEVICE = "      - {{id: {id}, profile: siemens_pac3200, port: {port}, unit: {unit}}}\n"
METER = """\
  - id: {id}
    name: {{zh-TW: {id}, en: {id}}}
    commodity: electricity
    counter: {id}.energy_import
    rate: {id}.active_power_total
    max_rate: 9000
"""
SUM = """\
  - id: site-use
    name: {zh-TW: 全棟, en: Whole site}
    commodity: electricity
    formula: main_1 + main_2 - tenant
"""
SHARES = {"main_1": 1.0, "main_2": 1.0, "tenant": -1.0}


class Hall:
    """The site's files, its two gateways and its daemon."""

    def __init__(self, folder: Path, series) -> None:
        self.folder = folder
        self.series = series
        ports = {"own": free_port(), "theirs": free_port()}
        self.buses = {"own": ("main_1", "main_2"), "theirs": ("tenant",)}
        self.head = HEAD.format(interval=INTERVAL_S, series=series.url)
        self.texts = {
            bus: BUS.format(bus=bus)
            + "".join(DEVICE.format(id=id_, port=ports[bus], unit=n) for n, id_ in enumerate(devices, 1))
            for bus, devices in self.buses.items()
        }
        meters = "".join(METER.format(id=id_) for id_ in SHARES)
        self.file = folder / "site.yaml"
        self.file.write_text(
            self.head + "".join(self.texts.values()) + "meters:\n" + meters + SUM, encoding="utf-8"
        )
        self.installed_s = time.time() - 600  # young counters keep every digit of their type
        self.model = Building(installed_s=self.installed_s)

    def world(self, bus: str):
        """The simulated devices behind one gateway."""
        head = self.head.replace("[site-use]", "[]")
        meters = "".join(METER.format(id=id_) for id_ in self.buses[bus])
        file = self.folder / f"{bus}.yaml"
        file.write_text(head + self.texts[bus] + "meters:\n" + meters, encoding="utf-8")
        installed = datetime.fromtimestamp(self.installed_s, UTC).isoformat()
        options = ["--site", file, "--installed", installed]
        return run_program([sys.executable, "-m", "simulators", *options], name=f"simulators {bus}")

    def run(self, *words: str):
        command = [sys.executable, "-m", "monitor.cli.main", *words, "--site", self.file]
        return run_program(command, name=words[0])

    def told(self, *words: str) -> dict:
        """What a command prints as JSON."""
        with self.run(*words, "--json") as program:
            program.wait()
            program.wait_for_children()
            return json.loads(program.output[program.output.index("{") :])

    def reader(self) -> StoreReader:
        def opened() -> StoreReader | None:
            with suppress(StoreError):
                return StoreReader.open(self.folder / "energy.db", "hall")
            return None

        return wait_until("the store", opened)

    def used(self, start_s: float, end_s: float) -> float:
        return sum(share * self.model.energy(id_, start_s, end_s) for id_, share in SHARES.items())


def wait_until(what: str, condition, seconds: float = 120.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"{what} did not come within {seconds} s")


def closed(reader: StoreReader, meter: str = "site-use"):
    return reader.intervals(meter, 0, 2**40)


def test_the_sites_use_is_a_formula_from_the_wire_to_the_report(tmp_path, victoria_metrics):
    hall = Hall(tmp_path, victoria_metrics)
    with hall.world("own") as own, hall.run("run") as daemon:
        own.wait_for_line("ready")
        reader = hall.reader()
        with hall.world("theirs") as theirs:
            theirs.wait_for_line("ready")
            wait_until("three intervals of the sum", lambda: len(closed(reader)) >= 3)
            see_the_page(hall)
        before = closed(reader)

        # The tenant's gateway is gone: the sum waits, and says for whom.
        wait_until("two more intervals of main_1", lambda: main_is_ahead(reader, before))
        see_who_is_waited_for(hall)
        assert len(closed(reader)) <= len(before) + 1

        with hall.world("theirs") as theirs:
            theirs.wait_for_line("ready")
            wait_until("what was waited for", lambda: is_caught_up(reader, before))
            see_delivery(hall, reader)
            see_the_report(hall, reader)
            assert daemon.terminate() == 0
    see_every_interval(hall, reader, before)
    reader.close()


def main_is_ahead(reader: StoreReader, before) -> bool:
    return (reader.last_end_s("main_1") or 0) >= int(before.start[-1].astype(int)) + 4 * INTERVAL_S


def is_caught_up(reader: StoreReader, before) -> bool:
    now = closed(reader)
    return bool(len(now) > len(before) + 3 and now.caught_up.any() and not now.caught_up[-1])


def see_the_page(hall: Hall) -> None:
    state = LiveState(load_site(hall.file))

    def known():
        snapshot = state.step(round(time.time() * 1000))
        return snapshot if snapshot.power.known and snapshot.today.known and snapshot.window else None

    snapshot = wait_until("power on the page", known)
    at_s = snapshot.power.at_ms / 1000
    expected_kw = hall.used(at_s - 1, at_s) * 3600
    assert snapshot.power.value == pytest.approx(expected_kw, rel=0.02)
    state.close()


def see_who_is_waited_for(hall: Hall) -> None:
    def told():
        meter = next(one for one in hall.told("status")["meters"] if one["meter"] == "site-use")
        return meter if meter["error"] else None

    meter = wait_until("who is waited for", told)
    assert meter["formula"] == "main_1 + main_2 - tenant"
    assert meter["error"] == {"code": "store.waits_for", "data": {"part": "tenant"}}
    with hall.run("status") as status:
        assert status.wait() == 1
        assert "tenant" in status.output


def see_delivery(hall: Hall, reader: StoreReader) -> None:
    rows = closed(reader)
    wanted = dict(zip(rows.start.astype(int).tolist(), rows.quantity.tolist(), strict=True))

    def delivered():
        lines = hall.series.export('{__name__="energy_interval_kwh",meter="site-use"}')
        found = {
            at // 1000: value
            for line in lines
            for at, value in zip(line["timestamps"], line["values"], strict=True)
        }
        return found if set(found) >= set(wanted) else None

    found = wait_until("the sum in the series server", delivered)
    assert {at: found[at] for at in wanted} == pytest.approx(wanted, rel=1e-9)


def see_the_report(hall: Hall, reader: StoreReader) -> None:
    site, start = load_site(hall.file).site, closed(reader).start.astype(int)
    first, last = (datetime.fromtimestamp(int(at_s), ZONE).date() for at_s in (start[0], start[-1]))
    told = as_data(half_year_summary(reader, site, reporting_period(f"{first}/{last}"), "en"))
    (saving,) = told["savings"]
    assert saving["sources"] == [{"figure": "actual", "subject": "site-use", "kind": "intervals"}]
    texts = " ".join(note["text"] for note in told["notes"])
    assert "main_1 + main_2 - tenant" in texts
    assert "Most doubt comes from tenant" in texts


def quantities(reader: StoreReader, meter: str) -> dict[int, float]:
    rows = closed(reader, meter)
    return dict(zip(rows.start.astype(int).tolist(), rows.quantity.tolist(), strict=True))


def read_late(hall: Hall, at_s: float) -> float:
    """What is used in two seconds: so late a slow machine may stamp what it read at an edge."""
    return sum(hall.model.energy(id_, at_s, at_s + 2) for id_ in SHARES)


def see_every_interval(hall: Hall, reader: StoreReader, before) -> None:
    rows = closed(reader)
    starts = rows.start.astype(int).tolist()
    assert starts == list(range(starts[0], starts[0] + INTERVAL_S * len(rows), INTERVAL_S))
    caught_up = rows.caught_up
    parts = {id_: quantities(reader, id_) for id_ in SHARES}
    for n in range(1, len(rows)):
        if caught_up[n]:
            assert rows.quality[n] >= Quality.ESTIMATED
            assert rows.rate_avg[n] != rows.rate_avg[n]  # never a peak
        else:
            by_formula = sum(share * parts[id_][starts[n]] for id_, share in SHARES.items())
            assert rows.quantity[n] == pytest.approx(by_formula, rel=1e-9, abs=1e-9)
            used = hall.used(starts[n], starts[n] + INTERVAL_S)
            assert rows.quantity[n] == pytest.approx(used, rel=WITHIN, abs=read_late(hall, starts[n]))
    # Over the whole time nothing is lost: the registers tell what the silent meter used.
    end_s = starts[-1] + INTERVAL_S
    assert sum(rows.quantity[1:]) == pytest.approx(
        hall.used(starts[1], end_s), rel=WITHIN, abs=read_late(hall, starts[1])
    )
    of_start = dict(zip(starts, caught_up.tolist(), strict=True))
    windows = [row for row in reader.changed_results(0, 1000) if row.kind == "demand"]
    assert windows
    assert all(("kw" in row.data) is not of_start[row.at_s] for row in windows)
