"""What no model of one value can see: ids, profiles, points and units that must fit each other.

The checks read the file's nodes, not the finished models, so that they speak even where something else
is wrong too, and every complaint has its place.
"""

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from config.checking import Checks
from config.device_checks import Profiles, check_devices, devices_of
from config.hosts import host_fault
from config.meter_checks import check_meters
from config.positions import Node, Scalar, Source
from config.problems import LOGIN, Hint, Problem, did_you_mean
from config.secrets import is_open_to_all
from config.shapes import Shape, visit
from config.site import COMMODITY_UNITS, Commodity, Site
from drivers.modbus_profile import ModbusProfile
from drivers.mqtt_profile import MqttProfile
from drivers.settings import Secret
from rules.quantities import PULSE, QUANTITIES, Kind

# The rate that goes with a counter's unit.
RATE_UNITS = {"kWh": "kW", "m3": "m3/h"}


def check_values(root: Node, shape: Shape, source: Source) -> list[Problem]:
    """Find numbers that pydantic would let through: ``true`` as 1, and infinity."""
    problems = []
    for node, wanted in visit(root, shape):
        if not wanted.wants_number() or not node.is_scalar:
            continue
        code = "config.number_wanted" if isinstance(node.value, bool) else ""
        if not code and _is_endless(node.value):
            code = "config.not_finite"
        if code:
            node.broken = True
            problems.append(Problem(code, source.place(node.span), node.path, {"value": node.raw}))
    return problems


def check_site(root: Node, source: Source, base: Path, profiles: Profiles) -> list[Problem]:
    """Everything in a site file that does not fit together.

    Parameters
    ----------
    base : folder from which relative paths count.
    profiles : those that could be read, by the name that devices use; others are not judged again.
    """
    checks = _SiteChecks(root, source, base, profiles)
    found = [problem for check in checks.all() for problem in check()]
    return [*found, *check_devices(root, source, profiles), *check_meters(root, source)]


class _SiteChecks(Checks):
    def __init__(self, root: Node, source: Source, base: Path, profiles: Profiles) -> None:
        super().__init__(root, source)
        self.base = base
        self.profiles = profiles
        self.buses = root.entries("buses")
        self.devices = devices_of(root)
        self.by_id = {device.word("id") or "": device for _, device in reversed(self.devices)}
        self.meters = root.entries("meters")

    def all(self) -> tuple[Callable[[], Iterator[Problem]], ...]:
        return (
            self.ids,
            self.facts,
            self.page,
            self.secrets,
            self.meter_points,
            self.shared_counters,
            self.commodities,
            self.weather,
            self.building,
            self.sinks,
        )

    def ids(self) -> Iterator[Problem]:
        yield from self._unique(self.buses)
        yield from self._unique(device for _, device in self.devices)
        yield from self._unique((*self.meters, *self.root.entries("manual_meters")))
        yield from self._unique(self.root.entries("sinks"))
        for meter in (*self.meters, *self.root.entries("manual_meters")):
            if meter.mapping is not None and meter.word("id") in set(Commodity):
                yield self.at("config.meter_named_as_commodity", meter.mapping["id"])

    def _unique(self, entries: Iterable[Node]) -> Iterator[Problem]:
        first: dict[str, int] = {}
        for entry in entries:
            node = entry.get("id")
            if node is None or node.text is None:
                continue
            if node.text in first:
                yield self.at("config.duplicate_id", node, id=node.text, line=first[node.text])
            else:
                first[node.text] = node.span.line

    def facts(self) -> Iterator[Problem]:
        site = self.root.get("site")
        for holder in (*([site] if site else []), *(device for _, device in self.devices)):
            zone = holder.get("timezone")
            if zone is not None and zone.text is not None and not is_zone(zone.text):
                hint = _nearest(zone.text, available_timezones())
                yield self.at("config.unknown_zone", zone, hint, zone=zone.text)
        interval = self.root.get("interval_s")
        length = interval.number if interval else None
        if interval is not None and length is not None and 1 <= length <= 3600 and 3600 % length:
            near = min((n for n in range(1, 3601) if 3600 % n == 0), key=lambda n: abs(n - length))
            yield self.at("config.interval_not_in_hour", interval, interval_s=interval.raw, near=near)
        store = self.root.get("store")
        path = store.get("path") if store else None
        if path is not None and path.text is not None:
            if not path.text.strip():
                yield self.at("config.empty", path)
            elif "\0" not in path.text and (self.base / path.text).is_dir():
                yield self.at("config.store_is_folder", path, path=path.text)

    def page(self) -> Iterator[Problem]:
        page = self.root.get("page")
        host = page.get("host") if page is not None else None
        code = host_fault(host.text) if host is not None and host.text is not None else None
        if host is not None and code:
            yield self.at(code, host, host=host.text)

    def secrets(self) -> Iterator[Problem]:
        for node, shape in visit(self.root, Shape.of(Site)):
            if node.mapping is None or shape.model(node) is not Secret:
                continue
            env, file = node.word("env"), node.word("file")
            if (node.get("env") is None) == (node.get("file") is None):
                yield self.at("config.secret_one_of", node)
            elif env is not None and not os.environ.get(env, ""):
                yield self.warn("config.secret_env_missing", node.mapping["env"], name=env)
            elif file is not None and "\0" not in file and not (self.base / file).is_file():
                yield self.warn("config.secret_file_missing", node.mapping["file"], path=file)
            elif file is not None and "\0" not in file and is_open_to_all(self.base / file):
                yield self.warn("config.secret_open_to_all", node.mapping["file"], path=file)

    def meter_points(self) -> Iterator[Problem]:
        for meter in self.meters:
            commodity = meter.word("commodity")
            unit = COMMODITY_UNITS[Commodity(commodity)] if commodity in set(Commodity) else None
            counter, rate = meter.get("counter"), meter.get("rate")
            if counter is not None and counter.text is not None:
                yield from self._reference(counter, unit, commodity, is_counter=True)
            if rate is not None and rate.text is not None:
                wanted = RATE_UNITS.get(unit or "") if unit else None
                yield from self._reference(rate, wanted, commodity, is_counter=False)
                yield from self._beside(rate, counter)

    def weather(self) -> Iterator[Problem]:
        section = self.root.get("weather")
        for key, unit in (("temperature", "degC"), ("humidity", "%")):
            node = section.get(key) if section is not None else None
            if node is not None and node.text is not None:
                yield from self._reference(node, unit, f"weather.{key}", is_counter=False)
        temperature, humidity = (section.get(key) if section else None for key in ("temperature", "humidity"))
        if humidity is not None and temperature is None:
            yield self.at("savings.humidity_alone", humidity)

    def building(self) -> Iterator[Problem]:
        section = self.root.get("building")
        if section is None:
            return
        floor, parking = section.get("floor_area_m2"), section.get("parking_area_m2")
        if floor is None or parking is None or floor.number is None or parking.number is None:
            return
        if parking.number >= floor.number:
            yield self.at("config.parking_fills_all", parking, parking=parking.raw, floor=floor.raw)

    def _reference(
        self, node: Node, unit: str | None, commodity: str | None, *, is_counter: bool
    ) -> Iterator[Problem]:
        """``device.point`` of a meter: does it lead to a point of the right kind and unit?"""
        device_id, dot, point = (node.text or "").partition(".")
        if not (device_id and dot and point):
            yield self.at("config.not_a_reference", node, value=node.raw)
            return
        device = self.by_id.get(device_id)
        if device is None:
            hint = did_you_mean(device_id, self.by_id)
            yield self.at("config.unknown_device", node, hint, device=device_id)
            return
        profile = self._profile(device)
        if profile is None:
            return
        if point not in profile.every_point():
            hint = did_you_mean(point, _fitting(profile, unit, is_counter))
            yield self.at("config.unknown_point", node, hint, point=point, profile=profile.profile)
            return
        chosen = device.get("points") if isinstance(profile, ModbusProfile) else None
        if chosen is not None and chosen.sequence and point not in [child.text for child in chosen.sequence]:
            yield self.at("config.point_not_read", node, point=point, device=device_id)
        quantity, fitting = QUANTITIES[point], _fitting(profile, unit, is_counter)
        hint = Hint("config.known", {"known": fitting}) if fitting else None
        if is_counter and quantity.kind is not Kind.COUNTER:
            yield self.at("config.not_a_counter", node, hint, point=point)
        elif not is_counter and quantity.kind is not Kind.GAUGE:
            yield self.at("config.not_a_rate", node, hint, point=point)
        elif unit is not None and quantity.unit not in (unit, PULSE):
            data: dict[str, Any] = {
                "point": point,
                "unit": quantity.unit or "-",
                "commodity": commodity,
                "wanted": unit,
            }
            yield self.at("config.unit_differs", node, hint, **data)

    def _beside(self, rate: Node, counter: Node | None) -> Iterator[Problem]:
        """A rate is taken from the counter's own message: otherwise the two belong to different instants."""
        device_id, _, point = (rate.text or "").partition(".")
        counter_device, _, counter_point = ((counter.text if counter else None) or "").partition(".")
        if not (point and counter_point and device_id in self.by_id and counter_device in self.by_id):
            return
        if device_id != counter_device:
            yield self.at("config.rate_elsewhere", rate, rate=rate.raw, device=counter_device)
            return
        profile = self._profile(self.by_id[device_id])
        if not isinstance(profile, MqttProfile):
            return
        # As the wiring does: the first part that has the counter.
        part = next((part for part in profile.parts.values() if counter_point in part.points), None)
        if part is not None and point not in part.points and point in profile.every_point():
            yield self.at("config.rate_in_other_part", rate, rate=point, counter=counter_point)

    def shared_counters(self) -> Iterator[Problem]:
        first: dict[str, Node] = {}
        for meter in self.meters:
            counter = meter.get("counter")
            if counter is not None and counter.text is not None:
                other = first.setdefault(counter.text, meter)
                if other is not meter:
                    other_id = other.word("id") or "?"
                    yield self.warn("config.counter_twice", counter, counter=counter.text, other=other_id)

    def commodities(self) -> Iterator[Problem]:
        every = (*self.meters, *self.root.entries("manual_meters"))
        known = {meter.word("id") or "": meter.word("commodity") for meter in reversed(every)}
        section = self.root.get("commodities")
        for name, settings in ((section.mapping if section else None) or {}).items():
            seen: set[str] = set()
            for meter in settings.entries("meters"):
                if meter.text is None:
                    continue
                if meter.text not in known:
                    fitting = tuple(other for other, of in known.items() if of == name)
                    yield self.at(
                        "config.unknown_meter", meter, did_you_mean(meter.text, fitting), meter=meter.text
                    )
                elif meter.text in seen:
                    yield self.at("config.meter_twice", meter, meter=meter.text)
                elif name in set(Commodity) and known[meter.text] != name:
                    data: dict[str, Any] = {
                        "meter": meter.text,
                        "is_of": known[meter.text],
                        "commodity": name,
                    }
                    yield self.at("config.meter_of_other_commodity", meter, **data)
                seen.add(meter.text)

    def sinks(self) -> Iterator[Problem]:
        for bus in self.buses:
            moved = bus.get("discovery_prefix")
            if moved is not None:
                moved.broken = True  # said here: it is no unknown key
                yield Problem("config.discovery_moved", self.source.place(moved.label), moved.path)
        for sink in self.root.entries("sinks"):
            host = sink.get("host")
            if host is not None and host.text is not None and (code := host_fault(host.text)):
                yield self.at(code, host, host=host.text)
            url = sink.get("url")
            if url is None or url.text is None:
                continue
            if LOGIN.search(url.text):
                yield self.at("config.login_in_url", url)
            elif re.fullmatch(r"https?://[/:]*", url.text):
                yield self.at("config.bad_url", url, value=url.raw)

    def _profile(self, device: Node) -> ModbusProfile | MqttProfile | None:
        return self.profiles.get(device.word("profile") or "")


def is_zone(name: str) -> bool:
    """Whether a time zone of this name is known here."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return bool(name)


def _is_endless(value: Scalar) -> bool:
    """Whether it is, or would be read as, infinity, not-a-number or more than any register holds."""
    if isinstance(value, str):
        return value.strip().lower().lstrip("+-") in ("nan", "inf", "infinity")
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, int) and abs(value) >= 1 << 64


def _fitting(profile: ModbusProfile | MqttProfile, unit: str | None, is_counter: bool) -> tuple[str, ...]:
    kind = Kind.COUNTER if is_counter else Kind.GAUGE
    names = profile.every_point()
    units = (unit, PULSE) if unit else {quantity.unit for quantity in QUANTITIES.values()}
    return tuple(n for n in names if QUANTITIES[n].kind is kind and QUANTITIES[n].unit in units)


def _nearest(word: str, known: Iterable[str]) -> Hint | None:
    """As did_you_mean, also for the last part of a name: ``Taipei`` for ``Asia/Taipei``."""
    names = sorted(known)
    tails = [name for name in names if name.rpartition("/")[2].casefold() == word.casefold()]
    return Hint("config.did_you_mean", {"guess": tails[0]}) if tails else did_you_mean(word, names)
