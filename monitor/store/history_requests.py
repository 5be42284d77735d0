"""History on its way to the store, also by way of the request box: its rows lie in a file beside the box."""

import hashlib
import json
import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from config.history.events import EventRow
from config.history.intervals import IntervalRows
from config.history.weather import MEASURES, WeatherRows
from monitor.store.history import import_intervals
from monitor.store.ledgers import ImportOutcome, Progress
from monitor.store.provenance import Provenance
from monitor.store.weather import import_events, import_weather

Arrays = Mapping[str, NDArray[Any]]
HistoryRows = IntervalRows | WeatherRows | tuple[EventRow, ...]

_COLUMNS: dict[str, type] = {
    "meter": np.int64,
    "start_s": np.int64,
    "quantity": np.float64,
    "register_start": np.float64,
    "register_end": np.float64,
    "factor": np.float64,
    "quality": np.uint8,
    "line": np.int64,
}


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """A file's rows and where they are from, whole or not at all."""

    provenance: Provenance
    rows: HistoryRows

    @property
    def file_name(self) -> str:
        """The file's name as it was given."""
        return self.provenance.file_name


def carry_out_history(
    engine: Engine, site: str, request: HistoryRequest, progress: Progress | None = None
) -> ImportOutcome:
    """Import into the store; the engine is the writer's. Raises ``StoreError``."""
    rows = request.rows
    if isinstance(rows, IntervalRows):
        return import_intervals(engine, site, rows, request.provenance, progress)
    if isinstance(rows, WeatherRows):
        return import_weather(engine, site, rows, request.provenance, progress)
    return import_events(engine, site, rows, request.provenance, progress)


def stage(box: Path, request: HistoryRequest) -> dict[str, Any]:
    """Lay a request's rows beside the box; returns what the box itself keeps of it."""
    facts, arrays = _taken_apart(request.rows)
    path = box.with_name(f"{box.name}-{uuid.uuid4().hex}.npz")
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
        file.flush()
        os.fsync(file.fileno())
    staged = {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    return {"provenance": asdict(request.provenance), "facts": facts, "staged": staged}


def staged_path(box: Path, payload: str) -> Path | None:
    """Where a request's rows lie; None for a request that does not say."""
    try:
        name = json.loads(payload)["staged"]["name"]
    except (ValueError, TypeError, LookupError):
        return None
    is_ours = isinstance(name, str) and re.fullmatch(rf"{re.escape(box.name)}-[0-9a-f]{{32}}\.npz", name)
    return box.with_name(name) if is_ours else None


def unstage(box: Path, payload: str) -> HistoryRequest:
    """Read a request back.

    Raises
    ------
    ValueError, TypeError, LookupError, OSError : it is not whole, or another version left it.
    """
    data = json.loads(payload)
    path = staged_path(box, payload)
    if path is None:
        raise ValueError("no staged file is named")
    if hashlib.sha256(path.read_bytes()).hexdigest() != data["staged"]["sha256"]:
        raise ValueError("the staged file is not whole")
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return HistoryRequest(Provenance(**data["provenance"]), _put_together(data["facts"], arrays))


def _taken_apart(rows: HistoryRows) -> tuple[dict[str, Any], Arrays]:
    if isinstance(rows, IntervalRows):
        facts = {"kind": "intervals", "meters": rows.meters, "duration_s": rows.duration_s}
        return facts, {name: getattr(rows, name) for name in _COLUMNS}
    if isinstance(rows, WeatherRows):
        facts = {"kind": "weather", "station": rows.station, "duration_s": rows.duration_s}
        return facts, {"start_s": rows.start_s, "line": rows.line, **rows.values}
    return {"kind": "events", "events": [asdict(row) for row in rows]}, {}


def _put_together(facts: Mapping[str, Any], arrays: Arrays) -> HistoryRows:
    if facts["kind"] == "events":
        return tuple(EventRow(**row) for row in facts["events"])
    length = len(arrays["start_s"])
    for name, column in arrays.items():
        if column.shape != (length,):
            raise ValueError(f"the column {name} is of another length")
    if facts["kind"] == "weather":
        values = {name: arrays[name].astype(np.float64) for name in MEASURES if name in arrays}
        instants = arrays["start_s"].astype(np.int64), int(facts["duration_s"])
        return WeatherRows(str(facts["station"]), *instants, values, arrays["line"].astype(np.int64))
    columns: dict[str, Any] = {name: arrays[name].astype(kind) for name, kind in _COLUMNS.items()}
    columns |= {"meters": tuple(map(str, facts["meters"])), "duration_s": int(facts["duration_s"])}
    return IntervalRows(**columns)
