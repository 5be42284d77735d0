"""From messages to scans, acknowledgements and news, without a broker."""

import json
from collections.abc import Callable

import pytest

from config.words import LANGUAGES, say
from drivers.contract import Counts as Counted
from drivers.contract import DeviceCondition, DeviceNews
from drivers.inbox import LOG_EVERY_MS, Arrival, Counts, Inbox
from drivers.mqtt_link import RECEIVE_MAXIMUM
from drivers.presence import Presence
from drivers.receipts import Pending, Receipts
from drivers.settings import MqttDevice
from drivers.streams import RECENT, REMEMBERED, directory_of
from drivers.tally import Tally
from rules.scan import Scan
from tests.one_meter import WATER

NOW_MS = 1_772_418_000_000


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
        self.tallies = {device.id: Tally() for device in devices}
        self.published: list[tuple[str, bytes]] = []
        self.inbox = Inbox(
            "broker:1883",
            directory_of(devices, {"test_water": WATER}, tallies=self.tallies),
            delivery=self,
            presence=Presence("broker:1883", {d.id: d.stale_after_s for d in devices}, self.news),
            acknowledge=lambda connection, mid: self.acknowledged.append((connection, mid)),
            publish=self.publish,
            counts=self.counts,
        )

    def scan(self, scan: Scan, on_commit: Callable[[], None] | None = None) -> None:
        self.scans.append(scan)
        if on_commit is not None:
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


def test_what_needs_no_acknowledgement_waits_for_no_commit():
    bench = Bench()
    for mid in range(3):
        bench.send(mid, qos=0)
    assert len(bench.scans) == 3
    assert bench.commits == []


def test_a_duplicate_at_qos_1_of_one_at_qos_0_is_acknowledged_once_it_is_safe_itself():
    bench = Bench()
    bench.send(1, at_ms=NOW_MS, qos=0)
    bench.send(2, at_ms=NOW_MS)
    bench.send(3, at_ms=NOW_MS)
    assert (bench.counts.scans, bench.counts.duplicates, len(bench.scans)) == (1, 2, 2)
    assert bench.acknowledged == []
    (commit,) = bench.commits
    commit()
    bench.send(4, at_ms=NOW_MS, qos=0)
    assert bench.acknowledged == [(1, 2), (1, 3)]
    assert len(bench.scans) == 2


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
    assert bench.commits == []
    assert len(bench.scans) == 1
    assert bench.acknowledged == []
    # The same sent again at QoS 1 is owed an answer, once it is safe.
    bench.send(5, at_ms=NOW_MS)
    assert bench.acknowledged == []
    bench.commits[0]()
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
    for mid in range(RECENT + 1):
        bench.send(mid)
    bench.send(0)
    assert len(bench.scans) == RECENT + 2


def test_a_whole_window_that_is_sent_again_and_again_is_known():
    bench = Bench()
    for connection in range(1, 6):
        for mid in range(RECEIVE_MAXIMUM):
            bench.send(mid, connection=connection)
    assert len(bench.scans) == RECEIVE_MAXIMUM


def test_a_stream_knows_its_own_last_ones_whatever_else_the_bus_has():
    bench = Bench("t", "busy")
    for mid in range(REMEMBERED):
        bench.send(mid)
    for mid in range(RECENT + 1):
        bench.send(mid, topic="busy")
    before = len(bench.scans)
    for mid in range(REMEMBERED):
        bench.send(mid, connection=2)
    assert len(bench.scans) == before


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
    first, pending = receipts.arrived(1, 1), Pending(receipts, is_owed=True)
    pending.wait_for(first)
    receipts.release(first)
    receipts.release(receipts.arrived(1, 2))
    assert (len(receipts), acknowledged) == (2, [])
    pending()
    assert (len(receipts), acknowledged) == (0, [(1, 1), (1, 2)])


def test_what_came_of_each_device_is_counted():
    bench = Bench("t", "other")
    bench.send(1)
    bench.send(2, at_ms=NOW_MS + 1)
    bench.send(3, b"garbage")
    counts = {device: tally.counts(dials=4) for device, tally in bench.tallies.items()}
    assert counts == {
        "water-0": Counted(messages=3, readings=1, duplicates=1, bad=1, dials=4),
        "water-1": Counted(dials=4),
    }
