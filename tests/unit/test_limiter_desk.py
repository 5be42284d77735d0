"""Who may arm the limiter, with which plan and settings; each refusal in words, audited, nothing changed."""

import json

import pytest

from config.loading import load_site
from monitor.cli.check import run_check
from monitor.dispatch.limiter_desk import LimiterDesk, orders_of
from monitor.store.database import StoreError, open_writer
from monitor.store.event_reader import EventReader
from monitor.store.events import EventRow, Step
from monitor.store.limiter_requests import ArmRequest, SimulatedRequest
from monitor.store.limiting import begin_run
from monitor.store.requests import RequestBox
from rules.curtailment import Life, Mode
from tests.unit.test_config_curtailment import DIGEST, KEY
from tests.unit.test_config_limiter import SITE
from tests.unit.test_dispatch_desk import NOW, Fixed

OPERATORS = f"""\
curtailment:
  operators:
    - {{id: wang, role: dispatcher, key: "{DIGEST}"}}
    - {{id: lin, role: viewer, key: "{DIGEST}"}}
"""
LIVE = (
    SITE.replace("curtailment:\n", OPERATORS)
    .replace("dead_man_s: 7200", "dead_man_s: 7200\n      mode: live")
    .replace("limiter: {plan: summer,", "limiter: {plan: summer, mode: live,")
)


class Hall:
    def __init__(self, folder, text=LIVE):
        self.path = folder / "site.yaml"
        self.path.write_text(text, encoding="utf-8")
        self.loaded = load_site(self.path)
        self.engine = open_writer(self.loaded.store_path)
        self.clock = Fixed()
        self.changes = 0
        self.orders = orders_of(self.loaded)
        self.desk = LimiterDesk(self.loaded, self.clock, self.count)

    def count(self):
        self.changes += 1

    def ask(self, what="arm", **more):
        facts = {"asked_ms": self.clock.ms, "who": "root", "operator": "wang", "key": KEY, **more}
        return self.desk.carry_out(self.engine, "hall", ArmRequest(what, **facts)).state

    def simulate(self, digest=None):
        request = SimulatedRequest(
            digest or self.orders.digest, "root", NOW, {"plan": "summer", "year": 2025}
        )
        assert self.desk.keep(self.engine, "hall", request).state == "kept"

    def arming(self, digest=None):
        return EventReader(self.engine, "hall").limiter_arming(digest or self.orders.digest)

    def audit(self):
        with self.engine.connect() as rows:
            found = rows.exec_driver_sql("SELECT action, detail FROM audit ORDER BY id").all()
        return [(action, json.loads(detail)) for action, detail in found]


@pytest.fixture
def hall(tmp_path):
    made = Hall(tmp_path)
    yield made
    made.engine.dispose()


def test_it_is_armed_once_a_year_was_simulated_with_it(hall):
    assert hall.arming().missing == "limiter.not_simulated"
    hall.simulate()
    assert hall.arming().missing == "limiter.not_armed"
    assert (hall.ask(note="hot days"), hall.ask()) == ("armed", "unchanged")
    assert (hall.arming().missing, hall.arming().who) == (None, "wang (root)")
    assert (hall.ask("disarm"), hall.ask("disarm", operator="", key="")) == ("disarmed", "unchanged")
    assert hall.arming().missing == "limiter.not_armed"
    assert hall.changes == 5
    assert hall.audit()[0] == ("dr.simulate", {"digest": hall.orders.digest, "plan": "summer", "year": 2025,
                                               "source": None, "saved_kw": None})  # fmt: skip
    assert hall.audit()[1] == ("dr.arm", {"operator": "wang", "note": "hot days", "state": "armed"})
    assert KEY not in str(hall.audit())


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"operator": ""}, "dispatch.no_operator"),
        ({"operator": "chen"}, "dispatch.unknown_operator"),
        ({"operator": "lin"}, "dispatch.not_dispatcher"),
        ({"key": "guess"}, "dispatch.wrong_key"),
        ({"asked_ms": NOW - 61_000}, "dispatch.expired"),
    ],
)
def test_who_may_not_is_told_and_audited(hall, more, code):
    hall.simulate()
    with pytest.raises(StoreError) as error:
        hall.ask(**more)
    assert error.value.code == code
    assert hall.audit()[-1][1]["refused"] == code
    assert hall.arming().missing == "limiter.not_armed"


def test_without_a_simulation_of_exactly_this_nobody_may(hall):
    for digest, code in ((None, "limiter.not_simulated"), ("of another plan", "limiter.simulated_otherwise")):
        if digest:
            hall.simulate(digest)
        with pytest.raises(StoreError) as error:
            hall.ask()
        assert error.value.code == code


@pytest.mark.parametrize(
    ("old", "new", "is_another"),
    [
        ("to: 60", "to: 65", True),
        ("expected_kw: 80", "expected_kw: 81", True),
        ("dead_man_s: 7200", "dead_man_s: 7300", True),
        ("limit_kw: 950", "limit_kw: 951", True),
        ("freeze_s: 90", "freeze_s: 91", True),
        ("mode: live, limit_kw", "mode: dry-run, limit_kw", False),
        ("capacity_kw: 1000", "capacity_kw: 1100", False),
        ("dead_man_s: 7200", "notify_s: 60\n      dead_man_s: 7200", False),
    ],
)
def test_what_matters_makes_another_digest(hall, tmp_path, old, new, is_another):
    assert old in LIVE
    hall.simulate()
    hall.ask()
    (tmp_path / "other").mkdir()
    other = Hall(tmp_path / "other", LIVE.replace(old, new))
    assert (hall.arming(other.orders.digest).missing is not None) is is_another
    other.engine.dispose()
    if is_another:
        hall.simulate(other.orders.digest)
        assert hall.arming(other.orders.digest).missing == "limiter.armed_otherwise"


def test_the_contract_matters_where_it_is_the_limit(tmp_path):
    text = LIVE.replace("limit_kw: 950, ", "")
    halls = []
    for name, contract in (("one", "1000"), ("other", "1100")):
        (tmp_path / name).mkdir()
        halls.append(Hall(tmp_path / name, text.replace("capacity_kw: 1000", f"capacity_kw: {contract}")))
        halls[-1].engine.dispose()
    assert halls[0].orders.digest != halls[1].orders.digest


def test_only_a_live_limiter_is_armed(tmp_path):
    for name, text, code in (
        ("dry", LIVE.replace("mode: live, limit", "mode: dry-run, limit"), "limiter.not_live"),
        ("none", LIVE[: LIVE.index("limiter:")], "limiter.none"),
    ):
        (tmp_path / name).mkdir()
        one = Hall(tmp_path / name, text)
        with pytest.raises(StoreError) as error:
            one.ask()
        assert error.value.code == code
        one.engine.dispose()


def row(hall, mode):
    facts = {"start_ms": NOW, "end_ms": NOW + 1000, "noticed_ms": NOW, "source": "limiter", "changed_ms": NOW}
    return EventRow(id="limiter-1", plan=hall.orders.plan, mode=mode, life=Life.ACTIVE, who="", **facts)


def test_a_live_run_begins_only_while_it_is_armed_under_a_free_id(hall):
    first, digest = Step("limiter-1", NOW, "decision"), hall.orders.digest
    assert begin_run(hall.engine, "hall", row(hall, Mode.LIVE), digest, first) is None
    hall.simulate()
    hall.ask()
    ids = [begin_run(hall.engine, "hall", row(hall, Mode.LIVE), digest, first).id for _ in range(2)]
    hall.ask("disarm")
    assert begin_run(hall.engine, "hall", row(hall, Mode.LIVE), digest, first) is None
    ids.append(begin_run(hall.engine, "hall", row(hall, Mode.DRY_RUN), digest, first).id)
    assert ids == ["limiter-1", "limiter-1-2", "limiter-1-3"]
    reader = EventReader(hall.engine, "hall")
    assert [step["kind"] for step in reader.steps("limiter-1-2")] == ["active", "decision"]


def test_the_box_forgets_the_key_and_waits_for_a_desk(hall):
    hall.simulate()
    box = RequestBox(hall.loaded.store_path)
    number = box.put(ArmRequest("arm", NOW, "root", "wang", KEY))
    assert box.take_up(hall.engine, "hall") == 0
    box.give_to("limiter.arm", hall.desk.carry_out)
    assert box.take_up(hall.engine, "hall") == 1
    assert box.answer_to(number).state == "armed"
    assert KEY.encode() not in box.path.read_bytes()
    box.close()


def test_check_says_what_is_missing(hall, capsys):
    for language, words in (
        ("en", "would only watch: No year"),
        ("zh-TW", "只會監看：這個計畫與這些設定沒有模擬過"),
    ):
        assert run_check(hall.path, language, probe=False, as_json=False) == 0
        assert words in capsys.readouterr().err
    hall.simulate()
    hall.ask()
    assert run_check(hall.path, "en", probe=False, as_json=False) == 0
    assert "would only watch" not in capsys.readouterr().err
