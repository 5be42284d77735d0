"""A baseline of which the days are known, worked out again."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from config.baseline_presets import load_preset, preset_names
from rules.baseline.baseline import baseline, baseline_again
from rules.baseline.method import Adjustment, AdjustmentKind, Anchor, Days, Method, Span
from tests.baseline_world import FIRST, around, laid_out, occasion, table_kw

LOAD = laid_out(table_kw())


@pytest.mark.parametrize("name", preset_names())
@pytest.mark.parametrize("contract_kw", [900.0, 5000.0])
def test_every_preset_comes_to_the_same_figure_by_its_days(name, contract_kw):
    method, when = load_preset(name, Path()).method, occasion(notice=11)
    known = around(LOAD, contract_kw=contract_kw)
    found = baseline(LOAD, method, when, known)
    assert found.kw is not None
    days = [one.day for one in found.days]
    assert baseline_again(LOAD, method, when, known, days) == pytest.approx(found.kw, rel=1e-12)


def test_what_is_not_known_gives_no_figure():
    plain = Method(days=Days(2))
    day, known = date(2025, 7, 14), around(LOAD)
    assert baseline_again(LOAD, plain, occasion(), known, [day]) == pytest.approx(1000)
    assert baseline_again(LOAD, plain, occasion(), known, []) is None
    assert baseline_again(LOAD, plain, occasion(), known, [day, date(2024, 1, 1)]) is None
    noticed = Method(days=Days(1), adjustment=Adjustment(AdjustmentKind.ADDITIVE, Span(Anchor.NOTICE, -2, 0)))
    assert baseline_again(LOAD, noticed, occasion(), known, [day]) is None  # nobody said when it was told
    kw = table_kw()
    kw[(day - FIRST).days, 40] = np.nan  # an hour of the adjustment
    adjusted = Method(
        days=Days(1), adjustment=Adjustment(AdjustmentKind.ADDITIVE, Span(Anchor.START, -4, -1))
    )
    gap = laid_out(kw)
    assert baseline_again(gap, adjusted, occasion(), around(gap), [day]) is None
