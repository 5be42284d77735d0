"""From messages to scans, acknowledgements and news, without a broker."""

import json
from collections.abc import Callable

import pytest

from config.words import LANGUAGES, say
from drivers.contract import DeviceCondition, DeviceNews
from drivers.inbox import LOG_EVERY_MS, REMEMBERED, Arrival, Counts, Inbox
from drivers.mqtt_profile import MqttProfile
from drivers.presence import Presence
from drivers.receipts import Pending, Receipts
from drivers.settings import MqttDevice, PointOverride
from drivers.streams import directory_of
from rules.quality import Quality
from rules.scan import Scan
from simulators.sparkplug import SparkplugNode

NOW_MS = 1_772_418_000_000
PROFILE = MqttProfile.model_validate(
    {
        "profile": "test_water",
        "version": 1,
        "maker": "any",
        "model": "any",
        "family": "water",
        "source": ["this test"],
        "transport": "mqtt",
        "parts": {"main": {"time": "ts", "points": {"volume": {"path": "m3", "unit": "m3"}}}},
    }
)


class Bench:
    """An inbox, with lists at all its ends."""

    def __init__(self, *topics: str) -> None:
        devices = [
            MqttDevice(id=f"water-{number}", profile="test_water", topic=topic)
            for number, topic in enumerate(topics or ("t",))
        ]
        self.scans: list[Scan] = []
        self.commits: list[Callable[[], None]] = []
        self.told: list[DeviceNews] = []
        self.acknowledged: list[tuple[int, int]] = []
        self.counts = Counts()
        self.published: list[tuple[str, bytes]] = []
        self.inbox = Inbox(
            "broker:1883",
            directory_of(devices, {"test_water": PROFILE}),
            delivery=self,
            presence=Presence("broker:1883", {d.id: d.stale_after_s for d in devices}, self.news),
            acknowledge=lambda connection, mid: self.acknowledged.append((connection, mid)),
            publish=self.publish,
            counts=self.counts,
        )

    def scan(self, scan: Scan, on_commit: Callable[[], None] | None = None) -> None:
        assert on_commit is not None
        self.scans.append(scan)
        self.commits.append(on_commit)

    def news(self, news: DeviceNews) -> None:
        self.told.append(news)

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> None:
        self.published.append((topic, payload))

    def send(
        self,
        mid: int,
        payload: bytes | None = None,
        *,
        at_ms: int | None = None,
        topic: str = "t",
        qos: int = 1,
        connection: int = 1,
        now_ms: int = NOW_MS,
    ) -> None:
        if payload is None:
            payload = json.dumps({"ts": NOW_MS + mid if at_ms is None else at_ms, "m3": mid}).encode()
        self.inbox.take(Arrival(topic, payload, qos, mid, False, connection), now_ms, 0.0)


def test_acknowledgements_keep_the_order_of_arrival():
    bench = Bench()
    for mid in (1, 2, 3):
        bench.send(mid)
    bench.commits[2]()
    bench.commits[1]()
    assert bench.acknowledged == []
    bench.commits[0]()
    assert bench.acknowledged == [(1, 1), (1, 2), (1, 3)]


def test_a_second_commit_says_nothing_again():
    bench = Bench()
    bench.send(1)
    bench.send(2)
    bench.commits[0]()
    bench.commits[0]()
    assert bench.acknowledged == [(1, 1)]


def test_a_refused_payload_is_acknowledged_after_what_came_before_it():
    bench = Bench()
    bench.send(1)
    bench.send(2, b"garbage")
    assert bench.acknowledged == []
    bench.commits[0]()
    assert bench.acknowledged == [(1, 1), (1, 2)]
    assert bench.counts.refused == 1


def test_what_was_owed_on_an_old_connection_is_void():
    bench = Bench()
    bench.send(1)
    bench.send(2)
    bench.send(1, connection=3, at_ms=NOW_MS + 9)
    bench.commits[0]()
    bench.commits[1]()
    assert bench.acknowledged == []
    bench.commits[2]()
    assert bench.acknowledged == [(3, 1)]


def test_a_duplicate_waits_for_the_first_ones_commit():
    bench = Bench()
    bench.send(1, at_ms=NOW_MS)
    bench.send(7, at_ms=NOW_MS, connection=3)
    assert len(bench.scans) == 1
    assert bench.acknowledged == []
    bench.commits[0]()
    assert bench.acknowledged == [(3, 7)]
    bench.send(8, at_ms=NOW_MS, connection=3)
    assert bench.acknowledged == [(3, 7), (3, 8)]
    assert bench.counts.duplicates == 2


def test_a_message_at_qos_0_is_delivered_and_never_acknowledged():
    bench = Bench()
    bench.send(0, at_ms=NOW_MS, qos=0)
    bench.commits[0]()
    assert len(bench.scans) == 1
    assert bench.acknowledged == []
    # The same sent again at QoS 1 is owed an answer at once.
    bench.send(5, at_ms=NOW_MS)
    assert bench.acknowledged == [(1, 5)]


def test_one_message_for_two_devices_is_acknowledged_after_both():
    bench = Bench("t", "t")
    bench.send(1)
    assert [scan.layout.device for scan in bench.scans] == ["water-0", "water-1"]
    bench.commits[1]()
    assert bench.acknowledged == []
    bench.commits[0]()
    assert bench.acknowledged == [(1, 1)]


def test_a_topic_of_an_earlier_configuration_is_counted_and_acknowledged():
    bench = Bench()
    bench.send(1, topic="old")
    assert bench.acknowledged == [(1, 1)]
    assert bench.counts.unknown_topic == 1


def test_the_memory_for_duplicates_is_bounded():
    bench = Bench()
    for mid in range(REMEMBERED + 1):
        bench.send(mid)
    bench.send(0)
    assert len(bench.scans) == REMEMBERED + 2


def test_messages_without_a_time_of_their_own_are_all_kept():
    bench = Bench()
    bench.send(1, b'{"m3": 1}')
    bench.send(2, b'{"m3": 1}')
    assert [scan.at_ms for scan in bench.scans] == [NOW_MS, NOW_MS]


def test_refusals_are_logged_once_a_minute_a_device(caplog: pytest.LogCaptureFixture):
    bench = Bench("t", "u")
    for mid in range(5):
        bench.send(mid, b"garbage", now_ms=NOW_MS + mid)
    bench.send(6, b"garbage", topic="u")
    bench.send(7, b"garbage", now_ms=NOW_MS + LOG_EVERY_MS)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3
    assert lines[2].endswith("(4 more since the last such line)")
    assert bench.counts.refused == 7


def test_news_comes_on_change_only_and_has_words():
    bench = Bench()
    for payload in (None, None, b"garbage", b"other garbage", b"{}", None):
        bench.send(len(bench.scans) + 1, payload)
    assert [(news.condition, news.error.code if news.error else "") for news in bench.told] == [
        (DeviceCondition.ONLINE, ""),
        (DeviceCondition.DEGRADED, "payload.not_json"),
        (DeviceCondition.DEGRADED, "payload.no_value"),
        (DeviceCondition.ONLINE, ""),
    ]
    for news in bench.told:
        if news.error is not None:
            for language in LANGUAGES:
                assert "water-0" in say(news.error.code, language, **news.error.data)


def test_silence_counts_only_while_the_broker_is_there():
    told: list[DeviceNews] = []
    presence = Presence("broker:1883", {"water-1": 10.0}, told.append)
    presence.check(1000.0)
    presence.connected(1000.0)
    presence.check(1010.0)
    assert told == []
    presence.check(1010.5)
    presence.check(1011.0)
    assert [news.error.code for news in told if news.error] == ["mqtt.silent"]
    for language in LANGUAGES:
        assert told[0].error is not None
        assert "10" in say("mqtt.silent", language, **told[0].error.data)


def test_receipts_of_the_same_connection_stay_owed():
    acknowledged: list[tuple[int, int]] = []
    receipts = Receipts(lambda connection, mid: acknowledged.append((connection, mid)))
    first, pending = receipts.arrived(1, 1), Pending(receipts)
    pending.wait_for(first)
    receipts.release(first)
    receipts.release(receipts.arrived(1, 2))
    assert (len(receipts), acknowledged) == (2, [])
    pending()
    assert (len(receipts), acknowledged) == (0, [(1, 1), (1, 2)])


# -- conventions --------------------------------------------------------------------------------------------


class Device:
    """One device of a profile that is written here, with lists at all its ends."""

    def __init__(
        self, parts: dict[str, object], *, topic: str = "d", stale_s: float = 300, **more: object
    ) -> None:
        profile = MqttProfile.model_validate(
            {**PROFILE.model_dump(), "family": "electricity", "parts": parts, **more}
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
    profile = MqttProfile.model_validate({**PROFILE.model_dump(), "parts": LORA, "family": "electricity"})
    told = {"energy_import": PointOverride(path="object.total", unit="Wh", rolls_over_at=10)}
    changed = profile.overridden(told)
    point = changed.parts["main"].points["energy_import"]
    assert (point.path, point.unit, point.rolls_over_at) == ("object.total", "Wh", 10)
    assert changed.parts["main"].decoded == "object"
    assert profile.overridden({}) is profile
    with pytest.raises(ValueError, match="not a unit"):
        profile.overridden({"energy_import": PointOverride(unit="m3")})
