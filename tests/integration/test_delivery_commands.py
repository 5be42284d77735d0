"""What people do about deliveries, at the command line, beside a daemon and without one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.processes import run_program, wait_until
from tests.sink_world import SITE as SITE_ID
from tests.sink_world import START_S, PickyServer, interval, open_world, picky_server

SITE = """
site: {{id: {id}, name: {{zh-TW: 市政大樓, en: City Hall}}, timezone: Asia/Taipei, language: en}}
store: {{path: energy.db}}
sinks:
  - {{kind: influxdb, id: city, url: "{url}", bucket: energy, timeout_s: 5}}
"""


@pytest.fixture
def picky():
    with picky_server() as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, picky: PickyServer) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(SITE.format(id=SITE_ID, url=picky.url), encoding="utf-8")
    with open_world(tmp_path) as world:
        for n in range(10):
            world.intervals(interval(START_S + 900 * n, float(n)))
    return path


def command(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "monitor.cli.main", *words, "--site", site],
        capture_output=True, text=True, timeout=120, env={**os.environ, "ENERGY_MONITOR_LANGUAGE": "en"},
    )  # fmt: skip


def daemon(site: Path):
    return run_program([sys.executable, "-m", "monitor.cli.main", "run", "--site", site], name="daemon")


def sent(picky: PickyServer) -> dict[str, int]:
    return {
        line.split("quantity=")[1].split(",")[0]: n for line, n in picky.taken.items() if "quantity=" in line
    }


def test_dead_letters_are_listed_shown_and_tried_again(site: Path, picky: PickyServer):
    picky.refuses = lambda line: "quantity=3.0" in line or "quantity=7.0" in line
    assert "no dead letters" in command(site, "deadletter", "list").stdout
    with daemon(site) as program:
        wait_until("two letters", lambda: len(json.loads(
            command(site, "deadletter", "list", "--json").stdout)) == 2, program, 60)  # fmt: skip
        listed = json.loads(command(site, "deadletter", "list", "--json").stdout)
        assert [one["state"] for one in listed] == ["open", "open"]
        shown = command(site, "deadletter", "show", str(listed[0]["number"]))
        assert "quantity=3.0" in shown.stdout
        assert "unable to parse" in shown.stdout
        again = command(site, "deadletter", "retry", str(listed[0]["number"]))
        assert (again.returncode, "Refused again: 1" in again.stdout) == (1, True), again
        picky.refuses = lambda line: False
        done = command(site, "deadletter", "retry")
        assert (done.returncode, "Delivered: 2" in done.stdout) == (0, True), done
        assert "nothing was changed" in command(site, "deadletter", "retry").stdout
    assert sent(picky) == {f"{n}.0": 1 for n in range(10)}
    assert "no dead letters" in command(site, "deadletter", "list").stdout
    assert "delivered" in command(site, "deadletter", "list", "--all").stdout
    for words in (("show", "99"), ("retry", "99"), ("list", "--sink", "nowhere")):
        wrong = command(site, "deadletter", *words)
        assert wrong.returncode in (1, 2)
        assert "Traceback" not in wrong.stderr
        assert wrong.stderr


def test_a_span_of_the_past_is_delivered_once_more(site: Path, picky: PickyServer):
    # START_S + 1 x 900 up to START_S + 4 x 900 UTC, in Taipei's time.
    span = ("--from", "2025-06-15T23:21:40", "--to", "2025-06-16T00:06:40")
    waits = command(site, "influx", "backfill", *span)
    assert "as soon as the daemon runs" in waits.stdout, waits
    with daemon(site) as program:
        wait_until("all of it", lambda: len(sent(picky)) == 10, program, 60)
        done = command(site, "influx", "backfill", *span)
        assert (done.returncode, "acknowledged" in done.stdout) == (0, True), done
    twice = {number for number, times in sent(picky).items() if times > 1}
    assert twice == {"1.0", "2.0", "3.0"}
    nothing = command(site, "influx", "backfill", "--from", "2020-01-01", "--to", "2020-01-02")
    assert "nothing to deliver" in nothing.stdout
    for wrong in (("soon", "2020-01-02"), ("2020-01-02", "2020-01-01")):
        told = command(site, "influx", "backfill", "--from", wrong[0], "--to", wrong[1])
        assert (told.returncode, bool(told.stderr)) == (2, True)


def test_a_backfill_that_must_wait_says_why_and_goes_on_by_itself(site: Path, picky: PickyServer):
    picky.status = 503
    span = ("--from", "2000-01-01", "--to", "2100-01-01", "--stream", "intervals")
    command = [sys.executable, "-m", "monitor.cli.main", "influx", "backfill", *span, "--site", site]
    with daemon(site) as program:
        program.wait_for_line("reading 0 devices")
        with run_program(command, name="backfill", env={"ENERGY_MONITOR_LANGUAGE": "en"}) as waiting:
            waiting.wait_for_line(r"^city: intervals: 0 %")
            waiting.wait_for_line(r"^city: .*503.*The backfill waits for it; Ctrl-C leaves it")
            waiting.wait_for_line(r"^city: intervals: 0 %", after=2)  # and again, some seconds later
            picky.status = 204
            assert waiting.wait() == 0
        assert "Done: all of it was acknowledged (intervals)" in waiting.output
        assert sum("The backfill waits" in line for line in waiting.lines) == 1
