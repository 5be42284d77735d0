"""Registers as makers write them, decoded by the profiles that ship.

The words and values are the makers' own examples, or follow from their rules by hand: never from our encoder.
"""

import pytest

from config.profiles import load_profile
from drivers.modbus_profile import ModbusProfile, register_points
from drivers.planner import plan_reads
from drivers.registers import ScanDecoder
from rules.quality import Quality


class Device:
    """The registers of a device, to be decoded by its profile.

    Parameters
    ----------
    registers : wire address and what is written from there on; everything else holds 0.
    """

    def __init__(self, name: str, registers: dict[int, list[int]]) -> None:
        profile = load_profile(name)
        assert isinstance(profile, ModbusProfile)
        self._profile = profile
        self._words = {
            start + at: word for start, words in registers.items() for at, word in enumerate(words)
        }

    def __getitem__(self, point: str) -> float | None:
        blocks = plan_reads(register_points(self._profile, (point,)), self._profile.limits)
        answers = [
            b"".join(
                self._words.get(address, 0).to_bytes(2, "big")
                for address in range(block.start, block.start + block.count)
            )
            for block in blocks
        ]
        values, quality = ScanDecoder(blocks).decode(answers)
        return None if quality[0] == Quality.MISSING else float(values[0])


@pytest.mark.parametrize(
    ("name", "registers", "point", "value"),
    [
        # The manual's own answer: 0000 084D is VL1 x 10, 212.5 V.
        ("circutor_cvm_c10", {0: [0x0000, 0x084D]}, "voltage_ln_l1", 212.5),
        # Schneider explains the coding with 4567 and 0123, the low register first: 1,234,567 (FAQ FA146443).
        ("satec_basic16", {287: [4567, 123]}, "energy_import", 1_234_567.0),
        ("satec_basic16", {287: [9999, 9999]}, "energy_import", 99_999_999.0),
        # The manual's example: 5013 and 13 with data scalar 3 are 85698.1 kWh.
        ("dent_powerscout", {4000: [5013, 13], 4601: [3]}, "energy_total", 85_698.1),
        ("dent_powerscout", {4000: [5013, 13], 4601: [0]}, "energy_total", 8.56981),
        ("dent_powerscout", {4002: [123], 4601: [5]}, "active_power_total", 1230.0),
        ("dent_powerscout", {4015: [1234], 4601: [0]}, "current_avg", 12.34),
        ("dent_powerscout", {4016: [3804], 4601: [2]}, "voltage_ll_avg", 380.4),
        ("dent_powerscout", {4014: [97], 4601: [6]}, "power_factor_total", 0.97),
        ("dent_powerscout", {4002: [123], 4601: [9]}, "active_power_total", None),
        # A float of a live TUF-2000M as its users publish it: 15568, 16611 is 7.1011734.
        ("tuf2000_flow", {0: [15568, 16611]}, "flow", 7.101173400878906),
        ("tuf2000_flow", {2: [0x0000, 0x3F80]}, "thermal_power", 277.7777777777778),  # 1 GJ/h
        # (N + Nf) * 10^(n - 3): 65537.5, n = 4, litres
        ("tuf2000_flow", {8: [1, 1, 0, 0x3F00], 1437: [1, 4]}, "volume", 655.375),
        ("tuf2000_flow", {8: [1234, 0, 0, 0x3E80], 1437: [0, 3]}, "volume", 1234.25),
        ("tuf2000_flow", {8: [1234, 0], 1437: [7, 3]}, "volume", None),  # a unit that nobody knows
        # (N + Nf) * 10^(n - 4): 12.5 GJ, then kWh
        ("tuf2000_flow", {16: [12, 0, 0, 0x3F00], 1439: [4, 0]}, "thermal_energy", 12_500 / 3.6),
        ("tuf2000_flow", {16: [12, 0, 0, 0x3F00], 1439: [6, 2]}, "thermal_energy", 1250.0),
        # 12345 kWh and 6789 times 0.1 Wh
        ("socomec_diris_b30", {19843: [0, 12345, 6789]}, "energy_import", 12_345.6789),
        # value = register 40002 * 65536 + register 40001
        ("advantech_adam6050w", {0: [5, 2]}, "pulses_0", 131_077.0),
        # temp degC = raw / 10 - 45
        ("trane_pic_rthd", {4: [520]}, "chw_supply_temp", 7.0),
        ("trane_pic_rtwd", {5: [575]}, "chw_return_temp", 12.5),
        # 12,531,673,000 Wh: above what 32 bits hold
        ("schneider_iem3000", {3203: [0x0000, 0x0002, 0xEAF2, 0x27A8]}, "energy_import", 12_531_673.0),
        ("schneider_powertag", {3207: [0x8000, 0, 0, 0]}, "energy_import", None),
        ("schneider_powertag", {3059: [0xFFC0, 0]}, "active_power_total", None),
        ("abb_b23_b24_a43", {20480: [0, 0, 1, 0]}, "energy_import", 655.36),
        ("abb_b23_b24_a43", {20480: [0xFFFF] * 4}, "energy_import", None),
        ("abb_b23_b24_a43", {23316: [0xFFFF, 0xFF9C]}, "active_power_total", -0.001),  # -1 W: it is signed
        ("abb_b23_b24_a43", {23316: [0x7FFF, 0xFFFF]}, "active_power_total", None),
        ("carlogavazzi_em340", {0: [2305, 0]}, "voltage_ln_l1", 230.5),
        ("carlogavazzi_em340", {52: [0xFFFF, 0x7FFF]}, "energy_import", None),
        ("socomec_diris_a10", {51311: [12]}, "energy_import_coarse", 12_000.0),
        ("danfoss_fc102", {50009: [0x4000]}, "speed_reference", 100.0),
        ("abb_acx580", {1: [10_000]}, "speed_reference", 50.0),
        ("yaskawa_a1000", {2: [6000]}, "frequency_reference", 60.0),
        ("vacon10", {826: [3]}, "energy_partial", 3000.0),
        ("thermalcare_accuchiller_eq", {3: [0x4230, 0x0000]}, "chw_supply_temp", (44 - 32) / 1.8),
        ("belimo_energy_valve_v4", {7: [45_000]}, "flow", 162.0),  # 45 l/s
        ("daikin_microtech3", {16: [0xFFF6]}, "chw_supply_temp", -1.0),
    ],
)
def test_words_as_makers_write_them(
    name: str, registers: dict[int, list[int]], point: str, value: float | None
):
    found = Device(name, registers)[point]
    assert found is None if value is None else found == pytest.approx(value, rel=1e-9)
