"""Which devices of a broker are heard, and the news when that changes."""

from collections.abc import Callable, Mapping

from drivers.contract import DeviceCondition, DeviceNews, DriverError, NoAnswer, Where

SAID_OFFLINE = "mqtt.said_offline"
_SPOKEN = ("mqtt.subscription_refused", SAID_OFFLINE)
"""There is a better reason than silence."""
_WELL = (DeviceCondition.ONLINE, "")


class Presence:
    """Conditions of the devices of one bus. Times are monotonic seconds.

    Parameters
    ----------
    address : the broker, for people.
    stale_after_s : silence after which a device counts as offline, by device.
    tell : gets the news, on change only.
    """

    def __init__(
        self, address: str, stale_after_s: Mapping[str, float], tell: Callable[[DeviceNews], None]
    ) -> None:
        self._address = address
        self._stale_after_s = dict(stale_after_s)
        self._tell = tell
        self._said: dict[str, tuple[DeviceCondition, str]] = {}
        self._heard_s: dict[str, float] = {}
        self._connected = False

    def heard(self, device: str, now_s: float) -> None:
        """A device sent something good."""
        self._heard_s[device] = now_s
        if self._said.get(device) is not _WELL:
            self._say(device, _WELL)

    def alive(self, device: str, now_s: float) -> None:
        """A device sent something that is no reading: it is not silent, but nothing is known of it."""
        self._heard_s[device] = now_s

    def left(self, device: str) -> None:
        """The device, or the broker in its name, says that it is gone."""
        self._fails(device, DeviceCondition.OFFLINE, NoAnswer(Where(self._address, device), SAID_OFFLINE))

    def returned(self, device: str, now_s: float) -> None:
        """The device says that it is there: that ends its being gone, and is no reading yet."""
        if self._said.get(device, (None, ""))[1] == SAID_OFFLINE:
            self.heard(device, now_s)

    def garbled(self, device: str, error: DriverError, now_s: float) -> None:
        """A device lives, but what it sends cannot be read."""
        self._heard_s[device] = now_s
        self._fails(device, DeviceCondition.DEGRADED, error)

    def deaf(self, device: str, error: DriverError) -> None:
        """The broker does not let us listen to a device."""
        self._fails(device, DeviceCondition.OFFLINE, error)

    def connected(self, now_s: float) -> None:
        """The broker is there: from now on silence is a device's own."""
        self._connected = True
        for device in self._stale_after_s:
            self._heard_s[device] = now_s

    def lost(self, error_of: Callable[[str], DriverError]) -> None:
        """The broker is gone, and every device with it."""
        self._connected = False
        for device in self._stale_after_s:
            self._fails(device, DeviceCondition.OFFLINE, error_of(device))

    def check(self, now_s: float) -> None:
        """Look for devices that fell silent."""
        if not self._connected:
            return
        for device, limit_s in self._stale_after_s.items():
            said = self._said.get(device)
            if said is not None and said[1] in _SPOKEN:
                continue
            if now_s - self._heard_s[device] > limit_s:
                silent = NoAnswer(Where(self._address, device), "mqtt.silent", timeout_s=limit_s)
                self._fails(device, DeviceCondition.OFFLINE, silent)

    def _fails(self, device: str, condition: DeviceCondition, error: DriverError) -> None:
        self._say(device, (condition, error.code), error)

    def _say(self, device: str, state: tuple[DeviceCondition, str], error: DriverError | None = None) -> None:
        if self._said.get(device) != state:
            self._said[device] = state
            self._tell(DeviceNews(device, state[0], error))
