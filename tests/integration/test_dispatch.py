"""An event from command to equipment and back, over the wire, with the daemon killed in between."""

import json
import signal
import sqlite3
from contextlib import closing

from monitor.event_check import faults_of
from tests.dispatch_world import PLAN, SHED, plant, wait_for, wide_profile


def test_an_event_writes_and_hands_back(tmp_path):
    with plant(tmp_path) as one:
        before = one.registers()
        with one.daemon() as daemon:
            one.trigger()
            one.wait_until_shed()
            assert one.outcomes("shed") == dict.fromkeys(SHED, "obeyed")
            facts = one.facts("one")
            assert [action["stood"] for action in facts["actions"]][:2] == [7.0, 100.0]
            assert one.dr("abort", "one", "--note", "enough")[0] == 0
            wait_for("the release", lambda: one.registers() == before)
            wait_for("its end", lambda: set(one.states().values()) == {"handed_back"})
            assert one.outcomes("release").keys() == SHED.keys()
            assert one.facts("one")["life"] == "aborted"
            assert daemon.terminate() == 0


def test_what_sheds_more_already_is_left_as_it_is_and_nothing_is_handed_back(tmp_path):
    absolute = PLAN.replace("by: 2,", "to: 9,").replace("to: 60,", "to: 60, release: 100,")
    with plant(tmp_path, absolute) as one:
        one.set_register(1, 1, 560)  # 11 degC, and the plan says 9
        one.set_register(2, 2, 50)  # per cent, and the plan says 60
        found = {**one.registers(), "warmer": 560, "limit": 50}
        with one.daemon() as daemon:
            one.wait_for_polls("chiller-1", "chw_setpoint_active", 11.0)
            one.wait_for_polls("chiller-2", "demand_limit_active", 50.0)
            one.trigger()
            left = {"warmer": "left_alone", "limit": "left_alone", "third": "shed"}
            wait_for("the event", lambda: one.states() == left)
            assert one.registers() == {**found, "third": SHED["third"]}
            daemon.kill()  # what was left stays so after a restart, too
        with one.daemon():
            wait_for("the restart", lambda: "restart" in [s["kind"] for s in one.facts("one")["steps"]])
            assert one.dr("abort", "one")[0] == 0
            wait_for("the release", lambda: one.states() == {**left, "third": "handed_back"})
            assert one.registers() == found
        assert one.outcomes("shed") == {
            "warmer": "sheds_already",
            "limit": "sheds_already",
            "third": "obeyed",
        }
        assert one.outcomes("release").keys() == {"third"}
        asked = [(w["action"], w["asked"], w["shown"], w["sent"]) for w in one.facts("one")["writes"][:2]]
        assert asked == [("warmer", None, 11.0, None), ("limit", None, 50.0, None)]
        code, said = one.dr("show", "one")
        assert (code, said.count("left alone"), said.count("sheds as much already")) == (0, 2, 2), said
        record = tmp_path / "record.json"
        assert one.dr("export", "one", "--out", str(record))[0] == 0
        assert faults_of(json.loads(record.read_text(encoding="utf-8"))) == []


def test_what_stood_outside_of_what_we_may_write_is_handed_back_all_the_same(tmp_path):
    with plant(tmp_path, served_as=wide_profile(tmp_path)) as one, one.daemon() as daemon:
        one.set_register(2, 2, 120)  # per cent: it may show that, and we may write 40 to 100
        one.set_register(3, 2, 130)  # this it may not even show
        before = one.registers()
        one.wait_for_polls("chiller-3", "demand_limit_active", 130.0)
        one.trigger()
        states = {"warmer": "shed", "limit": "shed", "third": "failed"}
        wait_for("the event", lambda: one.states() == states)
        assert one.registers() == {**SHED, "third": 130}  # nothing was sent that could not be taken back
        assert one.facts("one")["actions"][2]["failed"] == "write.no_way_back"
        daemon.wait_for_line("would have to be handed back to 130")
        assert one.dr("abort", "one")[0] == 0
        wait_for("the release", lambda: one.registers() == before)
        wait_for("its end", lambda: "shed" not in one.states().values())
        assert "third" not in one.outcomes("shed")


def test_what_was_shed_is_handed_back_after_kill_9(tmp_path):
    releases = PLAN.replace("mode: live", "mode: live\n      on_restart: release")
    with plant(tmp_path, releases) as one:
        before = one.registers()
        with one.daemon() as daemon:
            one.trigger()
            wait_for("the event", lambda: one.registers() == SHED)
            daemon.kill()
        assert one.registers() == SHED
        with one.daemon():
            wait_for("the release", lambda: one.registers() == before)
            wait_for("its end", lambda: one.facts("one")["life"] == "aborted")
        assert {"why": "restart"} in [step["data"] for step in one.facts("one")["steps"]]


def test_an_event_that_resumes_goes_on_after_kill_9_and_keeps_what_stood_before(tmp_path):
    with plant(tmp_path) as one:
        before = one.registers()
        with one.daemon() as daemon:
            one.trigger()
            wait_for("the event", lambda: one.registers() == SHED)
            daemon.kill()
        with one.daemon():
            wait_for("the restart", lambda: "restart" in [s["kind"] for s in one.facts("one")["steps"]])
            assert one.registers() == SHED
            assert one.facts("one")["actions"][0]["stood"] == 7.0
            assert one.dr("abort", "one")[0] == 0
            wait_for("the release", lambda: one.registers() == before)


def test_an_event_that_is_aborted_while_no_daemon_runs_is_handed_back_by_the_next(tmp_path):
    with plant(tmp_path) as one:
        before = one.registers()
        with one.daemon() as daemon:
            one.trigger()
            wait_for("the event", lambda: one.registers() == SHED)
            daemon.kill()
        assert one.dr("abort", "one")[0] == 0
        assert one.registers() == SHED
        with one.daemon():
            wait_for("the release", lambda: one.registers() == before)


def test_the_end_of_the_daemon_hands_back(tmp_path):
    with plant(tmp_path) as one:
        before = one.registers()
        with one.daemon() as daemon:
            one.trigger()
            one.wait_until_shed()
            assert daemon.terminate() == 0
        assert one.registers() == before


def test_the_end_and_a_reload_come_through_beside_an_event_that_waits(tmp_path):
    with plant(tmp_path) as one, one.daemon() as daemon:
        start, end = "2099-07-01T13:00", "2099-07-01T13:30"
        wish = ("schedule", "summer", "--start", start, "--end", end, "--id", "one", "--operator", "wang")
        code, said = one.dr(*wish)
        assert code == 0, said
        one.site.write_text(one.site.read_text(encoding="utf-8") + "# a remark\n", encoding="utf-8")
        after = len(daemon.lines)
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_line("reading 4 devices", after=after)
        assert one.facts("one")["life"] == "scheduled"
        assert daemon.terminate() == 0


def test_a_stop_hands_back_before_the_minimum_off_time_is_over_because_nobody_follows(tmp_path):
    stays = PLAN.replace("to: 60,", "to: 60, min_off_s: 900,").replace("to: 40,", "to: 40, min_off_s: 900,")
    with plant(tmp_path, stays) as one:
        before = one.registers()
        with one.daemon() as daemon:
            one.trigger()
            one.wait_until_shed()
            assert daemon.terminate() == 0
        assert one.registers() == before
        assert one.outcomes("release") == dict.fromkeys(SHED, "obeyed")


HUMID = (
    PLAN
    + """\
      guards:
        - {point: weather.humidity, above: 70, actions: [limit]}
"""
)


def test_a_guard_of_humidity_that_holds_for_the_whole_event_does_so_after_kill_9_too(tmp_path):
    with plant(tmp_path, HUMID) as one:
        before = one.registers()
        held = {**SHED, "limit": before["limit"]}
        with one.daemon() as daemon:
            one.trigger()
            one.wait_until_shed()
            one.set_register(4, 1, 720)  # 72 %
            wait_for("the release", lambda: one.registers() == held)
            daemon.wait_for_line(r"weather\.humidity shows 72")
            one.set_register(4, 1, 600)
            one.wait_for_polls("weather", "humidity", 60.0)
            daemon.kill()
        with one.daemon():
            wait_for("the restart", lambda: "restart" in [s["kind"] for s in one.facts("one")["steps"]])
            one.wait_for_polls("weather", "humidity", 60.0)
            one.wait_for_polls("weather", "humidity", 60.0)  # turns were taken with it
            assert one.registers() == held
            assert [w["purpose"] for w in one.facts("one")["writes"] if w["action"] == "limit"] == [
                "shed",
                "release",
            ]
            assert one.dr("abort", "one")[0] == 0
            wait_for("the rest", lambda: one.registers() == before)


GUARDED = (
    PLAN
    + """\
      guards:
        - {point: chiller-3.chw_setpoint_active, above: 10, back_at: 9, actions: [warmer, limit]}
"""
)


def test_a_store_that_takes_nothing_keeps_nothing_shed(tmp_path):
    with plant(tmp_path, GUARDED) as one, one.daemon():
        before = one.registers()
        one.trigger()
        one.wait_until_shed()
        with closing(sqlite3.connect(tmp_path / "energy.db", isolation_level=None, timeout=120)) as other:
            other.execute("BEGIN IMMEDIATE")  # and nobody else writes
            one.set_register(3, 1, 560)  # 11 degC
            wait_for("the release", lambda: one.registers() == {**before, "third": SHED["third"]}, 400)
            other.execute("ROLLBACK")
        assert one.dr("abort", "one")[0] == 0
        wait_for("all of it", lambda: one.registers() == before)


def test_a_comfort_limit_that_is_passed_hands_back_and_sheds_again_on_its_good_side(tmp_path):
    with plant(tmp_path, GUARDED) as one, one.daemon() as daemon:
        before = one.registers()
        one.trigger()
        one.wait_until_shed()
        one.set_register(3, 1, 560)  # 11 degC
        held = {"warmer": "handed_back", "limit": "handed_back", "third": "shed"}
        wait_for("the release", lambda: one.registers() == {**before, "third": SHED["third"]})
        wait_for("what came of it", lambda: one.states() == held)
        daemon.wait_for_line(r"chiller-3\.chw_setpoint_active shows 11")
        one.set_register(3, 1, 545)
        one.wait_for_polls("chiller-3", "chw_setpoint_active", 9.5)  # not on the good side yet
        assert one.states() == held
        assert one.registers() == {**before, "third": SHED["third"]}
        assert one.outcomes("release").keys() == {"warmer", "limit"}
        one.set_register(3, 1, 540)
        one.wait_until_shed()
        (event,) = one.status()["events"]
        assert (event["life"], event["committed_kw"], event["baseline_kw"]) == ("active", 130.0, None)
        assert {action["state"] for action in event["actions"]} == {"shed"}


def test_a_dry_run_decides_and_records_and_writes_nothing(tmp_path):
    with plant(tmp_path) as one, one.daemon():
        before = one.registers()
        code, said = one.dr("trigger", "summer", "--for", "30m", "--id", "one", "--mode", "dry-run", key=None)
        assert code == 0, said
        wait_for("its decisions", lambda: one.outcomes("shed") == dict.fromkeys(SHED, "dry_run"))
        asked = {write["action"]: write["asked"] for write in one.facts("one")["writes"]}
        assert asked == {"warmer": 9.0, "limit": 60.0, "third": 40.0}
        assert one.dr("abort", "one")[0] == 0
        wait_for("its end", lambda: one.outcomes("release") == dict.fromkeys(SHED, "dry_run"))
        assert one.registers() == before
        code, said = one.dr("list")
        assert (code, "dry run" in said, "aborted" in said) == (0, True, True)


def test_a_wrong_offset_and_a_wrong_key_are_told(tmp_path):
    with plant(tmp_path) as one:
        words = ("summer", "--operator", "wang", "--for", "1h", "--start")
        code, said = one.dr("schedule", *words, "2036-07-01T14:00+08:06")
        assert (code, "+08:06" in said, "+08:00" in said) == (2, True, True)
        code, said = one.dr("schedule", *words, "2036-07-01T14:00+08:00", key="guess")
        assert (code, "not the one of operator 'wang'" in said) == (1, True)
        code, said = one.dr("schedule", *words, "2036-07-01T14:00")
        assert (code, "scheduled, live, 2036-07-01 14:00:00" in said) == (0, True)
        code, said = one.dr("schedule", *words, "2036-07-01T14:30")
        assert (code, "overlaps with event 'summer-20360701-1400'" in said) == (1, True)
        code, said = one.dr("plan", "summer")
        assert (code, "chiller-1.chw_setpoint" in said) == (0, True)
