"""``energy-monitor profiles`` as a person types it, against simulated devices on real sockets."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from config.profiles import load_profile
from tests.servers import free_port, run_program

SITE = """
site: {{id: hall, name: {{zh-TW: 市政大樓, en: City Hall}}}}
buses:
  - id: room
    kind: modbus_tcp
    host: 127.0.0.1
    port: {port}
    devices:
      - {{id: main, profile: eastron_sdm630, unit: 1}}
"""

LIST = """Parameter,Register,Data Type,Unit,Function
Total system power,52,Float,W,4
Import energy,72,Float,kWh,4
Frequency,70,Float,Hz,4
Voltage L1-N,0,Float,V,4
Voltage L2-N,2,Float,V,4
"""


def profiles(*words, language="en", cwd=None):
    """Exit code and all that the command printed."""
    command = [sys.executable, "-m", "monitor.cli.main", "profiles", *words]
    env = {
        "ENERGY_MONITOR_LANGUAGE": language,
        "COLUMNS": "200",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    with run_program(command, name="profiles", env=env) as program:
        code = program.wait()
        program.wait_for_children()
        return code, program.output


@pytest.fixture(scope="module")
def meter(tmp_path_factory):
    """Port of a simulated meter."""
    folder = tmp_path_factory.mktemp("meter")
    port = free_port()
    (folder / "site.yaml").write_text(SITE.format(port=port), encoding="utf-8")
    command = [sys.executable, "-m", "simulators", "--site", folder / "site.yaml"]
    with run_program(command, name="simulators") as world:
        world.wait_for_line("ready")
        yield port


@pytest.fixture
def made(tmp_path):
    """A profile made from a spreadsheet's register list."""
    (tmp_path / "list.csv").write_text(LIST, encoding="utf-8")
    out = tmp_path / "my_meter.yaml"
    words = ["new", "my_meter", "--from", tmp_path / "list.csv", "--out", out, "--table", "input"]
    code, said = profiles(*words, "--maker", "Example", "--model", "EX", "--family", "electricity")
    assert code == 0, said
    assert "profiles test" in said
    return out


def test_all_are_listed_and_words_search():
    code, said = profiles()
    assert code == 0
    assert "eastron_sdm630" in said
    assert "tuf2000_flow" in said
    code, said = profiles("siemens", "3200")
    assert code == 0
    assert "siemens_pac3200" in said
    assert "eastron" not in said
    code, said = profiles("siemens", "submarine", language="zh-TW")
    assert code == 1
    assert "沒有型錄" in said
    code, said = profiles("list", "trane", "--json")
    assert [found["profile"] for found in json.loads(said)] == ["trane_pic_rthd", "trane_pic_rtwd"]


def test_a_family_is_found_by_its_name_in_either_language():
    code, found = profiles("冰水主機", "daikin", "--json", language="zh-TW")
    assert code == 0
    assert [profile["profile"] for profile in json.loads(found)] == ["daikin_microtech3"]


def test_one_is_shown_with_its_requests():
    code, said = profiles("show", "dent_powerscout")
    assert code == 0
    assert "× data_scalar" in said
    assert "requests a poll" in said
    code, said = profiles("show", "dent_powerscot")
    assert code == 2
    assert "did you mean 'dent_powerscout'" in said


def test_a_meter_is_read_by_a_profile_that_was_just_made(made, meter):
    code, said = profiles("test", made, "--host", "127.0.0.1", "--port", str(meter))
    assert code == 0, said
    assert "nothing speaks against the profile" in said
    code, said = profiles("test", made, "--host", "127.0.0.1", "--port", str(meter), "--json")
    points = json.loads(said)["points"]
    assert 45 < points["frequency"]["as_said"] < 65
    assert len(points["frequency"]["raw"]) == 2


def test_swapped_words_are_seen_at_once(made, meter):
    made.write_text(made.read_text("utf-8").replace("word_order: big", "word_order: little"), "utf-8")
    code, said = profiles("test", made, "--host", "127.0.0.1", "--port", str(meter))
    assert code == 1, said
    assert "With the words swapped" in said
    assert "word_order" in said


@pytest.mark.parametrize("shift", [1, -1])
def test_a_map_that_is_one_off_is_seen_at_once(made, meter, shift):
    """Also on a meter that gives whole values only, where the register beside a value is refused."""
    text = (
        made.read_text("utf-8")
        .replace("address: 0,", "address: 200,")
        .replace("address: 2,", "address: 202,")
    )
    for address in (52, 70, 72, 200, 202):
        text = text.replace(f"address: {address},", f"address: {address + shift},")
    made.write_text(text, "utf-8")
    code, said = profiles("test", made, "--host", "127.0.0.1", "--port", str(meter))
    assert code == 1, said
    assert "The probe does not fit: frequency is" in said
    assert "Outside what is plausible" in said
    assert ("One address lower" if shift > 0 else "One address higher") in said
    code, said = profiles("test", made, "--host", "127.0.0.1", "--port", str(meter), "--json")
    assert code == 1
    assert len(json.loads(said)["doubts"]) == 3


def test_nobody_answers(made):
    port = free_port()
    code, said = profiles("test", made, "--host", "127.0.0.1", "--port", str(port), "--timeout", "0.5")
    assert code == 1
    assert f"127.0.0.1:{port}" in said
    assert "Traceback" not in said


def test_a_range_is_scanned_on_request_only(tmp_path, meter):
    out = tmp_path / "found.yaml"
    words = ["new", "found", "--out", out, "--maker", "M", "--model", "N", "--family", "electricity"]
    code, said = profiles(*words)
    assert code == 2
    assert "--from" in said
    code, said = profiles(
        *words, "--table", "input", "--scan", "60-80", "--host", "127.0.0.1", "--port", str(meter)
    )
    assert "registers answered" in said
    assert "59." in said or "60." in said  # the frequency at 70
    assert code == 1  # nothing is named yet, so there is nothing to write
    assert "nothing was written" in said
    assert not out.exists()
    code, said = profiles(*words, "--scan", "60-80", "--host", "127.0.0.1", "--port", str(meter))
    assert code == 1
    assert "0 of 21 registers answered" in said
    assert "--table input" in said


def at_a_terminal(words, answers, language="en"):
    """Exit code and what is shown when a person answers line by line; the input ends after the last."""
    main, terminal = pty.openpty()
    env = {**os.environ, "ENERGY_MONITOR_LANGUAGE": language, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "monitor.cli.main", "profiles", *map(str, words)]
    os.write(main, "".join(f"{answer}\n" for answer in answers).encode() + b"\x04")
    try:
        done = subprocess.run(
            command, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, timeout=90
        )
    finally:
        os.close(terminal)
        os.close(main)
    return done.returncode, done.stdout.decode()


def test_a_profile_is_made_by_answering(tmp_path):
    out = tmp_path / "asked.yaml"
    answers = [
        "Example", "EX 1", "electrcity", "electricity",  # the family was misspelt at first
        "Hz", "somewhere", "30071", "wrong", "float", "", "",
        "Voltage L1-N", "0x10", "u16", "K", "V", "0", "0.1",
        "submarine", "",
    ]  # fmt: skip
    code, said = at_a_terminal(["new", "asked", "--out", out], answers)
    assert code == 0, said
    assert "did you mean 'electricity'" in said
    assert "'somewhere' is not a register's address" in said
    assert "'wrong' is not a type of register" in said
    assert "'K' is not a unit of it" in said
    assert "'submarine' is not a quantity" in said
    profile = load_profile(out)
    assert {n: (p.address, p.type.value, p.scale) for n, p in profile.points.items()} == {
        "frequency": (70, "f32", 1.0),
        "voltage_ln_l1": (16, "u16", 0.1),
    }


def test_a_profile_is_made_by_answering_in_chinese(tmp_path):
    out = tmp_path / "asked.yaml"
    answers = [
        "某某", "流量計 1", "水",
        "累計流", "總流量", "４０００１", "浮點數", "立方公尺/小時", "",
        "累計流量", "40003", "雙精度浮點數", "㎥", "÷10", "",
    ]  # fmt: skip
    code, said = at_a_terminal(["new", "asked", "--out", out], answers, language="zh-TW")
    assert code == 0, said
    assert "是否為「累計流量」" in said
    profile = load_profile(out)
    assert (profile.maker, profile.family) == ("某某", "water")
    assert {n: (p.address, p.type.value, p.unit, p.scale) for n, p in profile.points.items()} == {
        "volume": (2, "f64", "m3", 0.1),
        "flow": (0, "f32", "m3/h", 1.0),
    }


def test_who_leaves_in_the_middle_leaves_nothing_behind(tmp_path):
    code, said = at_a_terminal(
        ["new", "left", "--out", tmp_path / "left.yaml"], ["Example"], language="zh-TW"
    )
    assert code == 2
    assert "未寫入任何資料" in said
    assert "缺陷" not in said
    assert not (tmp_path / "left.yaml").exists()


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        (["test", "eastron_sdm630"], "Give either --host or --line"),
        (["test", "json_water_meter", "--host", "127.0.0.1"], "energy-monitor read DEVICE"),
        (["new", "Bad-Name", "--maker", "a"], "lower-case letters"),
        (["new", "x", "--scan", "9-1", "--host", "h", "--maker", "a"], "--scan wants a range"),
        (["new", "x", "--family", "electrcity", "--maker", "a"], "did you mean 'electricity'"),
        (["new", "x", "--table", "coil"], "holding, input"),
    ],
)
def test_wrong_use_is_told_with_its_cure(words, cure):
    code, said = profiles(*words)
    assert code == 2
    assert cure in said


def test_a_file_is_never_written_over(made):
    before = made.read_text("utf-8")
    code, said = profiles(
        "new", "my_meter", "--out", made, "--maker", "a", "--model", "b", "--family", "water"
    )
    assert code == 2
    assert "is there already" in said
    assert made.read_text("utf-8") == before
    assert load_profile(made).maker == "Example"
