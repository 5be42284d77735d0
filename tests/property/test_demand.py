import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.demand import DemandWindow

kilowatts = st.floats(0, 50_000)


@given(
    duration_s=st.integers(60, 3600),
    share=st.floats(0, 0.99),
    mean_kw=kilowatts,
    power_kw=kilowatts,
    limit_kw=st.floats(1, 50_000),
)
def test_shedding_what_is_asked_closes_the_window_at_the_limit(
    duration_s: int, share: float, mean_kw: float, power_kw: float, limit_kw: float
) -> None:
    open_window = DemandWindow(0, duration_s, share * duration_s, mean_kw, power_kw)
    shed_kw = open_window.shed_kw(limit_kw)
    after = DemandWindow(0, duration_s, share * duration_s, mean_kw, power_kw - shed_kw)
    assert after.projected_kw == pytest.approx(limit_kw, rel=1e-6, abs=1e-6)


@given(duration_s=st.integers(60, 3600), share=st.floats(0, 1), mean_kw=kilowatts, power_kw=kilowatts)
def test_the_projection_lies_between_the_mean_and_the_power_of_now(
    duration_s: int, share: float, mean_kw: float, power_kw: float
) -> None:
    projected_kw = DemandWindow(0, duration_s, share * duration_s, mean_kw, power_kw).projected_kw
    slack = 1e-9 * max(mean_kw, power_kw)
    assert min(mean_kw, power_kw) - slack <= projected_kw <= max(mean_kw, power_kw) + slack
