"""What one MQTT payload gives, and how the rest is refused."""

import math

import pytest

from drivers.mqtt_profile import MqttPart
from drivers.payloads import LATEST_AHEAD_MS, MAX_BYTES, MAX_DEPTH, PartDecoder, PayloadRefused, Reading
from rules.quality import Quality

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


def with_time(stamp: str) -> str:
    return f'{{"ts": {stamp}, "v": {{"flow_m3h": 1, "volume_m3": 2}}}}'


def test_a_payload_by_paths():
    reading = read('{"ts": "2026-03-02T02:15:00Z", "v": {"volume_m3": 90476.3, "flow_m3h": 12.5}}')
    assert reading.values.tolist() == [12.5, 90476.3]
    assert reading.quality.tolist() == [Quality.GOOD, Quality.GOOD]
    assert reading.at_ms == STAMP_MS
    assert reading.found == ("ts", "v.flow_m3h", "v.volume_m3")


def test_units_scale_and_offset():
    part = MqttPart.model_validate(
        {
            "points": {
                "active_power_total": {"path": "ENERGY.Power", "unit": "W"},
                "temperature": {"path": "t", "unit": "degC", "scale": 0.1, "offset": -45},
                "volume": {"path": "litres.1", "unit": "L"},
            }
        }
    )
    reading = read('{"ENERGY": {"Power": 412}, "t": 700, "litres": [1, 123456]}', part)
    assert reading.values.tolist() == pytest.approx([0.412, 25.0, 123.456])
    assert reading.at_ms is None
    assert reading.quality.tolist() == [Quality.GOOD] * 3


@pytest.mark.parametrize(
    ("text", "value"), [("412.5", 412.5), (" -3e2\n", -300.0), ("+.5", 0.5), ("7.", 7.0)]
)
def test_a_plain_number(text: str, value: float):
    part = MqttPart.model_validate({"payload": "plain", "points": {"active_power_total": {"unit": "kW"}}})
    assert read(text, part).values.tolist() == [value]


@pytest.mark.parametrize(
    "text", ["nan", "inf", "unavailable", "", "1,234", "1_000", "true", "0x10", "\uff11", "1 2"]
)
def test_a_plain_payload_that_is_no_number(text: str):
    part = MqttPart.model_validate({"payload": "plain", "points": {"active_power_total": {"unit": "kW"}}})
    assert refused(text, part).code == "payload.no_value"


@pytest.mark.parametrize(
    "raw",
    [
        '"NaN"',
        '"1,234"',
        '"unavailable"',
        '""',
        "true",
        "false",
        "null",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "[1]",
        "{}",
        "1" + "0" * 400,
    ],
)
def test_what_is_no_number_is_missing_and_the_others_stay(raw: str):
    reading = read(f'{{"ts": "2026-03-02T02:15:00Z", "v": {{"volume_m3": {raw}, "flow_m3h": 12.5}}}}')
    assert reading.values[0] == 12.5
    assert math.isnan(reading.values[1])
    assert reading.quality.tolist() == [Quality.GOOD, Quality.MISSING]
    assert reading.found == ("ts", "v.flow_m3h")


def test_a_missing_path_is_missing():
    reading = read('{"ts": "2026-03-02T02:15:00Z", "v": {"volume_m3": 1}}')
    assert reading.quality.tolist() == [Quality.MISSING, Quality.GOOD]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b" " * (MAX_BYTES + 1), "too_large"),
        (b'{"v": "\xff"}', "not_text"),
        (b"", "not_json"),
        (b"\xef\xbb\xbf{}", "not_json"),
        (b"{'v': 1}", "not_json"),
        (b'{"v": ' + b"9" * 5000 + b"}", "not_json"),
        (b"[" * 200_000, "too_deep"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "too_deep"),
        (b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), "too_deep"),
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, "no_value"),
        (b"[" + b"[]," * 100 + b"[]]", "no_value"),
        (b"{}", "no_value"),
        (b"null", "no_value"),
        (b'"online"', "no_value"),
        (b'{"v": 7}', "no_value"),
        (b'{"v": {"flow_m3h": "unavailable", "volume_m3": null}}', "no_value"),
    ],
)
def test_a_payload_that_is_refused(payload: bytes, code: str):
    assert refused(payload).code == f"payload.{code}"


def test_a_refusal_shows_only_a_little_of_the_payload():
    error = refused("{" + "x\x00\n" * 10_000)
    assert len(error.data["sample"]) <= 41
    assert error.data["sample"].isprintable()


@pytest.mark.parametrize(
    ("stamp", "at_ms"),
    [
        ('"2026-03-02T02:15:00Z"', STAMP_MS),
        ('"2026-03-02T10:15:00+08:00"', STAMP_MS),
        ('"20260302T021500Z"', STAMP_MS),
        ('"2026-03-02T02:15:00.250Z"', STAMP_MS + 250),
        ("1772417700", STAMP_MS),
        ("1772417700.25", STAMP_MS + 250),
        ("1772417700000", STAMP_MS),
        ('"2000-01-01T00:00:00Z"', 946_684_800_000),
        (str(NOW_MS + LATEST_AHEAD_MS), NOW_MS + LATEST_AHEAD_MS),
    ],
)
def test_a_plausible_time_is_the_readings_own(stamp: str, at_ms: int):
    reading = read(with_time(stamp))
    assert reading.at_ms == at_ms
    assert reading.quality.tolist() == [Quality.GOOD, Quality.GOOD]


@pytest.mark.parametrize(
    "stamp",
    [
        "null",
        "0",
        "-5",
        "1e300",
        "1" + "0" * 400,
        '"1970-01-01T00:00:12Z"',
        '"1999-12-31T23:59:59Z"',
        '"0001-01-01T00:00:00+14:00"',
        '"9999-12-31T23:59:59-14:00"',
        str(NOW_MS + LATEST_AHEAD_MS + 1),
    ],
)
def test_an_implausible_time_gives_way_to_the_arrival_and_makes_suspect(stamp: str):
    reading = read(with_time(stamp))
    assert reading.at_ms is None
    assert reading.quality.tolist() == [Quality.SUSPECT, Quality.SUSPECT]
    assert reading.values.tolist() == [1, 2]


def test_a_lost_time_makes_suspect():
    reading = read('{"v": {"flow_m3h": 1}}')
    assert reading.at_ms is None
    assert reading.quality.tolist() == [Quality.SUSPECT, Quality.MISSING]


@pytest.mark.parametrize(
    ("stamp", "code"),
    [
        ('"2026-03-02T10:15:00"', "time_without_zone"),
        ('"2026-03-02"', "time_without_zone"),
        ('"yesterday"', "time_unreadable"),
        ('"1772417700"', "time_unreadable"),
        ("true", "time_unreadable"),
        ("NaN", "time_unreadable"),
        ("[2026, 3, 2]", "time_unreadable"),
        ("{}", "time_unreadable"),
    ],
)
def test_a_time_that_cannot_be_read_refuses_the_payload(stamp: str, code: str):
    error = refused(with_time(stamp))
    assert error.code == f"payload.{code}"
    assert error.data["path"] == "ts"
