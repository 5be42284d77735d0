"""What one MQTT payload gives, and how the rest is refused."""

import math
from zoneinfo import ZoneInfo

import pytest

from drivers.mqtt_profile import MqttPart
from drivers.payload_json import MAX_BYTES, MAX_DEPTH
from drivers.payload_times import LATEST_AHEAD_MS
from drivers.payloads import PartDecoder, Reading
from drivers.refusals import PayloadRefused
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


def part_of(**more: object) -> MqttPart:
    return MqttPart.model_validate({"points": {"volume": {"path": "m3", "unit": "m3"}}, **more})


@pytest.mark.parametrize(
    ("form", "stamp", "at_ms"),
    [
        ("unix_s", "1772417700", STAMP_MS),
        ("unix_s", '"1772417700.25"', STAMP_MS + 250),
        ("unix_s", "1772417700000", None),
        ("unix_ms", "1772417700000", STAMP_MS),
        ("unix_ms", '"1772417700000"', STAMP_MS),
        ("unix_ms", "1772417700", None),
        ("iso8601", '"2026-03-02T10:15:00+08:00"', STAMP_MS),
        ("iso8601", '"2026-03-02T02:15:00.123456789Z"', STAMP_MS + 123),
        ("local", '"2026-03-02T10:15:00"', STAMP_MS),
        ("local", '"2026-03-02T02:15:00Z"', STAMP_MS),
        ("local", '"9999-12-31T23:59:59"', None),
        ("local", '"0001-01-01T00:00:00"', None),
        ("auto", '"2026-03-02T10:15:00+08:00"', STAMP_MS),
    ],
)
def test_a_time_in_its_format(form: str, stamp: str, at_ms: int | None):
    part = part_of(time="t", time_format=form)
    reading = PartDecoder(part, ZoneInfo("Asia/Taipei")).decode(f'{{"t": {stamp}, "m3": 1}}'.encode(), NOW_MS)
    assert reading.at_ms == at_ms
    assert reading.quality[0] == (Quality.SUSPECT if at_ms is None else Quality.GOOD)


@pytest.mark.parametrize(
    ("form", "stamp", "code"),
    [
        ("unix_s", '"today"', "time_unreadable"),
        ("unix_ms", "true", "time_unreadable"),
        ("iso8601", "1772417700", "time_unreadable"),
        ("iso8601", '"2026-03-02T10:15:00"', "time_without_zone"),
        ("local", "1772417700", "time_unreadable"),
        ("local", '"10:15"', "time_unreadable"),
    ],
)
def test_a_time_in_another_format_refuses_the_payload(form: str, stamp: str, code: str):
    assert (
        refused(f'{{"t": {stamp}, "m3": 1}}', part_of(time="t", time_format=form)).code == f"payload.{code}"
    )


BERLIN = ZoneInfo("Europe/Berlin")
HOUR_MS = 3_600_000
# 2025-10-26: at 03:00 summer time (01:00 UTC) the clocks go back to 02:00.
FIRST_0230_MS = 1_761_438_600_000


@pytest.mark.parametrize(
    ("stamp", "arrived_ms", "at_ms", "quality"),
    [
        ("2025-10-26T02:30:00", FIRST_0230_MS + 2000, FIRST_0230_MS, Quality.GOOD),
        ("2025-10-26T02:30:00", FIRST_0230_MS + HOUR_MS + 2000, FIRST_0230_MS + HOUR_MS, Quality.GOOD),
        ("2025-10-26T02:30:00", FIRST_0230_MS + 5 * HOUR_MS, FIRST_0230_MS, Quality.SUSPECT),
        ("2025-10-26T03:30:00", FIRST_0230_MS + 2 * HOUR_MS, FIRST_0230_MS + 2 * HOUR_MS, Quality.GOOD),
        # 2025-03-30: at 02:00 the clocks go on to 03:00. Nobody's clock shows 02:30 then.
        ("2025-03-30T02:30:00", 1_743_298_300_000, 1_743_294_600_000, Quality.SUSPECT),
    ],
)
def test_the_hour_that_comes_twice_and_the_one_that_is_left_out(
    stamp: str, arrived_ms: int, at_ms: int, quality: Quality
):
    decoder = PartDecoder(part_of(time="Time", time_format="local"), BERLIN)
    reading = decoder.decode(f'{{"Time": "{stamp}", "m3": 1}}'.encode(), arrived_ms)
    assert (reading.at_ms, reading.quality[0]) == (at_ms, quality)


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
