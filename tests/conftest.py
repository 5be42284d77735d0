"""What all tests share: the real servers as fixtures, logs shown on failure, missing servers named."""

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import servers
from tests.servers import processes

# No deadline: two cores that several tests share say nothing of a test. `make check` tries fewer examples
# than `make test`, so that it stays quick.
settings.register_profile("whole", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=30)
settings.load_profile("quick" if os.environ.get("QUICK") else "whole")


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[servers.Mosquitto]:
    """A real broker: ``host``, ``port``, ``stop()``, ``start()``, ``kill()``."""
    with servers.mosquitto(tmp_path / "mosquitto") as broker:
        yield broker


@pytest.fixture
def victoria_metrics(tmp_path: Path) -> Iterator[servers.VictoriaMetrics]:
    """A real VictoriaMetrics: ``url``, ``export(match)``."""
    with servers.victoria_metrics(tmp_path / "victoria-metrics") as server:
        yield server


@pytest.fixture
def influxdb1(tmp_path: Path) -> Iterator[servers.InfluxDB1]:
    """A real InfluxDB 1.6 that takes version 2's write: ``url``, ``bucket``, ``query(influxql)``."""
    with servers.influxdb1(tmp_path / "influxdb") as server:
        yield server


@pytest.fixture
def scripted_http() -> Iterator[servers.ScriptedHttp]:
    """A server that answers as the test writes it: ``url``, ``script(Answer, ...)``, ``requests``."""
    with servers.scripted_http() as server:
        yield server


@pytest.fixture
def chromium() -> str:
    """Path of a real browser."""
    return servers.require_program("chromium", "chromium")


def pytest_configure() -> None:
    """Let Ctrl-C through: a run in the background was told to ignore it, and so would all its programs."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let reports know which scenarios of docs/durability.md a test shows, also from another process."""
    item.user_properties += [("scenario", n) for mark in item.iter_markers("scenario") for n in mark.args]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Forget the programs of earlier tests."""
    processes.started[:] = [program for program in processes.started if program.exit_code is None]
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the programs that the test started printed."""
    report = yield
    if report.failed:
        report.sections += [(f"output of {program.name}", program.tail(80)) for program in processes.started]
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly, at the end, which servers were missing."""
    missing: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        _, found, server = str(report.longrepr).removesuffix("')").partition("missing server: ")
        if found:
            missing[server] = missing.get(server, 0) + 1
    if missing:
        terminalreporter.section("SERVERS MISSING: these tests did not run", red=True, bold=True)
        for server, tests in sorted(missing.items()):
            terminalreporter.line(f"{server}: {tests} test{'s' if tests > 1 else ''} skipped", red=True)
    if "scenario" in (terminalreporter.config.option.markexpr or ""):
        tell_scenarios(terminalreporter)


def tell_scenarios(terminalreporter) -> None:
    """Number and result of each scenario of docs/durability.md."""
    found: dict[int, dict[str, int]] = {}
    for result in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(result, []):
            for name, number in getattr(report, "user_properties", ()):
                if name == "scenario" and (report.when == "call" or result != "passed"):
                    counts = found.setdefault(number, {})
                    counts[result] = counts.get(result, 0) + 1
    terminalreporter.section("scenarios of docs/durability.md")
    for number, counts in sorted(found.items()):
        results = ", ".join(f"{count} {result}" for result, count in counts.items())
        terminalreporter.line(f"{number:>2}  {results}")
