"""The demand limiter over the wire: a real daemon, a meter whose load the test sets, chillers to write to."""

import sqlite3
from contextlib import closing

import pytest

from tests.dispatch_world import COMMAND, PATIENCE_S, POINTS, SHED, wait_for
from tests.limiter_world import LIMITER, STAGED, STAGES, limited
from tests.servers import run_program


def test_a_load_above_the_limit_sheds_stage_by_stage_and_goes_back_in_the_calm(tmp_path):
    with limited(tmp_path) as one:
        one.arm()
        before = one.plant.registers()
        with one.plant.daemon() as daemon:
            assert one.wait_for_why("calm")["mode"] == "live"
            assert one.plant.registers() == before
            one.meter.flows(1200)
            run = one.wait_until_all_shed()
            decided = one.decisions(run)
            assert [step["shed"] for step in decided] == list(STAGES)
            assert {step["why"] for step in decided} == {"over"}
            assert all(step["projected_kw"] > 980 for step in decided)
            facts = one.wait_for_why("nothing_left")
            assert (facts["event"], facts["shed"]) == (run, sorted(STAGES))
            assert facts["short_kw"] > 0
            one.meter.flows(500)
            one.wait_until_back(before, run)
            back = [step["back"] for step in one.decisions(run) if "back" in step]
            assert back == [["warmer"], ["limit"], ["third"]]
            assert one.plant.facts(run)["life"] == "ended"
            assert daemon.terminate() == 0
        assert one.runs() == [run]
        record = tmp_path / "run.json"
        assert one.plant.dr("export", run, "--out", str(record))[0] == 0
        with run_program([*COMMAND, "dr", "check", record], name="dr check") as program:
            assert program.wait(PATIENCE_S) == 0, program.output
        code, said = one.plant.dr("settle", run)
        assert (code, "nothing to settle" in said) == (2, True), said


def test_kill_9_is_handed_back_by_the_next_start_and_the_regular_end_hands_back_itself(tmp_path):
    with limited(tmp_path) as one:
        one.arm()
        before = one.plant.registers()
        one.meter.flows(1200)
        with one.plant.daemon() as daemon:
            run = one.wait_until_all_shed()
            daemon.kill()
        assert one.plant.registers() == SHED
        with one.plant.daemon() as daemon:
            wait_for("the release", lambda: one.plant.facts(run)["life"] == "aborted")
            wait_for("all of it", lambda: not any(a["is_shed"] for a in one.plant.facts(run)["actions"]))
            assert {"why": "restart"} in [step["data"] for step in one.plant.facts(run)["steps"]]
            again = wait_for("the next run", lambda: [found for found in one.runs() if found != run])
            one.wait_until_all_shed()
            assert daemon.terminate() == 0
        assert one.plant.registers() == before
        assert one.plant.facts(again[0])["life"] == "ended"


def test_a_lost_meter_hands_back(tmp_path):
    blind = LIMITER.replace("blind_s: 60", "blind_s: 5")
    with limited(tmp_path, limiter=blind) as one:
        one.arm()
        before = one.plant.registers()
        one.meter.flows(1200)
        with one.plant.daemon():
            run = one.wait_until_all_shed()
            one.meter.end()
            one.wait_until_back(before, run)
            assert one.decisions(run)[-1]["why"] == "blind"
            assert one.wait_for_why("unknown")["shed"] == []


def test_a_store_that_takes_nothing_keeps_nothing_shed(tmp_path):
    alone = "\n".join(line for line in STAGED.splitlines() if "limit," not in line and "third," not in line)
    with limited(tmp_path, f"{alone}\n") as one:
        one.arm()
        before = one.plant.registers()
        one.meter.flows(1200)
        with one.plant.daemon():
            wait_for("the shedding", lambda: one.plant.register(*POINTS["warmer"]) == SHED["warmer"])
            (run,) = one.runs()
            wait_for("what came of it", lambda: one.plant.states(run) == {"warmer": "shed"})
            with closing(sqlite3.connect(tmp_path / "energy.db", isolation_level=None, timeout=120)) as other:
                other.execute("BEGIN IMMEDIATE")  # and nobody else writes
                one.meter.flows(500)
                wait_for("the release", lambda: one.plant.registers() == before, 400)
                other.execute("ROLLBACK")
            one.wait_until_back(before, run)
            releases = [w for w in one.plant.facts(run)["writes"] if w["purpose"] == "release"]
            assert [w["outcome"] for w in releases] == ["obeyed"]


def test_an_event_goes_first_and_finds_what_stood_before(tmp_path):
    with limited(tmp_path) as one:
        one.arm()
        before = one.plant.registers()
        one.meter.flows(1200)
        with one.plant.daemon():
            run = one.wait_until_all_shed()
            one.plant.trigger()
            wait_for("the limiter to let go", lambda: one.plant.facts(run)["life"] == "ended")
            one.plant.wait_until_shed()
            event = one.plant.facts("one")
            assert [action["stood"] for action in event["actions"]][:2] == [7.0, 100.0]
            last = {one["action"]: one["done"] for one in one.plant.facts(run)["writes"]}
            first = {one["action"]: one["at"] for one in reversed(event["writes"])}
            assert all(last[action] <= first[action] for action in STAGES)
            assert one.wait_for_why("nothing_left", "young")["shed"] == []
            assert one.plant.registers() == SHED
            assert one.runs() == [run]
            one.meter.flows(500)
            assert one.plant.dr("abort", "one")[0] == 0
            wait_for("the release", lambda: one.plant.registers() == before)


def test_a_dry_run_decides_and_writes_nothing_and_hinders_no_event(tmp_path):
    dry = LIMITER.replace("mode: live", "mode: dry-run")
    with limited(tmp_path, limiter=dry) as one, one.plant.daemon():
        before = one.plant.registers()
        one.meter.flows(1200)
        wait_for("its run", one.runs)
        (run,) = one.runs()
        wait_for("its decisions", lambda: one.plant.outcomes("shed", run) == dict.fromkeys(SHED, "dry_run"))
        assert one.plant.registers() == before
        one.plant.trigger()
        one.plant.wait_until_shed()
        assert one.plant.dr("abort", "one")[0] == 0
        wait_for("the release", lambda: one.plant.registers() == before)


def test_a_device_that_does_not_answer_is_skipped(tmp_path):
    with limited(tmp_path, silenced=("chiller-1",)) as one:
        one.arm()
        before = one.plant.registers()
        number = one.plant.fault("chiller-1", kind="silent")
        with one.plant.daemon() as daemon:
            daemon.wait_for_line("chiller-1 is offline")
            one.meter.flows(1200)
            wait_for("the others", lambda: set(one.facts().get("shed", ())) == {"limit", "third"})
            run = one.runs()[-1]
            wait_for(
                "their writes",
                lambda: one.plant.outcomes("shed", run) == dict.fromkeys(("limit", "third"), "obeyed"),
            )
            one.plant.tell(clear=number)
            one.meter.flows(500)
            one.wait_until_back(before, run)


@pytest.mark.parametrize("how", ["ignore", "mute"])
def test_the_n_th_write_fails_for_every_n_and_everything_is_handed_back(tmp_path, how):
    """As for events; a minute, since each n waits for windows, and for a device that is silent."""
    silenced = ("chiller-2",) if how == "mute" else ()
    with limited(tmp_path, silenced=silenced) as one:
        one.arm()
        before, n, met = one.plant.registers(), 0, True
        with one.plant.daemon():
            while met:
                n += 1
                number = one.plant.fault("chiller-2", kind="disobeying", how=how, spared=n - 1, times=1)
                known = one.runs()
                one.meter.flows(1200)
                run = wait_for("its run", lambda known=known: [r for r in one.runs() if r not in known])[0]

                def has_acted(run=run):
                    states = one.plant.states(run)
                    return states["third"] == "shed" and not {"waiting", "not_confirmed"} & set(
                        states.values()
                    )

                wait_for(f"run {n}", has_acted)
                one.meter.flows(100)
                one.wait_until_back(before, run)
                struck = [f["struck"] for f in one.plant.tell(list=True)["faults"] if f["number"] == number]
                met = struck == [1]
                one.plant.tell(clear=number)
                assert n < 10
        assert n >= 3  # it struck the shedding and the release at least
