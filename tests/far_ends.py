"""The far sides that every sink is tested against, one of each kind: see ``tests/contract``."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from monitor.clock import SystemClock
from monitor.sinks.contract import STREAMS, Sink
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


FAR_ENDS: list[Callable[[], Any]] = [influx, drained, web_hook]
