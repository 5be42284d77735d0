"""A VTN that falls silent or talks rubbish, and a part that is missing: the daemon says so."""

import sys
import time

from tests.dispatch_world import PATIENCE_S, SHED, wait_for
from tests.openadr_world import condition, hall
from tests.servers import run_program
from tests.servers.vtn import vtn
from tests.unit.test_config_openadr import loaded

TTL_S = 4.0


def test_a_vtn_that_falls_silent_has_everything_handed_back_and_rubbish_changes_nothing(tmp_path):
    with vtn() as (utility, program), hall(tmp_path, utility.url, TTL_S) as one, one.daemon() as daemon:
        before = one.registers()
        daemon.wait_for_line("registered with", timeout_s=PATIENCE_S)
        event = {"event_id": "long", "start_s": time.time(), "parts": [[3000, 2]]}
        utility.tell("event", **event)
        wait_for("the event", lambda: one.registers() == SHED)
        program.kill()
        wait_for("the release", lambda: one.registers() == before)
        wait_for("what is said of it", lambda: condition(one) == ("offline", "openadr.unreachable"))
        assert one.facts("long")["life"] == "active"
        wait_for("its step", lambda: "signal_lost" in [step["kind"] for step in one.facts("long")["steps"]])
        facts = one.status()
        assert (facts["attention"], facts["openadr"]["error"]["code"]) == (True, "openadr.unreachable")
        with vtn(utility.port) as (again, _):
            again.tell("event", **event)
            wait_for("the event once more", lambda: one.registers() == SHED)
            wait_for("all to be well", lambda: condition(one) == ("online", None))
            for how, code in (
                ("rubbish", "openadr.garbled"),
                ("empty", "openadr.other_answer"),
                ("page", "openadr.garbled"),
                ("error", "openadr.http_status"),
            ):
                again.tell("misbehave", how=how)
                wait_for(how, lambda code=code: condition(one) == ("offline", code))
            again.tell("misbehave", how=None)
            again.tell("forget")  # it wants to be told anew who we are
            wait_for("all to be well again", lambda: condition(one) == ("online", None))
            assert again.heard("oadrCreatePartyRegistration")
            wait_for("the event at last", lambda: one.registers() == SHED)
            one.abort("long")
            wait_for("the release", lambda: one.registers() == before)


def test_without_the_extra_the_daemon_says_what_to_install(tmp_path):
    site = loaded(tmp_path).path
    hidden = "import sys; sys.modules['openleadr'] = None; from monitor.cli.main import main; main()"
    command = [sys.executable, "-c", hidden, "run", "--site", site]
    with run_program(command, name="daemon", env={"LANG": "en_US.UTF-8", "LC_ALL": ""}) as daemon:
        assert daemon.wait(PATIENCE_S) == 2
        assert "pip install 'facility-energy-monitor[openadr]'" in daemon.output
