"""Changes, last wills, keys and births: from messages to scans and news, without a broker."""

import json
from collections.abc import Callable

import pytest

from drivers.contract import DeviceCondition, DeviceNews
from drivers.inbox import Arrival, Counts, Inbox
from drivers.mqtt_profile import MqttProfile
from drivers.presence import Presence
from drivers.settings import MqttDevice, PointOverride
from drivers.streams import directory_of
from rules.quality import Quality
from rules.scan import Scan
from simulators.sparkplug import SparkplugNode
from tests.one_meter import WATER

NOW_MS = 1_772_418_000_000


class Device:
    """One device of a profile that is written here, with lists at all its ends."""

    def __init__(
        self, parts: dict[str, object], *, topic: str = "d", stale_s: float = 300, **more: object
    ) -> None:
        profile = MqttProfile.model_validate(
            {**WATER.model_dump(), "family": "electricity", "parts": parts, **more}
        )
        settings = MqttDevice(id="meter", profile="p", topic=topic, stale_after_s=stale_s)
        self.scans: list[Scan] = []
        self.told: list[tuple[DeviceCondition, str]] = []
        self.published: list[tuple[str, bytes]] = []
        self.counts = Counts()
        self.directory = directory_of([settings], {"p": profile}, "Asia/Taipei")
        self.presence = Presence("broker", {"meter": stale_s}, self.news)
        self.inbox = Inbox(
            "broker",
            self.directory,
            delivery=self,
            presence=self.presence,
            acknowledge=lambda *_: None,
            publish=lambda topic, payload, **_: self.published.append((topic, payload)),
            counts=self.counts,
        )

    def scan(self, scan: Scan, on_commit: Callable[[], None] | None = None) -> None:
        self.scans.append(scan)

    def news(self, news: DeviceNews) -> None:
        self.told.append((news.condition, news.error.code if news.error else ""))

    def send(
        self, topic: str, payload: object, after_s: float = 0.0, *, retained: bool = False, qos: int = 0
    ) -> None:
        content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        now_ms = NOW_MS + round(after_s * 1000)
        self.inbox.take(Arrival(topic, content, qos, 1, retained, 1), now_ms, after_s)

    @property
    def last(self) -> dict[str, float]:
        scan = self.scans[-1]
        return {
            point.name: float(value)
            for point, value, quality in zip(scan.layout.points, scan.values, scan.quality, strict=True)
            if quality != Quality.MISSING
        }


EM = {
    "main": {
        "topic": "{topic}/status",
        "deltas": [
            {"topic": "{topic}/rpc", "under": "params.em", "time": "params.ts", "time_format": "unix_s"}
        ],
        "points": {
            "active_power_total": {"path": "p", "unit": "kW"},
            "voltage_ln_l1": {"path": "v", "unit": "V"},
        },
    }
}


def change(after_s: float, **values: object) -> dict[str, object]:
    return {"params": {"ts": NOW_MS / 1000 + after_s, "em": values}}


def test_changes_are_laid_over_the_last_picture():
    device = Device(EM)
    device.send("d/status", {"p": 1, "v": 220})
    device.send("d/rpc", change(1, p=2), 1)
    assert device.last == {"active_power_total": 2, "voltage_ln_l1": 220}
    assert device.scans[-1].at_ms == NOW_MS + 1000
    device.send("d/rpc", change(2, v=None), 2)
    assert device.last == {"active_power_total": 2}
    assert device.told == [(DeviceCondition.ONLINE, "")]


def test_a_change_before_any_picture_gives_what_it_says():
    device = Device(EM)
    device.send("d/rpc", change(0, p=2))
    assert device.last == {"active_power_total": 2}


def test_what_is_carried_grows_old():
    device = Device(EM, stale_s=10)
    device.send("d/rpc", change(0, p=1, v=220))
    device.send("d/rpc", change(10, p=2), 10)
    assert device.last == {"active_power_total": 2, "voltage_ln_l1": 220}
    device.send("d/rpc", change(10.5, p=3), 10.5)
    assert device.last == {"active_power_total": 3}


def test_a_picture_without_a_time_only_prepares_the_ground():
    device = Device(EM, stale_s=10)
    device.send("d/rpc", change(0, p=1))
    device.send("d/status", {"p": 1, "v": 221}, 1)
    assert len(device.scans) == 1
    device.send("d/rpc", change(2, p=2), 2)
    assert device.last == {"active_power_total": 2, "voltage_ln_l1": 221}
    # Once no changes come any more, it is all that there is.
    device.send("d/status", {"p": 5, "v": 219}, 13)
    assert device.last == {"active_power_total": 5, "voltage_ln_l1": 219}


def test_a_late_change_takes_nothing_from_the_future():
    device = Device(EM)
    device.send("d/rpc", change(5, v=230), 5)
    device.send("d/rpc", change(2, p=2), 6)
    assert device.last == {"active_power_total": 2}
    device.send("d/rpc", change(7, p=3), 7)
    assert device.last == {"active_power_total": 3, "voltage_ln_l1": 230}


def test_the_same_change_twice_is_a_duplicate_and_more_of_one_instant_is_not():
    device = Device(EM)
    device.send("d/rpc", change(0, p=1))
    device.send("d/rpc", change(0, p=1))
    assert (len(device.scans), device.counts.duplicates) == (1, 1)
    device.send("d/rpc", change(0, v=220))
    assert [scan.at_ms for scan in device.scans] == [NOW_MS, NOW_MS + 1]
    assert device.last == {"active_power_total": 1, "voltage_ln_l1": 220}


def test_a_message_about_something_else_keeps_a_device_alive():
    device = Device(EM, stale_s=10)
    device.presence.connected(0)
    device.send("d/rpc", {"params": {"ts": 1, "wifi": {}}}, 9)
    device.presence.check(15)
    assert device.told == []
    device.send("d/rpc", {"params": {"ts": 1, "wifi": {}}}, 15, retained=True)
    device.presence.check(20)
    assert device.told == [(DeviceCondition.OFFLINE, "mqtt.silent")]
    assert device.counts.refused == 0


def test_a_stale_retained_picture_is_no_ground():
    device = Device(EM)
    device.send("d/status", {"p": 1, "v": 220}, retained=True)
    device.send("d/rpc", change(0, p=2))
    assert device.last == {"active_power_total": 2}
    assert device.counts.retained_ignored == 1


LORA = {
    "main": {
        "topic": "{topic}/up",
        "time": "time",
        "duplicate_by": "id",
        "restart_by": "fCnt",
        "decoded": "object",
        "points": {"energy_import": {"path": "object.kWh", "unit": "kWh"}},
    }
}


def uplink(key: str, count: object, kwh: float) -> dict[str, object]:
    return {"id": key, "fCnt": count, "time": "2026-03-02T02:15:00Z", "object": {"kWh": kwh}}


def test_duplicates_by_key():
    device = Device(LORA)
    device.send("d/up", uplink("a", 811, 1))
    device.send("d/up", uplink("a", 811, 1))
    device.send("d/up", uplink("b", 812, 2))  # of the same instant
    assert [scan.values[0] for scan in device.scans] == [1, 2]
    assert device.counts.duplicates == 1


def test_a_count_that_falls_is_a_restart():
    device = Device(LORA)
    for key, count in (("a", 811), ("b", 812), ("c", None), ("d", 0), ("e", 1)):
        device.send("d/up", uplink(key, count, 1))
    assert device.counts.restarts == 1
    device.send("d/up", uplink("a", 811, 1))  # what was forgotten counts as new
    assert len(device.scans) == 6


PLUG = {
    "main": {"topic": "{topic}", "points": {"active_power_total": {"path": "power", "unit": "W"}}},
}
WORD = {"topic": "{topic}/availability", "path": "state"}
ONLINE, SAID_OFFLINE = (DeviceCondition.ONLINE, ""), (DeviceCondition.OFFLINE, "mqtt.said_offline")


@pytest.mark.parametrize("gone", [{"state": "offline"}, b"offline"])
@pytest.mark.parametrize("back", [{"state": "online"}, b"online"])
def test_a_last_will_and_the_return(gone: object, back: object):
    device = Device(PLUG, availability=WORD)
    device.presence.connected(0)
    device.send("d/availability", back, retained=True)
    assert device.told == []  # the word alone is no reading
    device.send("d", {"power": 1})
    device.send("d/availability", gone, retained=True)
    assert device.told == [ONLINE, SAID_OFFLINE]
    device.presence.check(10_000)
    assert device.told[-1] == SAID_OFFLINE  # silence is no news then
    device.send("d/availability", back, 10_000)
    assert device.told[-1] == ONLINE
    device.presence.check(10_001)
    assert device.told[-1] == ONLINE
    assert device.counts.unknown_topic == 0


def test_data_ends_being_gone():
    device = Device(PLUG, availability=WORD)
    device.send("d/availability", b"offline")
    device.send("d", {"power": 1})
    assert device.told == [SAID_OFFLINE, ONLINE]


@pytest.mark.parametrize("payload", [b"maybe", b"\xff", b'{"state": 7}', b""])
def test_a_word_that_nobody_knows_is_counted(payload: bytes):
    device = Device(PLUG, availability=WORD)
    device.send("d/availability", payload)
    assert (device.told, device.counts.refused) == ([], 1)


SPARKPLUG = {
    "main": {
        "payload": "sparkplug_b",
        "points": {
            "active_power_total": {"path": "kW", "unit": "kW"},
            "energy_import": {"path": "kWh", "unit": "kWh"},
        },
    }
}


class Plant:
    """A node of the simulators, which speak with an encoder of their own."""

    def __init__(self) -> None:
        self.device = Device(SPARKPLUG, topic="g/n/meter")
        self.node = SparkplugNode("g", "n")

    def say(self, kw: float, kwh: float, after_s: float = 0.0, *, lost: bool = False) -> None:
        at_ms = NOW_MS + round(after_s * 1000)
        for topic, payload in self.node.say("meter", {"kW": kw, "kWh": kwh}, at_ms):
            if not lost:
                self.device.send(topic, payload, after_s)


def test_a_sparkplug_node_from_birth_to_death():
    plant = Plant()
    device = plant.device
    device.inbox.connected(NOW_MS, 0)
    assert [topic for topic, _ in device.published] == ["spBv1.0/g/NCMD/n"]
    plant.say(1, 100)
    plant.say(2, 100, 1)
    assert device.last == {"active_power_total": 2, "energy_import": 100}
    assert device.scans[-1].at_ms == NOW_MS + 1000
    device.send("spBv1.0/g/NDEATH/n", b"", 2)
    assert device.told == [ONLINE, SAID_OFFLINE]
    plant.node.begin_anew()
    plant.say(3, 101, 3)
    assert device.told[-1] == ONLINE
    device.send("spBv1.0/g/DDEATH/n/other", b"\x18\x02", 4)
    assert device.told[-1] == ONLINE
    device.send("spBv1.0/g/DDEATH/n/meter", b"\x18\x03", 5)
    assert device.told[-1] == SAID_OFFLINE
    assert (device.counts.refused, device.counts.gaps, device.counts.rebirths) == (0, 0, 1)


def test_a_gap_forgets_what_was_carried_and_asks_once_a_minute():
    plant = Plant()
    device = plant.device
    plant.say(1, 100)
    plant.say(2, 101, 1, lost=True)
    plant.say(3, 101, 2)
    assert device.counts.gaps == 1
    assert device.told[-1] == (DeviceCondition.DEGRADED, "payload.no_birth")
    assert len(device.published) == 1
    plant.say(4, 101, 3)
    device.inbox.tick(NOW_MS, 30)
    assert len(device.published) == 1
    for asked, at_s in enumerate((63, 190, 450), 2):
        device.inbox.tick(NOW_MS, at_s)
        assert len(device.published) == asked
        device.inbox.tick(NOW_MS, at_s + 59)
        assert len(device.published) == asked
    plant.node.begin_anew()
    plant.say(5, 102, 500)
    assert device.last == {"active_power_total": 5, "energy_import": 102}
    assert device.told[-1] == ONLINE
    device.inbox.tick(NOW_MS, 10_000)
    assert len(device.published) == 4


def test_sparkplug_messages_that_are_none():
    plant = Plant()
    device = plant.device
    device.send("spBv1.0/g/DDATA/n/meter", b"garbage")
    assert device.told == [(DeviceCondition.DEGRADED, "payload.not_sparkplug")]
    device.send("spBv1.0/g/DDATA/n/other", b"garbage")
    device.send("spBv1.0/g/DBIRTH/n/meter", b"", retained=True)
    device.send("spBv1.0/g/DDATA/other/meter", b"")
    device.send("spBv1.0/STATE/host", b"ONLINE")
    counts = device.counts
    assert (counts.refused, counts.retained_ignored, counts.unknown_topic) == (2, 1, 2)


def test_after_a_loss_of_the_broker_nothing_is_carried():
    plant = Plant()
    plant.say(1, 100)
    plant.device.inbox.connected(NOW_MS, 100)
    plant.say(2, 100, 101)
    assert plant.device.told[-1] == (DeviceCondition.DEGRADED, "payload.no_birth")
    assert len(plant.device.scans) == 1


def test_overrides_of_one_device():
    profile = MqttProfile.model_validate({**WATER.model_dump(), "parts": LORA, "family": "electricity"})
    told = {"energy_import": PointOverride(path="object.total", unit="Wh", rolls_over_at=10)}
    changed = profile.overridden(told)
    point = changed.parts["main"].points["energy_import"]
    assert (point.path, point.unit, point.rolls_over_at) == ("object.total", "Wh", 10)
    assert changed.parts["main"].decoded == "object"
    assert profile.overridden({}) is profile
    with pytest.raises(ValueError, match="not a unit"):
        profile.overridden({"energy_import": PointOverride(unit="m3")})
