"""Modbus devices that misbehave on the wire: what the engineer sees, and that nobody else is hurt."""

import math
import time
from collections.abc import Iterator

import pytest

from rules.quality import Quality
from tests.servers import free_port
from tests.servers.halls import Hall, running_hall, wait_for

INTERVAL_S = 5
SITE = """\
site: {{id: hall, name: {{zh-TW: 市政大樓, en: City Hall}}, language: en}}
store: {{path: energy.db}}
interval_s: {interval}
commodities:
  electricity: {{base_year: 2015, meters: [victim, neighbour]}}
buses:
  - id: gateway
    kind: modbus_tcp
    host: 127.0.0.1
    port: {gateway}
    every_s: 0.25
    timeout_s: 0.4
    devices:
      - {{id: victim, profile: eastron_sdm630, unit: 1}}
      - {{id: neighbour, profile: eastron_sdm630, unit: 2}}
      - {{id: elsewhere, profile: eastron_sdm630, unit: 1, port: {alone}}}
      - {{id: holed, profile: eastron_sdm630, unit: 2, port: {alone}}}
meters:
  - {{id: victim, name: {{zh-TW: 甲, en: A}}, commodity: electricity, counter: victim.energy_import,
     rate: victim.active_power_total, max_rate: 500}}
  - {{id: neighbour, name: {{zh-TW: 乙, en: B}}, commodity: electricity, counter: neighbour.energy_import,
     rate: neighbour.active_power_total, max_rate: 500}}
"""


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    text = SITE.format(interval=INTERVAL_S, gateway=free_port(), alone=free_port())
    with running_hall(tmp_path_factory.mktemp("hall"), text, "victim") as found:
        for device in ("victim", "neighbour", "elsewhere", "holed"):
            found.wait_for_condition(device, "online")
        yield found


def assert_all_right(hall: Hall, after: int) -> None:
    """Whatever was booked is what its own meter showed then, or is marked as no value."""
    for device in ("victim", "neighbour", "elsewhere"):
        for at_ms, values, qualities in hall.scans(device, after):
            shown = values["energy_import"]
            if qualities["energy_import"] == Quality.MISSING:
                assert math.isnan(shown), (device, at_ms)
                continue
            # Read a moment before it was stamped: by how much depends on the machine.
            earliest, latest = (
                hall.register(device, at_ms / 1000 - 10),
                hall.register(device, at_ms / 1000 + 1),
            )
            assert earliest <= shown <= latest, (device, at_ms)


def assert_neighbours_go_on(hall: Hall) -> None:
    after = hall.last_scan()
    for device in ("neighbour", "elsewhere"):
        scans = wait_for(
            f"three scans of {device}",
            lambda device=device: found if len(found := hall.scans(device, after)) >= 3 else None,
        )
        for _, values, qualities in scans:
            assert set(qualities.values()) == {Quality.GOOD}, values
        hall.wait_for_condition(device, "online")


def back_to_normal(hall: Hall) -> None:
    hall.wait_for_condition("victim", "online")
    assert all(set(q.values()) == {Quality.GOOD} for _, _, q in hall.wait_for_scans("victim")[-1:])


UNSPOKEN = [
    ("silent", {}, "no_answer"),
    ("slow", {"after_ms": 2000}, "answers_late"),
    ("dripping", {"gap_ms": 30}, "cut_frame"),
    ("late", {}, "no_answer answers_late foreign_number"),
    ("cutting", {"then": "silence"}, "cut_frame"),
    ("cutting", {"then": "close"}, "hung_up cut_frame"),
    ("closing", {}, "hung_up"),
    ("garbage", {"bytes": 40}, "not_modbus cut_frame no_answer"),
    ("foreign_unit", {}, "foreign_answer"),
    ("foreign_transaction", {}, "foreign_number"),
    ("wrong_count", {"by": -2}, "wrong_size"),
    ("wrong_count", {"by": 2}, "wrong_size"),
]
REFUSED = {5: "busy", 6: "busy", 10: "nobody_behind", 11: "nobody_behind"}


@pytest.mark.parametrize(("kind", "parameters", "told"), UNSPOKEN, ids=str)
@pytest.mark.scenario(20, 21)
def test_a_device_whose_answers_are_none(hall: Hall, kind: str, parameters: dict, told: str):
    hall.wait_for_condition("victim", "online")
    after = hall.last_scan()
    with hall.fault("victim", kind, **parameters):
        # A machine that stands still makes silence of any fault, for a poll or two.
        codes = [f"driver.{code}" for code in told.split()]
        wait_for(f"offline for {told}", lambda: hall.condition("victim") in [("offline", c) for c in codes])
        since = hall.last_scan()
        assert_neighbours_go_on(hall)
        assert hall.scans("victim", since) == []
    back_to_normal(hall)
    assert_all_right(hall, after)


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 8, 10, 11])
def test_a_device_that_refuses_everything(hall: Hall, code: int):
    hall.wait_for_condition("victim", "online")
    after = hall.last_scan()
    with hall.fault("victim", "refusing", code=code):
        told = f"driver.{REFUSED.get(code, 'all_refused')}"
        wait_for(told, lambda: hall.condition("victim") in [("degraded", told), ("offline", told)])
        assert_neighbours_go_on(hall)
    back_to_normal(hall)
    assert_all_right(hall, after)


def test_a_slow_device_that_answers_in_time_is_read(hall: Hall):
    with hall.fault("victim", "slow", after_ms=30):
        assert set(hall.wait_for_scans("victim")[-1][2].values()) == {Quality.GOOD}


def test_a_question_that_is_sometimes_not_answered_is_asked_again_the_next_time(hall: Hall):
    after = hall.last_scan()
    with hall.fault("victim", "silent", every=7):
        assert len(hall.wait_for_scans("victim", 6)) >= 6
    back_to_normal(hall)
    assert_all_right(hall, after)


def test_only_the_points_that_are_refused_are_missing(hall: Hall):
    # 62 and 63 hold the power factor; they lie in one request with power and energy.
    with hall.fault("holed", "refusing", code=2, addresses=[62, 63]):

        def split() -> bool:
            _, values, qualities = hall.wait_for_scans("holed", 1)[-1]
            missing = {name for name, quality in qualities.items() if quality == Quality.MISSING}
            return missing == {"power_factor_total"} and math.isnan(values["power_factor_total"])

        wait_for("the other points", split)
        wait_for("that it is told", lambda: hall.condition("holed") == ("degraded", "driver.points_refused"))
        assert_neighbours_go_on(hall)


def test_energy_is_right_after_a_silence(hall: Hall):
    began_s = time.time()
    with hall.fault("victim", "silent"):
        hall.wait_for_condition("victim", "offline")
        hall.wait_for_interval_after("neighbour", began_s)
    back_to_normal(hall)
    ended_s = time.time()
    for meter in ("victim", "neighbour"):
        hall.wait_for_interval_after(meter, ended_s)
        rows = [row for row in hall.intervals(meter) if row[0] >= began_s - INTERVAL_S]
        assert [row[0] for row in rows] == list(range(rows[0][0], rows[-1][0] + 1, INTERVAL_S))
        assert all(row[2] >= 0 for row in rows)
        total = sum(row[2] for row in rows)
        used = hall.used(meter, rows[0][0], rows[-1][0] + INTERVAL_S)
        # Each edge is read a moment before it is stamped: some seconds of a machine that stands still, and
        # less than the silence was long.
        moment = hall.used(meter, rows[0][0], rows[0][0] + 3)
        assert total == pytest.approx(used, rel=0.02, abs=moment), meter
