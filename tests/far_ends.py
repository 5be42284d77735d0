"""The far sides that every sink is tested against, one of each kind: see ``tests/contract``."""

import json
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg

from config.sinks import PostgresSink
from drivers.settings import Secret
from monitor.cli.fleet import run_add_site, run_init
from monitor.clock import SystemClock
from monitor.sinks.contract import STREAMS, Sink
from monitor.sinks.postgres import PostgresFarEnd
from monitor.sinks.secrets import Token
from simulators.proxy import Mood
from tests.broker_world import Gate, gate
from tests.mqtt_far_end import broker
from tests.servers.postgres import Postgres, postgres
from tests.sink_world import SITE, PickyServer, World, picky_server

Row = tuple[str, str]
"""(stream, the row's only number as it was committed)."""


class FarEnd(Protocol):
    """One kind of far side, and the sink that delivers to it."""

    id: str
    streams: Sequence[str]

    def sink(self, world: World) -> Sink:
        """Return a new sink of the world's store: what a start of the process makes."""

    def got(self) -> dict[Row, int]:
        """Rows that it keeps, each with the number of times that it was told to."""

    def go_away(self) -> None:
        """Answer nobody. Safe to call twice."""

    def come_back(self) -> None:
        """Answer again, with all that was kept. Safe to call twice."""

    def lock_out(self, locked: bool) -> None:
        """Refuse us until somebody has acted, as with a wrong token."""

    def never_take(self, number: str) -> None:
        """Refuse for good each row with this number."""

    def take_all(self) -> None:
        """Refuse no row any more."""

    def lose(self) -> None:
        """Forget all that was kept."""


class InfluxFarEnd:
    """InfluxDB's v2 write."""

    streams = STREAMS

    def __init__(self, server: PickyServer) -> None:
        self.id = "city"
        self._server = server
        self._away = False
        self._never: set[str] = set()
        server.refuses = self._refuses

    def _refuses(self, line: str) -> bool:
        stream, number = self.row_of(line)
        return bool(stream) and number in self._never  # the sink's own control line is no row

    def sink(self, world: World) -> Sink:
        return world.influx(self._server.url, id=self.id)

    def got(self) -> dict[Row, int]:
        rows = {self.row_of(line): self._server.taken[line] for line in self._server.lines()}
        return {row: times for row, times in rows.items() if row[0]}

    def go_away(self) -> None:
        if not self._away:
            self._server.stop()
        self._away = True

    def come_back(self) -> None:
        if self._away:
            self._server.start()
        self._away = False

    def lock_out(self, locked: bool) -> None:
        self._server.status = 401 if locked else 204

    def never_take(self, number: str) -> None:
        self._never.add(number)

    def take_all(self) -> None:
        self._never.clear()

    def lose(self) -> None:
        self._server.taken.clear()

    @staticmethod
    def row_of(line: str) -> Row:
        series, fields, _instant = line.split(" ")
        streams = {"energy": "scans", "energy_interval": "intervals", "demand": "results"}
        return streams.get(series.split(",")[0], ""), fields.split(",")[0].split("=")[1]


@contextmanager
def influx() -> Iterator[FarEnd]:
    with picky_server() as server:
        yield InfluxFarEnd(server)


def documented() -> type[Any]:
    """The sink of docs/sinks.md, exactly as it stands there."""
    text = (Path(__file__).parents[1] / "docs" / "sinks.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(example.splitlines()) < 60
    names: dict[str, Any] = {}
    exec(compile(example, "docs/sinks.md", "exec"), names)  # it is our own text
    return names["WebHook"]  # type: ignore[no-any-return]


class WebHookFarEnd(InfluxFarEnd):
    """A web hook that answers 200."""

    def sink(self, world: World) -> Sink:
        web_hook = documented()
        return world.delivery(lambda: web_hook(self.id, self._server.url, SITE, SystemClock(), 5.0))

    def lock_out(self, locked: bool) -> None:
        self._server.status = 401 if locked else 200

    @staticmethod
    def row_of(line: str) -> Row:
        row = json.loads(line)
        stream = row["stream"]
        names = {"intervals": "value", "results": "demand_kw", "scans": "active_power_total"}
        return (stream, repr(float(row[names[stream]]))) if stream in names else ("", "")


@contextmanager
def web_hook() -> Iterator[FarEnd]:
    with picky_server() as server:
        server.status = 200
        yield WebHookFarEnd(server)


class DrainedFarEnd(InfluxFarEnd):
    """The same, with a sink for which a handful of rows is a backlog already."""

    def sink(self, world: World) -> Sink:
        return world.influx(self._server.url, id=self.id, split_rows=4, max_lines=3)


@contextmanager
def drained() -> Iterator[FarEnd]:
    with picky_server() as server:
        yield DrainedFarEnd(server)


_NEVER = """
CREATE TABLE energy.never (number double precision);
GRANT SELECT ON energy.never TO PUBLIC;
CREATE FUNCTION energy.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF EXISTS (SELECT 1 FROM energy.never WHERE number = NEW.quantity) THEN
    RAISE EXCEPTION 'never' USING ERRCODE = '23514';
  END IF; RETURN NEW; END $$;
CREATE FUNCTION energy.refuse_result() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF EXISTS (SELECT 1 FROM energy.never WHERE number = (NEW.data::json->>'demand_kw')::float8) THEN
    RAISE EXCEPTION 'never' USING ERRCODE = '23514';
  END IF; RETURN NEW; END $$;
CREATE TRIGGER never BEFORE INSERT ON energy.intervals FOR EACH ROW EXECUTE FUNCTION energy.refuse();
CREATE TRIGGER never BEFORE INSERT ON energy.results FOR EACH ROW EXECUTE FUNCTION energy.refuse_result();
"""


class City:
    """A city's database behind a gate, with one site let in."""

    streams = ("intervals", "results")

    def __init__(self, server: Postgres, gate: Gate, folder: Path) -> None:
        self.id = "city"
        self._server, self._gate, self._folder = server, gate, folder
        assert run_init(server.url, "en") == 0
        assert run_add_site(server.url, SITE, folder / "password", "en", renew=False) == 0
        self._do(_NEVER)

    def _do(self, statement: str) -> list[Any]:
        with psycopg.connect(self._server.url, autocommit=True) as connection:
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []

    def sink(self, world: World) -> Sink:
        settings = PostgresSink.model_validate(
            {"kind": "postgres", "id": self.id, "host": self._gate.host, "port": self._gate.port,
             "database": "postgres", "timeout_s": 5}
        )  # fmt: skip
        password = Token(Secret(file="password"), self._folder)
        return world.delivery(lambda: PostgresFarEnd(settings, SITE, password, self._folder))

    def got(self) -> dict[Row, int]:
        intervals = self._do("SELECT quantity FROM energy.intervals")
        results = self._do("SELECT data::json->>'demand_kw' FROM energy.results")
        rows = [("intervals", repr(float(n))) for (n,) in intervals]
        return dict.fromkeys(rows + [("results", repr(float(n))) for (n,) in results], 1)

    def go_away(self) -> None:
        self._gate.turn(Mood.REFUSE)

    def come_back(self) -> None:
        self._gate.turn(Mood.THROUGH)

    def lock_out(self, locked: bool) -> None:
        self._do(f'ALTER ROLE "energy_{SITE}" {"NOLOGIN" if locked else "LOGIN"}')
        if locked:
            self._do(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'energy_{SITE}'"
            )

    def never_take(self, number: str) -> None:
        self._do(f"INSERT INTO energy.never VALUES ({number})")

    def take_all(self) -> None:
        self._do("DELETE FROM energy.never")

    def lose(self) -> None:
        self._do("TRUNCATE energy.intervals, energy.results")


@contextmanager
def city() -> Iterator[FarEnd]:
    with tempfile.TemporaryDirectory() as folder, postgres() as server, gate(server) as before:
        yield City(server, before, Path(folder))


FAR_ENDS: list[Callable[[], Any]] = [influx, drained, web_hook, city, broker]
