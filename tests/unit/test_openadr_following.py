"""What becomes of a VTN's event once it is agreed: its levels, its signal, and how it ends."""

import pytest
from sqlalchemy.exc import OperationalError

from monitor.store.event_requests import EventRequest
from rules.curtailment import Life
from tests.openadr_hall import HALF, Hall, full_disk, told
from tests.unit.test_dispatch_desk import HOUR, NOW


def test_what_is_ended_here_is_told_once_and_stays_so(tmp_path):
    hall = Hall(tmp_path)
    hall.hear(told())
    hall.becomes(Life.ACTIVE)
    wish = EventRequest("abort", hall.clock.ms, "root", event="e1")
    hall.desk.carry_out(hall.engine, "hall", wish)
    assert [(opt.event, opt.is_in) for opt in hall.do("opted_out_here")] == [("e1", False)]
    assert hall.do("opted_out_here") == []
    assert hall.hear(told(), told(number=1)) == [("e1", 0, False), ("e1", 1, False)]
    assert hall.only().life is Life.ABORTED
    assert hall.reasons() == ["in", "openadr.ended_here"]


def test_levels_change_while_it_lasts_also_after_a_restart(tmp_path):
    hall = Hall(tmp_path)
    thirds = told(lengths=(600_000,) * 3, values=(1.0, 2.0, 0.0))
    hall.hear(thirds)
    hall.clock.ms = NOW + HOUR
    hall.becomes(Life.ACTIVE)
    hall.do("look")
    assert (hall.only().wanted_kw, hall.only().signal.is_active) == (40.0, True)
    hall.restart()
    hall.hear(thirds)
    hall.clock.ms = NOW + HOUR + 600_000
    hall.do("look")
    assert (hall.only().wanted_kw, hall.only().signal.is_active) == (None, True)
    hall.clock.ms = NOW + HOUR + 1_200_000
    hall.do("look")
    assert hall.only().signal.is_active is False
    hall.clock.ms = NOW + HOUR + 1_800_000
    before = hall.steps()
    hall.do("look")
    assert hall.steps() == before == ["scheduled", "active", "changed", "signal"]


def test_a_level_that_is_refused_is_told_once_and_the_event_goes_on(tmp_path):
    hall = Hall(tmp_path)
    hall.hear(told(lengths=(600_000,) * 2, values=(1.0, 2.0)))
    hall.becomes(Life.ACTIVE)
    hall.key, hall.clock.ms = "guess", NOW + HOUR + 600_000
    hall.do("look")
    hall.do("look")
    assert hall.only().wanted_kw == 40.0
    with hall.engine.connect() as rows:
        refused = rows.exec_driver_sql("SELECT count(*) FROM audit WHERE action = 'dr.change'").scalar()
    assert refused == 1


def test_what_the_vtn_said_holds_anew_with_each_answer_and_is_unknown_without(tmp_path):
    hall = Hall(tmp_path)
    hall.hear(told())
    hall.clock.ms = NOW + 600_000
    changes = hall.changes
    hall.do("heard")
    assert (hall.only().signal.at_ms, hall.changes) == (NOW + 600_000, changes + 1)
    hall.clock.ms += 900_000
    assert hall.only().signal.state(hall.clock.ms) is None
    hall.do("silent")
    hall.do("silent")
    hall.do("heard")
    assert hall.only().signal.state(hall.clock.ms) is True
    assert hall.steps() == ["scheduled", "signal_lost", "signal"]
    hall.becomes(Life.CANCELLED)
    changes = hall.changes
    hall.do("heard")
    hall.do("silent")
    hall.do("look")
    assert hall.changes == changes
    assert hall.steps()[-1] == "cancelled"


def test_a_signal_that_the_store_could_not_keep_is_told_again(tmp_path):
    hall = Hall(tmp_path)
    hall.hear(told(lengths=(600_000,) * 2, values=(2.0, 0.0)))
    hall.becomes(Life.ACTIVE)
    hall.clock.ms = NOW + HOUR + 600_000
    hall.troubles = [full_disk()]
    with pytest.raises(OperationalError):
        hall.do("look")
    assert hall.only().signal.is_active is True
    hall.do("look")
    assert hall.only().signal.is_active is False


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("end_ms", [None, NOW + HOUR + HALF])
def test_what_is_completed_early_or_had_no_length_ends(tmp_path, number, end_ms):
    hall = Hall(tmp_path)
    hall.hear(told(end_ms=end_ms))
    hall.becomes(Life.ACTIVE)
    hall.clock.ms = NOW + HOUR + 60_000
    over = told(number=number, end_ms=end_ms, status="completed")
    assert hall.hear(over, over) == [("e1", number, True)] * 2
    assert hall.only().life is Life.ABORTED
    hall.clock.ms += 60_000
    hall.do("heard")
    assert hall.only().signal.at_ms == NOW
    assert (hall.do("opted_out_here"), hall.reasons()) == ([], ["in", "in"])


def test_what_is_completed_with_a_shorter_length_ends(tmp_path):
    hall = Hall(tmp_path)
    hall.hear(told())
    hall.becomes(Life.ACTIVE)
    hall.clock.ms = NOW + HOUR + 600_000
    hall.hear(told(number=1, lengths=(600_000,), status="completed"))
    assert hall.only().life is Life.ABORTED


@pytest.mark.parametrize("number", [0, 1])
def test_what_is_completed_in_time_ends_by_itself_also_where_it_began_late(tmp_path, number):
    hall = Hall(tmp_path)
    hall.hear(told(tolerance_s=600.0))
    hall.becomes(Life.ACTIVE)
    hall.clock.ms = NOW + HOUR + HALF
    over = told(number=number, tolerance_s=600.0, status="completed")
    hall.hear(over)
    hall.do("heard")
    assert (hall.only().life, hall.only().signal.at_ms) == (Life.ACTIVE, hall.clock.ms)
    hall.becomes(Life.ENDED)
    changes = hall.changes
    hall.hear(over)
    hall.do("heard")
    assert hall.changes == changes
    assert hall.only().life is Life.ENDED
