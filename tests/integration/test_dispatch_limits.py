"""What a plan holds an action to, over the wire: steps, delays, least times, budgets, signals, dead man."""

import json
from datetime import datetime

from monitor.event_check import faults_of
from tests.dispatch_world import PLAN, SHED, plant, wait_for

STEPS = """\
    - id: summer
      mode: live
      dead_man_s: 3600
      notify_s: 0
      actions:
        - {id: warmer, point: chiller-1.chw_setpoint, by: 3, ceiling: 9.5, ramp: {step: 1, every_s: 1}}
        - {id: limit, point: chiller-2.demand_limit_setpoint, to: 60, after_s: 3, min_on_s: 5}
        - {id: third, point: chiller-3.demand_limit_setpoint, to: 40, min_off_s: 12}
      guards:
        - {point: weather.humidity, above: 70, back_at: 65, actions: [limit]}
"""


def seconds(text):
    return datetime.fromisoformat(text).timestamp()


def writes(one, action, purpose, event="one"):
    """(instant, value) of an action's writes that went over the wire."""
    return [
        (seconds(write["at"]), write["asked"])
        for write in one.facts(event)["writes"]
        if (write["action"], write["purpose"], write["outcome"]) == (action, purpose, "obeyed")
    ]


def recorded_faults(one, event="one"):
    """What ``dr check`` says of an event's record."""
    out = one.folder / f"{event}.json"
    code, said = one.dr("export", event, "--out", str(out))
    assert code == 0, said
    return faults_of(json.loads(out.read_text("utf-8")))


def test_steps_delays_and_least_times(tmp_path):
    with plant(tmp_path, STEPS) as one, one.daemon():
        before = one.registers()
        one.trigger()
        shed = {"warmer": 545, "limit": 60, "third": 40}  # 9.5 degC: not above the ceiling
        wait_for("the event", lambda: one.registers() == shed)
        wait_for("what came of it", lambda: set(one.states().values()) == {"shed"})
        start_s = seconds(one.facts("one")["start"])
        steps = writes(one, "warmer", "shed")
        assert [value for _, value in steps] == sorted({value for _, value in steps})
        assert steps[-1][1] == 9.5
        for at_s, value in steps:  # however late a turn was, never more than the steps that were due
            assert value <= 7 + 1 + int(at_s + 0.5 - steps[0][0])
        assert writes(one, "limit", "shed")[0][0] >= start_s + 3
        one.set_register(4, 1, 720)
        wait_for("the guard", lambda: one.registers() == {**shed, "limit": before["limit"]})
        one.set_register(4, 1, 600)
        wait_for("the way back", lambda: one.registers() == shed)
        wait_for("what came of it", lambda: len(writes(one, "limit", "shed")) == 2)
        (back_s, _), (again_s, _) = writes(one, "limit", "release")[0], writes(one, "limit", "shed")[1]
        assert again_s >= back_s + 5 - 0.1
        assert one.dr("abort", "one")[0] == 0
        wait_for("the release", lambda: one.registers() == before)
        wait_for("its end", lambda: set(one.states().values()) == {"handed_back"})
        assert writes(one, "third", "release")[0][0] >= writes(one, "third", "shed")[0][0] + 12 - 0.1
        assert recorded_faults(one) == []


BUDGET = (
    PLAN.replace("to: 60,", "to: 60, writes_per_day: 3,")
    + """\
    - id: short
      mode: live
      dead_man_s: 25
      stage_s: 3600
      notify_s: 0
      actions:
        - {id: warmer, point: chiller-1.chw_setpoint, by: 2}
        - {id: third, point: chiller-3.demand_limit_setpoint, to: 40}
"""
)


def test_a_budget_holds_over_events_and_restarts_and_the_dead_man_over_stages(tmp_path):
    with plant(tmp_path, BUDGET) as one:
        before = one.registers()
        with one.daemon() as daemon:
            one.trigger()
            one.wait_until_shed()
            assert one.dr("abort", "one")[0] == 0
            wait_for("the release", lambda: one.registers() == before)
            daemon.kill()
        with one.daemon():
            words = ("summer", "--for", "30m", "--id", "two", "--operator", "wang")
            assert one.dr("trigger", *words)[0] == 0
            states = {"warmer": "shed", "limit": "failed", "third": "shed"}
            wait_for("the second event", lambda: one.states("two") == states)
            assert one.facts("two")["actions"][1]["failed"] == "write.budget_spent"
            assert one.registers() == {**SHED, "limit": before["limit"]}
            assert one.dr("abort", "two")[0] == 0
            wait_for("the release", lambda: one.registers() == before)
            code, said = one.dr("trigger", "short", "--for", "20s", "--id", "three", "--operator", "wang")
            assert code == 0, said
            wait_for("the third event", lambda: writes(one, "warmer", "shed", "three"))
            # The first action would come back an hour after the second one.
            wait_for("the dead man", lambda: set(one.states("three").values()) == {"handed_back"})
            assert one.registers() == before
            start_s = seconds(one.facts("three")["start"])
            assert writes(one, "warmer", "release", "three")[0][0] >= start_s + 25 - 0.1
            assert recorded_faults(one, "three") == []


SIGNALS = PLAN.replace("mode: live", "mode: live\n      on_failure: release")


def test_a_lost_signal_hands_back_and_one_action_that_fails_ends_the_event_where_the_plan_says_so(tmp_path):
    with plant(tmp_path, SIGNALS) as one, one.daemon() as daemon:
        before = one.registers()
        one.trigger()
        one.wait_until_shed()
        assert one.dr("signal", "one", "active", "--ttl", "3s")[0] == 0
        wait_for("the signal to be lost", lambda: one.registers() == before)
        assert one.facts("one")["life"] == "active"
        assert one.dr("signal", "one", "active")[0] == 0
        one.wait_until_shed()
        assert one.dr("signal", "one", "inactive")[0] == 0
        wait_for("the signal's end", lambda: one.registers() == before)
        assert one.dr("abort", "one")[0] == 0
        one.fault("chiller-2", kind="disobeying", how="refuse", times=1)
        words = ("summer", "--for", "30m", "--id", "two", "--operator", "wang")
        assert one.dr("trigger", *words)[0] == 0
        wait_for("its end", lambda: one.facts("two")["life"] == "aborted")
        wait_for("the release", lambda: one.registers() == before)
        (why,) = [step["data"] for step in one.facts("two")["steps"] if step["kind"] == "aborted"]
        assert why == {"why": "failed", "actions": ["limit"]}
        daemon.wait_for_line("limit takes no further part")
