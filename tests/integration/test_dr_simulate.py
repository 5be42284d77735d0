"""A plan taken through a year: the model's by a process of its own, and the site's own past."""

import json
from datetime import datetime

import pytest

from tests.dr_world import make_site, run_dr
from tests.import_world import run_import
from tests.tariff_world import TAIPEI
from tests.unit.test_config_limiter import SITE

HOUSE = SITE.replace("id: m, profile", "id: main, profile").replace("m.energy_import", "main.energy_import")


def write(folder, text):
    path = folder / "site.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_year_of_the_model_in_both_languages(tmp_path):
    text = HOUSE.replace("limit_kw: 950", "limit_kw: 5300") + "building: {floor_area_m2: 196684}\n"
    site = write(tmp_path, text.replace("expected_kw: 80", "expected_kw: 200"))
    code, said = run_dr(site, "simulate", "--year", "2025", "--json")
    assert code == 0, said
    facts = json.loads(said)
    assert (facts["source"], facts["plan"], facts["year"]) == ("model", "summer", 2025)
    assert facts["saved_kw"] == pytest.approx(facts["peak_before_kw"] - facts["peak_after_kw"], abs=0.11)
    assert facts["saved_kw"] > 0
    assert facts["over_limit"]["after"] < facts["over_limit"]["before"]
    assert [one["month"] for one in facts["months"]] == list(range(1, 13))
    (action,) = facts["actions"]
    assert action["starts"] > 0
    assert action["most_writes_a_day"] <= action["writes_per_day"]
    code, said = run_dr(site, "simulate", "--year", "2025", "--limit", "6000", language="zh-TW")
    assert code == 0, said
    assert "上限 6,000 kW" in said
    assert "少 0 kW" in said


def test_the_sites_own_year_goes_first(tmp_path):
    site = write(tmp_path, HOUSE.replace("contract: {capacity_kw: 1000}\n", ""))
    begin_s = int(datetime(2025, 1, 1, tzinfo=TAIPEI).timestamp())
    rows = ["start,quantity"]
    for at in range(365 * 24 * 4):
        # 500 kW; on the second of June from 14:00 to 15:00 1000 kW.
        hot = 152 * 96 + 56 <= at < 152 * 96 + 60
        rows.append(f"{datetime.fromtimestamp(begin_s + at * 900, TAIPEI).isoformat()},{250 if hot else 125}")
    (tmp_path / "year.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    declared = ("--set", "values.0.meter=main", "--set", "values.0.unit=kWh")
    code, said = run_import(site, "intervals", tmp_path / "year.csv", *declared)
    assert code == 0, said
    code, said = run_dr(site, "simulate", "--year", "2025", "--json")
    assert code == 0, said
    facts = json.loads(said)
    assert (facts["source"], facts["known"]) == ("own", 1.0)
    # 500 kW at the window's turn; from its first minute on the power is 1000 kW, beyond 97 % of 950 kW, and
    # 80 kW go: (1000 + 920 * 14) / 15 kW. The next three are 920 kW; nothing goes back before 500 kW.
    assert facts["peak_before_kw"] == 1000
    assert facts["peak_after_kw"] == pytest.approx((1000 + 920 * 14) / 15, abs=0.05)
    assert facts["over_limit"] == {"before": 4, "after": 0}
    assert facts["actions"][0]["starts"] == 1
    assert facts["comfort_k"] is None
    code, said = run_dr(site, "simulate", "--year", "2024", "--source", "own")
    assert (code, "95 %" in said) == (1, True)


def test_what_cannot_be_simulated_is_told(tmp_path):
    site = write(tmp_path, HOUSE)
    for words, expected in (
        (("--plan", "sommer"), "did you mean 'summer'?"),
        (("--plan", "nope"), "there is no plan 'nope' under 'curtailment'. There is: summer."),
        (("--source", "weather"), "own, model"),
        (("--year", "1999"), "2015"),
        (("--limit", "0"), "above 0 kW"),
    ):
        code, said = run_dr(site, "simulate", *words)
        assert (code, expected in said) == (2, True), said
    code, said = run_dr(make_site(tmp_path), "simulate")
    assert (code, "no plan" in said) == (2, True), said
