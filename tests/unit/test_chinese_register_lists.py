"""Register lists as makers in Taiwan hand them out: Chinese headers and names, Big5, full-width digits."""

from pathlib import Path

import pytest

from config.problems import ConfigurationError
from config.profile_writer import NewProfile, profile_text
from config.profiles import load_profile
from config.quantity_names import known_names, quantity_for
from config.register_cells import (
    Unreadable,
    read_number,
    register_address,
    register_table,
    register_type,
    unit_of,
)
from config.register_lists import ListedRegister, read_register_list
from drivers.modbus_profile import RegisterType, Table

POWER_METER = """\
多功能集合式電表 Modbus 通訊位址表,,,,,,
版本：V1.3,,,,,,
項次,參數名稱,位址,資料型態,單位,倍率,備註
瞬時值,,,,,,
1,Ｒ相電壓,40001,無號整數(16位元),V,0.1,
2,Ｓ相電壓,40002,無號整數(16位元),V,0.1,
3,RS線電壓,40004,無號整數(16位元),V,0.1,
4,線電壓平均值,40007,無號整數(16位元),V,0.1,
5,R相電流,40008,無號整數(16位元),A,0.01,
6,中性線電流,40011,無號整數(16位元),A,0.01,
7,三相總有效功率,40012~40013,有號整數(32位元),瓩,÷1000,"正：受電
負：逆送電"
8,總功率因數,40014,有號整數(16位元),無,0.001,
9,頻率,40015,無號整數(16位元),赫茲,1/100,
累計值,,,,,,
10,總有效電能,40101,無號長整數,度,0.1,
11,逆送有效電能,40103,無號長整數,度,0.1,
12,最大需量,40105,浮點數,千瓦,-,
"""

FLOW_METER = """\
名稱\t地址（Hex）\t格式\t長度\t單位\t功能碼
瞬時流量\t００１０\tFLOAT\t２\tCMH\t03/06
流速\t0012\tFLOAT\t2\tm/s\t03
正向累積流量\t0014\tDouble\t4\t㎥\t03
反向累積流量\t001A\t32-bit unsigned\t2\t公升\t03
出水溫度\t0020\tINT\t1\t0.1℃\t04
"""

CHILLER = """\
点位名称,寄存器地址,数据类型,单位,说明
冰水出水溫度,0x0100,16位有符号整数,0.1℃,蒸發器出口
冰水回水温度,0101H,INT16,0.1℃,
冷却水进水温度,258,int16,0.1℃,
冷却水出水温度,259,int16,0.1℃,
冰水出水溫度設定值,260,int16,0.1℃,
冰水主機電流,261,uint16,A,
"""


def listed(folder: Path, text: str, encoding: str) -> tuple[ListedRegister, ...]:
    path = folder / "list.csv"
    path.write_bytes(text.encode(encoding))
    return read_register_list(path).registers


@pytest.mark.parametrize("encoding", ["cp950", "utf-8", "utf-8-sig", "utf-16"])
def test_a_power_meters_list(tmp_path, encoding):
    text = POWER_METER.replace("\n", "\r\n")
    rows = listed(tmp_path, text, encoding)
    assert [(r.quantity, r.address, r.type.value, r.unit, r.scale) for r in rows] == [
        ("voltage_ln_l1", 0, "u16", "V", 0.1),
        ("voltage_ln_l2", 1, "u16", "V", 0.1),
        ("voltage_ll_l1", 3, "u16", "V", 0.1),
        ("voltage_ll_avg", 6, "u16", "V", 0.1),
        ("current_l1", 7, "u16", "A", 0.01),
        (None, 10, "u16", "A", 0.01),
        ("active_power_total", 11, "i32", "kW", 0.001),
        ("power_factor_total", 13, "i16", "", 0.001),
        ("frequency", 14, "u16", "Hz", 0.01),
        ("energy_total", 100, "u32", "kWh", 0.1),
        (None, 102, "u32", "度", 0.1),  # 逆送 is told by no maker's list alike: left to a person
        ("demand_total_max", 104, "f32", "kW", 1.0),
    ]
    assert {row.table for row in rows} == {Table.HOLDING}
    assert [row.line for row in rows][:2] == [5, 6]
    assert rows[-1].line == 18  # one remark goes over two lines


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp950"])
def test_a_flow_meters_list_with_addresses_to_the_base_of_sixteen(tmp_path, encoding):
    text = FLOW_METER if encoding != "cp950" else FLOW_METER.replace("㎥", "立方公尺")
    rows = listed(tmp_path, text, encoding)
    assert [(r.quantity, r.address, r.type.value, r.unit, r.scale, r.table) for r in rows] == [
        ("flow", 16, "f32", "m3/h", 1.0, Table.HOLDING),
        ("velocity", 18, "f32", "m/s", 1.0, Table.HOLDING),
        ("volume", 20, "f64", "m3", 1.0, Table.HOLDING),
        ("volume_reverse", 26, "u32", "L", 1.0, Table.HOLDING),
        (None, 32, "i16", "degC", 0.1, Table.INPUT),  # whose water leaves where?
    ]


def test_a_chillers_list_from_the_mainland(tmp_path):
    rows = listed(tmp_path, CHILLER, "utf-8")
    assert [(r.quantity, r.address, r.scale) for r in rows] == [
        ("chw_supply_temp", 256, 0.1),
        ("chw_return_temp", 257, 0.1),
        ("cw_entering_temp", 258, 0.1),
        ("cw_leaving_temp", 259, 0.1),
        ("chw_setpoint", 260, 0.1),
        ("chiller_current", 261, 1.0),
    ]
    assert {row.unit for row in rows} == {"degC", "A"}
    assert rows[0].note == "蒸發器出口"


def test_a_chinese_list_becomes_a_profile_that_loads(tmp_path):
    rows = listed(tmp_path, POWER_METER, "cp950")
    new = NewProfile("meter", "某某", "集合式電表", "electricity", "表", Table.HOLDING, False, "big", rows)
    path = tmp_path / "meter.yaml"
    path.write_text(profile_text(new, "en"), encoding="utf-8")
    profile = load_profile(path)
    assert profile.every_point().keys() >= {"energy_total", "voltage_ln_l1", "demand_total_max"}
    assert "# ?: {address: 10, type: u16" in path.read_text("utf-8")


def test_both_kinds_of_address_the_decimal_ones_count(tmp_path):
    rows = listed(tmp_path, "名稱,位址(Hex),位址(Dec),型別\n頻率,0046,70,float\n", "utf-8")
    assert rows[0].address == 70


@pytest.mark.parametrize(
    ("name", "unit", "quantity"),
    [
        ("電壓", "V", "voltage_ln_avg"),
        ("電流", "A", "current_avg"),
        ("流量", "m3/h", "flow"),
        ("流量", "", "flow"),
        ("流量", "m3", "volume"),
        ("總流量", "m3", "volume"),
        ("總流量", "m3/h", "flow"),
        ("累計流量", "m3", "volume"),
        ("淨累積流量", "m3", None),
        ("A相有效功率", "kW", "active_power_l1"),
        ("正向有效電能", "kWh", "energy_import"),
        ("反向有功電能", "kWh", "energy_export"),
        ("淨有效電能", "kWh", "energy_net"),
        ("A相有效電能", "kWh", "energy_total_l1"),
        ("總無效電能", "", None),
        ("視在功率", "kVA", "apparent_power_total"),
        ("電壓(V)", "V", "voltage_ln_avg"),
        ("電流（Ａ）", "A", "current_avg"),
        ("L1-L2 線電壓", "V", "voltage_ll_l1"),
        ("R-N 電壓", "V", "voltage_ln_l1"),
        ("B-C線電壓", "V", "voltage_ll_l2"),
        ("電壓不平衡率", "%", None),
        ("外氣溫度", "degC", "outdoor_temp"),
        ("外氣露點溫度", "degC", None),
        ("冷卻水回水溫度", "degC", None),
        ("供水溫度", "degC", "temp_supply"),
        ("瞬時冷量", "kW", "cooling_power"),
        ("熱量", "kW", "thermal_power"),
        ("Vab", "V", "voltage_ll_l1"),
        ("Vbn", "V", "voltage_ln_l2"),
        ("Va", "V", "voltage_ln_l1"),
        ("Va", "", None),
        ("Ic", "A", "current_l3"),
        ("Phase S current", "A", "current_l2"),
        ("Leaving chilled water temperature", "degC", "chw_supply_temp"),
        ("Energy [no idea]", "kWh", None),
    ],
)
def test_names_are_known_or_left_open(name, unit, quantity):
    assert quantity_for(name, unit) == quantity


def test_terms_are_offered_to_who_misspells():
    assert {"冰水", "累計流量", "flow"} <= set(known_names())


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("浮點數", "f32"),
        ("32位元浮點數", "f32"),
        ("雙精度浮點數", "f64"),
        ("無號整數", "u16"),
        ("16 位元無正負號整數", "u16"),
        ("有號長整數", "i32"),
        ("整數（無號）", "u16"),
        ("無號６４位元整數", "u64"),
        ("雙字組", "u32"),
        ("旗標", "bits16"),
        ("Flag", "bits16"),
        ("32-bit float", "f32"),
        ("unsigned 16-bit integer", "u16"),
    ],
)
def test_types_in_chinese_and_with_their_width_first(text, kind):
    assert register_type(text) is RegisterType(kind)


@pytest.mark.parametrize("text", ["16位元", "字串", "32/64位元整數", "無號24位元"])
def test_a_type_that_says_no_one_thing_is_asked_back(text):
    with pytest.raises(Unreadable):
        register_type(text)


def test_a_number_of_registers_that_no_type_has_is_asked_back(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        listed(tmp_path, "名稱,位址,型別,長度\n頻率,1,無號整數,3\n", "utf-8")
    assert "list.csv:2:4: words: 「3」" in caught.value.problems[0].render("zh-TW")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("４００５３", (52, Table.HOLDING)),
        ("400053", (52, Table.HOLDING)),
        ("465536", (65535, Table.HOLDING)),
        ("4X0053", (52, Table.HOLDING)),
        ("3x00053", (52, Table.INPUT)),
        ("3:0053", (52, Table.INPUT)),
        ("40,053", (52, Table.HOLDING)),
        ("40053-40054", (52, Table.HOLDING)),
        ("0x34~0x35", (52, None)),
        ("16#34", (52, None)),
        ("34h", (52, None)),
        ("52.0", (52, None)),
        ("00052", (52, None)),
    ],
)
def test_addresses_in_every_spelling(text, address):
    assert register_address(text) == address


@pytest.mark.parametrize("text", ["", "-1", "0x12345", "00A4", "位址", "1.5", "７００００", "40000"])
def test_what_is_no_address(text):
    if text == "40000":  # 4xxxx begins with 40001: this counts as it stands
        assert register_address(text) == (40000, None)
    else:
        with pytest.raises(Unreadable):
            register_address(text)


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("03/06/16", Table.HOLDING),
        ("0x04", Table.INPUT),
        ("FC03", Table.HOLDING),
        ("fc 4", Table.INPUT),
        ("4x", Table.HOLDING),
        ("3X", Table.INPUT),
        ("保持暫存器", Table.HOLDING),
        ("Input register (3x)", Table.INPUT),
        ("03,04", None),
        ("R/W", None),
    ],
)
def test_tables(text, table):
    assert register_table(text) is table


@pytest.mark.parametrize(
    ("text", "value"),
    [("÷10", 0.1), ("/100", 0.01), ("×0.1", 0.1), ("0.1倍", 0.1), ("10^-2", 0.01), ("1：1000", 0.001)],
)
def test_factors(text, value):
    assert read_number(text, "scale") == pytest.approx(value)


@pytest.mark.parametrize("text", ["nan", "inf", "0", "一", "10^999"])
def test_what_is_no_factor(text):
    with pytest.raises(Unreadable):
        read_number(text, "scale")


@pytest.mark.parametrize(
    ("text", "name", "unit"),
    [
        ("度", "用電量", "kWh"),
        ("度", "出風", "度"),
        ("度", "外氣溫度", "degC"),
        ("度", "用水量", "m3"),
        ("立方公尺/小時", "流量", "m3/h"),
        ("ＫＷＨ", "用電量", "kWh"),
        ("RT", "冷量", "RT"),
        ("－", "功因", ""),
    ],
)
def test_units(text, name, unit):
    assert unit_of(text, name) == unit
