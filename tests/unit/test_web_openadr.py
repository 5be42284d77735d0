"""The page while a utility's VTN does not answer: it says so, and with which cure."""

import pytest

from config.loading import load_site
from monitor.store.rows import Commit, ConditionRow
from monitor.store.writer import submit_and_wait
from monitor.web.live import LiveState
from monitor.web.structured import structured
from monitor.web.view import fields
from tests.browser.make_store import ZONE, Faults, Feeder
from tests.unit.test_web_virtual import NOW_MS

ERROR = {"code": "openadr.slow", "data": {"url": "https://vtn.example", "seconds": "30"}}
OPENADR = (
    "curtailment:\n"
    "  openadr: {vtn_url: https://vtn.example, ven_name: hall, mode: dry-run, rules: [{plan: summer}]}\n"
)


@pytest.mark.parametrize("has_vtn", [True, False])
def test_trouble_with_the_vtn_is_told_where_a_site_has_one(tmp_path, has_vtn):
    feeder = Feeder(tmp_path, NOW_MS, Faults(days=1, plan=True))
    feeder.open()
    if has_vtn:
        text = feeder.site_file.read_text(encoding="utf-8")
        feeder.site_file.write_text(text.replace("curtailment:\n", OPENADR, 1), encoding="utf-8")
    state = LiveState(load_site(feeder.site_file))
    submit_and_wait(feeder.writer, Commit(conditions=[ConditionRow("openadr", "offline", NOW_MS, ERROR)]))
    shown = state.step(NOW_MS)
    assert structured(shown, "city-hall")["openadr"] == (ERROR if has_vtn else None)
    for language, words in (("en", "took longer than 30 s"), ("zh-TW", "超過 30 秒")):
        notices = [one["text"] for one in fields(shown, language, ZONE)["h.notices"]]
        assert any(words in text for text in notices) is has_vtn
    state.close()
    feeder.close()
