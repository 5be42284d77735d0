"""Any bytes give values or a refusal with a text, never anything else."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from config.words import LANGUAGES, say
from drivers.mqtt_profile import MqttPart
from drivers.payloads import EARLIEST_MS, LATEST_AHEAD_MS, PartDecoder, PayloadRefused, Reading
from rules.quality import Quality

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
