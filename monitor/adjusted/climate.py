"""Weather of a span of days for models: from one source, implausible values out, short gaps bridged."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from zoneinfo import ZoneInfo

import numpy as np

from config.site import SecondDriver, WeatherSettings
from monitor.store.climate import ClimateReader, ClimateRows
from rules.calendar import day_start_s
from rules.models.day_types import local_dates
from rules.models.findings import ModelFinding, refusal, remark
from rules.models.moist_air import enthalpy_kj_kg, wet_bulbs_c
from rules.models.observations import Floats, Instants
from rules.models.weather import bridged, daily_means, screened_temperatures_c
from rules.savings import ONE_DAY, Days

HOUR_S = 3600
ONE_AND_A_BIT = 1.5
"""No air over a span of days is so dry: humidity that never passes this is a share and no percentage."""

SATURATED_PCT = 99.0
"""The wet bulb's formula ends here; in fog the wet bulb is the dry bulb, near enough."""


class SourceKind(StrEnum):
    """Whose instruments."""

    STATION = "station"
    IMPORTED = "imported"


@dataclass(frozen=True, slots=True)
class WeatherSource:
    """One place where weather is measured: ``name`` is a station's, or the site's ``device.point``."""

    kind: SourceKind
    name: str
    humidity: str | None = None

    def rows(self, reader: ClimateReader, start_s: int, end_s: int) -> ClimateRows:
        """What it measured in [start_s, end_s)."""
        if self.kind is SourceKind.STATION:
            return reader.measured(self.name, self.humidity, start_s, end_s)
        return reader.imported(self.name, start_s, end_s)

    def stamp(self, reader: ClimateReader, start_s: int, end_s: int) -> tuple[int, ...]:
        """What changes whenever ``rows`` does."""
        if self.kind is SourceKind.STATION:
            points = [self.name] if self.humidity is None else [self.name, self.humidity]
            return tuple(one for point in points for one in reader.station_stamp(point, start_s, end_s))
        return reader.stamp(self.name, start_s, end_s)


@dataclass(frozen=True, slots=True)
class Climate:
    """Weather by the hour over whole local days.

    Attributes
    ----------
    start : (n,) datetime64[s] UTC.
    temperature_c : (n,) NaN = missing. [degC]
    moisture : (n,) wet bulb [degC] or enthalpy [kJ/kg]; None where no second driver was asked for.
    bridged : hours that were interpolated.
    coarse : it is by the day, spread over the day's hours.
    findings : what there is to say.
    """

    start: Instants
    temperature_c: Floats
    moisture: Floats | None
    bridged: int
    coarse: bool
    findings: tuple[ModelFinding, ...]

    def by_day(self, days: Days, zone: ZoneInfo) -> tuple[Floats, Floats | None]:
        """Mean of each local day, of those that have half of their hours."""
        dates = local_dates(self.start, zone)
        temperature = daily_means(dates, self.temperature_c, *days)
        return temperature, None if self.moisture is None else daily_means(dates, self.moisture, *days)


def sources_of(settings: WeatherSettings, reader: ClimateReader) -> list[WeatherSource]:
    """Every source that the site has, in the order in which one is preferred among equals."""
    found = []
    if settings.temperature is not None:
        found.append(WeatherSource(SourceKind.STATION, settings.temperature, settings.humidity))
    stations = [settings.imported] if settings.imported is not None else reader.stations()
    return [*found, *(WeatherSource(SourceKind.IMPORTED, name) for name in stations)]


def best_source(
    sources: Sequence[WeatherSource], reader: ClimateReader, spans: Sequence[Days], zone: ZoneInfo
) -> WeatherSource | None:
    """The source that knows most of each span.

    One answers for base and reporting period alike: two thermometers a degree apart would make a saving of
    nothing. None where no source knows an hour.
    """
    best, most = None, -1.0
    for source in sources:
        shares = [_known_share(source, reader, days, zone) for days in spans]
        if any(shares) and min(shares) > most:
            best, most = source, min(shares)
    return best


def _known_share(source: WeatherSource, reader: ClimateReader, days: Days, zone: ZoneInfo) -> float:
    start_s, end_s = _bounds_s(days, zone)
    rows = source.rows(reader, start_s, end_s)
    known_s = rows.duration_s[np.isfinite(rows.temperature_c)].sum()
    return min(1.0, float(known_s) / (end_s - start_s))


def climate_of(
    source: WeatherSource,
    reader: ClimateReader,
    days: Days,
    zone: ZoneInfo,
    second_driver: SecondDriver | None = None,
) -> Climate:
    """Weather of some local days, both included."""
    start_s, end_s = _bounds_s(days, zone)
    rows = source.rows(reader, start_s, end_s)
    grid_s = np.arange(start_s // HOUR_S, -(-end_s // HOUR_S), dtype=np.int64) * HOUR_S
    start = grid_s.astype("datetime64[s]")
    # Before means are made: one minute of -999 would make an hour of 8 degrees.
    screened = screened_temperatures_c(rows.temperature_c)
    temperature = bridged(start, by_hour(rows, screened.values, grid_s))
    findings = list(screened.findings)
    if temperature.filled:
        findings.append(remark("weather_bridged", hours=temperature.filled))
    moisture = None
    if second_driver is not None:
        humidity = bridged(start, by_hour(rows, rows.humidity_pct, grid_s)).values
        if not np.isfinite(humidity).any():
            findings.append(refusal("no_humidity", source=source.name, driver=second_driver))
        elif (highest := float(np.nanmax(humidity))) <= ONE_AND_A_BIT:
            findings.append(refusal("humidity_unit_doubtful", source=source.name, highest=highest))
        moisture = _moisture(second_driver, temperature.values, humidity)
    coarse = bool(len(rows)) and int(rows.duration_s.max()) > HOUR_S
    return Climate(start, temperature.values, moisture, temperature.filled, coarse, tuple(findings))


def by_hour(rows: ClimateRows, values: Floats, grid_s: np.ndarray) -> Floats:
    """Mean of each hour of a grid; a row that is longer than an hour holds for each of its hours."""
    known = np.isfinite(values)
    start_s, values = rows.start_s[known], values[known]
    hours = np.maximum(1, rows.duration_s[known] // HOUR_S)
    at_s = np.repeat(start_s, hours)
    within = np.arange(len(at_s)) - np.repeat(np.cumsum(hours) - hours, hours)
    place = (at_s + within * HOUR_S - grid_s[0]) // HOUR_S if len(grid_s) else at_s
    inside = (place >= 0) & (place < len(grid_s))
    count = np.bincount(place[inside], minlength=len(grid_s))
    total = np.bincount(place[inside], np.repeat(values, hours)[inside], len(grid_s))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _moisture(driver: SecondDriver, temperature_c: Floats, humidity_pct: Floats) -> Floats:
    if driver == "enthalpy":
        return enthalpy_kj_kg(temperature_c, humidity_pct)
    wet = np.where(humidity_pct <= 100.0, np.minimum(humidity_pct, SATURATED_PCT), np.nan)
    return wet_bulbs_c(temperature_c, wet)


def _bounds_s(days: Days, zone: ZoneInfo) -> tuple[int, int]:
    first, last = days
    return day_start_s(first, zone), day_start_s(last + ONE_DAY, zone)


def span_s(first: date, last: date, zone: ZoneInfo) -> tuple[int, int]:
    """[first, last) instant of some local days, both included, seconds UTC."""
    return _bounds_s((first, last), zone)
