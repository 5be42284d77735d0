"""When a reading was taken, as a payload tells it: formats, zones, clocks that are wrong."""

from zoneinfo import ZoneInfo

import pytest

from drivers.payload_times import LATEST_AHEAD_MS
from drivers.payloads import PartDecoder
from rules.quality import Quality
from tests.payload_world import NOW_MS, STAMP_MS, part_of, read, refused


def with_time(stamp: str) -> str:
    return f'{{"ts": {stamp}, "v": {{"flow_m3h": 1, "volume_m3": 2}}}}'


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
