"""The real servers at the far end, for tests: started on free loopback ports, ended with their children.

Each is a plain context manager; ``tests/conftest.py`` makes fixtures of them.
"""

from tests.servers.brokers import Mosquitto, mosquitto
from tests.servers.certificates import Authority, Certificate
from tests.servers.influx_front import InfluxDB1, influxdb1
from tests.servers.processes import PATIENCE_S, Program, free_port, run_program
from tests.servers.programs import find_program, require_program
from tests.servers.scripted_http import CAPTIVE_PORTAL, Answer, Request, ScriptedHttp, scripted_http
from tests.servers.series import VictoriaMetrics, victoria_metrics

__all__ = [
    "CAPTIVE_PORTAL",
    "PATIENCE_S",
    "Answer",
    "Authority",
    "Certificate",
    "InfluxDB1",
    "Mosquitto",
    "Program",
    "Request",
    "ScriptedHttp",
    "VictoriaMetrics",
    "find_program",
    "free_port",
    "influxdb1",
    "mosquitto",
    "require_program",
    "run_program",
    "scripted_http",
    "victoria_metrics",
]
