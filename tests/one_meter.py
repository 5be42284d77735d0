"""The meter that most tests need: an electricity meter's layout, and a water meter's profile of messages."""

from drivers.mqtt_profile import MqttProfile
from rules.quantities import Kind
from rules.scan import Layout, PointSpec

LAYOUT = Layout(
    "main",
    "main",
    "electricity",
    (
        PointSpec("energy_import", "kWh", Kind.COUNTER),
        PointSpec("active_power_total", "kW", Kind.GAUGE, low=-100.0, high=9000.0),
    ),
)

WATER = MqttProfile.model_validate(
    {
        "profile": "test_water",
        "version": 1,
        "maker": "any",
        "model": "any",
        "family": "water",
        "source": ["this test"],
        "transport": "mqtt",
        "parts": {"main": {"time": "ts", "points": {"volume": {"path": "m3", "unit": "m3"}}}},
    }
)
