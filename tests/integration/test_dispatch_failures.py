"""Every plan that started is handed back, whatever fails: the n-th write for every n, kills at random."""

import random
import time

import pytest

from tests.dispatch_world import PLAN, SHED, plant, wait_for


def kinds_of(one):
    return [step["kind"] for step in one.facts("one")["steps"]]


def is_handed_back(one, event):
    facts = one.facts(event)
    closed = facts["life"] in ("ended", "aborted")
    return closed and not any(action["is_shed"] for action in facts["actions"])


GUARDED = (
    PLAN
    + """\
      guards:
        - {point: weather.humidity, above: 70}
"""
)

ENDS = ("abort", "signal", "guard")


def hand_back(one, event, end):
    """Have an event handed back: aborted, by its signal's end, or past a guard's limit."""
    if end == "signal":
        assert one.dr("signal", event, "inactive")[0] == 0
    elif end == "guard":
        one.set_register(4, 1, 720)
    if end != "abort":
        shed = ("shed", "not_confirmed")
        wait_for(f"the {end}", lambda: not any(state in shed for state in one.states(event).values()))
        one.set_register(4, 1, 600)
        one.wait_for_polls("weather", "humidity", 60.0)
    assert one.dr("abort", event)[0] == 0


@pytest.mark.parametrize(
    ("how", "devices", "first_end"),
    [
        ("ignore", ("chiller-1", "chiller-3"), 0),
        ("refuse", ("chiller-2",), 2),
        ("silent", ("chiller-3",), 0),  # each silence costs its time
        ("mute", ("chiller-2",), 1),
    ],
)
def test_the_n_th_write_fails_for_every_n_and_everything_is_handed_back(tmp_path, how, devices, first_end):
    """The n-th write to a device is struck, n = 1, 2, 3 ... until an event passes without meeting it.

    How the event ends goes round with n, from another kind of end on for each way of failing.
    """
    silenced = devices if how in ("silent", "mute") else ()
    with plant(tmp_path, GUARDED, silenced=silenced) as one, one.daemon():
        before = one.registers()
        for place, device in enumerate(devices, first_end):
            n, met = 0, True
            while met:
                n += 1
                number = one.fault(device, kind="disobeying", how=how, spared=n - 1, times=1)
                event = f"{device}-{n}"
                code, said = one.dr("trigger", "summer", "--for", "30m", "--id", event, "--operator", "wang")
                assert code == 0, said

                def has_acted(event=event):
                    done = ("shed", "failed", "handed_back")
                    return set(one.states(event).values()) <= {*done}

                wait_for(f"event {event}", has_acted)
                hand_back(one, event, ENDS[(n + place) % len(ENDS)])
                wait_for(f"the release of {event}", lambda event=event: is_handed_back(one, event))
                assert one.registers() == before
                struck = [f["struck"] for f in one.tell(list=True)["faults"] if f["number"] == number]
                met = struck == [1]
                one.tell(clear=number)
                assert n < 10
            assert n >= 3  # it struck the shedding and the release at least


def test_kill_9_at_random_instants_of_an_event_leaves_nothing_shed(tmp_path):
    dice = random.Random(20261126)
    with plant(tmp_path) as one:
        before = one.registers()
        for turn in range(6):
            with one.daemon() as daemon:
                code, said = one.dr(
                    "trigger", "summer", "--for", "30m", "--id", f"e{turn}", "--operator", "wang"
                )
                assert code == 0, said
                time.sleep(dice.random() * 0.5)
                daemon.kill()
            with one.daemon() as daemon:
                if dice.random() < 0.5:  # and in the middle of the release, too
                    one.abort(f"e{turn}")
                    time.sleep(dice.random() * 0.2)
                    daemon.kill()
            with one.daemon():
                one.abort(f"e{turn}")

                def is_back(event=f"e{turn}"):
                    # Both: a write that was on its way is put down, sent and handed back a moment later.
                    return is_handed_back(one, event) and one.registers() == before

                wait_for(f"the release of turn {turn}", is_back)


def test_a_device_that_acknowledges_and_does_not_obey_is_told_and_nothing_is_half_done(tmp_path):
    with plant(tmp_path) as one, one.daemon() as daemon:
        before = one.registers()
        one.fault("chiller-1", kind="disobeying", how="ignore")
        one.trigger()
        wait_for("the others", lambda: one.registers() == {**SHED, "warmer": before["warmer"]})
        wait_for("the failure", lambda: one.facts("one")["actions"][0]["state"] == "failed")
        assert one.facts("one")["actions"][0]["failed"] == "write.not_obeyed"
        daemon.wait_for_line("acknowledged it and goes by 7")
        code, said = one.dr("show", "one")
        assert (code, "goes by 7" in said) == (0, True), said
        kinds = wait_for("its step", lambda: [k for k in kinds_of(one) if k == "failed"])
        assert kinds == ["failed"]


def test_a_lost_device_is_handed_back_when_it_is_there_again(tmp_path):
    with plant(tmp_path, silenced=("chiller-3",)) as one, one.daemon() as daemon:
        before = one.registers()
        one.trigger()
        one.wait_until_shed()
        number = one.fault("chiller-3", kind="silent")
        assert one.dr("abort", "one")[0] == 0
        daemon.wait_for_line("third is NOT handed back")
        one.tell(clear=number)
        wait_for("the release", lambda: one.registers() == before)
        wait_for("its end", lambda: is_handed_back(one, "one"))
        assert "release_failed" in kinds_of(one)
