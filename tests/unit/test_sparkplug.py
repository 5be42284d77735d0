"""Sparkplug B: the bytes, and what a node's session makes of them."""

import math
import struct

import pytest

from drivers.mqtt_profile import MqttPart
from drivers.payload_json import MAX_BYTES
from drivers.refusals import PayloadRefused
from drivers.sparkplug import (
    MAX_INSTANTS,
    Address,
    Message,
    Node,
    SparkplugDecoder,
    address_of,
    filters_of,
    is_sparkplug,
    message_of,
)
from drivers.sparkplug_wire import MAX_METRICS, Metric, read_payload, rebirth_request, written_varint
from rules.quality import Quality

AT_MS = 1_772_417_700_000
NOW_MS = AT_MS + 1000

# Made by PyPI pysparkplug 0.6.1: metric Chiller/kW = 412.5, seq 3.
REAL = bytes.fromhex("0880d0eab6b73312180a0a4368696c6c65722f6b571880d0eab6b733650040ce431803")


def varint(field: int, value: int) -> bytes:
    return written_varint(field << 3) + written_varint(value % 2**64)


def piece(field: int, content: bytes) -> bytes:
    return written_varint(field << 3 | 2) + written_varint(len(content)) + content


def metric(
    name: str | None = None,
    value: float | bool | str | None = None,
    *,
    alias: int | None = None,
    at_ms: int | None = None,
    datatype: int | None = None,
    more: bytes = b"",
) -> bytes:
    said = b"" if name is None else piece(1, name.encode())
    for field, number in ((2, alias), (3, at_ms), (4, datatype)):
        said += b"" if number is None else varint(field, number)
    if isinstance(value, bool):
        said += varint(14, value)
    elif isinstance(value, int):
        said += varint(11, value)
    elif isinstance(value, float):
        said += written_varint(13 << 3 | 1) + struct.pack("<d", value)
    elif isinstance(value, str):
        said += piece(15, value.encode())
    return said + more


def payload(*metrics: bytes, seq: int | None = None, at_ms: int | None = AT_MS) -> bytes:
    said = b"" if at_ms is None else varint(1, at_ms)
    said += b"".join(piece(2, one) for one in metrics)
    return said + (b"" if seq is None else varint(3, seq))


def only(content: bytes) -> Metric:
    (found,) = read_payload(payload(content)).metrics
    return found


def test_a_real_payload():
    found = read_payload(REAL)
    assert (found.at_ms, found.seq) == (1767225600000, 3)
    assert found.metrics == (Metric("Chiller/kW", at_ms=1767225600000, value=412.5),)


def test_everything_that_a_metric_says():
    quality = piece(9, piece(1, b"engUnit") + piece(1, b"Quality") + piece(2, b"") + piece(2, varint(3, 500)))
    flags = varint(5, 1) + varint(6, 1)
    found = only(metric("kWh", 7, alias=3, at_ms=AT_MS, datatype=8, more=flags + quality))
    assert found == Metric("kWh", 3, AT_MS, 8, True, 7, False, 500)


@pytest.mark.parametrize(
    ("more", "quality"),
    [
        (piece(9, b""), None),
        (piece(9, piece(1, b"Quality")), None),
        (piece(9, piece(1, b"Quality") + piece(2, piece(8, b"good"))), None),
        (piece(9, piece(1, b"Quality") + piece(2, varint(4, 192))), 192),
    ],
)
def test_the_property_quality(more: bytes, quality: int | None):
    assert only(metric("kWh", 1, more=more)).quality == quality


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (varint(10, 2**32 + 5), 5),
        (varint(11, 2**40), 2**40),
        (b"\x65" + struct.pack("<f", 1.5), 1.5),
        (metric(value=-2.25), -2.25),
        (metric(value=True), None),
        (metric(value="412.5"), None),
        (piece(17, b"\x08\x01"), None),
        (varint(12, 3), None),  # a float's number with another wire type
        (varint(7, 1) + varint(11, 4), None),
        (varint(7, 0) + varint(11, 4), 4),
        (varint(11, 4) + metric(value=2.5), 2.5),  # of several values the last counts
        (metric(value=2.5) + piece(15, b"off"), None),
        (b"", None),
    ],
)
def test_values(content: bytes, value: float | None):
    assert only(content).value == value


def test_true_is_told_apart():
    assert only(metric(value=True)).is_true
    assert not only(metric(value=False)).is_true


@pytest.mark.parametrize(
    ("datatype", "raw", "value"),
    [
        (1, 0xFF, -1),
        (2, 0xFFFF_FFFF_FFFF_FFFF, -1),
        (3, 2**32 - 412, -412),
        (4, 2**64 - 412, -412),
        (4, 412, 412),
        (7, 2**32 - 1, 2**32 - 1),
        (8, 2**63, 2**63),
        (None, 2**63, 2**63),
    ],
)
def test_the_data_type_gives_the_sign(datatype: int | None, raw: int, value: int):
    assert Metric(value=raw).number(datatype) == value
    assert Metric(value=1.5).number(datatype) == 1.5


@pytest.mark.parametrize(
    "data",
    [
        b"\x08",
        b"\x08\xff",
        b"\x08" + b"\xff" * 10 + b"\x01",
        b"\xff" * 11,
        b"\x12\x05ab",
        b"\x12",
        b"\x65\x00",
        b"\x61\x00",
        b"\x0b\x0c",
        b"\x0f",
        piece(2, b"\x0a\x02\xff\xfe"),
        piece(2, piece(9, b"\x0a\x09")),
        b'{"kw": 412.5}',
    ],
)
def test_bytes_that_are_none(data: bytes):
    with pytest.raises(PayloadRefused) as caught:
        read_payload(data)
    assert caught.value.code == "payload.not_sparkplug"
    assert 0 <= caught.value.data["position"] <= len(data)


def test_more_metrics_than_anyone_needs():
    assert len(read_payload(piece(2, b"") * MAX_METRICS).metrics) == MAX_METRICS
    with pytest.raises(PayloadRefused) as caught:
        read_payload(piece(2, b"") * (MAX_METRICS + 1))
    assert caught.value.code == "payload.too_many_metrics"


def test_unknown_fields_are_stepped_over():
    strange = varint(99, 5) + piece(5, b"body") + b"\x9d\x06" + b"abcd" + b"\x99\x06" + b"abcdefgh"
    assert read_payload(strange + REAL + strange).metrics[0].value == 412.5


def test_a_rebirth_request_reads_back():
    found = read_payload(rebirth_request(AT_MS))
    assert found.at_ms == AT_MS
    assert found.metrics == (Metric("Node Control/Rebirth", at_ms=AT_MS, datatype=11, is_true=True),)


# -- topics -------------------------------------------------------------------------------------------------


def test_topics():
    assert address_of("plant/gw/chiller") == Address("plant", "gw", "chiller")
    assert address_of("spBv1.0/plant/gw") == Address("plant", "gw")
    assert is_sparkplug("plant/gw")
    assert message_of("spBv1.0/plant/DDATA/gw/chiller") == ("DDATA", Address("plant", "gw", "chiller"))
    assert message_of("spBv1.0/plant/NBIRTH/gw") == ("NBIRTH", Address("plant", "gw"))
    assert "spBv1.0/plant/DBIRTH/gw/+" in filters_of(Address("plant", "gw", "chiller"))
    assert "spBv1.0/plant/NDEATH/gw" in filters_of(Address("plant", "gw"))


@pytest.mark.parametrize("topic", ["plant", "plant//chiller", "plant/gw/chiller/deep", ""])
def test_a_topic_that_names_no_device(topic: str):
    with pytest.raises(ValueError, match="group/node"):
        address_of(topic)
    assert not is_sparkplug(topic)


@pytest.mark.parametrize(
    "topic",
    [
        "spBv1.0/STATE/host",
        "spBv1.0/plant/NCMD/gw",
        "spBv1.0/plant/DDATA/gw",
        "spBv1.0/plant/NDATA/gw/chiller",
        "other/plant/DDATA/gw/chiller",
        "a/b",
    ],
)
def test_topics_that_are_none_of_ours(topic: str):
    assert message_of(topic) is None


# -- sessions -----------------------------------------------------------------------------------------------

OURS = frozenset({"", "chiller"})


class Session:
    """A node whose messages are numbered as they should be."""

    def __init__(self) -> None:
        self.node = Node()
        self.seq = 0

    def send(self, kind: str, device: str, *metrics: bytes, skip: int = 0) -> Message:
        self.seq = (self.seq + skip) % 256
        data = payload(*metrics, seq=None if kind == "NDEATH" else self.seq)
        self.seq = (self.seq + (kind != "NDEATH")) % 256
        return self.node.take(kind, device, data, OURS)

    def birth(self, bd_seq: int = 0) -> None:
        self.seq = 0
        self.send("NBIRTH", "", metric("bdSeq", bd_seq, datatype=4), metric("up", 1, alias=9))
        self.send("DBIRTH", "chiller", metric("kW", 0.0, alias=1), metric("kWh", 5, alias=2, datatype=4))


def values(message: Message) -> dict[str, float]:
    return {said.name: said.value for said in message.said}


def test_births_teach_aliases_and_types():
    session = Session()
    assert session.node.wants_rebirth
    session.birth()
    assert not session.node.wants_rebirth
    message = session.send("DDATA", "chiller", metric(value=412.5, alias=1), metric(value=2**64 - 3, alias=2))
    assert values(message) == {"kW": 412.5, "kWh": -3}
    assert message.said[0].at_ms == AT_MS
    assert values(session.send("NDATA", "", metric(value=2.0, alias=9))) == {"up": 2.0}
    assert values(session.send("DDATA", "chiller", metric("kWh", 2**64 - 4))) == {"kWh": -4}
    assert not session.node.wants_rebirth


def test_numbers_run_round():
    session = Session()
    session.birth()
    for _ in range(600):
        assert not session.send("DDATA", "chiller", metric(value=1.0, alias=1)).is_gap


def test_an_unknown_alias_asks_for_a_rebirth():
    session = Session()
    session.birth()
    message = session.send("DDATA", "chiller", metric(value=1.0, alias=1), metric(value=1.0, alias=77))
    assert (values(message), message.unknown) == ({"kW": 1.0}, 1)
    assert session.node.wants_rebirth
    session.birth()
    assert not session.node.wants_rebirth


def test_after_a_gap_only_names_count_until_the_rebirth():
    session = Session()
    session.birth()
    message = session.send("DDATA", "chiller", metric(value=1.0, alias=1), metric("kWh", 6), skip=1)
    assert message.is_gap
    assert (values(message), message.unknown) == ({"kWh": 6}, 1)
    assert session.node.wants_rebirth
    assert not session.send("DDATA", "chiller", metric("kWh", 7)).is_gap
    session.birth()
    assert values(session.send("DDATA", "chiller", metric(value=1.0, alias=1))) == {"kW": 1.0}


def test_a_gap_shows_at_a_device_that_is_not_ours():
    session = Session()
    session.birth()
    assert not session.send("DDATA", "pump", metric(value=1.0, alias=50)).is_gap
    assert not session.node.wants_rebirth
    assert session.send("DBIRTH", "pump", metric("x", 1.0), skip=3).is_gap


def test_messages_without_a_number_are_not_judged():
    node = Node()
    node.take("NBIRTH", "", payload(), OURS)
    assert not node.take("DDATA", "chiller", payload(metric("kW", 1.0), seq=9), OURS).is_gap


def test_a_death_counts_for_its_own_session_only():
    session = Session()
    session.birth(bd_seq=4)
    late = session.send("NDEATH", "", metric("bdSeq", 3, datatype=4))
    assert not late.is_death
    assert values(session.send("DDATA", "chiller", metric(value=1.0, alias=1))) == {"kW": 1.0}
    assert session.send("NDEATH", "", metric("bdSeq", 4, datatype=4)).is_death
    assert session.send("DDATA", "chiller", metric(value=1.0, alias=1)).unknown == 1
    session.birth(bd_seq=5)
    assert session.send("NDEATH", "").is_death


@pytest.mark.parametrize(
    ("born", "died", "counts"), [(0, 255, False), (255, 0, True), (4, 5, True), (9, 4, False)]
)
def test_a_death_of_an_earlier_session_is_told_by_its_number(born: int, died: int, counts: bool):
    session = Session()
    session.birth(bd_seq=born)
    assert session.send("NDEATH", "", metric("bdSeq", died, datatype=4)).is_death is counts


def test_a_devices_death_takes_its_aliases():
    session = Session()
    session.birth()
    assert session.send("DDEATH", "chiller").is_death
    assert session.send("DDATA", "chiller", metric(value=1.0, alias=1)).unknown == 1


def test_what_was_said_while_we_were_away_is_not_known():
    session = Session()
    session.birth()
    session.node.lost()
    message = session.send("DDATA", "chiller", metric(value=1.0, alias=1), skip=7)
    assert (message.is_gap, message.unknown, session.node.wants_rebirth) == (False, 1, True)


def test_a_payload_that_is_too_large():
    with pytest.raises(PayloadRefused) as caught:
        Node().take("NDATA", "", b"\x08" * (MAX_BYTES + 1), OURS)
    assert caught.value.code == "payload.too_large"


# -- readings -----------------------------------------------------------------------------------------------

PART = MqttPart.model_validate(
    {
        "payload": "sparkplug_b",
        "points": {
            "active_power_total": {"path": "kW", "unit": "W"},
            "energy_import": {"path": "kWh", "unit": "kWh", "scale": 0.1},
            "energy_total": {"path": "kWh", "unit": "kWh"},
        },
    }
)


def readings(*metrics: bytes, kind: str = "DDATA", at_ms: int | None = AT_MS):
    message = Node().take(kind, "chiller", payload(*metrics, at_ms=at_ms), OURS)
    return SparkplugDecoder(PART).readings(message, NOW_MS)


def test_a_reading_of_named_metrics():
    [(reading, is_past)] = readings(metric("kW", 412.5), metric("kWh", 50, at_ms=AT_MS - 7))
    assert not is_past
    assert reading.values.tolist() == pytest.approx([0.4125, 5.0, 50.0])
    assert reading.at_ms == AT_MS
    assert set(reading.quality.tolist()) == {Quality.GOOD}
    assert set(reading.found) == {"kW", "kWh"}


def test_what_is_not_said_is_not_given():
    [(reading, _)] = readings(metric("kW", True), metric("other", 1.0))
    assert reading.given is not None
    assert reading.given.tolist() == [True, False, False]
    assert all(math.isnan(value) for value in reading.values)


def test_a_metric_that_comes_twice_begins_a_next_instant():
    found = readings(
        metric("kW", 1.0, at_ms=AT_MS), metric("kWh", 5, at_ms=AT_MS), metric("kW", 2.0, at_ms=AT_MS + 5)
    )
    assert [(reading.at_ms, reading.values[0]) for reading, _ in found] == [
        (AT_MS, 0.001),
        (AT_MS + 5, 0.002),
    ]


def test_history_stands_apart_and_comes_first():
    history = varint(5, 1)
    found = readings(
        metric("kW", 9.0),
        metric("kWh", 2, at_ms=AT_MS - 1000, more=history),
        metric("kW", 1.0, at_ms=AT_MS - 2000, more=history),
        metric("kWh", 1, at_ms=AT_MS - 2000, more=history),
        metric("kWh", 1, at_ms=12, more=history),
    )
    assert [(reading.at_ms, is_past) for reading, is_past in found] == [
        (AT_MS - 2000, True),
        (AT_MS - 1000, True),
        (AT_MS, False),
    ]


@pytest.mark.parametrize("at_ms", [None, 12, NOW_MS + 10**7])
def test_a_time_that_cannot_be_gives_way_to_the_arrival(at_ms: int | None):
    [(reading, _)] = readings(metric("kW", 1.0), at_ms=at_ms)
    assert (reading.at_ms, reading.quality[0]) == (None, Quality.SUSPECT)


def test_a_bad_quality_is_suspect():
    bad = piece(9, piece(1, b"Quality") + piece(2, varint(3, 500)))
    [(reading, _)] = readings(metric("kW", 1.0, more=bad), metric("kWh", 1))
    assert reading.quality.tolist() == [Quality.SUSPECT, Quality.GOOD, Quality.GOOD]


def test_nothing_of_ours_is_no_reading():
    assert readings(metric("other", 1.0)) == []


@pytest.mark.parametrize(
    ("kind", "content", "code"),
    [("DBIRTH", metric("other", 1.0), "no_metric"), ("DDATA", metric(value=1.0, alias=3), "no_birth")],
)
def test_messages_that_should_have_had_something(kind: str, content: bytes, code: str):
    with pytest.raises(PayloadRefused) as caught:
        readings(content, kind=kind)
    assert caught.value.code == f"payload.{code}"


def test_more_instants_than_anyone_needs():
    with pytest.raises(PayloadRefused) as caught:
        readings(*[metric("kW", 1.0)] * (MAX_INSTANTS + 1))
    assert caught.value.code == "payload.too_many_metrics"
