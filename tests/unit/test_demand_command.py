"""``energy-monitor demand``: the highest windows, what ran then, by tariff period, nothing from doubts."""

import json
import math
from datetime import date

import numpy as np
import pytest

from monitor.baselines import measured_kw
from monitor.cli.demand import run_demand
from rules.quality import Quality
from rules.tops import Top, can_be_peaks, duration_curve, highest
from tests.billed_site import TARIFF, fill, months_of, write_site
from tests.tariff_world import intervals

DAYS = date(2025, 10, 13), date(2025, 10, 19)
CHILLER = """
  - id: chiller-1-power
    name: {zh-TW: 一號冰水主機, en: Chiller 1}
    commodity: electricity
    formula: 0.4 * building
"""


def site_with(folder, tariff=TARIFF):
    path = write_site(folder, tariff)
    text = path.read_text("utf-8")
    path.write_text(text.replace("\nsinks:", CHILLER + "\nsinks:"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    path = site_with(tmp_path_factory.mktemp("demand"))
    rows = months_of(*DAYS)
    fill(path, [*rows[:60], (rows[60][0], 150.0), *rows[61:]])
    fill(path, [(start_s, kwh * 0.4) for start_s, kwh in rows], "chiller-1-power", register_start=math.nan,
         register_end=math.nan)  # fmt: skip
    fill(path, [(rows[64][0], 500.0)], quality=int(Quality.ESTIMATED), caught_up=True)
    return path


def demand(site, period="2025-10", meter=None, count=10, language="en", as_json=False):
    return run_demand(site, period, meter, count, language, as_json=as_json)


def test_the_highest_windows_and_what_ran_then(site, capsys):
    assert demand(site) == 0
    told = capsys.readouterr().out
    assert "671 of 2,976 windows are complete and measured" in told
    assert " 1  600.0  2025-10-13 15:00  Chiller 1 1" in told
    assert "2,000.0" not in told  # an estimated window is none
    assert "half-peak 600.0 kW (2025-10-13 15:00)" in told
    assert "The highest stands on Main meter [building]: register" in told
    assert demand(site, "114-10", language="zh-TW") == 0
    assert "114年10月需量：總電表" in capsys.readouterr().out


def test_a_year_that_is_not_over_says_nothing_of_its_months_to_come(site, capsys):
    assert demand(site, "2025") == 0
    told = capsys.readouterr().out
    assert "2025-10: " in told
    assert "2025-12: " not in told


def test_what_was_imported_stands_on_no_register(tmp_path, capsys):
    path = site_with(tmp_path)
    fill(path, months_of(*DAYS), register_start=math.nan, register_end=math.nan)
    for language, words in (("en", "imported, without registers; good"), ("zh-TW", "匯入資料，無暫存器讀數")):
        assert demand(path, language=language) == 0
        assert f"[building]: {words}" in capsys.readouterr().out.replace("： ", ": ").replace("：", ": ")


def test_for_programs(site, capsys):
    assert demand(site, count=2, as_json=True) == 0
    data = json.loads(capsys.readouterr().out)
    assert [round(one["kw"]) for one in data["tops"]] == [600, 420]
    assert data["tops"][0]["start"] == "2025-10-13T07:00:00.000Z"
    assert data["tops"][0]["rows"][0]["quality"] == "good"
    (chiller,) = data["tops"][0]["others"]
    assert (chiller["meter"], chiller["measured"]) == ("chiller-1-power", True)
    assert data["curve"][0] == {"share": 0.0, "kw": 600.0}
    assert set(data["months"][0]["peaks"]) == {"peak", "half_peak", "saturday_half_peak", "off_peak"}


def test_a_formula_has_a_demand_of_its_own(site, capsys):
    assert demand(site, meter="chiller-1-power", count=1, as_json=True) == 0
    (top,) = json.loads(capsys.readouterr().out)["tops"]
    assert top["kw"] == pytest.approx(0.4 * 420)
    assert [row["meter"] for row in top["rows"]] == ["building"]


@pytest.mark.parametrize(
    ("period", "meter", "words", "code"),
    [
        ("2025-11", None, "no window of 2025-11 is complete and measured", 1),
        ("soon", None, "'soon' is not a period.", 2),
        ("2025-10", "chiler-1-power", "did you mean 'chiller-1-power'?", 2),
    ],
)
def test_what_cannot_be_shown(site, capsys, period, meter, words, code):
    assert demand(site, period, meter) == code
    assert words in capsys.readouterr().err


def test_without_a_tariff_there_are_no_periods(tmp_path, capsys):
    path = write_site(tmp_path, "")
    fill(path, months_of(date(2025, 10, 13), date(2025, 10, 13)))
    assert demand(path) == 0
    assert "peak" not in capsys.readouterr().out


def test_a_month_whose_periods_nobody_knows_says_so(tmp_path, capsys):
    path = write_site(tmp_path)
    fill(path, months_of(date(2020, 10, 13), date(2020, 10, 13)))
    assert demand(path, "2020-10") == 0
    assert "does not say which hours are in which period" in capsys.readouterr().out


# -- rules ------------------------------------------------------------------------------------------------


def test_of_two_alike_the_earlier_counts():
    series = intervals(date(2025, 10, 1), date(2025, 10, 1))
    series.quantity[[5, 9]] = 10
    starts = series.start.astype(np.int64)
    assert highest(series, 900, 2) == (Top(int(starts[5]), 40.0), Top(int(starts[9]), 40.0))


def test_a_curve_of_four_windows():
    series = intervals(date(2025, 10, 1), date(2025, 10, 1), interval_s=21_600)
    series.quantity[:] = [6, 24, 12, 18]
    assert duration_curve(series, 21_600, (0.0, 0.25, 0.5, 0.99, 1.0)) == (4.0, 3.0, 2.0, 1.0, 1.0)
    assert all(math.isnan(kw) for kw in duration_curve(series, 900, (0.0, 1.0)))
    assert highest(series, 900, 3) == ()


@pytest.mark.parametrize(("coverage", "counts"), [(1.0, True), (1 - 1e-12, True), (0.9999, False)])
def test_complete_means_the_same_for_a_peak_and_for_a_baseline(coverage, counts):
    series = intervals(date(2025, 10, 1), date(2025, 10, 1))
    series.coverage[:] = coverage
    assert can_be_peaks(series, 900).all() == counts
    assert np.isfinite(measured_kw(series, 900)).all() == counts
    assert bool(highest(series, 900, 1)) == counts
