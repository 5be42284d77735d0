"""A water meter's payloads, and how tests have them decoded."""

import pytest

from drivers.mqtt_profile import MqttPart
from drivers.payloads import PartDecoder, Reading
from drivers.refusals import PayloadRefused

NOW_MS = 1_772_418_000_000  # 2026-03-02T02:20:00Z
STAMP_MS = 1_772_417_700_000  # 2026-03-02T02:15:00Z

WATER = MqttPart.model_validate(
    {
        "time": "ts",
        "points": {
            "flow": {"path": "v.flow_m3h", "unit": "m3/h"},
            "volume": {"path": "v.volume_m3", "unit": "m3"},
        },
    }
)


def read(payload: str | bytes, part: MqttPart = WATER) -> Reading:
    return PartDecoder(part).decode(payload.encode() if isinstance(payload, str) else payload, NOW_MS)


def refused(payload: str | bytes, part: MqttPart = WATER) -> PayloadRefused:
    with pytest.raises(PayloadRefused) as caught:
        read(payload, part)
    return caught.value


def part_of(**more: object) -> MqttPart:
    return MqttPart.model_validate({"points": {"volume": {"path": "m3", "unit": "m3"}}, **more})
