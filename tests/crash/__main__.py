"""``make crash``: random schedules against a real store and real servers, until one differs.

make crash                                        200 schedules of the core and 10 of whole daemons
make crash ARGS="--seed 7 --schedules 1"          one of them again
make crash ARGS="--seed 7 --daemons 1"            one of a whole daemon again
"""

import argparse
import logging
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash.daemon import WholeDaemon
from tests.crash.every_nth import (
    DISK_FAULTS,
    REQUEST_FAULTS,
    built,
    counting_side,
    each_call,
    each_request,
)
from tests.crash.far_sides import FarSide, far_sides
from tests.crash.nursery import Nursery
from tests.crash.schedule import draw
from tests.crash.telling import Telling

LIVES = 4

Story = Callable[[], None]


def stories(
    wishes: argparse.Namespace, nursery: Nursery, sides: dict[str, FarSide]
) -> Iterator[tuple[str, list[str], Story]]:
    """How to tell it again, its log, and what tells it; one after the other."""
    for seed in range(wishes.seed, wishes.seed + wishes.schedules):
        schedule = draw(seed)
        telling = Telling(schedule, nursery, sides, f"hall-{seed}")
        telling.log += [str(schedule), "", "what happened:"]
        yield f"--seed {seed} --schedules 1", telling.log, telling.tell
    for seed in range(wishes.seed, wishes.seed + wishes.daemons):
        daemon = WholeDaemon(seed, sides, f"whole-{seed}")
        yield f"--seed {seed} --daemons 1", daemon.log, lambda: daemon.tell(LIVES)  # noqa: B023  told at once


def tell_all(wishes: argparse.Namespace) -> int:
    """Tell one after the other. Returns 0, or 1 at the first difference."""
    count, began_s = wishes.schedules + wishes.daemons, time.monotonic()
    with Nursery() as nursery, far_sides() as sides:
        for number, (again, log, tell) in enumerate(stories(wishes, nursery, sides), 1):
            try:
                tell()
            except AssertionError as error:
                print("", *log, "", nursery.complaints()[-8000:], sep="\n")
                print(f"DIFFERENCE after {number - 1} good ones: {error}")
                print(f'again: make crash ARGS="{again}"', flush=True)
                return 1
            if wishes.told:
                print("", *log, sep="\n")
            spent_s = time.monotonic() - began_s
            print(f"\r{number} of {count} as expected, {spent_s:.0f} s", end="", flush=True)
    print(f"\nnothing lost, nothing twice: seed {wishes.seed}, {count} schedules", flush=True)
    return 0


def tell_each_nth() -> int:
    """Let each call fail once, in every way. Returns 0, or 1 at the first difference."""
    with (
        tempfile.TemporaryDirectory() as place,
        counting_side() as side,
        Nursery(built(Path(place))) as nursery,
    ):
        for fault in (*DISK_FAULTS, *REQUEST_FAULTS):
            told, number, began_s = (each_call if fault in DISK_FAULTS else each_request), 0, time.monotonic()
            try:
                for number in told(fault, nursery, side):
                    print(f"\r{fault}: number {number}", end="", flush=True)
            except AssertionError as error:
                print(f"DIFFERENCE: {error}", flush=True)
                return 1
            print(
                f"\r{fault}: {number - 1} failed one by one, {time.monotonic() - began_s:.0f} s", flush=True
            )
    return 0


def main() -> int:
    """Exit 0 when all was as expected, 1 at the first difference, 2 when a server is missing."""
    parser = argparse.ArgumentParser(
        prog="make crash", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, help="of the first; the next ones count on")
    parser.add_argument("--schedules", type=int, help="of the core")
    parser.add_argument("--daemons", type=int, help="schedules of whole daemons")
    parser.add_argument("--nth", action="store_true", help="each write, commit and request fails once")
    parser.add_argument("--told", action="store_true", help="tell what happened, also when all is well")
    wishes = parser.parse_args()
    if wishes.schedules is None and wishes.daemons is None and not wishes.nth:
        wishes.schedules, wishes.daemons, wishes.nth = 200, 10, True
    wishes.schedules, wishes.daemons = wishes.schedules or 0, wishes.daemons or 0
    wishes.seed = secrets.randbelow(10**6) if wishes.seed is None else wishes.seed
    # The doors before the servers would tell each connection that they cut.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    print(f"seed {wishes.seed}: {wishes.schedules} schedules, {wishes.daemons} of whole daemons", flush=True)
    try:
        differs = tell_all(wishes) if wishes.schedules or wishes.daemons else 0
        return differs or (tell_each_nth() if wishes.nth else 0)
    except pytest.skip.Exception as missing:
        print(missing)
        return 2


if __name__ == "__main__":
    sys.exit(main())
