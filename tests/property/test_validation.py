"""The limits of a few values are looked at one by one, those of many as a vector: both by one rule."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rules.quality import Quality
from rules.quantities import Kind
from rules.scan import Layout, PointSpec, Scan
from rules.validation import FEW, Validator

LIMITS = st.sampled_from([(-math.inf, math.inf), (0.0, math.inf), (-5.0, 5.0), (0.0, 0.0), (1e-300, 1e300)])
VALUES = st.one_of(
    st.floats(), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 5.0, math.nextafter(5.0, 6.0)])
)
CASES = st.lists(st.tuples(VALUES, LIMITS, st.sampled_from(list(Quality))), min_size=1, max_size=8)


def graded(cases):
    """The qualities of one scan after validation."""
    points = tuple(PointSpec(f"p{i}", "", Kind.GAUGE, *limits) for i, (_, limits, _) in enumerate(cases))
    values = np.array([value for value, _, _ in cases])
    quality = np.array([trust for _, _, trust in cases], dtype=np.uint8)
    layout = Layout("d", "main", "electricity", points)
    Validator(layout).grade(Scan(layout, 0, values, quality))
    return quality.tolist()


def deserved(value, limits, trust):
    """What one value deserves, in words: out of range or no number at all."""
    if limits[0] <= value <= limits[1]:
        return trust
    return max(trust, Quality.SUSPECT if math.isfinite(value) else Quality.MISSING)


@given(CASES)
def test_every_value_gets_the_quality_that_it_deserves(cases):
    assert graded(cases) == [deserved(*one) for one in cases]


@given(CASES)
def test_a_wide_scan_is_graded_as_a_narrow_one(cases):
    plain = [(1.0, (-math.inf, math.inf), Quality.GOOD)] * FEW
    assert graded([*cases, *plain])[: len(cases)] == graded(cases)
