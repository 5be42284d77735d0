"""What a file of history is declared to be: which column is what, in which unit, calendar and zone.

The declaration stands in a small YAML file beside the CSV, in ``--set KEY=VALUE``, or in both; what is set
on the command line goes before the file.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from config.crosschecks import check_values
from config.explanations import covered, explain
from config.positions import Node, Source
from config.problems import ConfigurationError, Hint, Place, Problem, did_you_mean
from config.shapes import Shape
from config.syntax import read_tree
from drivers.settings import Identifier, Settings

SUFFIX = ".import.yaml"

Column = Annotated[str, Field(min_length=1)]
Grade = Literal["good", "estimated", "suspect"]


class TimeColumn(Settings):
    """When a row was."""

    column: Column = Field(default="start", description="Column of the stamp; the day, with 'clock'.")
    clock: str = Field(default="", description="Column of the time of day, where it stands apart.")
    day_in_name: bool = Field(
        default=False, description="The day stands in the file's name, and the column holds the hour."
    )
    zone: str | None = Field(
        default=None, description="IANA name for stamps that carry no offset; the site's when left out."
    )
    marks: Literal["start", "end"] = Field(default="start", description="Which edge a stamp names.")
    calendar: Literal["gregorian", "roc"] = "gregorian"
    order: Literal["ymd", "dmy", "mdy"] = "ymd"


class Value(Settings):
    """A column of figures."""

    column: Column = "quantity"
    meter: Identifier | None = Field(default=None, description="Whose figures these are.")
    meter_column: str = Field(default="", description="Column that names the meter of each row.")
    meters: dict[str, Identifier] = Field(
        default_factory=dict, description="Meter by what stands in 'meter_column', where that is no id."
    )
    unit: str = Field(default="", description="kWh, MWh, kW, W, m3, L, m3/h, L/min and so on.")
    unit_column: str = ""
    is_register: bool = Field(
        default=False, alias="register", description="What the display shows, not what was used."
    )
    factor: float = Field(default=1.0, gt=0, description="What the figures are multiplied by.")


class QualityColumn(Settings):
    """How good each row is, by what stands in a column."""

    column: Column
    good: tuple[str, ...] = ()
    estimated: tuple[str, ...] = ()
    suspect: tuple[str, ...] = ()


class TableFile(Settings):
    """What every declaration may say about the file as a table."""

    sheet: str = Field(default="", description="Of a workbook; the first when left out.")
    heading_row: int = Field(default=1, ge=1, le=1000, description="Row of the columns' names.")
    encoding: Literal["utf-8", "big5", "utf-16"] = "utf-8"
    separator: Literal[",", ";", "tab"] = ","
    thousands: bool = Field(default=False, description="Figures are written as 1,234,567.8.")
    missing: tuple[str, ...] = Field(default=(), description="Cells that mean: nothing is known.")
    leave_out: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Rows with one of these texts in a column, as 合計."
    )


class IntervalsFile(TableFile):
    """Energy or water of each interval, or a register at each stamp."""

    kind: Literal["intervals"]
    time: TimeColumn = TimeColumn()
    interval_s: int | None = Field(
        default=None, ge=60, le=3600, description="Length of an interval; the site's when left out."
    )
    values: tuple[Value, ...] = Field(
        default=(Value(meter_column="meter", unit_column="unit"),), min_length=1, max_length=1000
    )
    quality: QualityColumn | Grade = "good"


class WeatherFile(TableFile):
    """What the weather was in each hour."""

    kind: Literal["weather"]
    station: Identifier
    time: TimeColumn = TimeColumn()
    interval_s: int = Field(default=3600, ge=60, le=86400)
    columns: dict[
        Literal[
            "temperature_c",
            "dew_point_c",
            "humidity_pct",
            "pressure_hpa",
            "wind_m_s",
            "rain_mm",
            "sunshine_h",
            "radiation_mj_m2",
        ],
        str,
    ] = Field(min_length=1, description="Column by what is measured.")
    traces: tuple[str, ...] = Field(default=(), description="Cells that mean: less than can be measured.")


class EventsFile(TableFile):
    """What happened from when to when."""

    kind: Literal["events"]
    zone: str | None = None
    calendar: Literal["gregorian", "roc"] = "gregorian"
    order: Literal["ymd", "dmy", "mdy"] = "ymd"
    columns: dict[Literal["kind", "subject", "start", "end", "text", "source"], str] = Field(
        default_factory=dict, description="Column by what it holds; its own name when left out."
    )
    fixed: dict[Literal["kind", "subject", "source"], str] = Field(default_factory=dict)
    kinds: dict[str, str] = Field(default_factory=dict, description="Kind by what stands in the column.")


class LedgerFile(TableFile):
    """Bills, totals, logs, and readings of registers by hand."""

    kind: Literal["base", "actuals", "readings"]
    columns: dict[
        Literal["commodity", "meter", "start", "end", "quantity", "day", "reading", "unit", "source"], str
    ] = Field(default_factory=dict, description="Column by what it holds.")
    fixed: dict[Literal["commodity", "meter", "unit", "source"], str] = Field(
        default_factory=dict, description="What is the same in every row."
    )
    period: Literal["two_columns", "one_column"] = Field(
        default="two_columns", description="Whether first and last day stand in one cell, as 1060701-1060731."
    )
    calendar: Literal["gregorian", "roc"] = "gregorian"
    order: Literal["ymd", "dmy", "mdy"] = "ymd"
    last_day: Literal["included", "excluded"] = Field(
        default="included", description="Whether the end is the last day of use, or the day of reading."
    )


Declaration = IntervalsFile | WeatherFile | EventsFile | LedgerFile

_MODELS: dict[str, type[Declaration]] = {
    "intervals": IntervalsFile,
    "weather": WeatherFile,
    "events": EventsFile,
    "base": LedgerFile,
    "actuals": LedgerFile,
    "readings": LedgerFile,
}


def declaration_beside(path: Path, kind: str) -> Path | None:
    """The declaration that lies beside a file: its own, ``main.import.yaml``, or ``weather.import.yaml``."""
    if path.name in ("", ".."):
        return None
    for candidate in (path.with_name(path.stem + SUFFIX), path.with_name(kind + SUFFIX)):
        if candidate.is_file():
            return candidate
    return None


_EXPORTED = {"energy_kwh": "kWh", "volume_m3": "m3", "volume_l": "L"}
_EXPORT_BEGINS = b"site,meter,commodity,start,end,"


def declaration_of_export(path: Path) -> IntervalsFile | None:
    """How a file of ``energy-monitor export intervals`` is read; None for any other file."""
    try:
        with path.open("rb") as file:
            heading = file.readline(4096).removeprefix(b"\xef\xbb\xbf")
    except OSError:
        return None
    if not heading.startswith(_EXPORT_BEGINS):
        return None
    names = heading.decode("utf-8", "replace").strip().split(",")
    values = [
        Value(column=name, unit=unit, meter_column="meter")
        for name, unit in _EXPORTED.items()
        if name in names
    ]
    grades = QualityColumn(column="quality", good=("good",), estimated=("estimated",), suspect=("suspect",))
    left_out = {"quality": ("missing",)}
    return IntervalsFile(
        kind="intervals", values=tuple(values), quality=grades, missing=("",), leave_out=left_out
    )


def read_declaration(kind: str, path: Path | None, wishes: Sequence[str] = ()) -> Declaration:
    """Read what a file is declared to be.

    Parameters
    ----------
    kind : what is imported; a declaration that names another kind is refused.
    path : of the YAML file; None without one.
    wishes : ``time.zone=Asia/Taipei`` and so on.

    Raises
    ------
    ConfigurationError : with everything that is wrong, each with its place.
    """
    wished = _wished(wishes)
    if path is None:
        source = Source("--set", json.dumps({**wished, "kind": kind}, ensure_ascii=False, indent=1))
    else:
        source = Source.read(path)
    root, problems = read_tree(source)
    if root is None:
        is_empty = [problem.code for problem in problems] == ["config.empty_file"]
        raise ConfigurationError(
            [Problem("history.empty_declaration", source.place(), (), {"kind": kind})]
            if is_empty
            else [
                replace(one, code="history.declaration_keys", data={"kind": kind})
                if one.code == "config.top_not_mapping"
                else one
                for one in problems
            ]
        )
    if other := _other_kind(root, kind, source):
        raise ConfigurationError(other)
    model = _MODELS[kind]
    problems += check_values(root, Shape.of(model), source)
    data = {"kind": kind} | root.data()
    if path is not None:
        data = _merged(data, wished)
    try:
        declared = model.model_validate(data)
    except ValidationError as error:
        explained = explain(error, root, model, source)
        problems += [problem for problem in explained if not covered(problem, problems + explained)]
    else:
        if not any(not problem.warning for problem in problems):
            return declared
    raise ConfigurationError(problems)


def _other_kind(root: Node, kind: str, source: Source) -> list[Problem]:
    node = root.get("kind")
    if node is None or node.value == kind:
        return []
    data = {"found": str(node.value), "kind": kind}
    return [Problem("history.other_kind", source.place(node.span), node.path, data)]


def _wished(wishes: Sequence[str]) -> dict[str, Any]:
    """``values.0.meter=main`` as nested keys."""
    found: dict[str, Any] = {}
    for wish in wishes:
        dotted, equals, text = wish.partition("=")
        keys = dotted.split(".")
        if not equals or not all(keys):
            raise ConfigurationError([Problem("history.bad_wish", Place("--set"), (), {"wish": wish})])
        inner = found
        for key in keys[:-1]:
            deeper = inner.setdefault(key, {})
            if not isinstance(deeper, dict):
                raise ConfigurationError([Problem("history.bad_wish", Place("--set"), (), {"wish": wish})])
            inner = deeper
        inner[keys[-1]] = text
    return {key: _listed(value, key) for key, value in found.items()}


_LISTS = {"missing", "traces", "leave_out", "good", "estimated", "suspect"}


def _listed(value: Any, key: str) -> Any:
    """Keys that count up are a list; where a list of words is wanted, ``|`` parts them."""
    if isinstance(value, str):
        return value.split("|") if key in _LISTS else value
    inside = {name: _listed(one, "leave_out" if key == "leave_out" else name) for name, one in value.items()}
    if all(name.isascii() and name.isdigit() for name in inside):
        return [inside[name] for name in sorted(inside, key=int)]
    return inside


def _merged(under: Any, over: Any) -> Any:
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        both = {key: _merged(under[key], over[key]) if key in under else over[key] for key in over}
        return {**under, **both}
    if isinstance(under, list) and isinstance(over, list):
        both_ = [_merged(a, b) for a, b in zip(under, over, strict=False)]
        return both_ + under[len(over) :] + over[len(under) :]
    return over


def column_hint(name: str, names: Sequence[str]) -> Hint | None:
    """What was probably meant by a column that a file does not have."""
    return did_you_mean(name, [one for one in names if one])
