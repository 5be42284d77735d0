"""The same registers read in several ways: what a person sees when a profile does not fit."""

import struct

import numpy as np
import pytest

from drivers.guesses import Way, better_way, guesses, unlikely
from drivers.modbus_profile import ModbusProfile, Table, register_points


def profile(**defaults):
    return ModbusProfile.model_validate(
        {
            "profile": "p",
            "version": 1,
            "maker": "m",
            "model": "m",
            "family": "electricity",
            "source": ["s"],
            "defaults": defaults,
            "points": {
                "voltage_ln_l1": {"address": 10, "type": "f32", "unit": "V", "valid": [0, 1000]},
                "voltage_ln_l2": {"address": 12, "type": "f32", "unit": "V", "valid": [0, 1000]},
                "frequency": {"address": 14, "type": "f32", "unit": "Hz", "valid": [45, 65]},
                "current_l1": {"address": 16, "type": "u16", "scale": 0.1, "unit": "A", "valid": [0, 500]},
            },
        }
    )


def words_of(first: int, data: bytes) -> dict[tuple[Table, int], int]:
    return {(Table.HOLDING, first + at): word for at, (word,) in enumerate(struct.iter_unpack(">H", data))}


def looked_at(given: ModbusProfile, words):
    points = register_points(given)
    return guesses(points, [given.points[point.name].spec(point.name) for point in points], words)


METER = struct.pack(">HfffHH", 7, 221.5, 220.25, 60.0, 123, 9)


def test_a_profile_that_fits_needs_no_other_way():
    found = looked_at(profile(), words_of(9, METER))
    assert found[0].way is Way.AS_SAID
    assert found[0].values.tolist() == [221.5, 220.25, 60.0, 12.3]
    assert found[0].convincing.all()
    assert better_way(found) is None


def test_words_the_wrong_way_round_are_seen():
    found = looked_at(profile(word_order="little"), words_of(9, METER))
    better = better_way(found)
    assert better is not None
    assert better.way is Way.WORDS_SWAPPED
    assert better.values[:3].tolist() == [221.5, 220.25, 60.0]


def test_bytes_the_wrong_way_round_are_seen():
    swapped = b"".join(METER[at : at + 2][::-1] for at in range(0, len(METER), 2))
    better = better_way(looked_at(profile(), words_of(9, swapped)))
    assert better is not None
    assert better.way is Way.BYTES_SWAPPED


def test_an_address_that_is_one_off_is_seen_in_both_directions():
    for first, way in ((8, Way.ONE_LOWER), (10, Way.ONE_HIGHER)):
        better = better_way(looked_at(profile(), words_of(first, METER)))
        assert better is not None
        assert better.way is way
        assert better.values[:3].tolist() == [221.5, 220.25, 60.0]


def test_registers_that_were_not_given_are_no_values():
    found = looked_at(profile(), {})
    assert all(np.isnan(guess.values).all() for guess in found)
    assert better_way(found) is None


def test_a_meter_that_stands_still_convinces_nobody():
    found = looked_at(profile(), words_of(9, bytes(len(METER))))
    assert found[0].values.tolist() == [0, 0, 0, 0]
    assert not found[0].convincing.any()
    assert better_way(found) is None


def test_parts_move_with_their_point_and_told_factors_stay():
    given = ModbusProfile.model_validate(
        {
            **profile().model_dump(),
            "registers": {"exponent": {"address": 40, "type": "u16"}},
            "points": {
                "volume": {
                    "address": 10,
                    "type": "u32",
                    "unit": "m3",
                    "plus": [{"address": 14, "type": "u16", "scale": 0.001}],
                    "factors": [{"told_by": "exponent", "power_of_ten": True}],
                }
            },
        }
    )
    held = words_of(10, struct.pack(">IHHH", 12345, 0, 0, 678)) | {(Table.HOLDING, 40): 1}
    found = looked_at(given, held)
    assert found[0].values[0] == pytest.approx(123456.78)
    one_higher = next(guess for guess in found if guess.way is Way.ONE_HIGHER)
    assert np.isnan(one_higher.values[0])  # nobody read register 15


def test_what_no_working_meter_shows():
    given = profile()
    specs = [given.points[point.name].spec(point.name) for point in register_points(given)]
    values = np.array([7.8e-35, 0.0, 900.0, float("nan")])
    assert unlikely(values, specs).tolist() == [True, False, True, False]
