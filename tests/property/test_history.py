"""Whatever bytes a file holds, an import ends in words; whatever figures it holds, they come back."""

import zipfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.history.declared import read_declaration
from config.history.events import read_events
from config.history.intervals import read_intervals
from config.history.ledgers import declared_table
from config.history.weather import read_weather
from config.problems import ConfigurationError, Problem
from config.site import Commodity
from tests.import_world import facts

WISHES = {
    "intervals": ("time.column=t", "values.0.column=v", "values.0.unit=kWh", "values.0.meter=main",
                  "missing=-"),
    "weather": ("station=s", "time.column=t", "columns.temperature_c=v", "traces=T"),
    "events": ("columns.start=t", "columns.text=v", "fixed.kind=outage", "fixed.source=s"),
    "actuals": ("columns.start=t", "columns.end=t", "columns.quantity=v", "fixed.unit=kWh", "fixed.source=s",
                "fixed.commodity=electricity", "thousands=true"),
}  # fmt: skip
DECLARED = {kind: read_declaration(kind, None, wishes) for kind, wishes in WISHES.items()}
PIECES = st.sampled_from(
    [b"t", b"v", b",", b"\n", b"\r\n", b"\r", b'"', b"2017-07-01 00:15", b"106/7/1", b"1,234", b"-", b"T",
     b" ", b"\xe9", "電".encode(), b"\0", b"nan", b"1e999", b"9" * 80, b"12.5", b"2017-02-29", b"t,v\n",
     b"\xef\xbb\xbf"]
)  # fmt: skip


def read(kind: str, path: Path) -> None:
    if kind == "intervals":
        read_intervals(path, DECLARED[kind], facts())
    elif kind == "weather":
        read_weather(path, DECLARED[kind], facts())
    elif kind == "events":
        read_events(path, DECLARED[kind], facts())
    else:
        declared_table(path, DECLARED[kind], {"main": Commodity.ELECTRICITY})


def problems_of(kind: str, path: Path) -> tuple[Problem, ...]:
    try:
        read(kind, path)
    except ConfigurationError as error:
        return error.problems
    return ()


@pytest.mark.parametrize("kind", list(WISHES))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    body=st.one_of(st.lists(PIECES, max_size=40).map(b"".join), st.binary(max_size=200)), headed=st.booleans()
)
def test_any_bytes_end_in_words(tmp_path, kind, body, headed):
    path = tmp_path / "x.csv"
    path.write_bytes(b"t,v\n" + body if headed else body)
    for problem in problems_of(kind, path):
        assert problem.render("en")
        assert problem.render("zh-TW")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    raw=st.binary(max_size=300),
    name=st.sampled_from(["x.xlsx", "x.ods", "x.xls", "x.xlsb"]),
    zipped=st.booleans(),
)
def test_any_workbook_ends_in_words(tmp_path, raw, name, zipped):
    path = tmp_path / name
    path.write_bytes(raw)
    if zipped:
        with zipfile.ZipFile(path, "w") as book:
            book.writestr("xl/workbook.xml", raw)
            book.writestr("content.xml", raw)
    with suppress(ConfigurationError):
        read("intervals", path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    first=st.integers(0, 3_000_000),
    figures=st.lists(st.floats(0, 2000, allow_subnormal=False), min_size=1, max_size=50),
    quoted=st.booleans(),
)
def test_figures_and_instants_come_back_exactly(tmp_path, first, figures, quoted):
    path = tmp_path / "x.csv"
    starts = [900 * (first + 800_000 + at) for at in range(len(figures))]
    mark = '"' if quoted else ""
    lines = [f"{mark}t{mark},{mark}v{mark}"]
    for start_s, figure in zip(starts, figures, strict=True):
        stamp = datetime.fromtimestamp(start_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        lines.append(f"{mark}{stamp}{mark},{mark}{figure!r}{mark}")
    path.write_text("\n".join(lines), encoding="utf-8")
    rows = read_intervals(path, DECLARED["intervals"], facts())
    assert rows.start_s.tolist() == starts
    assert rows.quantity.tolist() == figures
    assert rows.line.tolist() == list(range(2, len(figures) + 2))
