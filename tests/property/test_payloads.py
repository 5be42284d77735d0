"""Any bytes give values or a refusal with a text, never anything else."""

import json
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from config.profiles import load_profile, profile_names
from config.words import LANGUAGES, say
from drivers.contract import Garbled
from drivers.inbox import Arrival, Counts, Inbox
from drivers.mqtt_profile import MqttPart, MqttProfile
from drivers.payload_times import EARLIEST_MS, LATEST_AHEAD_MS
from drivers.payloads import PartDecoder, Reading
from drivers.presence import Presence
from drivers.refusals import PayloadRefused
from drivers.settings import MqttDevice
from drivers.sparkplug_wire import written_varint
from drivers.streams import directory_of
from rules.quality import Quality
from rules.scan import Scan

NOW_MS = 1_772_418_000_000

JSON_PART = MqttPart.model_validate(
    {
        "time": "ts",
        "points": {
            "flow": {"path": "v.f", "unit": "L/s", "scale": 10, "offset": -1},
            "volume": {"path": "v.0", "unit": "m3"},
            "temperature": {"unit": "degC"},
        },
    }
)
PLAIN_PART = MqttPart.model_validate({"payload": "plain", "points": {"volume": {"unit": "m3"}}})

nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["ts", "v", "f", "0"]) | st.text(), inner)
    ),
)
payloads = st.dictionaries(st.sampled_from(["ts", "v"]), nested) | nested
some_bytes = st.binary() | payloads.map(lambda value: json.dumps(value).encode())


def decoded(
    payload: bytes, part: MqttPart, now_ms: int
) -> tuple[Reading, None] | tuple[None, PayloadRefused]:
    try:
        return PartDecoder(part).decode(payload, now_ms), None
    except PayloadRefused as refused:
        return None, refused


@given(payload=some_bytes, part=st.sampled_from([JSON_PART, PLAIN_PART]), now_ms=st.integers(0, 2**45))
def test_any_bytes_give_values_or_a_refusal(payload: bytes, part: MqttPart, now_ms: int):
    reading, refused = decoded(payload, part, now_ms)
    if reading is None:
        assert refused is not None
        for language in LANGUAGES:
            assert say(refused.code, language, address="a", device="d", topic="t", **refused.data)
        return
    assert reading.values.shape == reading.quality.shape == (len(part.points),)
    for value, quality in zip(reading.values, reading.quality, strict=True):
        assert math.isnan(value) == (quality == Quality.MISSING)
        assert math.isnan(value) or math.isfinite(value)
    assert not (reading.quality == Quality.MISSING).all()
    if reading.at_ms is not None:
        assert EARLIEST_MS <= reading.at_ms <= now_ms + LATEST_AHEAD_MS


@given(flow=st.floats(-1e300, 1e300), volume=st.integers(0, 2**53), ms=st.integers(EARLIEST_MS, NOW_MS))
def test_what_was_sent_comes_out(flow: float, volume: int, ms: int):
    payload = json.dumps({"ts": ms, "v": {"f": flow, "0": volume}}).encode()
    reading = PartDecoder(JSON_PART).decode(payload, NOW_MS)
    assert reading.at_ms == ms
    assert math.isclose(reading.values[0], (flow * 10 - 1) * 3.6, rel_tol=1e-12, abs_tol=1e-9)
    assert reading.values[1] == volume
    assert reading.quality.tolist() == [Quality.GOOD, Quality.GOOD, Quality.MISSING]


CONVENTIONS = {
    name: profile for name in profile_names() if isinstance(profile := load_profile(name), MqttProfile)
}
TOPIC = "group/node/meter"
KINDS = [
    "NBIRTH/node",
    "NDATA/node",
    "NDEATH/node",
    "DBIRTH/node/meter",
    "DDATA/node/meter",
    "DDEATH/node/meter",
]


class Desk:
    """A device of a shipped profile, with all that comes out of it."""

    def __init__(self, name: str) -> None:
        device = MqttDevice(id="meter", profile=name, topic=TOPIC, timezone="Europe/Berlin")
        self.directory = directory_of([device], CONVENTIONS)
        self.scans: list[Scan] = []
        self.refused: list[Garbled] = []
        self.inbox = Inbox(
            "broker",
            self.directory,
            delivery=self,
            presence=Presence("broker", {"meter": 300.0}, lambda _: None),
            acknowledge=lambda *_: None,
            publish=lambda *_, **__: None,
            counts=Counts(),
            refused=self.refused.append,
        )
        self.topics = [*self.directory.routes, *self.directory.words]
        if self.directory.nodes:
            self.topics += [f"spBv1.0/group/{kind}" for kind in KINDS]

    def scan(self, scan: Scan, on_commit: object = None) -> None:
        self.scans.append(scan)

    def news(self, news: object) -> None: ...


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return written_varint(number << 3) + written_varint(content)
    return written_varint(number << 3 | 2) + written_varint(len(content)) + content


fields = st.lists(
    st.builds(field, st.integers(0, 20), st.integers(0, 2**64 - 1) | st.binary(max_size=20)), max_size=5
).map(b"".join)
named = st.builds(
    lambda name, value: field(1, name) + field(2, 1) + b"\x69" + value,
    st.sampled_from([b"Power/Active", b"Energy/Import", b"Chiller/kW", b"bdSeq"]),
    st.binary(min_size=8, max_size=8),
)
near_sparkplug = st.lists(
    st.builds(lambda metric: field(2, metric), fields | named) | fields, max_size=4
).map(b"".join)


@given(
    name=st.sampled_from(sorted(CONVENTIONS)),
    messages=st.lists(
        st.tuples(
            st.integers(0, 20), some_bytes | near_sparkplug, st.booleans(), st.integers(-(10**6), 10**6)
        ),
        max_size=8,
    ),
)
def test_any_messages_of_any_convention_give_scans_or_refusals(
    name: str, messages: list[tuple[int, bytes, bool, int]]
):
    desk = Desk(name)
    for which, payload, retained, shift_ms in messages:
        topic = desk.topics[which % len(desk.topics)]
        desk.inbox.take(Arrival(topic, payload, 0, 0, retained, 1), NOW_MS + shift_ms, 0.0)
    for scan in desk.scans:
        assert (np.isfinite(scan.values) == (scan.quality != Quality.MISSING)).all()
        assert EARLIEST_MS <= scan.at_ms <= NOW_MS + 10**6 + LATEST_AHEAD_MS + 1
    for error in desk.refused:
        for language in LANGUAGES:
            assert say(error.code, language, **error.data)
