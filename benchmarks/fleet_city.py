"""A city: 500 buildings of 50 meters deliver quarter hours into one real PostgreSQL, a role each.

Rows go through the sink's own far end: COPY, one transaction a batch, row-level security, and the days that
the database keeps. First at the pace asked for, every building at the same instant; then a backlog as fast as
it goes; then the half-year: its days at full size, and raw rows of ``--raw-days`` to measure bytes by.
``python benchmarks/fleet_city.py [--sites 500] [--meters 50] [--pace 50] [--quarters 4]``
"""

import argparse
import asyncio
import multiprocessing
import os
import sys
import tempfile
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import psycopg

from config.sinks import PostgresSink
from drivers.settings import Secret
from monitor.cli.fleet import run_add_site, run_init
from monitor.sinks.contract import Verdict
from monitor.sinks.postgres import PostgresFarEnd
from monitor.sinks.secrets import Token
from monitor.store.changed import ChangedInterval
from monitor.store.city import columns
from monitor.store.city_days import TOTALS
from tests.servers.postgres import Postgres, postgres

QUARTER_S, START_S = 900, 1_750_000_500  # so that quarters lie on the hour's quarters
HALF_YEAR = ("2017-07-01", "2017-12-31")
SETTINGS = """
fsync = on
max_connections = 620
shared_buffers = 512MB
max_wal_size = 4GB
maintenance_work_mem = 256MB
"""


def _site(number: int) -> str:
    return f"hall-{number:04d}"


def _rows(far_end: PostgresFarEnd, meters: int, first: int, quarters: int) -> list[bytes]:
    """Lines of some quarters, as the store would tell them."""
    lines = []
    for quarter in range(first, first + quarters):
        start_s = START_S + quarter * QUARTER_S
        for meter in range(meters):
            used, total = 12.5 + (meter * 7 + quarter) % 31 / 8, 1000.0 + quarter * 12.5
            row = ChangedInterval(
                quarter * meters + meter + 1, f"meter-{meter:02d}", start_s, QUARTER_S, used, 1.0, 0,
                used * 4, used * 5, used * 3, 0, 0, total, total + used,
            )  # fmt: skip
            lines.append(far_end.render("intervals", row))
    return lines


def _far_end(port: int, site: str, folder: Path) -> PostgresFarEnd:
    settings = PostgresSink.model_validate(
        {"kind": "postgres", "id": "city", "host": "127.0.0.1", "port": port, "database": "postgres",
         "timeout_s": 60}
    )  # fmt: skip
    return PostgresFarEnd(settings, site, Token(Secret(file=site), folder), folder)


async def _written(far_end: PostgresFarEnd, lines: list[bytes]) -> float:
    answer = await far_end.write(lines)
    assert answer.verdict is Verdict.TAKEN, answer
    return time.monotonic()


def work(
    port: int, folder: Path, sites: list[int], plan: argparse.Namespace, line: "multiprocessing.Queue"
) -> None:
    """One worker: its sites deliver at the pace, and then a backlog."""
    asyncio.run(_work(port, folder, sites, plan, line))


async def _work(port: int, folder: Path, sites: list[int], plan: argparse.Namespace, line) -> None:
    ends = [_far_end(port, _site(number), folder) for number in sites]
    for end in ends:  # everybody logs in, and the partitions are made
        await _written(end, _rows(end, plan.meters, 0, 1))
    line.put(("ready", 0.0))
    while time.time() < (begins := float((folder / "begin").read_text() or 9e9)):  # noqa: ASYNC110
        await asyncio.sleep(min(0.2, begins - time.time()))
    step_s, began_s = QUARTER_S / plan.pace, time.monotonic()
    for quarter in range(1, plan.quarters + 1):
        due_s = began_s + (quarter - 1) * step_s
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        ready = await asyncio.gather(*(_written(end, _rows(end, plan.meters, quarter, 1)) for end in ends))
        line.put(("late", max(ready) - due_s))
    await asyncio.sleep(max(0.0, began_s + plan.quarters * step_s - time.monotonic()))
    backlog = [_rows(end, plan.meters, plan.quarters + 1, plan.backlog) for end in ends[:40]]
    from_s = time.time()
    for some in range(0, len(backlog), 10):
        await asyncio.gather(*map(_written, ends[some : some + 10], backlog[some : some + 10]))
    line.put(("backlog", (from_s, time.time())))
    for end in ends:
        await end.close()


def simulate(server: Postgres, folder: Path, plan: argparse.Namespace) -> None:
    """Deliver, and print how late the slowest building was and how fast a backlog goes."""
    line: multiprocessing.Queue = multiprocessing.Queue()
    (folder / "begin").write_text("")
    parts = [list(range(worker, plan.sites, plan.workers)) for worker in range(plan.workers)]
    workers = [
        multiprocessing.Process(target=work, args=(server.port, folder, part, plan, line)) for part in parts
    ]
    for worker in workers:
        worker.start()
    for _ in workers:
        assert line.get(timeout=300)[0] == "ready"
    spent_s = _processor_s(server)
    (folder / "begin").write_text(str(time.time() + 1))
    told = [line.get(timeout=300) for _ in range(len(workers) * (plan.quarters + 1))]
    for worker in workers:
        worker.join(60)
    late_s = [value for what, value in told if what == "late"]
    spans = [value for what, value in told if what == "backlog"]
    behind = sum(min(40, len(part)) for part in parts) * plan.meters * plan.backlog
    _check(server, plan.sites * plan.meters * (1 + plan.quarters) + behind)
    backlog = behind / (max(end for _, end in spans) - min(start for start, _ in spans))
    real = plan.sites * plan.meters / QUARTER_S
    step_s = QUARTER_S / plan.pace
    print(f"| rows/s of {plan.sites} x {plan.meters} in real time | {real:,.1f} |")
    print(f"| rows/s at {plan.pace:g} times that | {real * plan.pace:,.0f} |")
    print(f"| a quarter of all: slowest building, of {step_s:.1f} s | worst {max(late_s):.2f} s, "
          f"best {min(late_s):.2f} s |")  # fmt: skip
    print(f"| the slowest would be in time up to | {step_s / max(late_s) * plan.pace:,.0f} x real time |")
    print(f"| a backlog in batches of {plan.backlog * plan.meters:,} rows | {backlog:,.0f} rows/s, "
          f"{backlog / real:,.0f} x |")  # fmt: skip
    print(f"| processor of PostgreSQL meanwhile | {_processor_s(server) - spent_s:.1f} s |")


def _check(server: Postgres, rows: int) -> None:
    """Everything that was sent is there, and the days are the sums of it."""
    with psycopg.connect(server.url) as owner:
        found = owner.execute("SELECT count(*), sum(quantity) FROM energy.intervals").fetchone()
        days = owner.execute("SELECT sum(rows), sum(quantity) FROM energy.days").fetchone()
    assert found is not None
    assert (found[0], found[1]) == (rows, days[1]), (found, days, rows)
    assert days[0] == rows


def _processor_s(server: Postgres) -> float:
    """Of the server and of what it started and has ended."""
    with psycopg.connect(server.url) as owner:
        (folder,) = owner.execute("SHOW data_directory").fetchone()
    pid = Path(folder, "postmaster.pid").read_text().split()[0]
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        own = stat.parent.name == pid
        if own or fields[1] == pid:
            total += int(fields[11]) + int(fields[12]) + (int(fields[13]) + int(fields[14]) if own else 0)
    return total / os.sysconf("SC_CLK_TCK")


def half_year(server: Postgres, plan: argparse.Namespace) -> None:
    """Make the half-year's days and some raw days inside the server; measure bytes and the summary."""
    with psycopg.connect(server.url, autocommit=True) as owner:
        owner.execute("ALTER TABLE energy.intervals DISABLE TRIGGER USER")
        owner.execute("SELECT energy.make_ahead('intervals', 1498867200)")  # 2017-07-01
        names = ", ".join(name for name in columns("intervals") if name != "import_id")
        which = f"generate_series(0, {plan.sites - 1}) s, generate_series(0, {plan.meters - 1}) m"
        site, meter = "'hall-' || to_char(s, 'FM0000')", "'meter-' || to_char(m, 'FM00')"
        began_s = time.monotonic()
        made = owner.execute(
            f"INSERT INTO energy.intervals ({names}) SELECT {site}, {meter}, 1498867200 + 900 * q, 900, "
            f"12.5 + (q + m) % 31 / 8.0, 1, 0, 50, 60, 40, 0, 1000 + q, 1012.5 + q, 0, 1, 0, q "
            f"FROM generate_series(0, {96 * plan.raw_days - 1}) q, {which}".encode()).rowcount  # fmt: skip
        raw_s = time.monotonic() - began_s
        owner.execute(
            f"INSERT INTO energy.days SELECT {site}, {meter}, d::date, 1200 + m, 96, 0, 86400, 86400, "
            f"extract(epoch FROM d)::bigint + 86400 FROM {which}, "
            f"generate_series('{HALF_YEAR[0]}'::timestamp, '{HALF_YEAR[1]}', '1 day') d".encode()
        )
        owner.execute("VACUUM ANALYZE energy.intervals_y2017m07, energy.days")
        print(f"| {made:,} raw rows made | {made / raw_s:,.0f} rows/s |")
        for table in ("intervals_y2017m07", "days"):
            rows, heap, index = owner.execute(
                f"SELECT count(*), pg_table_size('energy.{table}'), pg_indexes_size('energy.{table}') "
                f"FROM energy.{table}".encode()).fetchone()  # fmt: skip
            print(f"| {table}: {rows:,} rows | {heap / rows:.0f} + {index / rows:.0f} bytes a row, "
                  f"{heap / 1e6:,.0f} + {index / 1e6:,.0f} MB |")  # fmt: skip
        _summaries(owner)


def _summaries(owner: psycopg.Connection) -> None:
    query = TOTALS.replace(":first", f"'{HALF_YEAR[0]}'").replace(":last", f"'{HALF_YEAR[1]}'")
    query = query.replace(":every", "true").replace(":site", "''")
    raw = ("SELECT site, meter, sum(quantity), count(*), sum(coverage * duration_s) "
           "FROM energy.intervals_y2017m07 GROUP BY site, meter")  # fmt: skip
    for name, text in (("half-year, whole city, from days", query), ("the same from raw rows", raw)):
        took = []
        for _ in range(2):
            began_s = time.monotonic()
            rows = owner.execute(text.encode()).fetchall()
            took.append(time.monotonic() - began_s)
        print(f"| {name}: {len(rows):,} lines | {took[0]:.1f} s, again {took[1]:.1f} s |")


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("sites", 500), ("meters", 50), ("quarters", 4), ("workers", 2), ("backlog", 40),
                        ("raw-days", 2)):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--pace", type=float, default=50.0)
    plan = parser.parse_args()
    print(f"load average before: {os.getloadavg()}, processors: {os.cpu_count()}")
    with tempfile.TemporaryDirectory() as made, postgres(settings=SETTINGS) as server:
        folder = Path(made)
        with redirect_stdout(StringIO()):
            assert run_init(server.url, "en") == 0
            for number in range(plan.sites):
                site = _site(number)
                assert run_add_site(server.url, site, folder / site, "en", renew=False) == 0
        print("| what | found |\n| --- | --- |")
        simulate(server, folder, plan)
        print(f"load average after the simulation: {os.getloadavg()}")
        half_year(server, plan)
    print(f"load average after: {os.getloadavg()}")


if __name__ == "__main__":
    main()
