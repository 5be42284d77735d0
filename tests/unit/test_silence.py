"""Who says nothing: how long a device may answer and close no interval of its meters."""

import pytest

from config.loading import PlacedDevice
from config.profiles import load_profile
from drivers.settings import ModbusDevice, ModbusTcpBus, MqttBus, MqttDevice
from monitor.silence import stale_after_s, unread, unread_after_ms

T0_S, MINUTE_MS = 1_800_000_000, 60_000
AFTER_MS = 20 * MINUTE_MS


def polled(**said):
    device = ModbusDevice(id="main", profile="eastron_sdm630", host="10.0.0.7", **said)
    bus = ModbusTcpBus(kind="modbus_tcp", id="b", every_s=10, devices=(device,))
    return PlacedDevice(bus, device, load_profile("eastron_sdm630"))


def published(stale_after_s):
    device = MqttDevice(id="water", profile="json_water_meter", topic="w", stale_after_s=stale_after_s)
    bus = MqttBus(kind="mqtt", id="m", host="10.0.0.8", devices=(device,))
    return PlacedDevice(bus, device, load_profile("json_water_meter"))


def test_three_polls_or_the_silence_that_a_device_is_allowed_make_its_values_old():
    assert stale_after_s(polled()) == 30
    assert stale_after_s(polled(every_s=0.5)) == 5
    assert stale_after_s(published(120)) == 120


def test_a_brokers_device_may_tell_its_register_once_an_hour():
    assert unread_after_ms(polled(), 900) == 1000 * (900 + 30 + 60)
    assert unread_after_ms(published(120), 900) == 1000 * (900 + 3600 + 60)
    assert unread_after_ms(published(80_000), 900) == 1000 * (900 + 80_000 + 60)


@pytest.mark.parametrize(
    ("last_end", "answers_since", "heard", "told_since"),
    [
        (0, -500, 19, None),
        (0, -500, 20, 0),
        (0, 15, 30, None),  # it has just come back, and its register with it
        (0, 15, 35, 0),
        (None, 0, 19, None),  # a new meter's first interval is open
        (None, 0, 20, 0),
        (0, -500, -1, None),
        (90, -500, 30, None),  # a clock that was set back: what was closed lies ahead
    ],
)
def test_an_interval_that_does_not_close_is_told_while_the_device_answers(
    last_end, answers_since, heard, told_since
):
    def at_ms(minute):
        return 1000 * T0_S + minute * MINUTE_MS

    last_end_s = None if last_end is None else at_ms(last_end) // 1000
    found = unread("main", last_end_s, at_ms(answers_since), at_ms(heard), AFTER_MS)
    assert (None if found is None else found.since_ms) == (None if told_since is None else at_ms(told_since))
