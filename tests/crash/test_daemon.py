"""One schedule of the daemon as a whole process; `make crash` tells more of them."""

from tests.crash.daemon import WholeDaemon
from tests.crash.far_sides import far_sides


def test_a_daemon_that_is_killed_and_ended_loses_nothing_and_counts_nothing_twice():
    with far_sides(("influx", "victoria")) as sides:
        daemon = WholeDaemon(3, sides, "hall")
        try:
            daemon.tell(3)
        except BaseException:
            print(*daemon.log, sep="\n")
            raise
