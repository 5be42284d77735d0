"""The model of the building: scaled as the city reported, and it behaves as a building does."""

import numpy as np
import pytest

from simulators.building import INSTALLED_S, Building
from simulators.grid import TAIWAN_OFFSET_S
from simulators.occupancy import is_workday
from simulators.plant import CHILLERS, KW_PER_RT, RATED_RT
from simulators.weather import wet_bulb

HOUR_S = 3600


def local_s(text: str) -> int:
    """Seconds since 1970 UTC of a local time in Taipei."""
    return int(np.datetime64(text, "s").astype(np.int64)) - TAIWAN_OFFSET_S


def half_year(text: str) -> tuple[int, int]:
    year = int(text[:4])
    if text.endswith("H1"):
        return local_s(f"{year}-01-01"), local_s(f"{year}-07-01")
    return local_s(f"{year}-07-01"), local_s(f"{year + 1}-01-01")


@pytest.fixture(scope="module")
def model() -> Building:
    return Building()


@pytest.mark.parametrize(
    ("period", "source", "reported"),
    [
        ("2015H2", "main", 12_572_309),
        ("2017H2", "main", 12_531_673),
        ("2016H2", "water-main", 86_438),
        ("2017H2", "water-main", 90_476),
    ],
)
def test_half_years_come_near_what_the_city_reported(
    model: Building, period: str, source: str, reported: float
):
    assert model.energy(source, *half_year(period)) == pytest.approx(reported, rel=0.005)


def test_the_years_peak_is_about_five_megawatts_on_a_summer_workday(model: Building):
    instants = np.arange(local_s("2017-01-01"), local_s("2018-01-01"), 300)
    power_kw = model.rate(model.source("main"), instants)
    peak_s = int(instants[power_kw.argmax()]) + TAIWAN_OFFSET_S
    assert 4_800 < power_kw.max() < 5_800
    assert np.datetime64(peak_s, "s").astype("datetime64[M]").item().month in {6, 7, 8, 9}
    assert is_workday(np.array([peak_s // 86400])).all()
    assert power_kw.min() > 1_500


@pytest.mark.parametrize(("dry_bulb_c", "humidity_pct", "expected_c"), [(20, 50, 13.699), (33, 65, 27.553)])
def test_wet_bulb_follows_stull(dry_bulb_c: float, humidity_pct: float, expected_c: float):
    found = wet_bulb(np.array([dry_bulb_c], dtype=float), np.array([humidity_pct], dtype=float))
    assert found[0] == pytest.approx(expected_c, abs=5e-4)


def test_weather_keeps_to_the_normals_of_taipei(model: Building):
    hours = np.arange(local_s("2015-01-01"), local_s("2019-01-01"), HOUR_S)
    month = (hours + TAIWAN_OFFSET_S).astype("datetime64[s]").astype("datetime64[M]").astype(int) % 12
    dry_bulb_c = model.gauge("dry_bulb_c", hours)
    humidity_pct = model.gauge("humidity_pct", hours)
    means_c = np.array([dry_bulb_c[month == number].mean() for number in range(12)])
    normals_c = [15.9, 17.2, 18.6, 22.5, 25.8, 28.3, 30.1, 29.0, 27.8, 24.7, 22.0, 18.8]
    assert np.abs(means_c - normals_c).max() < 1.5
    assert 70 < humidity_pct.mean() < 85
    assert humidity_pct.min() > 30
    assert humidity_pct.max() < 99
    rain_mm = model.energy("rain", local_s("2015-01-01"), local_s("2019-01-01"), "weather") / 4
    assert 1_800 < rain_mm < 3_200
    hour = (hours + TAIWAN_OFFSET_S) // HOUR_S % 24
    assert dry_bulb_c[hour == 13].mean() - dry_bulb_c[hour == 5].mean() > 4


@pytest.mark.parametrize(
    ("day", "worked"),
    [
        ("2017-07-12", True),
        ("2017-07-15", False),  # Saturday
        ("2017-10-10", False),  # National Day, a Tuesday
        ("2017-01-30", False),  # third day of the lunar year, a Monday
        ("2017-05-30", False),  # Dragon Boat, a Tuesday
        ("2024-12-25", True),
        ("2025-12-25", False),  # a holiday again since 2025
    ],
)
def test_the_calendar_knows_workdays(day: str, worked: bool):
    days = np.array([np.datetime64(day, "D").astype(np.int64)])
    assert is_workday(days).tolist() == [worked]


def test_a_holiday_uses_less_than_the_workday_before_it(model: Building):
    def day_kwh(day: str) -> float:
        return model.energy("main", local_s(day), local_s(day) + 86400)

    assert day_kwh("2017-10-10") < 0.8 * day_kwh("2017-10-11")
    assert day_kwh("2017-07-15") < 0.8 * day_kwh("2017-07-14")


def test_running_chillers_share_the_load_and_stages_last_half_an_hour(model: Building):
    nodes = np.arange(local_s("2017-07-03"), local_s("2017-08-28"), 300)
    cooling_kw = np.stack([model.gauge(f"cooling_kw_{n}", nodes) for n in range(1, CHILLERS + 1)])
    running = cooling_kw > 0
    most = cooling_kw.max(axis=0)
    assert np.allclose(np.where(running, cooling_kw, most), most)
    assert most.max() <= RATED_RT * KW_PER_RT * (1 + 1e-9)
    assert running.sum(axis=0).max() == CHILLERS
    changes = np.flatnonzero(np.diff(running.sum(axis=0)))
    assert np.diff(changes).min() >= 6  # five-minute nodes
    lead = [int(running[:, week * 2016 + 36].argmax()) for week in range(8)]  # 03:00 on Mondays
    assert set(lead) == set(range(CHILLERS))


def test_cooling_follows_wet_bulb(model: Building):
    noons = np.arange(local_s("2017-01-02T14:00"), local_s("2018-01-01"), 86400)
    noons = noons[is_workday((noons + TAIWAN_OFFSET_S) // 86400)]
    cooling_kw = sum(model.gauge(f"cooling_kw_{n}", noons) for n in range(1, CHILLERS + 1))
    wet_bulb_c = wet_bulb(model.gauge("dry_bulb_c", noons), model.gauge("humidity_pct", noons))
    assert np.corrcoef(np.asarray(cooling_kw), wet_bulb_c)[0, 1] > 0.95


def test_chillers_keep_a_plausible_efficiency(model: Building):
    start, end = half_year("2017H2")
    instants = np.arange(start, end, 300)
    tons = sum(model.gauge(f"cooling_kw_{n}", instants) for n in range(1, CHILLERS + 1)) / KW_PER_RT
    electric_kwh = model.energy("chillers", start, end)
    assert 0.5 < electric_kwh / (np.asarray(tons).sum() / 12) < 0.75


def test_water_never_stops_at_night_and_towers_drink_in_summer(model: Building):
    nights = np.arange(local_s("2017-01-01T03:00"), local_s("2018-01-01"), 86400)
    assert model.rate(model.source("water-main", "water"), nights).min() > 0.8
    july = model.energy("tower-makeup", local_s("2017-07-01"), local_s("2017-08-01"), "water")
    january = model.energy("tower-makeup", local_s("2017-01-01"), local_s("2017-02-01"), "water")
    assert july > 2 * january


def test_the_rain_tank_takes_about_two_hundred_cubic_metres_a_year(model: Building):
    assert 120 < model.energy("rainwater", local_s("2017-01-01"), local_s("2018-01-01"), "water") < 320


def test_instants_are_datetimes_or_seconds(model: Building):
    main = model.source("main")
    seconds = np.array([1_500_000_000.25, 1_500_003_600.0])
    datetimes = (seconds * 1e6).astype("datetime64[us]")
    assert model.rate(main, datetimes).tolist() == model.rate(main, seconds).tolist()
    assert model.rate(main, np.datetime64("2017-07-14T02:40:00")).shape == ()


def test_every_counter_stands_at_zero_when_it_is_installed(model: Building):
    assert model.counter(model.source("main"), INSTALLED_S) == pytest.approx(0.0, abs=1e-6)
    odd = Building(installed_s=1_500_000_123.5)
    assert odd.counter(odd.source("main"), odd.installed_s) == pytest.approx(0.0, abs=1e-6)
    for ask in (odd.at, lambda at_s: odd.counter(odd.source("main"), at_s)):
        with pytest.raises(ValueError, match="installed"):
            ask(odd.installed_s - 1)


def test_any_id_gets_a_load_of_its_own_that_lasts(model: Building):
    instant = 1_500_000_000
    loads_kw = [float(model.rate(model.source(f"meter-{n:04}"), instant)) for n in range(200)]
    assert len({round(kw, 6) for kw in loads_kw}) == 200
    assert min(loads_kw) > 1
    assert max(loads_kw) < 150
    again = Building()
    assert float(again.rate(again.source("meter-0007"), instant)) == loads_kw[7]
    assert float(model.rate(model.source("tap-9", "water"), instant)) > 0
    assert model.source("chiller-2", "electricity") == model.source("chiller-2-power")
