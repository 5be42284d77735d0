"""Whatever a hand does to a good file, the answer is a site or a list of problems with places in the file."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.ledger import read_ledger, read_readings
from config.loading import LoadedSite, load_site
from config.positions import Source
from config.problems import ConfigurationError, Problem, render_all
from tests.site_example import example_text

LINES = example_text().splitlines(keepends=True)
LEDGER = (
    "commodity,start,end,quantity,unit,source\n"
    'electricity,2015-07-01,2015-12-31,12572309,kWh,"report, 1"\n'
    "water,2016-07-01,2016-12-31,86438,m3,bill\n"
).splitlines(keepends=True)
READINGS = (
    "commodity,day,reading,unit,source\n"
    "electricity,2015-07-01,12572309,kWh,slip\n"
    'water,2017-07-01,12345.6,m3,"slip, 1"\n'
    "water,2017-08-01,12400100,L,slip\n"
).splitlines(keepends=True)
JUNK = [
    "",
    "~",
    "null",
    "true",
    "-1",
    "0",
    "1e400",
    ".nan",
    "-.inf",
    "0x1F",
    "'",
    '"',
    "[",
    "{",
    "]",
    "}",
    ":",
    ": ",
    "- ",
    "&a",
    "*a",
    "<<: *a",
    "!x",
    "!!int z",
    "? ",
    "|",
    ">",
    "%",
    "@",
    "#",
    "\t",
    "\u3000",
    "：",
    "\u2028",
    "\x85",
    "\0",
    "\x1b[2J",
    "\ufeff",
    "😀",
    "電表",
    "---",
    "...",
    "[1, 2]",
    "{a: 1}",
    "2017-07-01",
    "99999999999999999999999",
    "a.b",
    "main",
    "main.energy_import",
    "eastron_sdm630",
    "json_water_meter",
    "../x.yaml",
    "/",
    "http://x",
    "::1",
    ",",
    ";",
    "\r",
]

junk = st.sampled_from(JUNK) | st.text(max_size=12)
change = st.tuples(
    st.sampled_from(["delete", "repeat", "swap", "value", "insert", "cut"]), st.integers(0, 10**6), junk
)


def mutated(lines: list[str], changes: list[tuple[str, int, str]], mark: str) -> str:
    lines = list(lines)
    for kind, where, text in changes:
        if not lines:
            break
        number = where % len(lines)
        line = lines[number]
        column = where // 7 % (len(line) + 1)
        if kind == "delete":
            del lines[number]
        elif kind == "repeat":
            lines.insert(number, line)
        elif kind == "swap":
            lines[number], lines[number - 1] = lines[number - 1], line
        elif kind == "value":
            lines[number] = line.partition(mark)[0] + mark + " " + text + "\n"
        elif kind == "insert":
            lines[number] = line[:column] + text + line[column:]
        else:
            lines[number] = line[:column] + "\n"
    return "".join(lines)


def check_places(problems: tuple[Problem, ...], path: Path) -> None:
    lines = Source.read(path).lines if b"\xff" not in path.read_bytes() else []
    for problem in problems:
        place = problem.place
        assert place.file == str(path)
        assert 1 <= place.line <= len(lines)
        assert 1 <= place.column <= len(lines[place.line - 1]) + 1
        assert place.column - 1 + place.length <= max(place.column, len(lines[place.line - 1]))
    for language in ("en", "zh-TW"):
        text = render_all(problems, language)
        assert all(letter.isprintable() or letter in "\n\t" for letter in text)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(change, min_size=1, max_size=4))
def test_a_site_file_after_any_hand(tmp_path, changes):
    path = tmp_path / "site.yaml"
    path.write_text(mutated(LINES, changes, ":"), encoding="utf-8", errors="surrogatepass", newline="")
    try:
        path.read_text("utf-8")
    except UnicodeDecodeError:
        return
    loaded: LoadedSite | None = None
    try:
        loaded = load_site(path)
    except ConfigurationError as error:
        problems = error.problems
    else:
        problems = loaded.warnings
    check_places(problems, path)
    assert all(problem.warning for problem in problems) == (loaded is not None)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(change, min_size=1, max_size=4))
def test_a_ledger_after_any_hand(tmp_path, changes):
    path = tmp_path / "ledger.csv"
    path.write_text(mutated(LEDGER, changes, ","), encoding="utf-8", errors="ignore", newline="")
    try:
        rows = read_ledger(path)
    except ConfigurationError as error:
        check_places(error.problems, path)
    else:
        assert rows
        assert all(row.start <= row.end and 0 <= row.quantity < float("inf") for row in rows)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(change, min_size=1, max_size=4))
def test_readings_after_any_hand(tmp_path, changes):
    path = tmp_path / "readings.csv"
    path.write_text(mutated(READINGS, changes, ","), encoding="utf-8", errors="ignore", newline="")
    try:
        rows = read_readings(path)
    except ConfigurationError as error:
        check_places(error.problems, path)
    else:
        ordered = sorted(rows, key=lambda row: (row.subject, row.day))
        assert rows
        assert all(
            one.subject != next_.subject or (one.day < next_.day and one.reading <= next_.reading)
            for one, next_ in pairwise(ordered)
        )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=60))
def test_any_bytes(tmp_path, raw):
    path = tmp_path / "site.yaml"
    path.write_bytes(raw)
    for read in (load_site, read_ledger, read_readings):
        with pytest.raises(ConfigurationError) as caught:
            read(path)
        assert caught.value.problems
        assert render_all(caught.value.problems, "en")
