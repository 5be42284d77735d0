"""A site whose demand a test sets, with a limiter over chillers that may be written."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.loading import load_site
from monitor.clock import SystemClock
from monitor.dispatch.limiter_desk import LimiterDesk, orders_of
from monitor.limiter_watch import limiter_facts
from monitor.store.event_reader import EventReader
from monitor.store.ledgers import writing
from monitor.store.limiter_requests import ArmRequest, SimulatedRequest, keep_simulated
from tests.dispatch_world import KEY, PLAN, SHED, Plant, plant, wait_for
from tests.servers import free_port

LIMIT_KW = 1000.0

METER = """\
profile: hall_meter
version: 1
maker: any
model: meter of the tests
family: electricity
source: [a test]
transport: modbus
points:
  active_power_total: {address: 0, type: f32, unit: kW}
  energy_import: {address: 2, type: f64, unit: kWh, rolls_over_at: 1.0e+9}
"""

BUS = """\
  - id: supply
    kind: modbus_tcp
    host: 127.0.0.1
    port: {port}
    every_s: 1
    timeout_s: 30
    devices:
      - {{id: meter, profile: ./hall_meter.yaml, unit: 1}}
meters:
  - {{id: main, name: {{zh-TW: 總表, en: Main}}, commodity: electricity, counter: meter.energy_import,
     rate: meter.active_power_total, max_rate: 90000}}
"""

LIMITER = """\
limiter: {plan: summer, mode: live, limit_kw: 1000, freeze_s: 0.5, settle_s: 1, blind_s: 60}
"""

STAGED = PLAN.replace("mode: live", "mode: live\n      on_restart: release")
STAGES = ("warmer", "limit", "third")


class Meter:
    """The far end of a line: a meter that counts the power that a test lets flow. No product code in it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kw, self._kwh, self._at_s = 500.0, 1000.0, time.monotonic()
        self._listening: socket.socket | None = None
        self._wires: list[socket.socket] = []
        self.port = free_port()

    def flows(self, kw: float) -> None:
        """From now on so much flows."""
        with self._lock:
            self._count()
            self._kw = kw

    def _count(self) -> None:
        now_s = time.monotonic()
        self._kwh += self._kw * (now_s - self._at_s) / 3600
        self._at_s = now_s

    def _registers(self) -> bytes:
        with self._lock:
            self._count()
            return struct.pack(">fd", self._kw, self._kwh)

    def begin(self) -> None:
        """Answer."""
        listening = socket.create_server(("127.0.0.1", self.port))
        self._listening = listening
        threading.Thread(target=self._accept, args=(listening,), daemon=True).start()

    def end(self) -> None:
        """Hang up, and answer nobody."""
        if self._listening is None:
            return
        # Whoever waits in accept is woken by this, and not by close alone.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._listening = None
        for wire in self._wires:
            wire.close()
        self._wires.clear()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                wire, _ = listening.accept()
            except OSError:
                return
            self._wires.append(wire)
            threading.Thread(target=self._serve, args=(wire,), daemon=True).start()

    def _serve(self, wire: socket.socket) -> None:
        try:
            while True:
                head = self._exactly(wire, 6)
                body = self._exactly(wire, int.from_bytes(head[4:6], "big"))
                first, count = struct.unpack(">HH", body[2:6])
                data = self._registers()[2 * first : 2 * (first + count)]
                answer = body[:2] + bytes([len(data)]) + data
                wire.sendall(head[:4] + len(answer).to_bytes(2, "big") + answer)
        except OSError:
            return

    @staticmethod
    def _exactly(wire: socket.socket, count: int) -> bytes:
        found = b""
        while len(found) < count:
            part = wire.recv(count - len(found))
            if not part:
                raise OSError("hung up")
            found += part
        return found


@dataclass(slots=True)
class Limited:
    """The plant with its meter, and what the store says of the limiter."""

    plant: Plant
    meter: Meter

    def arm(self, operator: str = "wang", *, simulated: bool = True) -> None:
        """Simulate in name, and arm, in the store: the commands themselves have a test of their own."""
        loaded = load_site(self.plant.site)
        orders = orders_of(loaded)
        assert orders is not None
        now_ms = SystemClock().now_ms()
        with writing(loaded.store_path) as engine:
            if simulated:
                keep_simulated(engine, "hall", SimulatedRequest(orders.digest, "test", now_ms))
            request = ArmRequest("arm", now_ms, "test", operator, KEY)
            LimiterDesk(loaded, SystemClock()).carry_out(engine, "hall", request)

    def facts(self) -> dict[str, Any]:
        """How the limiter stands; empty before the daemon has told."""
        reader = EventReader.open(self.plant.site.with_name("energy.db"), "hall")
        try:
            loaded = load_site(self.plant.site)
            return limiter_facts(loaded, reader, SystemClock().now_ms()) or {}
        finally:
            reader.close()

    def wait_for_why(self, *wanted: str) -> dict[str, Any]:
        """Until it says one of these."""
        wait_for(f"the limiter to say {wanted}", lambda: self.facts().get("why") in wanted)
        return self.facts()

    def runs(self) -> list[str]:
        """Ids of the limiter's runs, the oldest first."""
        reader = EventReader.open(self.plant.site.with_name("energy.db"), "hall")
        try:
            return [row.id for row in reader.events() if row.source == "limiter"]
        finally:
            reader.close()

    def decisions(self, run: str) -> list[dict[str, Any]]:
        """What a run decided, in order."""
        return [step["data"] for step in self.plant.facts(run)["steps"] if step["kind"] == "decision"]

    def wait_until_all_shed(self) -> str:
        """Until every action is shed, and the store knows it; gives the run."""
        wait_for("all stages", lambda: self.plant.registers() == SHED)
        run = self.runs()[-1]
        wait_for("what came of it", lambda: set(self.plant.states(run).values()) == {"shed"})
        return run

    def wait_until_back(self, before: dict[str, int], run: str) -> None:
        """Until every device shows what it showed before, and the run is over."""
        wait_for("the release", lambda: self.plant.registers() == before)
        wait_for("its end", lambda: self.plant.facts(run)["life"] in ("ended", "aborted"))
        wait_for("the books", lambda: not any(one["is_shed"] for one in self.plant.facts(run)["actions"]))


@contextmanager
def limited(folder: Path, plans: str = STAGED, limiter: str = LIMITER, **more: Any) -> Iterator[Limited]:
    """Serve the devices of a site with a limiter; nothing is armed yet."""
    with plant(folder, plans, **more) as one:
        meter = Meter()
        (folder / "hall_meter.yaml").write_text(METER, encoding="utf-8")
        text = one.site.read_text(encoding="utf-8")
        text = text.replace("{base_year: 2015}", "{base_year: 2015, meters: [main]}")
        text = text.replace("curtailment:\n", BUS.format(port=meter.port) + "curtailment:\n")
        one.site.write_text(text + limiter, encoding="utf-8")
        one.devices = 5
        meter.begin()
        try:
            yield Limited(one, meter)
        finally:
            meter.end()
