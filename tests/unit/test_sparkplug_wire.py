"""Sparkplug B: the bytes."""

import struct

import pytest

from drivers.refusals import PayloadRefused
from drivers.sparkplug_wire import MAX_METRICS, Metric, read_payload, rebirth_request
from tests.sparkplug_bytes import AT_MS, metric, payload, piece, varint

# Made by PyPI pysparkplug 0.6.1: metric Chiller/kW = 412.5, seq 3.
REAL = bytes.fromhex("0880d0eab6b73312180a0a4368696c6c65722f6b571880d0eab6b733650040ce431803")


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
