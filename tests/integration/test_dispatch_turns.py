"""Actions that come back one after another, and actions that take turns from event to event."""

from datetime import datetime, timedelta

from tests.dispatch_world import PLAN, plant, wait_for

STAGE_S = 2
STAGED = PLAN.replace("notify_s: 0", f"notify_s: 0\n      stage_s: {STAGE_S}")
TURNS = PLAN.replace("40}", "80, rotates: true}").replace("10}", "80, rotates: true}")
TURNS = TURNS.replace("expected_kw: 80}", "expected_kw: 80, rotates: true}")


def begin(one, event, length, *more):
    code, said = one.dr("trigger", "summer", "--for", length, "--id", event, "--operator", "wang", *more)
    assert code == 0, said


def is_back(one, event):
    facts = one.facts(event)
    over = facts["life"] in ("ended", "aborted")
    return over and not any(action["is_shed"] for action in facts["actions"])


def test_at_the_regular_end_actions_come_back_one_after_another_the_last_one_first(tmp_path):
    with plant(tmp_path, STAGED) as one, one.daemon():
        before, event = one.registers(), ""
        for length_s in (10, 40, 160):  # on a machine that stands still it is over before all are shed
            event = f"of-{length_s}"
            begin(one, event, f"{length_s}s")
            wait_for("its end", lambda event=event: is_back(one, event), 400)
            if list(one.outcomes("shed", event).values()) == ["obeyed"] * 3:
                break
        facts = one.facts(event)
        ended = datetime.fromisoformat(facts["ended"])
        back = {w["action"]: w["at"] for w in facts["writes"] if w["purpose"] == "release"}
        assert list(back) == ["third", "limit", "warmer"]
        for place, at in enumerate(back.values()):
            assert datetime.fromisoformat(at) - ended >= timedelta(seconds=STAGE_S * place)
        assert one.registers() == before


def test_actions_that_rotate_take_turns_from_event_to_event(tmp_path):
    with plant(tmp_path, TURNS) as one, one.daemon():
        before, took = one.registers(), []
        for number in range(4):
            event = f"turn-{number}"
            begin(one, event, "30m", "--kw", "80")
            wait_for("the event", lambda event=event: "shed" in one.states(event).values())
            took += [action for action, state in one.states(event).items() if state == "shed"]
            one.abort(event)
            wait_for("its end", lambda event=event: is_back(one, event))
            assert one.registers() == before
        assert took == ["warmer", "limit", "third", "warmer"]
