"""The decoder, against words as vendors' documents print them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from drivers.modbus_profile import Limits, RegisterPoint, RegisterType, Table, ToldFactor
from drivers.planner import Block, plan_reads
from drivers.registers import ScanDecoder, encode_value
from rules.quality import Quality


def point(type_: str, *, word_order="big", byte_order="big", scale=1.0, offset=0.0, invalid=(), address=0):
    return RegisterPoint(
        "p", Table.HOLDING, address, RegisterType(type_), word_order, byte_order, scale, offset, invalid
    )


def decode(one: RegisterPoint, *words: int) -> tuple[float, int]:
    block = Block(one.table, one.address, len(words), (one,), (0,))
    payload = b"".join(word.to_bytes(2, "big") for word in words)
    values, quality = ScanDecoder([block]).decode([payload])
    return float(values[0]), int(quality[0])


@pytest.mark.parametrize(
    ("one", "words", "expected"),
    [
        # Eastron's document: 230.2 V answers 43 66 33 34
        (point("f32"), (0x4366, 0x3334), 230.2000122),
        # Delta: the same number with its low word first
        (point("f32", word_order="little"), (0x3334, 0x4366), 230.2000122),
        (point("f32", byte_order="little"), (0x6643, 0x3433), 230.2000122),
        # Trane: degrees Celsius are raw / 10 - 45
        (point("u16", scale=0.1, offset=-45), (516,), 6.6),
        (point("i16"), (0xFFFE,), -2.0),
        (point("u32"), (0x0001, 0x0000), 65536.0),
        (point("i32", word_order="little"), (0xFFFE, 0xFFFF), -2.0),
        (point("u64"), (0, 0, 0, 7), 7.0),
        (point("i64"), (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF), -1.0),
        # Siemens: watt-hours as a double, 1,234,567.5 Wh
        (point("f64", scale=0.001), (0x4132, 0xD687, 0x8000, 0x0000), 1234.5675),
        # SATEC's basic set: register 288 * 10000 + register 287
        (point("mod10k", word_order="little"), (5678, 1234), 12_345_678.0),
        (point("mod10k"), (9999, 9999), 99_999_999.0),
    ],
)
def test_words_from_the_documents(one, words, expected):
    value, quality = decode(one, *words)
    assert value == pytest.approx(expected, rel=1e-7)
    assert quality == Quality.GOOD


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (point("f32"), (0x7FC0, 0x0000)),  # NaN
        (point("f32"), (0x7F80, 0x0000)),  # infinity
        (point("f32", invalid=(0xFFC00000,)), (0xFFC0, 0x0000)),  # Schneider
        (point("i64", invalid=(0x8000000000000000,)), (0x8000, 0, 0, 0)),  # Schneider
        (point("i32", invalid=(0x7FFFFFFF,), word_order="little"), (0xFFFF, 0x7FFF)),  # Carlo Gavazzi
        (point("u16", invalid=(0xFFFF, 0x7FFF)), (0x7FFF,)),  # ABB: either pattern
        (point("mod10k"), (1, 10_000)),  # no register of a pair counts that far
        (point("mod10k"), (0xFFFF, 1)),
    ],
)
@pytest.mark.scenario(22)
def test_patterns_that_mean_no_value(one, words):
    value, quality = decode(one, *words)
    assert math.isnan(value)
    assert quality == Quality.MISSING


def test_a_pattern_of_one_point_is_a_value_of_another():
    marked = point("u16", invalid=(0xFFFF,))
    plain = point("u16", address=1)
    block = Block(Table.HOLDING, 0, 2, (marked, plain), (0, 1))
    values, quality = ScanDecoder([block]).decode([b"\xff\xff\xff\xff"])
    assert math.isnan(values[0])
    assert values[1] == 65535.0
    assert quality.tolist() == [Quality.MISSING, Quality.GOOD]


def test_a_refused_block_leaves_the_others_alone():
    blocks = [
        Block(Table.HOLDING, 0, 1, (point("u16"),), (1,)),
        Block(Table.HOLDING, 9, 1, (point("u16", address=9),), (0,)),
    ]
    values, quality = ScanDecoder(blocks).decode([None, b"\x00\x05"])
    assert values[0] == 5.0
    assert math.isnan(values[1])
    assert quality.tolist() == [Quality.GOOD, Quality.MISSING]


def decode_from(words: dict[int, int], *points: RegisterPoint) -> tuple[list[float], list[int]]:
    """Values and qualities of points from a device with these registers."""
    blocks = plan_reads(points, Limits())
    payloads = [
        b"".join(words.get(at, 0).to_bytes(2, "big") for at in range(block.start, block.start + block.count))
        for block in blocks
    ]
    values, quality = ScanDecoder(blocks).decode(payloads)
    return values.tolist(), quality.tolist()


# DIRIS B30: whole kWh at 19843, and at 19845 what is left below 1 kWh, in 0.1 Wh.
DIRIS = replace(point("u32", address=19843), parts=(point("u16", address=19845, scale=1e-4),))
# TUF-2000: whole units and a fraction, both low word first; times 10 ** (n - 3), times the unit's factor.
MULTIPLIER, UNIT = point("u16", address=1438), point("u16", address=1437)
TUF = replace(
    point("i32", word_order="little", address=8),
    parts=(point("f32", word_order="little", address=10),),
    factors=(ToldFactor(MULTIPLIER, None, -3), ToldFactor(UNIT, ((0, 1.0), (1, 0.001)), 0)),
)


def test_a_value_made_of_parts():
    values, quality = decode_from({19843: 1, 19844: 2, 19845: 9876}, DIRIS, point("u16", address=19845))
    assert values == [pytest.approx(65538.9876), 9876.0]
    assert quality == [Quality.GOOD, Quality.GOOD]


def test_a_value_whose_part_is_missing_is_missing():
    torn = replace(DIRIS, parts=(replace(DIRIS.parts[0], invalid=(0xFFFF,)),))
    values, quality = decode_from({19844: 5, 19845: 0xFFFF}, torn)
    assert math.isnan(values[0])
    assert quality == [Quality.MISSING]


@pytest.mark.parametrize(
    ("multiplier", "unit", "factor"),
    [(3, 0, 1.0), (0, 0, 0.001), (5, 0, 100.0), (3, 1, 0.001), (2, 1, 1e-4)],
)
def test_factors_that_other_registers_tell(multiplier: int, unit: int, factor: float):
    words = {8: 0x0007, 9: 0x0001, 10: 0x0000, 11: 0x3F40, 1438: multiplier, 1437: unit}
    values, quality = decode_from(words, TUF)
    assert values == [pytest.approx(65543.75 * factor)]
    assert quality == [Quality.GOOD]


@pytest.mark.parametrize(("multiplier", "unit"), [(3, 2), (3, 0xFFFF), (34, 0), (0xFFFF, 0)])
def test_a_raw_value_that_means_nothing_makes_the_point_missing(multiplier: int, unit: int):
    words = {8: 7, 1438: multiplier, 1437: unit, 0: 5}
    values, quality = decode_from(words, TUF, point("u16"))
    assert math.isnan(values[0])
    assert values[1] == 5.0
    assert quality == [Quality.MISSING, Quality.GOOD]


def test_a_power_of_ten_is_told_in_whole_numbers():
    told = ToldFactor(point("f32", address=2), None, 0)
    one = replace(point("u16"), factors=(told,))
    assert decode_from({0: 5, 2: 0x4000, 3: 0}, one) == ([500.0], [Quality.GOOD])
    assert decode_from({0: 5, 2: 0x4020, 3: 0}, one)[1] == [Quality.MISSING]  # 2.5
    assert decode_from({0: 5, 2: 0x7FC0, 3: 0}, one)[1] == [Quality.MISSING]


def test_a_refused_register_of_a_factor_takes_its_points_along():
    far = replace(point("u16"), factors=(ToldFactor(point("u16", address=900), ((0, 1.0),), 0),))
    near = point("u16", address=1)
    blocks = plan_reads([far, near], Limits())
    assert [block.points for block in blocks] == [(far, near), ()]
    values, quality = ScanDecoder(blocks).decode([b"\0\1\0\2", None])
    assert math.isnan(values[0])
    assert values[1] == 2.0
    assert quality.tolist() == [Quality.MISSING, Quality.GOOD]


def test_a_payload_of_another_size_tells_nothing():
    blocks = [
        Block(Table.HOLDING, 0, 1, (point("u16"),), (0,)),
        Block(Table.HOLDING, 9, 1, (point("u16", address=9),), (1,)),
    ]
    values, quality = ScanDecoder(blocks).decode([b"\0\1\0", b"\0\5"])
    assert math.isnan(values[0])
    assert values[1] == 5.0
    assert quality.tolist() == [Quality.MISSING, Quality.GOOD]


def test_numbers_beyond_all_measure_are_missing_without_a_warning():
    assert decode(point("f64", scale=1e9), 0x7FEF, 0xFFFF, 0xFFFF, 0xFFFF)[1] == Quality.MISSING
    assert decode(point("f32"), 0x7F80, 0x0001)[1] == Quality.MISSING  # a signalling NaN


def test_a_value_of_several_registers_is_not_written():
    with pytest.raises(ValueError, match="several registers"):
        encode_value(DIRIS, 1.0)


def test_encoding_what_does_not_fit_is_an_error():
    with pytest.raises(OverflowError, match="does not fit u16"):
        encode_value(point("u16"), 65536)
    with pytest.raises(OverflowError):
        encode_value(point("u32"), -1)
    with pytest.raises(OverflowError):
        encode_value(point("u16"), math.nan)
    with pytest.raises(OverflowError):
        encode_value(point("mod10k"), 100_000_000)
    with pytest.raises(OverflowError):
        encode_value(point("mod10k"), -1)
    assert np.isfinite(encode_value(point("f32"), 1.0)).all()
