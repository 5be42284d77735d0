"""Who says nothing: devices whose values are old, and meters without a reading while their device answers."""

from config.loading import PlacedDevice, every_s
from drivers.settings import MqttDevice
from monitor.findings import Finding

STALE_AFTER_POLLS = 3
STALE_AT_LEAST_S = 5.0
"""The way over store and page takes up to two seconds of its own."""

SELDOM_S = 3600.0
"""A device behind a broker may tell its register so seldom, beside what it tells all the time."""

SETTLED_S = 60.0
"""So long after the end of an interval the reading that closes it may still be on its way."""


def stale_after_s(device: PlacedDevice) -> float:
    """How long a device may be silent before its values are old."""
    if isinstance(device.settings, MqttDevice):
        return device.settings.stale_after_s
    return max(STALE_AT_LEAST_S, STALE_AFTER_POLLS * every_s(device))


def unread_after_ms(device: PlacedDevice, interval_s: int) -> int:
    """How long a device may answer and close no interval of its meters."""
    least_s = SELDOM_S if isinstance(device.settings, MqttDevice) else 0.0
    return round(1000 * (interval_s + max(stale_after_s(device), least_s) + SETTLED_S))


def unread(
    meter: str, last_end_s: int | None, answers_since_ms: int, heard_ms: int, after_ms: int
) -> Finding | None:
    """Whether a device answers while no reading of a meter's register counts, by times of readings alone.

    Parameters
    ----------
    last_end_s : end of the meter's newest interval; None before the first.
    answers_since_ms, heard_ms : since when the device answers, and its newest scan, of whatever part.
    after_ms : for how long that may be so.
    """
    closed_ms = None if last_end_s is None else 1000 * last_end_s
    if heard_ms - max(answers_since_ms, closed_ms or 0) < after_ms:
        return None
    return Finding(meter, "unread", answers_since_ms if closed_ms is None else closed_ms, 0, None)
