"""A site with chillers that may be written, served by simulators; its daemon comes and goes."""

import json
import socket
import struct
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.event_watch import whole_facts
from monitor.keys import new_key
from monitor.store.event_reader import EventReader
from monitor.store.reader import StoreReader
from simulators.control import ask
from tests.servers import Program, free_port, run_program

PATIENCE_S = 120.0
SILENT_AFTER_S = 5.0
"""Timeout of a device that a test silences; each silence costs so much."""
COMMAND = [sys.executable, "-m", "monitor.cli.main"]
KEY, DIGEST = new_key()

SITE = """\
site: {{id: hall, name: {{zh-TW: 市政大樓, en: City Hall}}, timezone: Asia/Taipei, language: en}}
store: {{path: energy.db}}
interval_s: 5
commodities:
  electricity: {{base_year: 2015}}
buses:
  - id: plant
    kind: modbus_tcp
    host: 127.0.0.1
    port: {port}
    every_s: 0.5
    timeout_s: 30  # whoever is not silenced answers, however slow the machine
    devices:
      - {{id: chiller-1, profile: trane_pic_rthd, unit: 1}}
      - {{id: chiller-2, profile: trane_pic_rthd, unit: 2}}
      - {{id: chiller-3, profile: trane_pic_rthd, unit: 3}}
      - {{id: weather, profile: ./hall_sensor.yaml, unit: 4}}
curtailment:
  operators:
    - {{id: wang, role: dispatcher, key: "{digest}"}}
    - {{id: lin, role: viewer, key: "{digest}"}}
  plans:
{plans}
"""

SENSOR = """\
profile: hall_sensor
version: 1
maker: any
model: room sensor of the tests
family: weather
source: [a test]
transport: modbus
points:
  temperature: {address: 0, type: i16, scale: 0.1, unit: degC}
  humidity: {address: 1, type: u16, scale: 0.1, unit: "%"}
"""

SERVED_SENSOR = SENSOR.replace("humidity: {", "valve_setpoint: {writable: {between: [0, 100]}, ")
"""The same registers; the humidity is set by whoever writes it."""

PLAN = """\
    - id: summer
      mode: live
      dead_man_s: 3600
      notify_s: 0
      actions:
        - {id: warmer, point: chiller-1.chw_setpoint, by: 2, expected_kw: 40}
        - {id: limit, point: chiller-2.demand_limit_setpoint, to: 60, expected_kw: 80}
        - {id: third, point: chiller-3.demand_limit_setpoint, to: 40, expected_kw: 10}
"""

POINTS = {"warmer": (1, 1), "limit": (2, 2), "third": (3, 2)}
"""Unit and wire address of what the plan's actions write."""

SHED = {"warmer": 540, "limit": 60, "third": 40}
"""What they show while the event is active: (9 + 45) * 10, and percent."""


@dataclass(slots=True)
class Plant:
    """The simulated devices, and commands on the site."""

    folder: Path
    port: int
    control: int
    site: Path
    devices: int = 4
    daemons: list[Program] = field(default_factory=list)

    def register(self, unit: int, address: int, table: int = 3) -> int:
        """A register as the device shows it on the wire, read by nothing of ours."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as wire:
            wire.sendall(struct.pack(">HHHBBHH", 1, 0, 6, unit, table, address, 1))
            answer = b""
            while len(answer) < 11:
                part = wire.recv(64)
                assert part, answer
                answer += part
        assert answer[7] == table, answer.hex()
        return int.from_bytes(answer[9:11], "big")

    def set_register(self, unit: int, address: int, value: int) -> None:
        """Write a register by nothing of ours, as somebody at the device would."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as wire:
            wire.sendall(struct.pack(">HHHBBHH", 1, 0, 6, unit, 6, address, value))
            assert wire.recv(64)[7] == 6

    def status(self) -> dict[str, Any]:
        """What ``status --json`` says."""
        with run_program([*COMMAND, "status", "--json", "--site", self.site], name="status") as program:
            program.wait(PATIENCE_S)
            facts: dict[str, Any] = json.loads(program.output)
            return facts

    def states(self, event: str = "one") -> dict[str, str]:
        """Where each action of an event stands, as the store has it."""
        return {action["action"]: action["state"] for action in self.facts(event)["actions"]}

    def outcomes(self, purpose: str, event: str = "one") -> dict[str, str]:
        """What became of each action's last write of that purpose: tried again is no fault."""
        writes = self.facts(event)["writes"]
        return {one["action"]: one["outcome"] for one in writes if one["purpose"] == purpose}

    def wait_until_shed(self, event: str = "one") -> None:
        """Until every device shows what the event wants, and the store knows that it does."""
        wait_for("the event", lambda: self.registers() == SHED)
        wait_for("what came of it", lambda: set(self.states(event).values()) == {"shed"})

    def wait_for_polls(self, device: str, point: str, value: float) -> None:
        """Until the daemon has read this value of a point, and once more."""
        store = StoreReader.open(self.site.with_name("energy.db"), "hall")
        try:
            after = store.last_scan_id()

            def seen() -> int:
                scans = [scan for _, _, scan in store.follow(after) if scan.layout.device == device]
                shown = [scan.values[[one.name for one in scan.layout.points].index(point)] for scan in scans]
                return sum(abs(one - value) < 1e-6 for one in shown)

            wait_for(f"{device}.{point} = {value:g} to be read", lambda: seen() >= 2)
        finally:
            store.close()

    def registers(self) -> dict[str, int]:
        """What the plan's points show."""
        return {action: self.register(*place) for action, place in POINTS.items()}

    def tell(self, **wish: Any) -> dict[str, Any]:
        """Tell the simulators something; gives their answer."""
        answer = ask(self.control, wish)
        assert "error" not in answer, answer
        return answer

    def fault(self, device: str, **said: Any) -> int:
        """Let a device have a fault; gives its number."""
        return int(self.tell(set={"device": device, **said})["number"])

    @contextmanager
    def daemon(self, **options: Any) -> Iterator[Program]:
        """The daemon, until the end of the block."""
        command = [*COMMAND, "run", "--site", self.site]
        with run_program(command, name="daemon", **options) as daemon:
            daemon.wait_for_line(f"reading {self.devices} devices", timeout_s=PATIENCE_S)
            yield daemon

    def dr(self, *words: str, key: str | None = KEY) -> tuple[int, str]:
        """Exit code and words of ``energy-monitor dr ...``."""
        env = {"ENERGY_MONITOR_KEY": key or "", "LANG": "en_US.UTF-8", "LC_ALL": ""}
        command = [*COMMAND, "dr", *words, "--site", self.site]
        with run_program(command, name=f"dr {words[0]}", env=env) as program:
            return program.wait(PATIENCE_S), program.output

    def facts(self, event: str) -> dict[str, Any]:
        """What ``dr show --json`` says of an event."""
        reader = EventReader.open(self.site.with_name("energy.db"), "hall")
        try:
            (row,) = reader.events(ids=[event])
            return whole_facts(reader, row)
        finally:
            reader.close()

    def trigger(self, length: str = "30m", *more: str) -> None:
        """Begin the event ``one`` of the plan ``summer``."""
        words = ("summer", "--for", length, "--id", "one", "--operator", "wang", *more)
        code, said = self.dr("trigger", *words)
        assert code == 0, said

    def abort(self, event: str = "one") -> None:
        """Abort an event, once a daemon has taken it up; whoever ended it before is fine, too."""
        wait_for("its begin", lambda: self.facts(event)["life"] not in ("scheduled", "notified"))
        if self.facts(event)["life"] == "active":
            code, said = self.dr("abort", event)
            assert code == 0, said


def wait_for(what: str, condition: Any, seconds: float = PATIENCE_S) -> Any:
    """Ask again until it is so; gives what it found."""
    deadline_s = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline_s, f"{what} did not come within {seconds:g} s"
        time.sleep(0.05)


def wide_profile(folder: Path) -> str:
    """A chiller that takes more than its profile lets us write; gives the profile's place in a site file."""
    text = (Path("drivers/profiles/trane_pic_rthd.yaml")).read_text(encoding="utf-8")
    for own, wide in (("[40, 100]", "[0, 200]"), ("[5, 15]", "[-10, 45]"), ("trane_pic_rthd", "wide")):
        assert own in text
        text = text.replace(own, wide)
    (folder / "wide.yaml").write_text(text, encoding="utf-8")
    return "./wide.yaml"


@contextmanager
def plant(
    folder: Path,
    plans: str = PLAN,
    silenced: Collection[str] = (),
    replaced: Collection[tuple[str, str]] = (),
    served_as: str = "",
) -> Iterator[Plant]:
    """Serve the devices of a site with these plans.

    Parameters
    ----------
    served_as : profile by which the chillers are served; the daemon's own when left out.
    silenced : ids of devices that the test lets be silent: these are not waited for as long as the others.
    replaced : what stands otherwise in the site file: old text and new.
    """
    port = free_port()
    (folder / "hall_sensor.yaml").write_text(SENSOR, encoding="utf-8")
    site = folder / "site.yaml"
    text = SITE.format(port=port, digest=DIGEST, plans=plans)
    for device in silenced:
        text = text.replace(f"id: {device},", f"id: {device}, timeout_s: {SILENT_AFTER_S:g},")
    for old, new in replaced:
        assert old in text, old
        text = text.replace(old, new, 1)
    site.write_text(text, encoding="utf-8")
    (folder / "served_sensor.yaml").write_text(
        SERVED_SENSOR.replace("hall_sensor", "served_sensor"), encoding="utf-8"
    )
    served_site = folder / "served.yaml"
    text = text.replace("trane_pic_rthd", served_as or "trane_pic_rthd")
    devices = text.partition("curtailment:")[0].replace("hall_sensor", "served_sensor")
    served_site.write_text(devices, encoding="utf-8")
    command = [sys.executable, "-m", "simulators", "--site", served_site, "--control", "0"]
    with run_program(command, name="simulators") as served:
        control = int(served.wait_for_line(r"^control (\d+)$", timeout_s=PATIENCE_S)[1])
        served.wait_for_line("^ready$", timeout_s=PATIENCE_S)
        yield Plant(folder, port, control, site)
