"""Who lets the limiter write: a simulated year, an operator's key, and nothing changed since."""

from tests.dispatch_world import wait_for
from tests.limiter_world import limited


def modes(one):
    facts = one.facts()
    return facts.get("mode"), facts.get("missing")


def test_nothing_is_written_before_a_year_was_simulated_and_an_operator_armed_it(tmp_path):
    with limited(tmp_path) as one, one.plant.daemon() as daemon:
        before = one.plant.registers()
        daemon.wait_for_line("The limiter only watches: No year was simulated")
        one.meter.flows(1200)
        wait_for("it to want something", lambda: one.facts().get("next") == "warmer")
        assert modes(one) == ("monitor-only", "limiter.not_simulated")
        code, said = one.plant.dr("arm", "--operator", "wang")
        assert (code, "dr simulate" in said) == (1, True), said
        code, said = one.plant.dr("simulate", "--year", "2025", "--source", "model")
        assert (code, "holds for the limiter of the site file" in said) == (0, True), said
        wait_for("the daemon to know", lambda: modes(one) == ("monitor-only", "limiter.not_armed"))
        assert one.runs() == []
        assert one.plant.registers() == before
        assert one.plant.dr("arm", "--operator", "wang")[0] == 0
        run = one.wait_until_all_shed()
        assert one.plant.facts(run)["who"].startswith("wang (")
        code, said = one.plant.dr("limiter")
        assert (code, "Armed" in said, "Simulated" in said) == (0, True, True), said
        assert one.plant.dr("disarm")[0] == 0
        one.wait_until_back(before, run)
        assert modes(one) == ("monitor-only", "limiter.not_armed")
        code, said = one.plant.dr("list")
        assert (code, "aborted" in said, "Only watches" in said) == (0, True, True), said


def test_an_abort_disarms_and_changed_settings_have_to_be_simulated_again(tmp_path):
    with limited(tmp_path) as one:
        one.arm()
        before = one.plant.registers()
        one.meter.flows(1200)
        with one.plant.daemon():
            run = one.wait_until_all_shed()
            status = one.plant.status()
            assert (status["limiter"]["mode"], status["limiter"]["event"]) == ("live", run)
            assert status["events"] == []
            assert {action["state"] for action in status["limiter"]["actions"]} == {"shed"}
            assert one.plant.dr("abort", run)[0] == 0
            one.wait_until_back(before, run)
            assert modes(one) == ("monitor-only", "limiter.not_armed")
        one.arm(simulated=False)
        text = one.plant.site.read_text(encoding="utf-8")
        one.plant.site.write_text(text.replace("limit_kw: 1000", "limit_kw: 1010"), encoding="utf-8")
        with one.plant.daemon() as daemon:
            daemon.wait_for_line("Plan or settings have changed since the last simulation")
            wait_for("it to want something", lambda: one.facts().get("next") == "warmer")
            assert modes(one) == ("monitor-only", "limiter.simulated_otherwise")
            assert one.plant.registers() == before
        assert one.runs() == [run]
        code, said = one.plant.dr("arm", "--operator", "wang")
        assert (code, "changed since the last simulation" in said) == (1, True), said
