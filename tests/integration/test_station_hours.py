"""The site's own weather station: its scans become hours that are kept, and answer for a saving."""

import json
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from config.loading import load_site
from monitor.adjusted.climate import SourceKind, best_source, by_hour, climate_of, sources_of
from monitor.adjusted.station import StationHours
from monitor.store.climate import ClimateRows, HourPart, keep_hours
from monitor.store.ledgers import writing
from monitor.store.reader import StoreReader
from monitor.store.rows import Commit, pack_scan
from monitor.store.writer import Writer, register_layouts, submit_and_wait
from rules.quality import Quality
from rules.quantities import Kind
from rules.scan import Layout, PointSpec, Scan
from tests.savings_world import SITE_ID, ZONE, SavingsWorld, building

ROOF = Layout(
    "roof",
    "main",
    "weather",
    (PointSpec("temperature", "degC", Kind.GAUGE), PointSpec("humidity", "%", Kind.GAUGE)),
)
T0 = int(datetime(2016, 7, 1, tzinfo=ZONE).astimezone(UTC).timestamp())
POINTS = ("roof.temperature", "roof.humidity")
STATION = "calendar: taiwan\nweather: {temperature: roof.temperature, humidity: roof.humidity}"


class Roof:
    """A store whose station is heard, and whoever makes hours of it."""

    def __init__(self, world: SavingsWorld, engine) -> None:
        self.writer = Writer(engine, SITE_ID)
        self.writer.start()
        self.layout_id = register_layouts(engine, SITE_ID, [ROOF])[ROOF.key]
        self.next_id = 1
        loaded = load_site(world.site_file)
        self.settings = loaded.site.weather
        self.reader = StoreReader.open(world.store, SITE_ID)

    def hear(self, *readings: tuple[float, float, float], quality: Quality = Quality.GOOD) -> None:
        """Commit readings: (seconds after T0, degC, %)."""
        commit = Commit()
        for after_s, temperature, humidity in readings:
            values = np.array([temperature, humidity])
            scan = Scan(ROOF, round((T0 + after_s) * 1000), values, np.full(2, quality, np.uint8))
            commit.scans.append((self.next_id, self.layout_id, scan.at_ms, *pack_scan(scan)))
            self.next_id += 1
        submit_and_wait(self.writer, commit)

    def follower(self) -> StationHours:
        return StationHours(self.settings, self.reader, self.writer.call, SITE_ID)

    def settle(self) -> None:
        submit_and_wait(self.writer, Commit())

    def hours(self, count: int = 24) -> ClimateRows:
        self.settle()
        return self.reader.climate.measured(*POINTS, T0, T0 + count * 3600)

    def close(self) -> None:
        self.reader.close()
        self.writer.close()


@pytest.fixture
def roof(tmp_path):
    world = SavingsWorld(tmp_path, extra=STATION)
    with writing(world.store) as engine:
        one = Roof(world, engine)
        yield one
        one.close()


def test_scans_become_hours_once_whatever_the_restarts(roof):
    roof.hear((60, 20.0, 50.0), (1000, 22.0, 60.0), (3000, 24.0, 70.0))
    first = roof.follower()
    assert first.catch_up() == 2
    hours = roof.hours()
    assert hours.temperature_c.tolist() == [pytest.approx(22.0)]
    assert hours.humidity_pct.tolist() == [pytest.approx(60.0)]
    assert first.catch_up() == 0
    again = roof.follower()  # as after a restart
    assert again.catch_up() == 0
    roof.hear((3500, 30.0, 80.0), (3700, 26.0, 70.0))
    again.catch_up()
    assert roof.hours().temperature_c.tolist() == [pytest.approx(24.0)]  # the second hour: one quarter only
    roof.hear((5000, 28.0, 70.0))
    again.catch_up()
    assert roof.hours().temperature_c.tolist() == [pytest.approx(24.0), pytest.approx(27.0)]


def test_a_reading_that_comes_late_belongs_to_its_hour(roof):
    follower = roof.follower()
    roof.hear((60, 20.0, 50.0), (1000, 20.0, 50.0), (4000, 30.0, 50.0), (6000, 30.0, 50.0))
    follower.catch_up()
    roof.hear((1800, 26.0, 50.0))
    follower.catch_up()
    assert roof.hours().temperature_c.tolist() == [pytest.approx(22.0), pytest.approx(30.0)]


def test_doubtful_readings_say_nothing(roof):
    roof.hear((60, 20.0, 50.0), (1000, np.nan, 50.0), (1900, 20.0, 50.0))
    roof.hear((2000, 85.0, 50.0), quality=Quality.SUSPECT)
    roof.follower().catch_up()
    assert roof.hours().temperature_c.tolist() == [pytest.approx(20.0)]


def test_nothing_is_counted_twice_where_two_follow(tmp_path, roof):
    roof.hear((60, 20.0, 50.0), (1000, 22.0, 60.0))
    one, other = roof.follower(), roof.follower()
    one.catch_up()
    other.catch_up()  # it read the same scans: the store stands further already
    roof.settle()
    with roof.reader._engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT readings FROM station_hours").scalars().all()
    assert rows == [2, 2]


def test_hours_are_written_only_from_where_the_store_stands(tmp_path):
    world = SavingsWorld(tmp_path, extra=STATION)
    with writing(world.store) as engine:
        part = [HourPart(T0, 20.0, 1, 1)]
        assert keep_hours(engine, SITE_ID, POINTS[0], (0, 5), part)
        assert not keep_hours(engine, SITE_ID, POINTS[0], (0, 9), part)
        assert keep_hours(engine, SITE_ID, POINTS[0], (5, 9), part)


def test_one_source_answers_for_both_years_and_is_named(tmp_path):
    """The station was heard this year alone: the office's file knows both, and is taken."""
    world = SavingsWorld(tmp_path, extra=STATION)
    world.meter(date(2015, 1, 1), date(2015, 12, 31))
    world.meter(date(2016, 7, 1), date(2016, 7, 31))
    world.weather(date(2015, 1, 1), date(2016, 7, 31))
    with writing(world.store) as engine:
        hours = [HourPart(T0 + 3600 * hour, 25.0, 1, 15) for hour in range(31 * 24)]
        keep_hours(engine, SITE_ID, POINTS[0], (0, 1), hours)
    code, text = world.command("savings", "electricity", "2016-07", "--json")
    assert code == 0, text
    assert json.loads(text)["adjusted"]["weather"] == {"kind": "imported", "name": "466920"}


def test_the_station_answers_where_it_knows_both(tmp_path):
    world = SavingsWorld(tmp_path, extra=STATION)
    world.meter(date(2015, 1, 1), date(2015, 12, 31))
    world.meter(date(2016, 7, 1), date(2016, 7, 31))
    begin_s = int(datetime(2015, 1, 1, tzinfo=ZONE).timestamp())
    at_s = np.arange(begin_s, T0 + 31 * 86400, 3600)
    air = building().gauge("dry_bulb_c", at_s + 1800)
    with writing(world.store) as engine:
        parts = [HourPart(at, value, 1, 15) for at, value in zip(at_s.tolist(), air.tolist(), strict=True)]
        keep_hours(engine, SITE_ID, POINTS[0], (0, 1), parts)
    code, text = world.command("savings", "electricity", "2016-07", "--json")
    assert code == 0, text
    found = json.loads(text)["adjusted"]
    assert found["weather"] == {"kind": "station", "name": "roof.temperature"}
    assert abs(found["avoided"]) <= found["band"]["half_width"]


class TestClimate:
    def test_rows_of_any_length_become_hours(self):
        grid = T0 + 3600 * np.arange(4)
        rows = ClimateRows(
            np.array([T0, T0 + 600, T0 + 3600, T0 + 90_000]),
            np.array([600, 600, 7200, 600]),
            np.array([20.0, 22.0, 25.0, 99.0]),
            np.full(4, np.nan),
        )
        found = by_hour(rows, rows.temperature_c, grid)
        assert found.tolist()[:3] == [21.0, 25.0, 25.0]
        assert np.isnan(found[3])
        assert np.isnan(by_hour(rows, rows.humidity_pct, grid)).all()

    def test_a_minute_that_cannot_be_makes_no_hour_that_could(self, tmp_path):
        world, bad = SavingsWorld(tmp_path), T0 + 5 * 3600 + 60
        world.weather(
            date(2016, 7, 1), date(2016, 7, 1), duration_s=60,
            change=lambda at_s, air: np.where(at_s == bad, -999.0, 25.0),
        )  # fmt: skip
        loaded = load_site(world.site_file)
        reader = StoreReader.open(loaded.store_path, SITE_ID)
        (source,) = sources_of(loaded.site.weather, reader.climate)
        found = climate_of(source, reader.climate, (date(2016, 7, 1), date(2016, 7, 1)), ZONE)
        reader.close()
        assert found.temperature_c.tolist() == [25.0] * 24
        assert [(one.code, one.fact("values")) for one in found.findings] == [("temperature_implausible", 1)]

    def test_a_correction_of_humidity_is_another_stamp(self, tmp_path):
        world = SavingsWorld(tmp_path, extra=STATION)
        with writing(world.store) as engine:
            keep_hours(engine, SITE_ID, POINTS[0], (0, 1), [HourPart(T0, 25.0, 1, 15)])
            keep_hours(engine, SITE_ID, POINTS[1], (0, 1), [HourPart(T0, 60.0, 1, 15)])
        loaded = load_site(world.site_file)
        reader = StoreReader.open(loaded.store_path, SITE_ID)
        (source,) = sources_of(loaded.site.weather, reader.climate)
        before = source.stamp(reader.climate, T0, T0 + 7200)
        with writing(world.store) as engine:
            keep_hours(engine, SITE_ID, POINTS[1], (1, 2), [HourPart(T0, 90.0, 1, 15)])
        assert source.stamp(reader.climate, T0, T0 + 7200) != before
        reader.close()

    @pytest.mark.parametrize(("driver", "low", "high"), [("wet_bulb", 5.0, 32.0), ("enthalpy", 20.0, 110.0)])
    def test_a_second_driver_is_made_of_humidity(self, tmp_path, driver, low, high):
        world = SavingsWorld(tmp_path)
        world.weather(date(2016, 7, 1), date(2016, 7, 31))
        loaded = load_site(world.site_file)
        reader = StoreReader.open(loaded.store_path, SITE_ID)
        days = date(2016, 7, 1), date(2016, 7, 31)
        (source,) = sources_of(loaded.site.weather, reader.climate)
        assert best_source([source], reader.climate, [days], ZONE) == source
        found = climate_of(source, reader.climate, days, ZONE, driver)
        moist = found.by_day(days, ZONE)[1]
        reader.close()
        assert source.kind is SourceKind.IMPORTED
        assert np.isfinite(moist).all()
        assert low < moist.min() <= moist.max() < high

    def test_a_second_driver_without_humidity_is_refused(self, tmp_path):
        world = SavingsWorld(tmp_path, extra="weather: {temperature: roof.temperature}")
        with writing(world.store) as engine:
            keep_hours(engine, SITE_ID, POINTS[0], (0, 1), [HourPart(T0, 25.0, 1, 15)])
        loaded = load_site(world.site_file)
        reader = StoreReader.open(loaded.store_path, SITE_ID)
        (source,) = sources_of(loaded.site.weather, reader.climate)
        days = date(2016, 7, 1), date(2016, 7, 1)
        found = climate_of(source, reader.climate, days, ZONE, "wet_bulb")
        reader.close()
        assert [(one.code, one.refuses) for one in found.findings] == [("no_humidity", True)]

    @pytest.mark.parametrize("driver", ["wet_bulb", "enthalpy"])
    def test_humidity_as_a_share_is_refused(self, tmp_path, driver):
        world = SavingsWorld(tmp_path, extra=STATION)
        with writing(world.store) as engine:
            keep_hours(engine, SITE_ID, POINTS[0], (0, 1), [HourPart(T0, 25.0, 1, 15)])
            keep_hours(engine, SITE_ID, POINTS[1], (0, 1), [HourPart(T0, 0.7, 1, 15)])
        loaded = load_site(world.site_file)
        reader = StoreReader.open(loaded.store_path, SITE_ID)
        (source,) = sources_of(loaded.site.weather, reader.climate)
        days = date(2016, 7, 1), date(2016, 7, 1)
        found = climate_of(source, reader.climate, days, ZONE, driver).findings
        reader.close()
        assert [(one.code, one.refuses, one.fact("highest")) for one in found] == [
            ("humidity_unit_doubtful", True, 0.7)
        ]

    def test_no_source_is_none(self, tmp_path):
        world = SavingsWorld(tmp_path, extra=STATION)
        with writing(world.store):
            pass
        loaded = load_site(world.site_file)
        reader = StoreReader.open(loaded.store_path, SITE_ID)
        sources = sources_of(loaded.site.weather, reader.climate)
        days = date(2016, 7, 1), date(2016, 7, 1) + timedelta(days=3)
        found = best_source(sources, reader.climate, [days], ZONE)
        reader.close()
        assert [one.kind for one in sources] == [SourceKind.STATION]
        assert found is None
