"""What is measured: each function does its work for about half a second and returns operations a second."""

import sqlite3
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pymodbus.client.mixin import ModbusClientMixin

from config.profiles import load_profile
from drivers.modbus_profile import ModbusProfile, register_points
from drivers.planner import plan_reads
from drivers.registers import ScanDecoder
from monitor.pipeline import Meter, Pipeline
from monitor.sinks.lines import ScanLine
from monitor.store.database import open_writer
from monitor.store.rows import Commit
from monitor.store.writer import Writer, register_layouts, submit_and_wait
from rules.counters import CounterLimits
from rules.metering import MeterRules
from rules.quantities import QUANTITIES, Kind
from rules.scan import Layout, PointSpec, Scan

SECONDS = 0.5
HERE = Path(__file__).parent


def _repeat(work: Callable[[], object], batch: int = 100) -> float:
    work()
    count, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < SECONDS:
        for _ in range(batch):
            work()
        count += batch
    return count / elapsed


# -- decode ---------------------------------------------------------------------------------------------


def _profile() -> ModbusProfile:
    profile = load_profile("eastron_sdm630")
    assert isinstance(profile, ModbusProfile)
    return profile


_POINTS = register_points(_profile())
_WORDS = [word for _ in range(30) for word in struct.unpack(">HH", struct.pack(">f", 230.25))]


def decode_ours() -> float:
    """One block of 30 float32 into values and qualities."""
    facts = _POINTS[0]
    points = [type(facts)(str(i), facts.table, 2 * i, facts.type, "big", "big", 1.0, 0.0) for i in range(30)]
    decoder = ScanDecoder(plan_reads(points, _profile().limits))
    payload = struct.pack(">60H", *_WORDS)
    return _repeat(lambda: decoder.decode([payload]))


def decode_pymodbus() -> float:
    """The library's own conversion, a value at a time, as its examples show."""
    convert, kind = ModbusClientMixin.convert_from_registers, ModbusClientMixin.DATATYPE.FLOAT32
    return _repeat(lambda: [convert(_WORDS[i : i + 2], kind) for i in range(0, 60, 2)], batch=10)


# -- pipeline and store ---------------------------------------------------------------------------------

_NAMES = [q.name for q in QUANTITIES.values() if q.kind is Kind.GAUGE][:29]
_LAYOUT = Layout(
    "meter",
    "main",
    "electricity",
    (
        PointSpec("energy_import", "kWh", Kind.COUNTER),
        *(PointSpec(name, QUANTITIES[name].unit, Kind.GAUGE, -1e9, 1e9) for name in _NAMES),
    ),
)
SCANS = 20_000


def _scan(n: int) -> Scan:
    values = np.full(30, 230.25 + n % 7)
    values[0] = n * 0.01
    return Scan(_LAYOUT, 1_500_000_000_000 + 1000 * n, values, np.zeros(30, dtype=np.uint8))


def pipeline_ours() -> float:
    """From a scan to disk, synchronous FULL, intervals closed on the way."""
    with tempfile.TemporaryDirectory(dir=HERE) as folder:
        engine = open_writer(Path(folder) / "b.db")
        writer = Writer(engine, "s")
        writer.start()
        ids = register_layouts(engine, "s", [_LAYOUT])
        meter = Meter("m", _LAYOUT.key, 0, 1, MeterRules(CounterLimits(1e6), 900, 10_000))
        pipeline = Pipeline(
            {_LAYOUT.key: (ids[_LAYOUT.key], _LAYOUT)},
            [meter],
            writer.submit,
            clock_ms=lambda: time.time_ns() // 1_000_000,
            interval_s=900,
        )
        scans = [_scan(n) for n in range(SCANS)]
        began = time.perf_counter()
        for scan in scans:
            pipeline.accept(scan)
        submit_and_wait(writer, Commit())
        elapsed = time.perf_counter() - began
        writer.close()
        engine.dispose()
    return SCANS / elapsed


def pipeline_usual() -> float:
    """What a first version does: a table of samples, a commit a poll, same durability."""
    with tempfile.TemporaryDirectory(dir=HERE) as folder:
        connection = sqlite3.connect(Path(folder) / "b.db")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE samples (device TEXT, point TEXT, at_ms INTEGER, value REAL)")
        count, began = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - began) < 2 * SECONDS:
            scan = _scan(count)
            rows = [
                ("meter", point.name, scan.at_ms, float(value))
                for point, value in zip(_LAYOUT.points, scan.values, strict=True)
            ]
            with connection:
                connection.executemany("INSERT INTO samples VALUES (?, ?, ?, ?)", rows)
            count += 1
        connection.close()
    return count / elapsed


# -- line protocol --------------------------------------------------------------------------------------


def lines_ours() -> float:
    """One line a scan, by our own writer."""
    writer, scan = ScanLine("s", _LAYOUT), _scan(1)
    return _repeat(lambda: writer.render(scan))


def lines_point() -> float:
    """The client library's builder."""
    from influxdb_client import Point

    scan = _scan(1)
    fields = [(QUANTITIES[point.name].field, i) for i, point in enumerate(_LAYOUT.points)]

    def build() -> str:
        point = Point("energy").tag("site", "s").tag("building", "s").tag("meter", "meter")
        for name, i in fields:
            point = point.field(name, float(scan.values[i]))
        return point.time(scan.at_ms, "ms").to_line_protocol()

    return _repeat(build, batch=10)
