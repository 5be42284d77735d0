"""The daemon's eye on the open window, over a real pipeline and store: what it writes and says."""

import json
import logging
from datetime import UTC, date, datetime

import numpy as np
import pytest

from config.loading import load_site
from config.words import Spoken
from monitor.cli.status import run_status
from monitor.clock import SteadyClock, SystemClock
from monitor.demand.limits import Limits
from monitor.demand.standing import CONDITION, STALE_MS
from monitor.demand.watch import DemandWatch
from monitor.pipeline import Meter, Pipeline
from monitor.store.database import open_writer
from monitor.store.reader import StoreReader
from monitor.store.rows import Commit
from monitor.store.writer import Writer, register_layouts, submit_and_wait
from monitor.web.live import LiveState
from monitor.web.structured import structured
from monitor.web.view import fields
from rules.counters import CounterLimits
from rules.metering import MeterRules
from rules.scan import Scan
from tests.billed_site import TARIFF, write_site
from tests.one_meter import LAYOUT
from tests.tariff_world import TAIPEI

START_S = int(datetime(2025, 10, 14, 16, 0, tzinfo=TAIPEI).timestamp())
METER = Meter("building", LAYOUT.key, 0, 1, MeterRules(CounterLimits(9000.0), 900, 30_000))


class House:
    def __init__(self, site):
        self.loaded = load_site(site)
        self.engine = open_writer(self.loaded.store_path)
        self.site = self.loaded.site.site.id
        self.reader = StoreReader.open(self.loaded.store_path, self.site)
        self.writer = Writer(self.engine, self.site)
        self.writer.start()
        self.now_ms = START_S * 1000
        self.kwh = 1000.0
        ids = register_layouts(self.engine, self.site, [LAYOUT])
        self.pipeline = Pipeline(
            {LAYOUT.key: (ids[LAYOUT.key], LAYOUT)},
            [METER],
            self.writer.submit,
            clock_ms=lambda: self.now_ms,
            interval_s=900,
        )
        self.watch = self.begin()

    def begin(self):
        clock = SteadyClock(SystemClock())
        return DemandWatch(self.loaded, self.pipeline, self.reader, self.writer, clock)

    def live(self, from_s, to_s, kw):
        """Readings every ten seconds; what the condition is after each look."""
        told = []
        for at_s in range(from_s, to_s, 10):
            self.now_ms = (START_S + at_s) * 1000
            self.kwh += kw / 360
            values = np.array([self.kwh, float(kw)])
            self.pipeline.accept(Scan(LAYOUT, self.now_ms, values, np.zeros(2, dtype=np.uint8)))
            self.watch.look(self.now_ms)
            told.append(self.watch._level.value)
        return told

    def condition(self):
        assert submit_and_wait(self.writer, Commit())
        return next((row for row in self.reader.conditions() if row.device == CONDITION), None)

    def close(self):
        self.writer.close()
        self.reader.close()
        self.engine.dispose()


@pytest.fixture
def house(tmp_path):
    made = House(write_site(tmp_path, contract="contract: {capacity_kw: 500}"))
    yield made
    made.close()


def test_an_alarm_comes_before_the_contract_is_passed_and_goes_with_the_load(house, caplog):
    caplog.set_level(logging.INFO)
    assert set(house.live(-20, 300, 400)) == {"calm"}
    assert house.condition() is None
    told = house.live(300, 310, 800)
    assert told[0] == "over"  # 300 s at 400 and 600 s at 800 would be 667
    row = house.condition()
    assert (row.condition, row.error["code"]) == ("over", "demand.over")
    assert row.error["data"]["limit"] == "500"
    assert float(row.error["data"]["mean"]) < 500  # it is not passed yet
    assert float(row.error["data"]["shed"]) > 0
    house.live(310, 600, 800)
    house.live(600, 900, 100)
    row = house.condition()
    assert (row.condition, row.error) == ("calm", None)
    words = [record.msg for record in caplog.records if isinstance(record.msg, Spoken)]
    assert words[0].key == "log.trouble"
    assert words[-1].key == "demand.log_calm"
    assert "Shed" in words[0].in_language("en")
    assert "須卸載" in words[0].in_language("zh-TW")


def test_nothing_is_said_of_a_window_that_is_not_whole(house):
    assert set(house.live(100, 600, 4000)) == {"calm"}  # begun in its middle
    assert house.condition() is None
    assert house.watch.window(house.now_ms) is None


def test_a_gap_neither_raises_nor_ends_an_alarm(house):
    house.live(-20, 300, 800)
    since_ms = house.condition().since_ms
    house.watch.look(house.now_ms + 60_000)  # nothing was heard for a minute
    assert house.condition().since_ms == since_ms
    assert set(house.live(400, 600, 10)) == {"over"}


def test_before_the_first_reading_there_is_nothing(house):
    house.watch.look(house.now_ms)
    assert house.condition() is None


def test_a_new_start_goes_on_from_what_was_told(house):
    house.live(-20, 300, 800)
    assert house.condition().condition == "over"
    assert house.begin()._told_before().value == "over"


@pytest.mark.parametrize(
    ("tariff", "contract", "at", "limit"),
    [
        (TARIFF, "{capacity_kw: 500, off_peak_kw: 60, half_peak_kw: 20}", "2025-10-14T16:00", 500),
        (TARIFF, "{capacity_kw: 500, off_peak_kw: 60, half_peak_kw: 20}", "2025-10-14T15:45", 520),
        (TARIFF, "{capacity_kw: 500, off_peak_kw: 60, half_peak_kw: 20}", "2025-10-14T03:00", 580),
        (TARIFF, "{capacity_kw: 500, off_peak_kw: 60}", "2031-10-14T03:00", 500),  # no list of that year
        ("", "{capacity_kw: 500, off_peak_kw: 60}", "2025-10-14T03:00", 500),
        (TARIFF, "{capacity_kw: 5, changes: [{from: 2025-10-14, capacity_kw: 4}]}", "2025-10-14T16:00", 4),
    ],
)  # fmt: skip
def test_the_limit_is_the_contract_of_the_windows_period(tmp_path, tariff, contract, at, limit):
    limits = Limits(load_site(write_site(tmp_path, tariff, f"contract: {contract}")))
    at_s = int(datetime.fromisoformat(at).replace(tzinfo=TAIPEI).timestamp())
    assert limits.kw(at_s) == limits.kw(at_s) == limit


def test_without_a_contract_there_is_no_limit(tmp_path):
    loaded = load_site(write_site(tmp_path, "", ""))
    assert Limits(loaded).kw(int(datetime(2025, 10, 14, tzinfo=UTC).timestamp())) is None
    assert date(2025, 10, 14).isoweekday() == 2


@pytest.mark.parametrize(("language", "words"), [("en", "Shed"), ("zh-TW", "須卸載")])
def test_page_and_status_show_the_alarm(house, capsys, language, words):
    house.live(-20, 300, 800)
    assert house.condition().condition == "over"
    live = LiveState(house.loaded, StoreReader.open(house.loaded.store_path, house.site))
    snapshot = live.step(house.now_ms)
    live.close()
    assert structured(snapshot, house.site)["demand"]["code"] == "demand.over"
    notices = [one["text"] for one in fields(snapshot, language, TAIPEI)["h.notices"]]
    assert any(words in text or "contract" in text or "契約" in text for text in notices)
    assert run_status(house.loaded.path, language, as_json=False, now_ms=house.now_ms) == 1
    assert words in capsys.readouterr().out
    run_status(house.loaded.path, language, as_json=True, now_ms=house.now_ms)
    told = json.loads(capsys.readouterr().out)["demand"]
    assert (told["standing"], told["error"]["code"]) == ("over", "demand.over")


def test_the_alarms_figures_go_with_the_window_and_are_not_shown_once_nobody_renews_them(house, capsys):
    house.live(-20, 300, 800)
    first = house.condition()
    house.live(300, 600, 800)
    second = house.condition()
    assert first.since_ms == second.since_ms
    assert float(first.error["data"]["left_min"]) == pytest.approx(10, abs=0.4)
    assert float(second.error["data"]["left_min"]) == pytest.approx(5, abs=0.4)
    live = LiveState(house.loaded, StoreReader.open(house.loaded.store_path, house.site))
    assert live.step(house.now_ms + STALE_MS - 1).demand_error is not None
    assert live.step(house.now_ms + STALE_MS + 20_000).demand_error is None
    live.close()
    run_status(house.loaded.path, "en", as_json=True, now_ms=house.now_ms + STALE_MS + 20_000)
    told = json.loads(capsys.readouterr().out)
    assert (told["demand"], told["window"]) == (None, None)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            "16:00 to 16:15: 5.0 minutes gone, 10.0 left; mean so far 400 kW, 400 kW projected of 500 kW; 0",
        ),
        (
            "zh-TW",
            "16:00 至 16:15：已過 5.0 分，剩 10.0 分；目前平均 400 kW，預估 400 kW，上限 500 kW；須卸載 0 kW",
        ),
    ],
)
def test_status_shows_the_open_window_while_all_is_calm(house, capsys, language, words):
    house.live(-20, 301, 400)
    house.condition()
    run_status(house.loaded.path, language, as_json=False, now_ms=house.now_ms)
    assert words in capsys.readouterr().out
    run_status(house.loaded.path, language, as_json=True, now_ms=house.now_ms)
    told = json.loads(capsys.readouterr().out)["window"]
    assert (told["limit_kw"], told["shed_kw"]) == (500, 0)
    assert told["projected_kw"] == pytest.approx(400, rel=0.01)
    assert told["elapsed_s"] + told["left_s"] == 900
