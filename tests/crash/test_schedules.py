"""Twenty random schedules: `make crash` tells as many as one likes, and from any seed."""

import pytest

from tests.crash.far_sides import far_sides
from tests.crash.nursery import Nursery
from tests.crash.schedule import draw
from tests.crash.telling import Telling

SEEDS = range(20261126, 20261146)
AT_ONCE = 5
"""So many by one set of servers: four sets can be told beside each other."""

STORIES = 5


@pytest.mark.parametrize("first", SEEDS[::AT_ONCE])
def test_schedules_of_faults_lose_nothing_and_count_nothing_twice(first):
    with Nursery() as nursery, far_sides() as sides:
        for seed in range(first, first + AT_ONCE):
            schedule = draw(seed, STORIES)
            telling = Telling(schedule, nursery, sides, f"hall-{seed}")
            try:
                telling.tell()
            except BaseException:
                print(schedule, *telling.log, nursery.complaints()[-8000:], sep="\n")
                raise


def test_every_kind_of_fault_is_among_them():
    """What the seeds above draw: every kind of fault, every server, every way to tear a log."""
    steps = [step for seed in SEEDS for step in draw(seed, STORIES).steps]
    kinds = {step.what for step in steps}
    assert kinds >= {
        "kill",
        "end",
        "kill server",
        "stop server",
        "network",
        "disk full",
        "clock",
        "spurious zero",
    }
    assert {step.data[0] for step in steps if step.what == "kill server"} == {
        "influx",
        "victoria",
        "city",
        "broker",
    }
    assert {step.data[1] for step in steps if step.what == "kill"} == {
        "none",
        "cut",
        "zeros",
        "noise",
        "again",
    }
    assert {step.data[1] for step in steps if step.what == "network"} >= {"refuse", "stall", "cut", "through"}
    set_to = {step.data[0] for step in steps if step.what == "clock"}
    assert "1970" in set_to
    assert min(set_to - {"1970"}) < 0 < max(set_to - {"1970"})
