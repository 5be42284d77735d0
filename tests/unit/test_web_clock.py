"""The page while the daemon's clock is set: it says so, and begins anew where time went back."""

import numpy as np
import pytest

from config.loading import load_site
from monitor.store.rows import Commit, ConditionRow, ResultRow, Snapshot
from monitor.store.writer import submit_and_wait
from monitor.web.live import LiveState
from monitor.web.structured import structured
from monitor.web.view import fields
from rules.counters import CounterLimits
from rules.metering import MeterRules, MeterTrack
from rules.setback import set_back
from tests.browser.make_store import ZONE, Faults, Feeder
from tests.unit.test_web_virtual import NOW_MS, NOW_S

ERROR = {"code": "clock.impossible", "data": {"shown": "1970-01-01T00:00:00.000Z"}}


@pytest.fixture
def place(tmp_path):
    feeder = Feeder(tmp_path, NOW_MS, Faults(days=1))
    feeder.open()
    state = LiveState(load_site(feeder.site_file))
    yield feeder, state
    state.close()
    feeder.close()


def test_a_clock_that_is_not_believed_is_told(place):
    feeder, state = place
    before = state.step(NOW_MS)
    assert before.clock_error is None
    row = ConditionRow("clock", "holding", NOW_MS, ERROR)
    submit_and_wait(feeder.writer, Commit(conditions=[row]))
    after = state.step(NOW_MS + 1000)
    for language, word in (("en", "time server"), ("zh-TW", "時間伺服器")):
        notices = [one["text"] for one in fields(after, language, ZONE)["h.notices"]]
        assert any(word in text for text in notices)
    assert structured(after, "city-hall")["clock"] == ERROR


def test_where_time_went_back_the_page_begins_with_the_daemons_account(place):
    feeder, state = place
    # The daemon's readings lay an hour ahead, and were set back.
    track = MeterTrack(MeterRules(CounterLimits(2000.0), 900, 90_000))
    for at_s in range(NOW_S + 3600 - 1200, NOW_S + 3600 - 5, 10):
        track.take(at_s * 1000, 1000.0 + at_s - NOW_S, float("nan"), 0)
    track.close_due()
    states = {meter: set_back(track, 3_600_000, 900.0).save() for meter in ("main-1", "main-2")}
    state.step(NOW_MS)
    forward = ResultRow("clock", "clock", NOW_S - 5, {"step_s": 5.0})
    submit_and_wait(feeder.writer, Commit(results=[forward]))
    state.step(NOW_MS + 500)
    assert state._position is not None
    board = state._board
    back = ResultRow("clock", "clock", NOW_S, {"step_s": -3600.0})
    position = feeder.next_id - 1
    submit_and_wait(feeder.writer, Commit(results=[back], snapshot=Snapshot(position, states, {})))
    snapshot = state.step(NOW_MS + 1000)
    assert state._board is not board
    # What was counted twice over is in nobody's open window.
    traces = state._board.traces
    for meter in ("main-1", "main-2"):
        found = traces[meter].advance_since((NOW_S // 900 * 900) * 1000)
        assert found is None or found.quantity < 900.0 / 2
    assert snapshot.window is None or np.isfinite(snapshot.window.demand.mean_kw)
