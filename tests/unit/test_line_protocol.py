"""The points in the series database: exact text, names, tags and times."""

import math
from dataclasses import replace

import numpy as np
import pytest

from config.site import Commodity
from monitor.sinks.contract import UnsendableError
from monitor.sinks.lines import ScanLine, interval_line, line, result_line
from monitor.store.changed import ChangedInterval, ChangedResult
from rules.quality import Quality
from rules.quantities import QUANTITIES
from rules.scan import Layout, PointSpec, Scan

SITE = "city-hall"
AT_MS = 1_514_736_900_250


def render(
    family: str, values: dict[str, float], quality: list[int] | None = None, device: str = "main"
) -> str:
    points = tuple(PointSpec(n, QUANTITIES[n].unit, QUANTITIES[n].kind) for n in values)
    layout = Layout(device, "main", family, points)
    qualities = np.array(quality or [0] * len(values), dtype=np.uint8)
    scan = Scan(layout, AT_MS, np.array(list(values.values())), qualities)
    return ScanLine(SITE, layout).render(scan).decode()


@pytest.mark.parametrize(
    ("family", "point", "device", "expected"),
    [
        ("electricity", "active_power_total", "main",
         "energy,building=city-hall,meter=main,site=city-hall active_power_kw=1.5,quality=0.0"),
        ("water", "flow", "inlet",
         "water,building=city-hall,meter=inlet,site=city-hall flow_m3h=1.5,quality=0.0"),
        ("chilled_water", "flow", "btu-1",
         "chilled_water,building=city-hall,meter=btu-1,site=city-hall flow_m3h=1.5,quality=0.0"),
        ("chiller", "chw_supply_temp", "ch-1",
         "chiller,building=city-hall,chiller=ch-1,site=city-hall chw_supply_c=1.5,quality=0.0"),
        ("weather", "temperature", "roof",
         "environment,building=city-hall,site=city-hall,zone=roof temperature_c=1.5,quality=0.0"),
        ("lift", "status", "lift-1",
         "lift,building=city-hall,device=lift-1,site=city-hall status=1.5,quality=0.0"),
    ],
)  # fmt: skip
def test_a_scan_is_one_line_of_its_familys_measurement(family, point, device, expected):
    assert render(family, {point: 1.5}, device=device) == f"{expected} {AT_MS}"


def test_every_number_is_a_float_and_reads_back_exactly():
    text = render(
        "electricity", {"energy_import": 1234567.0, "active_power_total": 0.1 + 0.2, "frequency": 5e-324}
    )
    fields = dict(pair.split("=") for pair in text.split(" ")[1].split(","))
    assert fields["import_kwh"] == "1234567.0"
    assert float(fields["active_power_kw"]) == 0.1 + 0.2
    assert float(fields["frequency_hz"]) == 5e-324


def test_quality_is_the_worst_of_the_scan():
    values = {"active_power_total": 1.0, "frequency": 2.0}
    assert ",quality=2.0 " in render("electricity", values, [Quality.GOOD, Quality.SUSPECT])


def test_what_is_missing_or_infinite_is_left_out():
    values = {
        "active_power_total": math.nan,
        "frequency": 60.0,
        "current_avg": math.inf,
        "voltage_ln_avg": -math.inf,
    }
    fields = render("electricity", values, [3, 0, 3, 3]).split(" ")[1]
    assert fields == "frequency_hz=60.0,quality=3.0"


def test_finite_values_whose_sum_overflows_all_arrive():
    fields = render("electricity", {"active_power_total": 1.7e308, "frequency": 1.7e308}).split(" ")[1]
    assert fields == "active_power_kw=1.7e+308,frequency_hz=1.7e+308,quality=0.0"


def test_a_scan_with_nothing_left_gives_no_line():
    assert render("electricity", {"active_power_total": math.nan}, [3]) == ""
    assert render("electricity", {}) == ""


ROW = ChangedInterval(
    seq=7,
    meter="main",
    start_s=1_514_736_900,
    duration_s=900,
    quantity=25.5,
    coverage=1.0,
    quality=1,
    rate_avg=102.0,
    rate_max=130.25,
    rate_min=90.0,
    rev=2,
)


def test_an_electricity_interval_stands_at_its_start():
    assert interval_line(SITE, Commodity.ELECTRICITY, ROW).decode() == (
        "energy_interval,building=city-hall,meter=main,site=city-hall "
        "kwh=25.5,kw_avg=102.0,kw_max=130.25,coverage=1.0,quality=1.0,rev=2.0 1514736900000"
    )


def test_a_water_interval_tells_its_least_flow():
    row = replace(ROW, rate_avg=None, rate_max=None, rev=0)
    assert interval_line(SITE, Commodity.WATER, row).decode() == (
        "water_interval,building=city-hall,meter=main,site=city-hall "
        "m3=25.5,min_flow_m3h=90.0,coverage=1.0,quality=1.0,rev=0.0 1514736900000"
    )


def test_a_revision_that_knows_no_rate_any_more_takes_the_earlier_one_back():
    """A server keeps what a later point of the same instant leaves out: a peak that nobody stands for."""
    row = replace(ROW, rate_avg=None, rate_max=None, rate_min=None)
    assert interval_line(SITE, Commodity.ELECTRICITY, row).decode() == (
        "energy_interval,building=city-hall,meter=main,site=city-hall "
        "kwh=25.5,kw_avg=0.0,kw_max=0.0,coverage=1.0,quality=1.0,rev=2.0 1514736900000"
    )


@pytest.mark.parametrize("commodity", [*Commodity, None])
def test_each_commodity_has_its_measurement(commodity):
    text = interval_line(SITE, commodity, ROW).decode()
    measurement = text.split(",")[0]
    assert measurement.endswith("_interval")
    assert text.split(" ")[1].split(",")[0].endswith("=25.5")


def test_an_interval_without_a_figure_gives_no_line():
    row = replace(ROW, quantity=math.nan, rate_avg=None, rate_max=None)
    assert interval_line(SITE, Commodity.ELECTRICITY, row) == b""


def test_a_result_sends_its_numbers_and_keeps_its_texts():
    data = {"demand_kw": 812.5, "count": 3, "over": True, "note": "text", "nested": [1], "none": None}
    row = ChangedResult(1, "demand", "site", 1_514_736_900, data, 4)
    assert result_line(SITE, row).decode() == (
        "demand,building=city-hall,site=city-hall,subject=site "
        "demand_kw=812.5,count=3.0,over=1.0,rev=4.0 1514736900000"
    )


def test_a_result_of_texts_alone_gives_no_line():
    assert result_line(SITE, ChangedResult(1, "demand", "site", 0, {"note": "x", "huge": 10**400}, 0)) == b""


def test_names_are_escaped_as_the_protocol_says():
    text = line("a b,c=d", {"k =,": "v =,"}, [("f =,", 1.0)], 5).decode()
    assert text == r"a\ b\,c=d,k\ \=\,=v\ \=\, f\ \=\,=1.0 5"


def test_chinese_names_pass_unescaped():
    assert line("m", {"zone": "市府大樓"}, [("f", 1.0)], 5).decode() == "m,zone=市府大樓 f=1.0 5"


def test_an_empty_tag_is_left_out():
    assert line("m", {"a": "", "b": "x"}, [("f", 1.0)], 5) == b"m,b=x f=1.0 5"


@pytest.mark.parametrize("bad", ["a\nb", "a\tb", "a\x00", "trailing\\", "\x7f", "\x85", "\ud800"])
def test_what_the_protocol_cannot_carry_is_refused(bad):
    for measurement, key, value, field in (
        (bad, "k", "v", "f"),
        ("m", bad, "v", "f"),
        ("m", "k", bad, "f"),
        ("m", "k", "v", bad),
    ):
        with pytest.raises(UnsendableError):
            line(measurement, {key: value}, [(field, 1.0)], 0)


@pytest.mark.parametrize(("measurement", "field"), [("", "f"), ("#m", "f"), ("m", "")])
def test_names_that_would_be_read_otherwise_are_refused(measurement, field):
    with pytest.raises(UnsendableError):
        line(measurement, {}, [(field, 1.0)], 0)


def test_a_percent_sign_in_a_layout_is_just_a_sign():
    layout = Layout("a%b", "main", "x%d", (PointSpec("odd%s", "", QUANTITIES["status"].kind),))
    scan = Scan(layout, AT_MS, np.array([1.0]), np.zeros(1, dtype=np.uint8))
    assert ScanLine(SITE, layout).render(scan).decode() == (
        f"x%d,building=city-hall,device=a%b,site=city-hall odd%s=1.0,quality=0.0 {AT_MS}"
    )
