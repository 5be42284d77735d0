"""What one MQTT payload gives, and how the rest is refused."""

import math

import pytest

from drivers.mqtt_profile import MqttPart
from drivers.payload_json import MAX_BYTES, MAX_DEPTH
from drivers.payloads import PartDecoder
from drivers.refusals import PayloadRefused
from rules.quality import Quality
from tests.payload_world import NOW_MS, STAMP_MS, part_of, read, refused


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
@pytest.mark.scenario(18)
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
    ("path", "payload", "value"),
    [
        ("ENERGY.Power.*", '{"ENERGY": {"Power": [52, 5.5, 1]}}', 58.5),
        ("ENERGY.Power.*", '{"ENERGY": {"Power": 52}}', 52),
        ("ENERGY.Power.*", '{"ENERGY": {"Power": [52, "off"]}}', None),
        ("ENERGY.Power.*", '{"ENERGY": {"Power": []}}', None),
        ("ENERGY.Power.*", '{"ENERGY": {}}', None),
        ("ENERGY.Power.1", '{"ENERGY": {"Power": [52, 5]}}', 5),
        ("ENERGY.Power.1", '{"ENERGY": {"Power": 52}}', None),
        ("params.em:0.a", '{"params": {"em:0": {"a": 7}}}', 7),
        (r"meter\.1.kw\\h", r'{"meter.1": {"kw\\h": 7}}', 7),
        ("a.*.b", '{"a": {"*": {"b": 7}}}', 7),
    ],
)
def test_paths(path: str, payload: str, value: float | None):
    part = MqttPart.model_validate({"points": {"active_power_total": {"path": path, "unit": "kW"}}})
    if value is None:
        assert refused(payload, part).code == "payload.no_value"
    else:
        assert read(payload, part).values.tolist() == [value]


def test_undecoded_bytes_are_refused_with_the_cure():
    part = part_of(decoded="object")
    for payload in ('{"data": "AAHiQA=="}', '{"object": null, "data": "AAHiQA=="}'):
        assert refused(payload, part).code == "payload.not_decoded"
    assert refused('{"object": {}}', part).code == "payload.no_value"
    assert read('{"object": {}, "m3": 3}', part).values.tolist() == [3]


@pytest.mark.parametrize(
    ("raw", "key"),
    [('"ab-12"', "ab-12"), ("811", "811"), (f'"{"x" * 100}"', "x" * 64), ("true", None), ("{}", None)],
)
def test_what_tells_a_duplicate(raw: str, key: str | None):
    reading = read(f'{{"id": {raw}, "fCnt": 811, "m3": 1}}', part_of(duplicate_by="id", restart_by="fCnt"))
    assert (reading.key, reading.count) == (key, 811)
    assert read('{"m3": 1}', part_of(duplicate_by="id")).key is None


SHELLY = MqttPart.model_validate(
    {
        "deltas": [
            {
                "topic": "{topic}/events/rpc",
                "under": "params.em:0",
                "time": "params.ts",
                "time_format": "unix_s",
            },
            {"topic": "{topic}/changes"},
        ],
        "points": {
            "active_power_total": {"path": "total_act_power", "unit": "W"},
            "voltage_ln_l1": {"path": "a_voltage", "unit": "V"},
        },
    }
)


def test_a_delta_speaks_of_what_it_carries():
    decoder = PartDecoder(SHELLY)
    payload = b'{"method": "NotifyStatus", "params": {"ts": 1772417700.25, "em:0": {"a_voltage": 221}}}'
    reading = decoder.decode_delta(0, payload, NOW_MS)
    assert reading is not None
    assert reading.given is not None
    assert reading.given.tolist() == [False, True]
    assert reading.values[1] == 221
    assert reading.at_ms == STAMP_MS + 250
    nulled = decoder.decode_delta(1, b'{"total_act_power": null}', NOW_MS)
    assert nulled is not None
    assert nulled.given is not None
    assert nulled.given.tolist() == [True, False]
    assert nulled.quality.tolist() == [Quality.MISSING, Quality.MISSING]
    assert nulled.at_ms is None


@pytest.mark.parametrize(
    "payload",
    [
        b'{"params": {"ts": 1772417700, "switch:0": {"apower": 3}}}',
        b"{}",
        b"7",
        b'{"params": {"em:0": {"id": 0}}}',
    ],
)
def test_a_delta_about_something_else_is_nothing(payload: bytes):
    assert PartDecoder(SHELLY).decode_delta(0, payload, NOW_MS) is None


def test_a_delta_that_cannot_be_read_is_refused():
    with pytest.raises(PayloadRefused):
        PartDecoder(SHELLY).decode_delta(0, b"garbage", NOW_MS)


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"payload": "plain", "time": "ts"}, "has no time"),
        ({"payload": "sparkplug_b", "deltas": [{"topic": "t"}]}, "has no deltas"),
        (
            {"payload": "plain", "points": {"volume": {"unit": "m3"}, "flow": {"unit": "m3/h"}}},
            "one number",
        ),
        ({"payload": "sparkplug_b", "points": {"volume": {"unit": "m3"}}}, "metric's name"),
    ],
)
def test_keys_that_do_not_fit_the_payload(said: dict[str, object], complaint: str):
    with pytest.raises(ValueError, match=complaint):
        part_of(**said)


def test_a_word_stands_for_a_number_and_any_other_for_nothing():
    part = MqttPart.model_validate(
        {
            "points": {
                "enable_setpoint": {"path": "output", "words": {"true": 1, "on": 1, "off": 0}},
                "active_power_total": {"path": "w", "unit": "W"},
            }
        }
    )
    said = [read(f'{{"output": {word}, "w": 1000}}', part).values[0] for word in ("true", '"ON"', '"off"')]
    assert said == [1.0, 1.0, 0.0]
    reading = read('{"output": "maybe", "w": 1000}', part)
    assert math.isnan(reading.values[0])
    assert reading.quality.tolist() == [Quality.MISSING, Quality.GOOD]
