"""From what the operator wrote to the objects that run: drivers, meters and sinks of a site."""

from collections.abc import Iterable, Mapping

from config.counters import counter_limits
from config.loading import LoadedSite, PlacedDevice, every_s
from config.secrets import reveal
from config.site import MeterSettings
from drivers.contract import Driver
from drivers.modbus_profile import ModbusProfile
from drivers.mqtt_profile import MqttProfile
from drivers.settings import Bus, ModbusBus, MqttDevice, Secret
from monitor.clock import Clock
from monitor.pipeline import Meter
from rules.metering import STUCK_AFTER_MS, MeterRules
from rules.scan import Layout

MISSED_POLLS = 3
"""A silence of more than three polls is a gap: what lies in it was not measured."""

LEAST_GAP_S = 2.0
"""Below this, a gap is the network's ordinary unevenness."""

SHARE_OF_INTERVAL = 10
"""A tenth of an interval may lie between readings: many registers are renewed once a minute only."""


def build_drivers(loaded: LoadedSite, clock: Clock) -> dict[str, Driver]:
    """One driver for each bus, by the bus's id. Secrets are read here. Raises ``ConfigurationError``."""
    return {bus.id: build_driver(loaded, bus, clock) for bus in loaded.site.buses}


def build_driver(loaded: LoadedSite, bus: Bus, clock: Clock) -> Driver:
    """The driver of one bus. A wire library is loaded only where a bus needs it."""
    if isinstance(bus, ModbusBus):
        from drivers.modbus import ModbusDriver

        registers = {n: p for n, p in loaded.profiles.items() if isinstance(p, ModbusProfile)}
        return ModbusDriver(bus, registers, clock.now_ms, loaded.folder)
    from drivers.mqtt import MqttDriver

    payloads = {n: p for n, p in loaded.profiles.items() if isinstance(p, MqttProfile)}
    client_id = bus.client_id or f"energy-monitor-{loaded.site.site.id}-{bus.id}"
    password = revealed(loaded, bus.password)
    return MqttDriver(
        bus,
        payloads,
        client_id=client_id,
        password=password,
        clock_ms=clock.now_ms,
        folder=loaded.folder,
        zone=loaded.site.site.timezone,
    )


def revealed(loaded: LoadedSite, secret: Secret | None) -> str | None:
    """The secret itself, or None where none is named. Raises ``ConfigurationError``."""
    return None if secret is None else reveal(secret, loaded.folder)


def build_meters(loaded: LoadedSite, layouts: Iterable[Layout]) -> list[Meter]:
    """Every meter that has a register, with its place in the layouts that arrive."""
    by_device: dict[str, list[Layout]] = {}
    for layout in layouts:
        by_device.setdefault(layout.device, []).append(layout)
    devices, interval_s = loaded.placed(), loaded.site.interval_s
    return [
        _meter(settings, devices, by_device, interval_s)
        for settings in loaded.site.meters
        if settings.formula is None
    ]


def _meter(
    settings: MeterSettings,
    devices: Mapping[str, PlacedDevice],
    layouts: Mapping[str, list[Layout]],
    interval_s: int,
) -> Meter:
    device, _, counter = settings.counter.partition(".")
    layout = next(candidate for candidate in layouts[device] if candidate.has(counter))
    rate = None
    if settings.rate is not None:
        rate_device, _, rate_point = settings.rate.partition(".")
        if rate_device == device and layout.has(rate_point):
            rate = layout.index(rate_point)
    place = layout.index(counter)
    limits = counter_limits(settings, layout.points[place].rolls_over_at)
    stuck_after_ms = (
        STUCK_AFTER_MS if settings.stuck_after_s is None else round(1000 * settings.stuck_after_s)
    )
    gap_ms = round(1000 * _gap_s(devices[device], interval_s))
    rules = MeterRules(limits, interval_s, gap_ms, stuck_after_ms)
    return Meter(
        settings.id,
        layout.key,
        place,
        rate,
        rules,
        counter_name=counter,
        rate_name=None if rate is None else layout.points[rate].name,
        own_time=_own_time(devices[device], layout),
    )


def _own_time(device: PlacedDevice, layout: Layout) -> bool:
    """Whether a layout's readings carry a time of their own."""
    if not isinstance(device.profile, MqttProfile):
        return False
    part = device.profile.parts[layout.part]
    return part.time is not None or part.payload == "sparkplug_b"


def _gap_s(device: PlacedDevice, interval_s: int) -> float:
    least_s = max(LEAST_GAP_S, interval_s / SHARE_OF_INTERVAL)
    if isinstance(device.settings, MqttDevice):
        return max(least_s, min(device.settings.stale_after_s, interval_s / 2))
    return max(least_s, MISSED_POLLS * every_s(device))
