"""Events of a utility's VTN, carried out over the wire; openleadr's server is the far end, a process."""

import json
import signal
import time
from datetime import datetime

import pytest

from tests.dispatch_world import COMMAND, PATIENCE_S, SHED, wait_for
from tests.openadr_world import INTERVAL_S, edge_in, give_past, hall, reasons
from tests.servers import Authority, run_program
from tests.servers.vtn import fingerprint_of, vtn

TRIES = 5
"""On a machine that stands still for seconds an event of ten seconds is over before anybody looked."""


def as_told(at_s: int) -> str:
    """An instant as the VTN keeps it."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at_s))}+00:00"


def run_event(utility, one, name):
    """An event of two intervals and two levels, from the VTN to its settlement; None where all was late."""
    before, start_s = one.registers(), edge_in(4)
    utility.tell("event", event_id=name, start_s=start_s, parts=[[INTERVAL_S, 1], [INTERVAL_S, 2]])
    wait_for("the opt", lambda: utility.opts(name) == [(0, "optIn")])
    wait_for("its end", lambda: one.facts(name)["life"] == "ended")
    wait_for("the release", lambda: one.registers() == before)

    def reported():
        told = {at: kw for resource, at, kw in utility.reported() if resource == "building"}
        return [told[at] for at in (as_told(start_s), as_told(start_s + INTERVAL_S)) if at in told]

    wait_for("its intervals to be reported", lambda: len(reported()) == 2)
    wanted = ("--programme", "taipower-demand-bidding-later", "--bid", "5", "--committed", "80")
    code, said = one.dr("settle", name, *wanted, "--preset", "taipower-mean-of-5", "--json")
    facts = one.facts(name)
    if code != 0 or datetime.fromisoformat(facts["start"]).timestamp() != start_s:
        return None
    (settled,) = json.JSONDecoder().raw_decode(said)[0]["events"]
    return facts, sum(reported()) / 2, settled


def signed_with_tls(folder):
    """What makes a VTN, and a site file, show who they are: certificates of one authority, and signatures."""
    authority = Authority(folder / "tls")
    theirs = authority.sign("vtn", alternatives="IP:127.0.0.1")
    ours = authority.sign("hall")
    options = {
        "http_cert": str(theirs.file),
        "http_key": str(theirs.key),
        "http_ca_file": str(authority.own.file),
        "cert": str(theirs.file),
        "key": str(theirs.key),
        "ven_fingerprint": fingerprint_of(ours.file),
        "show_server_cert_domain": False,
    }
    said = (
        "    tls: {ca: tls/authority.pem, certificate: tls/hall.pem, key: tls/hall.key}\n"
        f"    vtn_fingerprint: '{fingerprint_of(theirs.file)}'\n"
        "    sign: true\n    poll_s: 0.5\n"
    )
    return options, [("    poll_s: 0.5\n", said)]


def test_an_event_is_received_opted_in_to_curtailed_reported_and_settled(tmp_path):
    # All over TLS with signed messages; the other tests speak without.
    options, said = signed_with_tls(tmp_path)
    with vtn(report_s=1, **options) as (utility, _), hall(tmp_path, utility.url, replaced=said) as one:
        give_past(tmp_path / "energy.db", 500.0)
        with one.daemon() as daemon:
            daemon.wait_for_line("registered with .* as ven-7", timeout_s=PATIENCE_S)
            runs = (run_event(utility, one, f"peak-{number}") for number in range(TRIES))
            facts, drawn_kw, settled = next(run for run in runs if run is not None)
            assert (facts["source"], facts["who"]) == ("openadr", "wang (hall)")
            sheds = {write["action"]: write for write in facts["writes"] if write["purpose"] == "shed"}
            assert {write["outcome"] for write in facts["writes"]} <= {"obeyed", "already"}
            assert sheds.keys() == SHED.keys()
            assert max(sheds["warmer"]["at"], sheds["limit"]["at"]) < sheds["third"]["at"]  # level 2
            assert "changed" in [step["kind"] for step in facts["steps"]]
            assert drawn_kw > 0
            assert settled["drawn_kw"] == pytest.approx(drawn_kw, abs=0.001)
            assert settled["curtailed_kw"] == pytest.approx(500 - drawn_kw, abs=0.001)
            assert float(settled["credit"]) > 0
            assert (status := one.status()["openadr"])["state"] == "online", status
            record = str(tmp_path / "record.json")
            code, said = one.dr("export", facts["event"], "--out", record)
            assert code == 0, said
    with run_program([*COMMAND, "dr", "check", record], name="dr check") as check:
        assert check.wait(PATIENCE_S) == 0, check.output


def test_an_event_is_changed_cancelled_refused_and_ended_by_us(tmp_path):
    with vtn() as (utility, _), hall(tmp_path, utility.url) as one, one.daemon() as daemon:
        before, now_s = one.registers(), time.time()
        daemon.wait_for_line("registered with", timeout_s=PATIENCE_S)
        utility.tell("event", event_id="off", start_s=now_s + 3000, parts=[[600, 2]])
        utility.tell("event", event_id="other", start_s=now_s + 3300, parts=[[600, 2]])
        power = {"context": "http://utility/power", "name": "LOAD_DISPATCH", "watts": "k"}
        utility.tell(
            "event", event_id="set", start_s=now_s + 6000, parts=[[600, 9]], kind="setpoint", **power
        )
        wait_for("the first", lambda: utility.opts("off") == [(0, "optIn")])
        wait_for("what overlaps", lambda: utility.opts("other") == [(0, "optOut")])
        wait_for("what no rule fits", lambda: utility.opts("set") == [(0, "optOut")])
        assert (reasons(one, "other"), reasons(one, "set")) == (["dispatch.overlaps"], ["openadr.no_rule"])
        utility.tell("cancel", event_id="off")
        wait_for("the cancellation", lambda: one.facts("off")["life"] == "cancelled")
        wait_for("its answer", lambda: utility.opts("off")[-1] == (1, "optIn"))
        facts = {"parts": [[1800, -120]], "kind": "delta", **power}
        utility.tell("event", event_id="moved", start_s=now_s + 3000, **facts)
        wait_for("the opt", lambda: utility.opts("moved") == [(0, "optIn")])
        assert one.facts("moved")["wanted_kw"] == 120.0
        utility.tell("event", event_id="moved", start_s=time.time() + 1, number=1, **facts)
        shed = {**SHED, "third": before["third"]}
        wait_for("the event, sooner", lambda: one.registers() == shed)
        assert one.registers() == shed
        wait_for("the answer", lambda: utility.opts("moved")[-1] == (1, "optIn"))
        one.abort("moved")
        wait_for("the release", lambda: one.registers() == before)
        wait_for("the VTN to be told", lambda: utility.opts("moved")[-1] == (1, "optOut"))
        assert [row["life"] for row in map(one.facts, ("off", "moved"))] == ["cancelled", "aborted"]


def test_a_reload_keeps_what_the_vtn_asked_for_and_goes_on_hearing_it(tmp_path):
    resumes = [("mode: live", "mode: live\n      on_restart: resume")]
    with (
        vtn() as (utility, _),
        hall(tmp_path, utility.url, replaced=resumes) as one,
        one.daemon() as daemon,
    ):
        before = one.registers()
        daemon.wait_for_line("registered with", timeout_s=PATIENCE_S)
        utility.tell("event", event_id="long", start_s=time.time() + 1, parts=[[1800, 2]])
        utility.tell("event", event_id="later", start_s=time.time() + 3600, parts=[[1800, 2]])
        one.wait_until_shed("long")
        one.site.write_text(one.site.read_text(encoding="utf-8") + "# a remark\n", encoding="utf-8")
        after = len(daemon.lines)
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_line("reading 5 devices", after=after, timeout_s=PATIENCE_S)
        daemon.wait_for_line("registered with", after=after, timeout_s=PATIENCE_S)
        utility.tell("event", event_id="last", start_s=time.time() + 9000, parts=[[600, 2]])
        wait_for("what came after the reload", lambda: utility.opts("last") == [(0, "optIn")])
        assert [one.facts(event)["life"] for event in ("long", "later")] == ["active", "scheduled"]
        assert one.registers() == SHED
        utility.tell("cancel", event_id="long")
        wait_for("the release", lambda: one.registers() == before)
        wait_for("its end", lambda: one.facts("long")["life"] == "aborted")
        assert one.facts("later")["life"] == "scheduled"
        assert set(utility.opts("later")) == {(0, "optIn")}
        assert daemon.terminate() == 0
