"""Writing a sheet: CSV for everybody, Parquet where its library is installed. Memory stays at one block."""

import csv
import math
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from monitor.exports.sheets import Block, Column, Kind, Sheet, Values

Done = Callable[[int], None]


def write_csv(sheet: Sheet, file: TextIO, zone: ZoneInfo, done: Done) -> int:
    """Write as RFC 4180 with a header, times as ISO 8601 with their offset, nothing for what is missing.

    Returns the number of rows.
    """
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(column.name for column in sheet.columns)
    count = 0
    for block, step in sheet.blocks:
        columns = [_texts(column, block[column.name], zone) for column in sheet.columns]
        writer.writerows(zip(*columns, strict=True))
        count += len(columns[0])
        done(step)
    return count


def _texts(column: Column, values: Values, zone: ZoneInfo) -> list[Any]:
    if isinstance(values, list):
        return values
    if column.kind is Kind.INSTANT:
        return [_local(int(value), zone) for value in values.tolist()]
    if column.kind is Kind.NUMBER:
        return ["" if math.isnan(value) else repr(value) for value in values.tolist()]
    whole: list[int] = values.tolist()
    return whole


def _local(at_ms: int, zone: ZoneInfo) -> str:
    spec = "milliseconds" if at_ms % 1000 else "seconds"
    return datetime.fromtimestamp(at_ms / 1000, zone).isoformat(timespec=spec)


def write_parquet(sheet: Sheet, path: Path, zone: ZoneInfo, done: Done) -> int:
    """Write as Parquet: times with their zone, nulls for what is missing, Zstandard.

    Returns the number of rows.

    Raises
    ------
    ImportError : the extra ``parquet`` is not installed.
    """
    from arro3.core import DataType, Field, RecordBatch, RecordBatchReader, Schema
    from arro3.io import write_parquet as write

    types = {
        Kind.TEXT: DataType.string(),
        Kind.INSTANT: DataType.timestamp("ms", tz=zone.key),
        Kind.NUMBER: DataType.float64(),
        Kind.WHOLE: DataType.int64(),
    }
    schema = Schema([Field(column.name, types[column.kind]) for column in sheet.columns])
    count = 0

    def batches() -> Iterator[RecordBatch]:
        nonlocal count
        for block, step in sheet.blocks:
            arrays = [_array(column, block, types[column.kind]) for column in sheet.columns]
            count += len(arrays[0])
            yield RecordBatch.from_arrays(arrays, schema=schema)
            done(step)

    write(
        RecordBatchReader.from_batches(schema, batches()),
        path,
        compression="zstd(3)",
        max_row_group_size=100_000,
        created_by="facility-energy-monitor",
    )
    return count


def _array(column: Column, block: Block, type_: Any) -> Any:
    import numpy as np
    from arro3.core import Array

    values = block[column.name]
    if isinstance(values, list):
        return Array(values, type=type_)
    if column.kind is Kind.INSTANT:
        return Array.from_numpy(values).cast(type_)
    if column.kind is Kind.NUMBER and (missing := np.isnan(values)).any():
        return Array(
            [None if gone else value for gone, value in zip(missing, values.tolist(), strict=True)],
            type=type_,
        )
    return Array.from_numpy(values)
