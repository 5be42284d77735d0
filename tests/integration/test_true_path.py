"""From a meter on the wire to the store and a series server, all of it real, also through a kill -9.

The oracle is the building model: what it says was used is what the store and the server must hold.
"""

import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from monitor.store.database import StoreError
from monitor.store.reader import StoreReader
from rules.quality import Quality
from simulators.building import Building
from tests.servers import free_port, run_program

INTERVAL_S = 6
WITHIN = 1e-3

SITE = """
site: {{id: hall, name: {{zh-TW: 市政大樓, en: City Hall}}, timezone: Asia/Taipei, language: en}}
store: {{path: energy.db}}
interval_s: {interval}
contract: {{capacity_kw: 5000}}
commodities:
  electricity: {{base_year: 2015, meters: [main]}}
  water: {{base_year: 2016, meters: [water-main]}}
buses:
  - id: switchroom
    kind: modbus_tcp
    host: 127.0.0.1
    every_s: 0.5
    devices:
      - {{id: main, profile: siemens_pac3200, port: {main}}}
      - {{id: chiller-1-power, profile: eastron_sdm630, port: {chiller}, unit: 3}}
      - {{id: chiller-1, profile: trane_pic_rthd, port: {chiller}, unit: 4}}
      - {{id: absent, profile: eastron_sdm630, port: {absent}}}
  - id: broker
    kind: mqtt
    host: 127.0.0.1
    port: {mqtt}
    devices:
      - {{id: water-main, profile: json_water_meter, topic: hall/water, stale_after_s: 3}}
meters:
  - id: main
    name: {{zh-TW: 總表, en: Main}}
    commodity: electricity
    counter: main.energy_import
    rate: main.active_power_total
    max_rate: 9000
  - id: chiller-1-power
    name: {{zh-TW: 一號冰水主機, en: Chiller 1}}
    commodity: electricity
    counter: chiller-1-power.energy_import
    rate: chiller-1-power.active_power_total
    max_rate: 1000
  - id: water-main
    name: {{zh-TW: 總水表, en: Water}}
    commodity: water
    counter: water-main.volume
    rate: water-main.flow
    max_rate: 300
sinks:
  - {{id: series, kind: influxdb, url: "{series}", bucket: energy}}
"""


class Hall:
    """The site's files, its fake world and its daemon."""

    def __init__(self, folder: Path, broker, series) -> None:
        self.file = folder / "site.yaml"
        self.file.write_text(
            SITE.format(
                interval=INTERVAL_S,
                main=free_port(),
                chiller=free_port(),
                absent=free_port(),
                mqtt=broker.port,
                series=series.url,
            ),
            encoding="utf-8",
        )
        # Counters as young as this keep every digit that a register of their type can show.
        self.installed_s = time.time() - 600
        self.model = Building(installed_s=self.installed_s)
        self.series = series
        self.store = folder / "energy.db"

    def world(self):
        """The simulators: every device of the site but the absent one."""
        present = self.file.with_name("world.yaml")
        text = self.file.read_text(encoding="utf-8").splitlines()
        present.write_text("\n".join(line for line in text if "absent" not in line), encoding="utf-8")
        installed = datetime.fromtimestamp(self.installed_s, UTC).isoformat()
        options = ["--site", present, "--installed", installed, "--publish-every", "0.5"]
        return run_program([sys.executable, "-m", "simulators", *options], name="simulators")

    def daemon(self):
        return run_program(self.command("run"), name="daemon")

    def command(self, *words: str) -> list[str | Path]:
        return [sys.executable, "-m", "monitor.cli.main", *words, "--site", self.file]

    def reader(self) -> StoreReader:
        """The store, once the daemon has made it."""

        def opened() -> StoreReader | None:
            with suppress(StoreError):
                return StoreReader.open(self.store, "hall")
            return None

        return wait_until("the store", opened)

    def used(self, meter: str, start_s: float, end_s: float) -> float:
        family = "water" if meter == "water-main" else "electricity"
        return self.model.energy(meter, start_s, end_s, family)


def wait_until(what: str, condition, seconds: float = 120.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"{what} did not come within {seconds} s")


def complete(reader: StoreReader, meter: str):
    """(start, quantity) of a meter's whole intervals, that is all but the first, begun in its middle."""
    series = reader.intervals(meter, 0, 2**40)
    return list(zip(series.start.astype(int).tolist(), series.quantity.tolist(), strict=True))[1:]


def read_late(hall: Hall, meter: str, at_s: float) -> float:
    """What is used in the time by which a slow machine may stamp a reading too late.

    A second for a register that is polled; nothing where the payload says when it was read.
    """
    return 0.0 if meter == "water-main" else hall.used(meter, at_s, at_s + 1)


def has_a_faultless_one(reader: StoreReader, meter: str) -> bool:
    """Good, covered from edge to edge, and its greatest rate that of its mean: the load is steady."""
    series = reader.intervals(meter, 0, 2**40)
    good = (series.quality == Quality.GOOD) & (series.coverage > 0.99)
    steady = np.isclose(series.rate_max, series.rate_avg, rtol=0.01)
    return bool((good & steady)[1:].any())


def conditions(reader: StoreReader) -> dict[str, str]:
    return {row.device: row.condition for row in reader.conditions()}


def assert_as_the_model_says(hall: Hall, reader: StoreReader, meters) -> None:
    for meter in meters:
        rows = complete(reader, meter)
        assert len(rows) >= 2
        starts = [start for start, _ in rows]
        assert starts == list(range(starts[0], starts[0] + INTERVAL_S * len(rows), INTERVAL_S))
        for start, quantity in rows:
            used, moment = hall.used(meter, start, start + INTERVAL_S), read_late(hall, meter, start)
            assert quantity == pytest.approx(used, rel=WITHIN, abs=moment), meter
        # What one edge is late for is in the next interval: over all of them nothing is lost or doubled.
        end_s = starts[-1] + INTERVAL_S
        used, moment = hall.used(meter, starts[0], end_s), read_late(hall, meter, starts[0])
        assert sum(quantity for _, quantity in rows) == pytest.approx(used, rel=WITHIN, abs=moment), meter


def delivered(hall: Hall, measurement: str, meter: str, field: str) -> dict[int, float]:
    """What the series server holds, by the second of the interval's start."""
    found = {}
    for line in hall.series.export(f'{{__name__="{measurement}_{field}",meter="{meter}"}}'):
        found |= {at // 1000: value for at, value in zip(line["timestamps"], line["values"], strict=True)}
    return found


def assert_delivered_as_stored(hall: Hall, reader: StoreReader) -> None:
    for meter, measurement, field in (
        ("main", "energy_interval", "kwh"),
        ("water-main", "water_interval", "m3"),
    ):
        rows = dict(complete(reader, meter))
        found = wait_until(
            f"{measurement} in the series server",
            lambda m=meter, me=measurement, f=field, r=rows: (
                got if set(got := delivered(hall, me, m, f)) >= set(r) else None
            ),
        )
        for start, quantity in rows.items():
            assert found[start] == pytest.approx(quantity, rel=1e-9)


def test_two_intervals_from_the_wire_to_the_server(tmp_path, mosquitto, victoria_metrics):
    hall = Hall(tmp_path, mosquitto, victoria_metrics)
    with hall.world() as world:
        world.wait_for_line("ready")
        with hall.daemon() as daemon:
            daemon.wait_for_line("reading 5 devices")
            reader = hall.reader()
            for meter in ("main", "chiller-1-power", "water-main"):
                wait_until(f"two intervals of {meter}", lambda m=meter: len(complete(reader, m)) >= 2)
            with run_program(hall.command("status", "--json"), name="status") as status:
                assert status.wait() == 1  # one device is absent, and that is told
            assert '"condition": "offline"' in status.output
            assert_delivered_as_stored(hall, reader)
            # Where the machine let it read in time, it says so.
            wait_until("an interval without a gap", lambda: has_a_faultless_one(reader, "main"))
            present = {"main": "online", "water-main": "online", "chiller-1": "online", "absent": "offline"}
            wait_until("everybody's condition", lambda: present.items() <= conditions(reader).items())
            assert daemon.terminate() == 0
        assert_as_the_model_says(hall, reader, ["main", "water-main"])
        reader.close()


@pytest.mark.scenario(1)
def test_the_same_after_kill_9_in_the_middle(tmp_path, mosquitto, victoria_metrics):
    hall = Hall(tmp_path, mosquitto, victoria_metrics)
    with hall.world() as world:
        world.wait_for_line("ready")
        with hall.daemon() as daemon:
            reader = hall.reader()
            wait_until("an interval", lambda: len(complete(reader, "main")) >= 1)
            while time.time() % INTERVAL_S < INTERVAL_S / 3:
                time.sleep(0.1)
            daemon.kill()
        before = complete(reader, "main")
        with hall.daemon() as daemon:
            wait_until("intervals after it", lambda: len(complete(reader, "main")) >= len(before) + 3)
            wait_until("water after it", lambda: len(complete(reader, "water-main")) >= len(before) + 2)
            assert_delivered_as_stored(hall, reader)
            assert daemon.terminate() == 0
        assert complete(reader, "main")[: len(before)] == before
        assert_as_the_model_says(hall, reader, ["main", "water-main"])
        reader.close()
