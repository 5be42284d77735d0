"""Sparkplug B: topics, what a node's session makes of its messages, and readings."""

import math

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
from rules.quality import Quality
from tests.sparkplug_bytes import AT_MS, metric, payload, piece, varint

NOW_MS = AT_MS + 1000

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
