"""Which way an action sheds: a value that sheds more already is never brought back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.shedding import Action, Ramp, Sheds, direction, puts_load_on


def limit(**more):
    facts = {"to": 60.0, "by": None, "low": 40.0, "high": 100.0, "release": None, "sheds": Sheds.DOWN}
    return Action("a", "ch", "demand_limit_setpoint", **{**facts, **more})


@pytest.mark.parametrize(
    ("action", "stood", "target"),
    [
        (limit(), 100.0, 60.0),
        (limit(), 50.0, 50.0),  # a limit that stood lower is not raised
        (limit(), 30.0, 30.0),  # nor one below the operator's floor
        (limit(to=9.0, low=5.0, high=15.0, sheds=Sheds.UP), 7.0, 9.0),
        (limit(to=9.0, low=5.0, high=15.0, sheds=Sheds.UP), 11.0, 11.0),  # nor a set-point lowered
        (limit(to=None, by=2.0, low=5.0, high=10.0, sheds=Sheds.UP), 9.5, 10.0),
        (limit(to=None, by=2.0, low=5.0, high=10.0, sheds=Sheds.UP), 12.0, 12.0),  # by a ceiling either
        (limit(to=0.0, low=0.0, high=1.0, sheds=Sheds.EITHER), 1.0, 0.0),
        (limit(to=0.0, low=0.0, high=1.0, sheds=Sheds.EITHER), 2.0, 0.0),
    ],
)
def test_a_value_goes_the_way_that_sheds_or_stays(action, stood, target):
    assert action.target(stood) == target
    assert action.sheds_already(stood) is (target == stood)


def test_a_switch_that_is_off_already_sheds_already():
    off = limit(to=0.0, low=0.0, high=1.0, sheds=Sheds.EITHER)
    assert off.sheds_already(0.0)
    assert not off.sheds_already(1.0)


def test_what_differs_by_a_register_s_rounding_is_the_same():
    assert limit().sheds_already(60.00001)
    assert not limit().sheds_already(60.1)


numbers = st.floats(0, 120)


@given(
    st.sampled_from([Sheds.DOWN, Sheds.UP]), st.booleans(), numbers, numbers, st.floats(0.1, 50), st.data()
)
def test_every_step_of_every_ramp_goes_the_way_that_sheds(sheds, is_relative, value, stood, step, data):
    low = data.draw(st.floats(0, 100))
    high = data.draw(st.floats(low, 120))
    by = value if sheds is Sheds.UP else -value
    wish = {"to": None, "by": by} if is_relative else {"to": value, "by": None}
    one = limit(**wish, low=low, high=high, sheds=sheds, ramp=Ramp(step, 60.0))
    last = stood
    for s in range(0, 7200, 60):
        now = one.value_at(stood, float(s))
        assert now <= last if sheds is Sheds.DOWN else now >= last
        assert low <= now <= high or now == stood
        last = now
    assert last == pytest.approx(one.target(stood)) or step * 120 < abs(one.target(stood) - stood)


@pytest.mark.parametrize(
    ("quantity", "said", "by", "is_switch", "found"),
    [
        ("demand_limit_setpoint", None, None, False, Sheds.DOWN),
        ("chw_setpoint", None, None, False, Sheds.UP),
        ("chw_setpoint", Sheds.DOWN, None, False, Sheds.DOWN),  # whoever writes it down knows better
        ("enable_setpoint", None, None, True, Sheds.EITHER),
        ("valve_setpoint", None, None, False, None),
        ("valve_setpoint", None, -10.0, False, Sheds.DOWN),
        ("valve_setpoint", Sheds.EITHER, 10.0, False, Sheds.UP),
        ("valve_setpoint", None, 0.0, False, None),
        ("start_stop", None, None, True, Sheds.EITHER),
    ],
)
def test_a_direction_is_said_known_or_told_by_the_sign(quantity, said, by, is_switch, found):
    assert direction(quantity, said, by, is_switch=is_switch) is found


def test_a_relative_action_against_its_value_s_way_puts_load_on():
    assert puts_load_on(Sheds.DOWN, 5.0)
    assert puts_load_on(Sheds.UP, -1.0)
    assert not puts_load_on(Sheds.UP, 1.0)
    assert not puts_load_on(Sheds.DOWN, None)
    assert not puts_load_on(Sheds.DOWN, -5.0)
    assert not puts_load_on(None, 5.0)
