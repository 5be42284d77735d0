"""Totals for Home Assistant stay right: after revisions, a disk in trouble, a broker that forgets."""

import asyncio
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client

from config.site import Site
from monitor.clock import SystemClock
from monitor.discovery import SETTLED_S, Standings
from monitor.sinks.delivery import Delivery
from monitor.sinks.mqtt import MqttFarEnd
from monitor.sinks.secrets import Token
from monitor.store.database import open_reader, open_writer
from monitor.store.reader import StoreReader
from monitor.store.rows import Commit, IntervalRow
from monitor.store.writer import Writer, submit_and_wait
from rules.intervals import Interval
from tests import servers
from tests.convention_world import client_of, running, until
from tests.mqtt_far_end import settings_of
from tests.sink_world import QUICK

STEP_S = 900
FIRST_S = 1_790_000_100 // STEP_S * STEP_S
STEPS = 6 * 86_400 // STEP_S
TOPIC = "energy-monitor/hall/meters/main/total"
SITE = Site.model_validate(
    {
        "site": {"id": "hall", "name": {"zh-TW": "市政大樓", "en": "City Hall"}},
        "meters": [
            {
                "id": "main",
                "name": {"zh-TW": "總水表", "en": "Water"},
                "commodity": "water",
                "counter": "water-main.volume",
                "max_rate": 300,
            }
        ],
    }
)


class Torn(StoreReader):
    """A disk that lets the changes be read, and once not what they add up to."""

    torn = 0

    def interval_span(self, meter: str) -> tuple[int, int] | None:
        if self.torn:
            self.torn -= 1
            raise OSError("Input/output error")
        return super().interval_span(meter)


class House:
    """A store with six days of one meter."""

    def __init__(self, path: Path) -> None:
        self.engine = open_writer(path)
        self.reader = Torn(open_reader(path), "hall")
        self.writer = Writer(self.engine, "hall")
        self.writer.start()
        self.write(*range(STEPS))

    def write(self, *steps: int, quantity: float = 1.0) -> None:
        rows = [
            IntervalRow(
                "main",
                Interval(
                    FIRST_S + STEP_S * step, STEP_S, quantity, 1.0, 0, 4.0, 4.0, 4.0, False, 0.0, quantity, 0
                ),
            )
            for step in steps
        ]
        assert submit_and_wait(self.writer, Commit(intervals=rows))

    def close(self) -> None:
        self.writer.close()
        self.reader.close()
        self.engine.dispose()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    one = House(tmp_path / "energy.db")
    yield one
    one.close()


def subscribe(home: Client) -> None:
    home.subscribe(TOPIC, 1)


@asynccontextmanager
async def announced(broker: servers.Mosquitto, house: House) -> Any:
    """The sink at work; what the broker passed on of the total, newest last."""
    settings = settings_of(broker.port, discovery_prefix="homeassistant")
    far_end = MqttFarEnd(settings, SITE, Token(None, Path()), Path(), house.reader)
    sink = Delivery(lambda: far_end, house.reader, house.writer, SystemClock(), pace=QUICK)
    heard: list[float] = []
    async with running(sink.run()):
        with client_of(broker, "home-assistant") as home:
            home.on_message = lambda _, __, message: heard.append(float(message.payload))
            home.on_connect = lambda *_: subscribe(home)
            subscribe(home)
            yield heard


def test_an_old_interval_that_was_made_again_corrects_the_total(mosquitto: servers.Mosquitto, house: House):
    async def scene() -> None:
        async with announced(mosquitto, house) as heard:
            await until("the first total", lambda: heard and heard[-1] == STEPS)
            old = 5
            assert old * STEP_S < STEPS * STEP_S - SETTLED_S  # it was summed up once and for all
            house.write(old, quantity=0.25)
            await until("the corrected total", lambda: heard[-1] == STEPS - 0.75)
            house.write(*range(STEPS - 300), quantity=2.0)  # more rows than one look used to take
            await until("a whole period made again", lambda: heard[-1] == 2 * STEPS - 300)

    asyncio.run(scene())


def test_a_revision_that_came_while_the_disk_was_in_trouble_is_not_forgotten(
    mosquitto: servers.Mosquitto, house: House
):
    async def scene() -> None:
        async with announced(mosquitto, house) as heard:
            await until("the first total", lambda: heard and heard[-1] == STEPS)
            house.reader.torn = 2
            house.write(5, quantity=0.25)
            await until("the corrected total", lambda: heard[-1] == STEPS - 0.75)
            assert house.reader.torn == 0

    asyncio.run(scene())


def test_a_broker_that_forgets_is_told_again_when_it_is_back(tmp_path: Path, house: House):
    async def scene(broker: servers.Mosquitto) -> None:
        async with announced(broker, house) as heard:
            await until("the first total", lambda: heard and heard[-1] == STEPS)
            heard.clear()
            await asyncio.to_thread(broker.stop)
            broker.start()
            house.write(0)  # at the latest with the next interval, even where it changes nothing
            await until("the total once more", lambda: heard and heard[-1] == STEPS)

    with servers.mosquitto(tmp_path / "forgetful", persistent=False) as broker:
        asyncio.run(scene(broker))


def test_a_correction_between_reading_rows_and_summing_them_up_is_not_forgotten(house: House):
    standings = Standings(SITE, house.reader)

    def total() -> bytes:
        due = standings.due()
        standings.told(due)
        return due[-1].payload if due else b"as before"

    rows = list(house.reader.changed_intervals(0, STEPS))
    standings.note(rows[0])
    assert total() == b"%.6f" % STEPS
    standings.note(rows[-1])
    house.write(5, quantity=0.25)  # committed now, and noted with the next batch
    total()
    [changed] = house.reader.changed_intervals(STEPS, STEPS)
    standings.note(changed)
    assert total() == b"%.6f" % (STEPS - 0.75)
