"""What simulated devices publish, read by the driver's own inbox."""

import json

import pytest

from drivers.inbox import Arrival, Counts, Inbox
from drivers.mqtt_profile import MqttProfile
from drivers.presence import Presence
from drivers.settings import MqttDevice
from drivers.streams import directory_of
from rules.scan import Scan
from simulators.mqtt_publisher import Message, PublishingDevice
from simulators.telemetry import Telemetry
from tests.simulated_world import MODEL, MQTT, NATURAL_IDS, NOON_S


class Desk:
    """The driver's own way from messages to scans; ``last`` of each part."""

    def __init__(self, device: MqttDevice, profile: MqttProfile) -> None:
        self.last: dict[str, Scan] = {}
        self.counts = Counts()
        self._inbox = Inbox(
            "broker",
            directory_of([device], {device.profile: profile}),
            delivery=self,
            presence=Presence("broker", {device.id: 1e9}, lambda _: None),
            acknowledge=lambda *_: None,
            publish=lambda *_, **__: None,
            counts=self.counts,
        )

    def take(self, message: Message, at_ms: int) -> None:
        self._inbox.take(Arrival(message.topic, message.payload, 0, 0, message.retain, 1), at_ms, 0.0)

    def scan(self, scan: Scan, _on_commit: object = None) -> None:
        self.last[scan.layout.part] = scan

    def news(self, _news: object) -> None:
        pass


@pytest.mark.parametrize("name", sorted(MQTT))
def test_what_is_published_is_what_the_profile_reads(name: str):
    kind = MQTT[name]
    for device_id in NATURAL_IDS[kind.family]:
        settings = MqttDevice(
            id=device_id, profile=name, topic="city/hall", timezone="Asia/Taipei", stale_after_s=86400
        )
        device = PublishingDevice(settings, kind, MODEL)
        expected = Telemetry(MODEL, device_id, kind.family, {})
        desk = Desk(settings, kind)
        # The second round has changes only, where the convention has such messages.
        for at_s in (NOON_S, NOON_S + 60):
            for message in device.messages(at_s):
                desk.take(message, int(at_s * 1000))
            for part_name, part in kind.parts.items():
                scan = desk.last[part_name]
                wanted = [expected(point_name)(MODEL.at(at_s)) for point_name in part.points]
                assert scan.values.tolist() == pytest.approx(wanted, rel=1e-11, nan_ok=False)
                assert not scan.quality.any()
        assert desk.counts.refused == desk.counts.unknown_topic == desk.counts.gaps == 0


def test_a_plain_payload_is_the_number_in_the_profiles_unit():
    kind = MqttProfile.model_validate(
        {
            "profile": "bench",
            "version": 1,
            "maker": "m",
            "model": "m",
            "family": "water",
            "source": ("s",),
            "transport": "mqtt",
            "parts": {
                "main": {
                    "topic": "{topic}/litres",
                    "payload": "plain",
                    "points": {"volume": {"unit": "L", "scale": 10, "rolls_over_at": 1000.0}},
                }
            },
        }
    )
    device = PublishingDevice(MqttDevice(id="water-main", profile="bench", topic="w"), kind, MODEL)
    ((topic, payload, _),) = device.messages(NOON_S)
    volume_m3 = MODEL.at(NOON_S).counter(MODEL.source("water-main", "water"))
    assert topic == "w/litres"
    assert volume_m3 > 1000
    assert json.loads(payload) == pytest.approx(volume_m3 % 1000 * 1000 / 10)
