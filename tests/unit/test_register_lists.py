"""A maker's register list as CSV: columns, addresses, types and names in every usual spelling."""

from pathlib import Path

import pytest

from config.problems import ConfigurationError
from config.profile_writer import NewProfile, profile_text
from config.profiles import load_profile
from config.quantity_names import quantity_for
from config.register_cells import register_type
from config.register_lists import read_register_list
from config.words import LANGUAGES
from drivers.modbus_profile import ModbusProfile, RegisterType, Table
from rules.quantities import QUANTITIES


def listed(folder: Path, text: str, encoding: str = "utf-8"):
    path = folder / "list.csv"
    path.write_bytes(text.encode(encoding))
    return read_register_list(path).registers


def faults_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        listed(folder, text)
    return [problem.render("en") for problem in caught.value.problems]


def test_a_list_from_a_spreadsheet(tmp_path):
    rows = listed(
        tmp_path,
        "Parameter;Register;Data Type;Unit;Factor;Function;Remarks\n"
        "Total active power;52;Float;W;;4;signed\n"
        "Import active energy;0x48;UINT32;Wh;10;;\n"
        ";;;;;;\n"
        "Frequency;30071;float32;Hz;1/1;;\n"
        "Serial number;40001;INT16U;;;;\n",
    )
    assert [(r.line, r.quantity, r.address, r.table, r.type) for r in rows] == [
        (2, "active_power_total", 52, Table.INPUT, RegisterType.F32),
        (3, "energy_import", 72, None, RegisterType.U32),
        (5, "frequency", 70, Table.INPUT, RegisterType.F32),
        (6, None, 0, Table.HOLDING, RegisterType.U16),
    ]
    assert [r.scale for r in rows] == [1.0, 10.0, 1.0, 1.0]
    assert rows[0].note == "signed"
    assert [r.on_wire for r in rows] == [False, False, True, True]


def test_a_chinese_list_as_a_spreadsheet_in_taiwan_saves_it(tmp_path):
    (row,) = listed(tmp_path, "名稱,位址,型別,單位,備註\n水量,12h,uint32,m3,累計\n", "cp950")
    assert (row.name, row.address, row.unit, row.note) == ("水量", 18, "m3", "累計")


@pytest.mark.parametrize(
    ("text", "words", "kind"),
    [
        ("Float", "", "f32"),
        ("REAL", "", "f32"),
        ("double", "", "f64"),
        ("Float64", "", "f64"),
        ("UINT32", "", "u32"),
        ("unsigned long", "", "u32"),
        ("INT16U", "", "u16"),
        ("word", "", "u16"),
        ("dword", "", "u32"),
        ("long", "", "i32"),
        ("S16", "", "i16"),
        ("signed int 32", "", "i32"),
        ("Int", "4", "i64"),
        ("Unsigned", "2", "u32"),
        ("bitmap", "", "bits16"),
    ],
)
def test_types_in_every_spelling(text, words, kind):
    assert register_type(text, words) is RegisterType(kind)


@pytest.mark.parametrize("text", ["uint33", "signed 24", "string[16]", "float 32 swapped", "", "f16", "text"])
def test_a_type_that_says_no_one_thing_is_asked_back(tmp_path, text):
    (fault,) = faults_of(tmp_path, f"name,address,type\nx,1,{text}\n")
    assert "is not a type of register" in fault


@pytest.mark.parametrize(
    ("name", "unit", "quantity"),
    [
        ("Total active energy import", "kWh", "energy_import"),
        ("Energy delivered", "Wh", "energy_import"),
        ("Total kWh", "kWh", "energy_total"),
        ("Voltage L1-N", "V", "voltage_ln_l1"),
        ("Phase 1 voltage", "V", "voltage_ln_l1"),
        ("Voltage L2-L3", "V", "voltage_ll_l2"),
        ("Phase B current", "A", "current_l2"),
        ("System power", "W", "active_power_total"),
        ("Power L3", "W", "active_power_l3"),
        ("Reactive power", "var", "reactive_power_total"),
        ("PF", "", "power_factor_total"),
        ("Total kWh", "m3", None),
        ("Serial number", "", None),
        ("", "", None),
    ],
)
def test_names_are_known_or_left_open(name, unit, quantity):
    assert quantity_for(name, unit) == quantity


def test_our_own_words_are_never_taken_for_another():
    for name, quantity in QUANTITIES.items():
        assert quantity_for(name, quantity.unit) in (name, None), name
    assert quantity_for("active_power_total", "kW") == "active_power_total"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name,type\nx,u16\n", "list.csv:1:1: the list has no column for address"),
        ("name,address,type\n", "list.csv:1:1: the list has no rows"),
        ("name,address,type\nx,70000,u16\n", "list.csv:2:2: address: '70000' is not a register's address"),
        ("name,address,type\nx,-1,u16\n", "list.csv:2:2: address: '-1'"),
        ("name,address,type\nx,1,text\n", "list.csv:2:3: type: 'text' is not a type of register"),
        ("name,address,type,scale\nx,1,u16,0\n", "list.csv:2:4: scale: '0' is not a number that can be used"),
        ("name,address,type,scale\nx,1,u16,1/0\n", "list.csv:2:4: scale: '1/0'"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_cell(tmp_path, text, fault):
    assert any(fault in found for found in faults_of(tmp_path, text))


@pytest.mark.parametrize(
    ("columns", "cells", "kind", "scale"),
    [
        ("decimals", "2", "u16", 0.01),
        ("Decimal places", "0", "u16", 1.0),
        ("小數位數", "1位", "i32", 0.1),
        ("小數點", "", "i32", 1.0),
        ("decimals", "2", "f32", 1.0),  # of the display: a float has its own
        ("scale,decimals", "0.01,2", "u16", 0.01),
        ("divisor", "10", "u32", 0.1),
        ("multiplier,divisor", "3,100", "u32", 0.03),
        ("除數", "1000", "u32", 0.001),
    ],
)
def test_a_factor_in_every_column_that_may_tell_it(tmp_path, columns, cells, kind, scale):
    (row,) = listed(tmp_path, f"name,address,type,{columns}\nFrequency,1,{kind},{cells}\n")
    assert row.scale == pytest.approx(scale)


@pytest.mark.parametrize(
    ("columns", "cells", "fault"),
    [
        ("scale,decimals", "0.1,2", "'2' decimals and the row's factor say different things"),
        ("scale,decimals", "1,2", "say different things"),
        ("decimals", "two", "'two' is not a number of decimals"),
        ("divisor", "0", "'0' is not a number that can be used here"),
    ],
)
def test_factors_that_no_one_can_use_are_asked_back(tmp_path, columns, cells, fault):
    (told,) = faults_of(tmp_path, f"name,address,type,{columns}\nFrequency,1,u16,{cells}\n")
    assert fault in told


def test_columns_that_nothing_was_made_of_are_told(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("No.,name,address,type,R/W,,Word order\n1,Frequency,1,u32,R,,CDAB\n", encoding="utf-8")
    assert read_register_list(path).left_aside == ("No.", "R/W", "Word order")


def test_a_picture_is_no_list(tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xff\xff")
    with pytest.raises(ConfigurationError, match="not a CSV file"):
        read_register_list(path)
    path.write_bytes(b"a," * 2_000_000)
    with pytest.raises(ConfigurationError, match="larger than"):
        read_register_list(path)


def test_what_is_written_loads_and_says_the_same(tmp_path):
    rows = listed(
        tmp_path,
        "name,address,type,unit,scale,offset,note\n"
        "Frequency,70,u16,Hz,0.1,,\n"
        "Import energy,40073,u32,Wh,,,on display as kWh\n"
        'Total power,"52",i32,W,,,\n'
        "Ambient: odd # name,9,i16,degC,0.1,-45,\n",
    )
    new = NewProfile(
        name="ex_100",
        maker='Example "Ltd"',
        model="EX-100: rev 3",
        family="electricity",
        source="list.csv",
        table=Table.HOLDING,
        one_based=True,
        word_order="little",
        registers=rows,
    )
    path = tmp_path / "ex_100.yaml"
    path.write_text(profile_text(new, "en"), encoding="utf-8")
    profile = load_profile(path)
    assert isinstance(profile, ModbusProfile)
    assert list(profile.points) == ["active_power_total", "energy_import", "frequency"]
    assert profile.points["frequency"].scale == 0.1
    # 40073 counts from 1 as this profile does; 52 was given as the maker prints it.
    assert [point.address for point in profile.points.values()] == [52, 73, 70]
    assert (profile.maker, profile.model) == ('Example "Ltd"', "EX-100: rev 3")
    assert profile.defaults.word_order == "little"
    assert profile.probe is not None
    assert "# ?: {address: 9" in path.read_text("utf-8")
    assert "rolls_over_at" in path.read_text("utf-8")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_comments_are_in_the_persons_language(tmp_path, language):
    rows = listed(tmp_path, "name,address,type,unit\nVolume,1,u32,m3\nOdd,5,u16,\n")
    new = NewProfile("w", "m", "w", "water", "s", Table.INPUT, False, "big", rows)
    path = tmp_path / "w.yaml"
    path.write_text(profile_text(new, language), encoding="utf-8")
    comments = [line.partition("# ")[2] for line in path.read_text("utf-8").splitlines() if "# " in line]
    assert len(comments) == 8
    told = [one for one in comments if not one.startswith(("probe:", "?:"))]
    assert all(any(sign > "\u4e00" for sign in one) == (language == "zh-TW") for one in told)
    assert load_profile(path).profile == "w"


def test_without_a_frequency_the_probe_is_left_to_a_person(tmp_path):
    rows = listed(tmp_path, "name,address,type,unit\nVolume,1,u32,m3\n")
    new = NewProfile("w", "m", "w", "water", "s", Table.INPUT, False, "big", rows)
    text = profile_text(new, "en")
    assert "# probe:" in text
