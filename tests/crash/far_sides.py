"""The real servers at the far end, each behind a gate in the network, and what they hold in the end."""

import contextlib
import io
import json
import math
import struct
import tempfile
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import psycopg

from monitor.cli.fleet import run_add_site, run_init
from monitor.store.changed import ChangedInterval, ChangedResult
from simulators.proxy import Mood
from tests import servers
from tests.broker_world import Door as Address
from tests.broker_world import Gate, gate
from tests.crash.schedule import SERVERS
from tests.mqtt_far_end import Door
from tests.servers.postgres import Postgres, postgres


@dataclass(frozen=True, slots=True)
class Held:
    """What the store holds, which is what the oracle says: scans as (instant, kWh, kW)."""

    scans: Sequence[tuple[int, float, float]]
    intervals: Sequence[ChangedInterval]
    results: Sequence[ChangedResult]

    def steps(self) -> dict[int, float]:
        """By how many seconds the time was set, by the instant."""
        return {one.at_s: one.data["step_s"] for one in self.results}


class FarSide(Protocol):
    """One server."""

    kind: str

    def admit(self, site: str, folder: Path) -> dict[str, Any]:
        """Make room for a site; returns the settings of its sink."""

    def turn(self, mood: Mood) -> None:
        """The network before it."""

    def kill(self) -> None:
        """Kill -9."""

    def stop(self) -> None:
        """Stop it in good order."""

    def start(self) -> None:
        """Start it, unless it runs."""

    def differs(self, site: str, held: Held) -> str | None:
        """What it holds of a site that is not as expected; None when all of it is."""


def differences(what: str, expected: dict[Any, Any], found: dict[Any, Any]) -> str | None:
    """The first difference of two tables."""
    for key in sorted(expected.keys() | found.keys()):
        if expected.get(key) != found.get(key):
            return f"{what} {key}: expected {expected.get(key)}, found {found.get(key)}"
    return None


class _Gated:
    """A server behind a gate."""

    def __init__(self, server: Any, before: Gate) -> None:
        self.server, self._gate, self._away = server, before, False

    def turn(self, mood: Mood) -> None:
        self._gate.turn(mood)

    def kill(self) -> None:
        self.server.kill()
        self._away = True

    def stop(self) -> None:
        self.server.stop()
        self._away = True

    def start(self) -> None:
        if self._away:
            self.server.start()
            self._away = False


class Influx(_Gated):
    """InfluxDB 1.6.7 behind the front that speaks version 2."""

    kind = "influx"

    def admit(self, site: str, folder: Path) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._gate.port}"
        return {"kind": "influxdb", "id": self.kind, "url": url, "bucket": "energy", "timeout_s": 4}

    def _points(self, measurement: str, site: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.server.query(
            f"SELECT * FROM \"{measurement}\" WHERE site = '{site}'"
        )
        return rows

    def differs(self, site: str, held: Held) -> str | None:
        scans = {
            one["time"] // 1_000_000: (one["import_kwh"], one["active_power_kw"])
            for one in self._points("energy", site)
        }
        names = ("kwh", "coverage", "quality", "rev", "kw_avg")
        intervals = {
            one["time"] // 10**9: tuple(one.get(name) for name in names)
            for one in self._points("energy_interval", site)
        }
        newest = {
            one.start_s: (one.quantity, one.coverage, one.quality, one.rev, _last_word(one))
            for one in held.intervals
        }
        steps = {one["time"] // 10**9: one["step_s"] for one in self._points("clock", site)}
        return (
            differences("energy", {at: (kwh, kw) for at, kwh, kw in held.scans}, scans)
            or differences("energy_interval", newest, intervals)
            or differences("clock", held.steps(), steps)
        )


def _last_word(one: ChangedInterval) -> float | None:
    """The average rate; 0 takes the place of an earlier figure that nobody stands for any more."""
    return 0.0 if one.rate_avg is None and one.rev else one.rate_avg


class Victoria(_Gated):
    """VictoriaMetrics: it keeps every value of an instant, and promises a row before it is on disk."""

    kind = "victoria"

    def admit(self, site: str, folder: Path) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._gate.port}"
        return {"kind": "influxdb", "id": self.kind, "url": url, "bucket": "energy", "timeout_s": 4}

    def _values(self, name: str, site: str, expected: dict[int, set[float]]) -> dict[int, set[float]]:
        """All values of an instant; what is expected but for the last digits, which it rounds, is that."""
        found: dict[int, set[float]] = {}
        for series in self.server.export(f'{{__name__="{name}",site="{site}"}}'):
            for at_ms, value in zip(series["timestamps"], series["values"], strict=True):
                meant = (one for one in expected.get(at_ms, ()) if math.isclose(one, value, rel_tol=1e-9))
                found.setdefault(at_ms, set()).add(next(meant, value))
        return found

    def differs(self, site: str, held: Held) -> str | None:
        scans = {at: {kwh} for at, kwh, _ in held.scans}
        newest = {one.start_s * 1000: {one.quantity} for one in held.intervals}
        steps = {at_s * 1000: {step_s} for at_s, step_s in held.steps().items()}
        told = self._values("energy_interval_kwh", site, newest)
        # Of a row that changed, the earlier figures stay beside the newest.
        kept = {at: values & newest.get(at, values) for at, values in told.items()}
        return (
            differences("energy_import_kwh", scans, self._values("energy_import_kwh", site, scans))
            or differences("energy_interval_kwh", newest, kept)
            or differences("clock_step_s", steps, self._values("clock_step_s", site, steps))
        )


class City(_Gated):
    """A city's PostgreSQL, raw readings included."""

    kind = "city"

    def __init__(self, server: Postgres, before: Gate) -> None:
        super().__init__(server, before)
        with contextlib.redirect_stdout(io.StringIO()):
            assert run_init(server.url, "en") == 0

    def admit(self, site: str, folder: Path) -> dict[str, Any]:
        with contextlib.redirect_stdout(io.StringIO()):
            assert run_add_site(self.server.url, site, folder / "password", "en", renew=False) == 0
        return {"kind": "postgres", "id": self.kind, "host": "127.0.0.1", "port": self._gate.port,
                "database": "postgres", "timeout_s": 4, "scans": True}  # fmt: skip

    def _rows(self, query: str, site: str) -> list[Any]:
        with psycopg.connect(self.server.url) as connection:
            return connection.execute(query.encode(), [site]).fetchall()

    def differs(self, site: str, held: Held) -> str | None:
        scans = dict(self._rows("SELECT at_ms, vals FROM energy.scans WHERE site = %s", site))
        names = (
            "start_s", "quantity", "coverage", "quality", "rate_avg", "caught_up", "register_start",
            "register_end", "epoch", "rev", "seq",
        )  # fmt: skip
        query = f"SELECT {', '.join(names)} FROM energy.intervals WHERE site = %s"
        intervals = {row[0]: row for row in self._rows(query, site)}
        newest = {one.start_s: tuple(getattr(one, name) for name in names) for one in held.intervals}
        query = "SELECT at_s, data FROM energy.results WHERE kind = 'clock' AND site = %s"
        steps = {at_s: json.loads(data)["step_s"] for at_s, data in self._rows(query, site)}
        return (
            differences("scans", {at: _packed(kwh, kw) for at, kwh, kw in held.scans}, scans)
            or differences("intervals", newest, intervals)
            or differences("results", held.steps(), steps)
        )


def _packed(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


class Broker:
    """Mosquitto: every row was acknowledged by it, and the newest interval is what it keeps."""

    kind = "broker"

    def __init__(self, server: servers.Mosquitto, door: Door) -> None:
        self._server, self._door, self._away = server, door, False

    def admit(self, site: str, folder: Path) -> dict[str, Any]:
        return {"kind": "mqtt", "id": self.kind, "host": "127.0.0.1", "port": self._door.port, "timeout_s": 6,
                "discovery_prefix": "homeassistant"}  # fmt: skip

    def turn(self, mood: Mood) -> None:
        # Frames are counted at this door: it is open or shut.
        self._door.shut()
        if mood in (Mood.CUT, Mood.THROUGH):
            self._door.open()

    def kill(self) -> None:
        self._server.kill()
        self._away = True

    def stop(self) -> None:
        self._server.stop()
        self._away = True

    def start(self) -> None:
        if self._away:
            self._server.start()
            self._away = False

    def differs(self, site: str, held: Held) -> str | None:
        root, found = f"energy-monitor/{site}/", {}
        told = [(topic.removeprefix(root), json.loads(payload)) for topic, payload in list(self._door.taken)
                if topic.startswith(root)]  # fmt: skip
        for topic, facts in told:
            if topic.endswith("main/interval"):
                start_s = int(datetime.fromisoformat(facts["start"]).timestamp())
                found[start_s] = max(found.get(start_s, (-1, 0.0)), (facts["rev"], facts["kwh"]))
        newest = {one.start_s: (one.rev, one.quantity) for one in held.intervals}
        steps = {facts["at"]: facts["step_s"] for topic, facts in told if topic.endswith("clock/clock")}
        expected = {datetime.fromtimestamp(at, UTC).isoformat(): step for at, step in held.steps().items()}
        return differences("interval", newest, found) or differences("clock", expected, steps)


@contextmanager
def far_sides(kinds: Sequence[str] = SERVERS) -> Iterator[dict[str, FarSide]]:
    """Those of these kinds, running."""
    with ExitStack() as open_ones:
        place = Path(open_ones.enter_context(tempfile.TemporaryDirectory()))

        def behind(port: int) -> Gate:
            return open_ones.enter_context(gate(Address(port)))

        made: list[FarSide] = []
        if "influx" in kinds:
            influx = open_ones.enter_context(servers.influxdb1(place / "influxdb"))
            made.append(Influx(influx, behind(urllib.parse.urlsplit(influx.url).port or 0)))
        if "victoria" in kinds:
            victoria = open_ones.enter_context(servers.victoria_metrics(place / "victoria"))
            made.append(Victoria(victoria, behind(victoria.port)))
        if "city" in kinds:
            city = open_ones.enter_context(postgres())
            made.append(City(city, behind(city.port)))
        if "broker" in kinds:
            mosquitto = open_ones.enter_context(servers.mosquitto(place / "mosquitto"))
            before = Door(mosquitto.port)
            open_ones.callback(before.close)
            made.append(Broker(mosquitto, before))
        yield {one.kind: one for one in made}
