"""An event from command to equipment and back, over the wire, with the daemon killed in between."""

from tests.dispatch_world import PLAN, SHED, plant, wait_for


def test_an_event_writes_and_hands_back(tmp_path):
    with plant(tmp_path) as one:
        before = one.registers()
        with one.daemon() as daemon:
            one.trigger()
            wait_for("the event", lambda: one.registers() == SHED)
            wait_for("three writes", lambda: len(one.facts("one")["writes"]) == 3)
            facts = one.facts("one")
            assert [write["outcome"] for write in facts["writes"]] == ["obeyed"] * 3
            assert [action["stood"] for action in facts["actions"]][:2] == [7.0, 100.0]
            assert one.dr("abort", "one", "--note", "enough")[0] == 0
            wait_for("the release", lambda: one.facts("one")["writes"][3:] and one.registers() == before)
            wait_for("its end", lambda: {a["state"] for a in one.facts("one")["actions"]} == {"handed_back"})
            assert one.facts("one")["life"] == "aborted"
            assert daemon.terminate() == 0


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
            wait_for("the event", lambda: one.registers() == SHED)
            assert daemon.terminate(timeout_s=60) == 0
        assert one.registers() == before
