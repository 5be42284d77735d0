"""What ``energy-monitor tariff`` prints: bills and what-if, for people in both languages and for programs."""

import json
from datetime import date, timedelta
from decimal import Decimal

import pytest

from monitor.cli.tariff_bill import run_bill
from monitor.cli.tariff_views import run_list, run_show
from monitor.cli.tariff_what_if import run_what_if
from rules.calendar import day_start_s
from tests.billed_site import TARIFF, day_kw, fill, months_of, write_site
from tests.tariff_world import TAIPEI

FIRST, LAST = date(2025, 9, 1), date(2025, 11, 30)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    path = write_site(tmp_path_factory.mktemp("billed"), contract="contract: {capacity_kw: 400}")
    fill(path, months_of(FIRST, LAST))
    return path


def bill(site, month, language="en", **options):
    return run_bill(site, month, None, options.get("factor"), language, as_json=options.get("as_json", False))


def test_a_bill_in_words(site, capsys):
    assert bill(site, "2025-11", factor="92") == 0
    told = capsys.readouterr().out
    assert "Tariff Taipower high voltage three-stage [taipower-hv-three-stage]" in told
    assert "intervals answer for 100.00% of the time" in told
    assert "basic charge                  400 kW × 166.9, 30/30 of a month" in told
    assert "66,760.00" in told
    assert "over contract, half-peak" in told
    assert "-1.2% of the lines above" in told
    assert "half-peak: 412.48 kW in the window from 2025-11-03 14:00" in told
    assert "Main meter [building]: register" in told
    assert "× 1, good" in told


def test_a_bill_in_chinese(site, capsys):
    assert bill(site, "114-10", "zh-TW") == 0
    told = capsys.readouterr().out
    assert told.startswith("區公所：114年10月電費\n")
    assert "2025-10-01 至 2025-10-15，夏月（31 日中的 15 日）" in told
    assert "超約附加費，半尖峰" in told
    assert "功率因數未知" in told
    assert "…" not in told


def test_a_bill_for_programs_adds_up(site, capsys):
    assert bill(site, "2025-10", as_json=True) == 0
    data = json.loads(capsys.readouterr().out)
    assert sum(Decimal(line["amount"]) for line in data["lines"]) == Decimal(data["total"])
    parts = [Decimal(kwh) for part in data["parts"] for kwh in part["energy_kwh"].values()]
    assert sum(parts) == Decimal(data["energy_kwh"])
    by_hand = sum(round(Decimal(kwh) * 10**6) for _, kwh in months_of(date(2025, 10, 1), date(2025, 10, 31)))
    assert Decimal(data["energy_kwh"]) == Decimal(by_hand) / 10**6
    peak = data["parts"][0]["peaks"]["peak"]
    assert peak["rows"][0]["quality"] == "good"
    assert peak["rows"][0]["register_end"] > peak["rows"][0]["register_start"]
    assert {note["code"] for note in data["notes"]} == {"in_parts", "no_power_factor"}


def test_a_month_before_the_prices_is_known_in_part(site, capsys):
    assert bill(site, "2025-09") == 1
    told = capsys.readouterr().out
    assert "price not known" in told
    assert "known so far" in told
    assert "The total is not known: see the notes." in told
    assert "has no price for peak, half-peak, Saturday half-peak, off-peak (summer)" in told
    assert "unverified: the basic rates of taipower-hv-three-stage" in told


@pytest.mark.parametrize(
    ("month", "words", "code"),
    [
        ("2025-12", "the store holds no interval of building in this month.", 1),
        ("2020-12", "the tariff taipower-hv-three-stage does not say which hours", 1),
        ("2900-01", "has not begun to be over", 2),
        ("2025", "'2025' is not one month.", 2),
        ("2025-10-01/2025-10-03", "is not one month.", 2),
        ("Oktober", "'Oktober' is not a period.", 2),
    ],
)
def test_what_cannot_be_billed_is_told(site, capsys, month, words, code):
    assert bill(site, month) == code
    assert words in capsys.readouterr().err
    assert bill(site, month, "zh-TW") == code
    assert words not in capsys.readouterr().err


@pytest.mark.parametrize("factor", ["0", "101", "abc", "nan"])
def test_a_power_factor_that_cannot_be(site, capsys, factor):
    assert bill(site, "2025-11", factor=factor) == 2
    assert "is no power factor" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("meter", "words"), [("bilding", "did you mean 'building'?"), ("water-main", "There is: building")]
)
def test_another_meter(site, capsys, meter, words):
    assert run_bill(site, "2025-11", meter, None, "en", as_json=False) == 2
    assert words in capsys.readouterr().err
    assert run_bill(site, "2025-11", "building", None, "en", as_json=False) == 0


@pytest.mark.parametrize(
    ("tariff", "contract", "words"),
    [
        ("", "contract: {capacity_kw: 400}", "the site file names no tariff."),
        (TARIFF, "", "the site file names no contract."),
    ],
)
def test_a_site_that_says_too_little(tmp_path, capsys, tariff, contract, words):
    assert bill(write_site(tmp_path, tariff, contract), "2025-11") == 2
    assert words in capsys.readouterr().err


def test_a_year_without_off_peak_days_is_told_with_the_cure(tmp_path, capsys):
    (tmp_path / "days.yaml").write_text(
        "calendar: days\nyears: {2024: {grade: P, source: x, days: {}}}\n", encoding="utf-8"
    )
    tariff = "tariff: {plans: [{name: taipower-hv-three-stage}], calendar: days.yaml}"
    site = write_site(tmp_path, tariff)
    fill(site, months_of(date(2025, 11, 1), date(2025, 11, 1)))
    assert bill(site, "2025-11") == 1
    assert "the calendar days has no list of off-peak days of 2025" in capsys.readouterr().err


def test_a_month_that_lacks_hours_says_so(tmp_path, capsys):
    site = write_site(tmp_path)
    rows = months_of(date(2025, 11, 1), date(2025, 11, 30))
    fill(site, rows[:100] + rows[108:])
    assert bill(site, "2025-11") == 0
    assert "2.00 hours (0.28%) are missing" in capsys.readouterr().out


# -- what if ----------------------------------------------------------------------------------------------


def what_if(site, contract, first="2025-09", last="2025-11", language="en", as_json=False):
    return run_what_if(site, contract, (first, last), None, None, language, as_json=as_json)


def test_what_another_contract_would_have_cost(site, capsys):
    assert what_if(site, "4800") == 0
    told = capsys.readouterr().out
    assert "asked: 4,800 kW" in told
    assert "least: 4" in told  # between the contract and the highest demand
    assert "4,800 kW would have cost" in told
    assert "more than 400 kW." in told
    assert what_if(site, None, language="zh-TW") == 0
    assert "最省" in capsys.readouterr().out


def test_what_if_agrees_with_the_bills(site, capsys):
    assert what_if(site, "420", "2025-11", "2025-11", as_json=True) == 0
    data = json.loads(capsys.readouterr().out)
    assert bill(site, "2025-11", as_json=True) == 0
    lines = json.loads(capsys.readouterr().out)["lines"]
    billed = sum(Decimal(line["amount"]) for line in lines if line["kind"] in ("basic", "over_contract"))
    assert Decimal(data["contracts"]["now"]["cost"]) == billed
    assert Decimal(data["contracts"]["asked"]["cost"]) == Decimal("166.9") * 420
    assert Decimal(data["contracts"]["best"]["cost"]) <= Decimal(data["contracts"]["asked"]["cost"])
    assert data["months"][0]["month"] == "2025-11"


def test_months_that_do_not_count_are_told(site, capsys):
    assert what_if(site, None, "2025-08", "2025-12") == 0
    told = capsys.readouterr().out
    assert "2025-08 is left out: the store holds no interval" in told
    assert "2025-12 is left out" in told


@pytest.mark.parametrize(
    ("contract", "first", "last", "words", "code"),
    [
        ("0", "2025-09", "2025-11", "'0' is no contract capacity.", 2),
        ("-5", "2025-09", "2025-11", "'-5' is no contract capacity.", 2),
        ("many", "2025-09", "2025-11", "'many' is no contract capacity.", 2),
        (None, "2025-11", "2025-09", "2025-11 is after 2025-09. Swap --from and --to.", 2),
        (None, "2025", "2025-09", "'2025' is no month.", 2),
        (None, "x", "2025-09", "'x' is not a period.", 2),
        (None, "2024-01", "2024-02", "No month of 2024-01-01 to 2024-02-29 can be held", 1),
    ],
)
def test_what_cannot_be_asked(site, capsys, contract, first, last, words, code):
    assert what_if(site, contract, first, last) == code
    assert words in capsys.readouterr().err


def test_the_last_year_when_nothing_is_said(site, capsys):
    assert run_what_if(site, None, (None, "2025-11"), None, None, "en", as_json=True) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["first"], data["last"]) == ("2024-12", "2025-11")


# -- list and show ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh-TW"])
def test_tariffs_are_listed_and_shown(capsys, language):
    assert run_list(language, as_json=False) == 0
    assert "taipower-hv-two-stage" in capsys.readouterr().out
    assert run_show("taipower-hv-three-stage", language, as_json=False) == 0
    told = capsys.readouterr().out
    assert "10:00-12:00" in told
    assert "9.39" in told
    assert "223.6" in told


def test_tariffs_for_programs(capsys):
    assert run_list("en", as_json=True) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    assert run_show("taipower-hv-three-stage", "en", as_json=True) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["energy"][0]["summer"]["peak"] == "9.39"
    assert data["hours"][-1]["summer"]["weekday"][2] == ["peak", "16:00-22:00"]


def test_the_house_of_these_tests_is_as_it_says():
    rows = months_of(date(2025, 11, 1), date(2025, 11, 2))
    assert len(rows) == 192
    assert rows[0] == (day_start_s(date(2025, 11, 1), TAIPEI), day_kw(0, date(2025, 11, 1)) / 4)
    assert rows[-1][0] == day_start_s(date(2025, 11, 2) + timedelta(days=1), TAIPEI) - 900
