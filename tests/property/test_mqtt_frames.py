"""MQTT's frames come out whole, however the network cuts them, and no bytes do harm."""

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt._packet import decode_publish
from paho.mqtt.enums import MQTTProtocolVersion

from drivers.inbox import Arrival
from drivers.mqtt_frames import Frames, NotMqtt

MAX = 300
topics = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
payloads = st.binary(max_size=200)
messages = st.tuples(topics, payloads, st.sampled_from([0, 1]), st.integers(1, 65535), st.booleans())
others = st.tuples(st.sampled_from([0x20, 0x90, 0xB0, 0xD0, 0xE0, 0x40, 0x34, 0x35]), st.binary(max_size=200))


def length(count: int) -> bytes:
    """MQTT's variable byte integer."""
    out = bytearray()
    while True:
        count, digit = divmod(count, 128)
        out.append(digit | (128 if count else 0))
        if not count:
            return bytes(out)


def frame(first: int, body: bytes) -> bytes:
    return bytes([first]) + length(len(body)) + body


def publish(message: tuple[str, bytes, int, int, bool], properties: bytes | None = None) -> bytes:
    topic, payload, qos, mid, retained = message
    name = topic.encode()
    body = struct.pack(">H", len(name)) + name + (struct.pack(">H", mid) if qos else b"")
    body += b"" if properties is None else length(len(properties)) + properties
    return frame(0x30 | qos << 1 | retained, body + payload)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def arrival(message: tuple[str, bytes, int, int, bool]) -> Arrival:
    topic, payload, qos, mid, retained = message
    return Arrival(topic, payload, qos, mid if qos else 0, retained, 7)


@given(st.lists(messages | others, max_size=8), st.lists(st.integers(0, 4000), max_size=8), st.booleans())
def test_what_is_sent_arrives_however_it_is_cut(sent: list[tuple], places: list[int], is_5: bool):
    frames = Frames(7, is_5=is_5, max_bytes=MAX)
    wire, expected = b"", []
    for one in sent:
        if len(one) == 5:
            wire += publish(one, b"\x01\x01" if is_5 else None)
            expected.append(arrival(one))
        else:
            wire += frame(*one)
            expected.append(frame(*one))
    assert [found for piece in cut(wire, places) for found in frames.feed(piece)] == expected


@given(messages, st.booleans())
def test_the_library_reads_the_same(message: tuple[str, bytes, int, int, bool], is_5: bool):
    data = publish(message, b"\x03\x00\x02ab" if is_5 else None)
    (found,) = Frames(7, is_5=is_5, max_bytes=1000).feed(data)
    version = MQTTProtocolVersion.MQTTv5 if is_5 else MQTTProtocolVersion.MQTTv311
    body = data[3:] if data[1] & 128 else data[2:]
    theirs = decode_publish(data[0], body, version)
    assert isinstance(found, Arrival)
    assert (found.topic.encode(), found.payload, found.qos, found.mid, found.retained) == (
        theirs.topic,
        bytes(theirs.payload),
        theirs.qos,
        theirs.mid,
        theirs.retain,
    )


@given(st.binary(max_size=2000), st.lists(st.integers(0, 2000), max_size=8), st.booleans())
def test_no_bytes_do_harm(data: bytes, places: list[int], is_5: bool):
    frames = Frames(7, is_5=is_5, max_bytes=MAX)
    try:
        for piece in cut(data, places):
            frames.feed(piece)
            assert len(frames._rest) <= MAX + 5
    except NotMqtt:
        pass


@given(messages, st.integers(MAX + 1, 5000), st.lists(st.integers(0, 6000), max_size=8), st.booleans())
def test_of_a_message_beyond_measure_the_beginning_is_kept(
    message: tuple[str, bytes, int, int, bool], size: int, places: list[int], is_5: bool
):
    """It can be refused, counted and acknowledged, and what follows is not lost."""
    topic, _, qos, mid, retained = message
    huge, none = (topic, b"x" * size, qos, mid, retained), b"" if is_5 else None
    frames = Frames(7, is_5=is_5, max_bytes=MAX)
    wire = publish(huge, none) + publish(message, none)
    first, second = (found for piece in cut(wire, places) for found in frames.feed(piece))
    assert isinstance(first, Arrival)
    assert (first.topic, first.qos, first.mid) == (topic, qos, mid if qos else 0)
    assert MAX - 100 < len(first.payload) <= MAX
    assert second == arrival(message)


@pytest.mark.parametrize(
    ("data", "is_5"),
    [
        (b"\x30\xff\xff\xff\xff\x01", False),  # a length of five bytes
        (b"\x36\x05\x00\x01a\x00\x01", False),  # QoS 3
        (b"\x30\x00", False),  # no room for a topic's length
        (b"\x30\x03\x00\x09a", False),  # the topic ends behind the frame
        (b"\x32\x04\x00\x01a\x00", False),  # no room for the id
        (b"\x30\x03\x00\x01a", True),  # no properties
        (b"\x30\x04\x00\x01a\x05", True),  # properties that end behind the frame
        (b"\x30\x04\x00\x01a\x80", True),  # a length without an end
        (b"\x30\x09\x00\x01a\x80\x80\x80\x80\x80\x80", True),  # a length of more than four bytes
        (b"\x20\xff\x7f" + b"x" * (MAX + 1), False),  # not a message, and beyond measure
    ],
)
def test_what_no_broker_sends_ends_the_connection(data: bytes, is_5: bool):
    with pytest.raises(NotMqtt):
        Frames(7, is_5=is_5, max_bytes=MAX).feed(data)


def test_a_topic_that_is_no_text_is_nobodys():
    (found,) = Frames(7, is_5=False, max_bytes=MAX).feed(b"\x30\x04\x00\x02\xff\xfe")
    assert found == Arrival("", b"", 0, 0, False, 7)
