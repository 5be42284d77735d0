"""What a person should look at about a meter: found while it lasts, gone when it is over."""

from dataclasses import fields
from datetime import UTC

import numpy as np
import pytest

from config.words import catalogue
from drivers.contract import Counts
from monitor.findings import (
    DAY_MS,
    OFTEN,
    device_counts_words,
    is_doubted,
    meter_findings,
    point_doubts,
    troubled_counts,
)
from monitor.store.records import RecordRequest, write_record
from rules.doubts import Doubt
from rules.quality import Quality
from rules.scan import Scan
from tests.one_meter import LAYOUT
from tests.rework_world import House, meter

T0 = 1_800_000_000
MINUTE, HOUR = 60, 3600


@pytest.fixture
def house(tmp_path):
    one = House(tmp_path / "energy.db", meter(own_time=False), now_s=T0)
    yield one
    one.leave()


def found(house):
    now_ms = house.clock.now_ms()
    counts = house.reader.past.refusal_counts("main", now_ms - DAY_MS)
    return meter_findings(house.reader.past, "main", now_ms, counts)


def running(from_s, to_s, start_kwh=100.0, kw=100.0):
    return [(T0 + t, start_kwh + kw * (t - from_s) / HOUR, kw) for t in range(from_s, to_s, 30)]


def standing(from_s, to_s, kwh, kw=100.0):
    return [(T0 + t, kwh, kw) for t in range(from_s, to_s, 30)]


def test_a_register_that_stands_still_is_found_until_it_moves_on(house):
    house.feed(running(0, HOUR))
    assert found(house) == []
    stood = 100.0 + 100.0 * (HOUR - 30) / HOUR
    house.feed(standing(HOUR, 3 * HOUR, stood))
    (stuck,) = found(house)
    assert (stuck.code, stuck.meter) == ("stuck", "main")
    assert abs(stuck.since_ms - 1000 * (T0 + HOUR)) <= 60_000
    assert "stands still since" in stuck.words(UTC, "en")
    assert "停滯" in stuck.words(UTC, "zh-TW")
    assert stuck.as_data()["since"].endswith("Z")
    house.feed(running(3 * HOUR, 4 * HOUR, start_kwh=stood + 1))
    assert found(house) == []


def test_readings_that_are_refused_often_are_found_and_a_single_one_is_not(house):
    house.feed(running(0, HOUR))
    house.feed([(T0 + HOUR, 9e6, 100.0)])
    assert found(house) == []
    for at in range(1, OFTEN):  # far apart in value: no register of its own
        house.feed([(T0 + HOUR + 60 * at, 9e6 * (1 + 7 * at), 100.0)])
        house.feed([(T0 + HOUR + 60 * at + 30, 200.0 + at, 100.0)])
    (refusing,) = found(house)
    assert (refusing.code, refusing.count) == ("refusing", OFTEN)
    assert refusing.words(UTC, "en").startswith(f"{OFTEN} readings refused within an hour")
    house.clock.ms += 2 * HOUR * 1000
    assert found(house) == []


def test_a_register_that_changed_is_found_until_it_is_written_down(house):
    house.feed(running(0, HOUR))
    house.feed(running(HOUR, HOUR + 10 * MINUTE, start_kwh=1.0))
    (changed,) = found(house)
    assert changed.code == "new_register"
    assert "energy-monitor meter replace" in changed.words(UTC, "en")
    wanted = RecordRequest("replaced", "main", 1000 * (T0 + HOUR), 200.0, 1.0, "Lin", "", True, 1, 200.0)
    write_record(house.engine, "hall", wanted)
    assert found(house) == []


def test_suspect_values_are_told_with_their_limit():
    quality = np.array([Quality.GOOD, Quality.SUSPECT], np.uint8)
    scan = Scan(LAYOUT, 1_000, np.array([5.0, 99_000.0]), quality)
    assert is_doubted(scan)
    (doubt,) = point_doubts(scan, {"active_power_total": 500})
    assert (doubt.doubt, doubt.since_ms) == (Doubt.ABOVE, 500)
    assert "above its plausible range (up to 9,000 kW)" in doubt.words("en")
    assert doubt.as_data()["why"] == "above"
    good = Scan(LAYOUT, 1_000, np.array([5.0, np.nan]), np.array([0, Quality.MISSING], np.uint8))
    assert not is_doubted(good)
    assert point_doubts(good) == []


def test_every_reason_of_a_payload_has_a_short_word():
    known = catalogue("en")
    reasons = {key.removeprefix("payload.") for key in known if key.startswith("payload.")}
    short = {key.removeprefix("counts.why_") for key in known if key.startswith("counts.why_")}
    assert reasons == short
    assert {field.name for field in fields(Counts)} - {"reasons"} <= {
        key.removeprefix("counts.") for key in known if key.startswith("counts.")
    }


def test_counts_are_told_with_what_they_count():
    counts = {"polls": 3600, "late": 2}
    assert device_counts_words(counts, "en") == "polls 3,600, late answers dropped 2"
    assert device_counts_words(counts, "zh-TW") == "輪詢 3,600、遲到回應捨棄 2"
    unreadable = {"bad": 3, "bad:payload.not_json": 2, "bad:payload.no_value": 1}
    assert device_counts_words(unreadable, "en") == "unreadable 3 (not JSON 2, no number at the path 1)"
    assert troubled_counts({**counts, "dials": 1, "bad": 0}) == {"late": 2}
