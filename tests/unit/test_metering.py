import math

import pytest

from rules.counters import CounterLimits, Verdict
from rules.metering import MeterRules, MeterTrack
from rules.quality import Quality
from rules.quantities import Kind
from rules.scan import Layout, PointSpec

RULES = MeterRules(CounterLimits(3600.0), interval_s=900, max_gap_ms=60_000)


def fed(times_s, rules=RULES, track=None):
    track = track or MeterTrack(rules)
    for t in times_s:
        track.take(t * 1000, float(t), math.nan, Quality.GOOD)
    return track


def test_a_meter_that_was_never_read_closes_nothing():
    assert MeterTrack(RULES).close_due() == []
    assert MeterTrack.restore(RULES, MeterTrack(RULES).save()).counter is None


def test_an_interval_over_a_new_register_is_suspect():
    track = fed(range(0, 600, 30))
    verdicts = [track.take(t * 1000, 0.001 * t, math.nan, Quality.GOOD) for t in range(600, 1000, 30)]
    assert verdicts[2] is Verdict.NEW_EPOCH
    assert verdicts[-1] is Verdict.COUNTED
    (interval,) = track.close_due()
    assert interval.quality == Quality.SUSPECT
    assert interval.epoch == 1


@pytest.mark.parametrize("last", [999_990.0, 999_700.0])
def test_a_register_that_rolls_over_near_an_edge_shows_what_its_display_would(last):
    """The reading before the edge and the one after it: 100 at the edge, or not rolled over yet."""
    track = MeterTrack(MeterRules(CounterLimits(9000.0, 1e6), interval_s=900, max_gap_ms=600_000))
    for t, raw in ((0, last - 600), (700, last), (1100, last + 400 - 1e6), (1900, last + 500 - 1e6)):
        track.take(t * 1000, raw % 1e6, math.nan, Quality.GOOD)
    first, second = track.close_due()
    at_edge = last + 200
    assert first.register_end == pytest.approx(at_edge % 1e6)
    assert second.register_start == pytest.approx(at_edge % 1e6 if last > 999_800 else at_edge - 1e6)
    assert second.register_end - second.register_start == pytest.approx(second.quantity)
    assert first.register_end - first.register_start == pytest.approx(first.quantity)


def test_another_length_of_interval_books_nothing_twice_and_loses_nothing():
    track = fed(range(0, 1000, 30))
    assert [one.start_s for one in track.close_due()] == [0]
    longer = MeterRules(RULES.limits, interval_s=3600, max_gap_ms=60_000)
    again = fed(range(1000, 8000, 30), track=MeterTrack.restore(longer, track.save()))
    closed = again.close_due()
    assert [(one.start_s, one.duration_s) for one in closed] == [(900, 2700), (3600, 3600)]
    assert [one.quantity for one in closed] == pytest.approx([2700.0, 3600.0])


def test_a_register_that_stood_still_is_caught_up_and_never_a_peak():
    """A gateway gives the same answer for ten hours, then the truth at once."""
    track = MeterTrack(MeterRules(CounterLimits(200.0), interval_s=900, max_gap_ms=60_000))
    closed = []
    for t in range(0, 60 * 3600, 30):
        frozen = 10 * 3600 <= t < 20 * 3600
        kwh = 100.0 * (10 * 3600 if frozen else t) / 3600
        track.take(t * 1000, kwh, math.nan, Quality.GOOD)
        closed += track.close_due()
    rows = {one.start_s: one for one in closed}  # as the store has them: the last word on each
    assert len(rows) < len(closed)
    assert sorted(rows) == list(range(0, 900 * len(rows), 900))
    assert sum(one.quantity for one in rows.values()) == pytest.approx(100.0 * 0.25 * len(rows))
    assert all(one.rate_avg == pytest.approx(100.0) for one in rows.values() if not one.caught_up)
    caught_up = [start for start, one in rows.items() if one.caught_up]
    assert 10 * 3600 in caught_up
    assert max(rows[start].quantity for start in caught_up) == pytest.approx(25.0, rel=0.01)


def test_a_register_that_is_renewed_once_a_minute_is_measured_all_the_same():
    track = MeterTrack(MeterRules(CounterLimits(200.0), interval_s=900, max_gap_ms=90_000))
    closed = []
    for t in range(7, 4 * 3600, 5):
        track.take(t * 1000, 100.0 * (t // 60 * 60) / 3600, math.nan, Quality.GOOD)
        closed += track.close_due()
    for one in closed[1:]:
        assert not one.caught_up
        assert one.rate_avg == pytest.approx(100.0, rel=0.02)


def test_an_old_clock_does_not_fill_a_quarter_of_a_century():
    track = MeterTrack(RULES)
    track.take(1_000_000_000_000, 5.0, math.nan, Quality.GOOD)
    track.take(1_800_000_000_000, 6.0, math.nan, Quality.GOOD)
    track.take(1_800_000_900_000, 7.0, math.nan, Quality.GOOD)
    closed = track.close_due()
    assert len(closed) == 1
    assert closed[0].quantity == pytest.approx(1.0)


def test_a_layout_says_what_it_lacks():
    layout = Layout("d", "main", "water", (PointSpec("flow", "m3/h", Kind.GAUGE),))
    assert layout.has("flow")
    assert not layout.has("volume")
    assert layout.index("flow") == 0
    with pytest.raises(KeyError):
        layout.index("volume")


def test_a_number_that_no_register_shows_begins_nothing_and_ends_nothing():
    """All bits set in an int64 register, at the first answer and for a while in the middle."""
    track = MeterTrack(MeterRules(CounterLimits(100.0), 900, 60_000))
    booked = 0.0
    for place in range(8641):
        raw = float(2**64 - 1) if place == 0 or 4000 <= place < 4010 else 12345 + 0.1 * place
        verdict = track.take(place * 10_000, raw, 36.0, 0)
        assert verdict.believed == (raw < 1e6)
        booked += sum(interval.quantity for interval in track.close_due())
    assert booked == pytest.approx(864.0, abs=0.2)
