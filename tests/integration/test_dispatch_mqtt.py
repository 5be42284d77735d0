"""An event that switches relays behind a real broker, by the shipped profiles; the relays are not ours."""

import json
import threading
import time
from contextlib import contextmanager

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.dispatch_world import DIGEST, PATIENCE_S, Plant, wait_for

SITE = """\
site: {{id: hall, name: {{zh-TW: 市政大樓, en: City Hall}}, timezone: Asia/Taipei, language: en}}
store: {{path: energy.db}}
interval_s: 5
commodities:
  electricity: {{base_year: 2015}}
buses:
  - id: relays
    kind: mqtt
    host: {host}
    port: {port}
    devices:
      - {{id: lamp, profile: zigbee2mqtt_plug, topic: zigbee2mqtt/lamp}}
      - {{id: sign, profile: zigbee2mqtt_plug, topic: zigbee2mqtt/sign}}
      - {{id: pump, profile: shelly_gen2_switch, topic: shellyplus1pm-1}}
curtailment:
  operators: [{{id: wang, role: dispatcher, key: "{digest}"}}]
  plans:
    - id: summer
      mode: live
      dead_man_s: 3600
      notify_s: 0
      actions:
        - {{id: lamp, point: lamp.enable_setpoint, to: 0, expected_kw: 2}}
        - {{id: sign, point: sign.enable_setpoint, to: 0, release: 1, expected_kw: 1}}
        - {{id: pump, point: pump.enable_setpoint, to: 0, expected_kw: 5}}
"""

DONE = {"shed", "failed", "left_alone", "handed_back"}


class Relays:
    """Two plugs behind Zigbee2MQTT and a Shelly, as their makers' documents have them.

    Attributes
    ----------
    on : what each goes by. commands : what came, in order. stuck : those that take a command and do nothing.
    spared : how many commands of each are obeyed before one is struck; below zero once one was.
    late_s : how much later a struck command is obeyed after all; None where it never is.
    """

    def __init__(self, broker):
        self.on = {"lamp": True, "sign": False, "pump": True}
        self.commands = []
        self.stuck = set()
        self.spared = {}
        self.late_s = None
        self._done = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="the-relays")
        self._client.on_message = self._told
        topics = [("zigbee2mqtt/+/set", 1), ("+/rpc", 1)]
        self._client.on_connect = lambda client, *_: client.subscribe(topics)
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._say_again, name="relays")
        self._thread.start()

    def _say_again(self):
        while not self._done.wait(0.3):
            for name in self.on:
                self.say(name)

    def say(self, name):
        if name != "pump":
            told = {
                "state": "ON" if self.on[name] else "OFF",
                "power": 74.2,
                "energy": 118.36,
                "linkquality": 112,
            }
            self._client.publish(f"zigbee2mqtt/{name}", json.dumps(told), qos=1)
            return
        status = {"id": 0, "output": self.on["pump"], "apower": 120.5, "aenergy": {"total": 11860.2}}
        self._client.publish("shellyplus1pm-1/status/switch:0", json.dumps(status), qos=1)
        changes = {"ts": time.time(), "switch:0": {"id": 0, "output": self.on["pump"]}}
        notice = {"src": "shellyplus1pm-1", "method": "NotifyStatus", "params": changes}
        self._client.publish("shellyplus1pm-1/events/rpc", json.dumps(notice), qos=1)

    def _told(self, _client, _userdata, message):
        body = json.loads(message.payload)
        if message.topic.endswith("/rpc"):
            assert (message.topic, body["method"]) == ("shellyplus1pm-1/rpc", "Switch.Set")
            assert body["params"]["id"] == 0
            name, wanted = "pump", body["params"]["on"]
            assert wanted in (True, False)
        else:
            name, wanted = message.topic.split("/")[1], {"ON": True, "OFF": False}[body["state"]]
        self.commands.append((name, wanted))
        if name not in self.stuck and not self._strikes(name):
            self._obey(name, wanted)
        elif self.late_s is not None:
            threading.Timer(self.late_s, self._obey, (name, wanted)).start()

    def _strikes(self, name):
        self.spared[name] = self.spared.get(name, -1) - 1
        return self.spared[name] == -1

    def _obey(self, name, wanted):
        self.on[name] = wanted
        self.say(name)

    def close(self):
        self._done.set()
        self._thread.join(PATIENCE_S)
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def relays(folder, broker):
    """Relays, and the site that knows them."""
    site = folder / "site.yaml"
    site.write_text(SITE.format(host=broker.host, port=broker.port, digest=DIGEST), encoding="utf-8")
    far = Relays(broker)
    try:
        yield Plant(folder, 0, 0, site, devices=3), far
    finally:
        far.close()


def test_relays_are_switched_off_and_on_again_and_one_that_was_off_stays_off(mosquitto, tmp_path):
    with relays(tmp_path, mosquitto) as (one, far), one.daemon() as daemon:
        one.trigger()
        shed = {"lamp": "shed", "sign": "left_alone", "pump": "shed"}
        wait_for("the event", lambda: one.states() == shed)
        assert far.on == {"lamp": False, "sign": False, "pump": False}
        assert one.outcomes("shed") == {"lamp": "obeyed", "sign": "sheds_already", "pump": "obeyed"}
        assert one.dr("abort", "one")[0] == 0
        wait_for("its end", lambda: one.states() == {**shed, "lamp": "handed_back", "pump": "handed_back"})
        assert far.on == {"lamp": True, "sign": False, "pump": True}
        assert sorted(far.commands) == [("lamp", False), ("lamp", True), ("pump", False), ("pump", True)]
        assert daemon.terminate() == 0


def test_a_relay_that_takes_the_command_and_does_not_switch_is_found_out_and_handed_back(mosquitto, tmp_path):
    with relays(tmp_path, mosquitto) as (one, far), one.daemon():
        far.stuck.add("pump")
        one.trigger()
        wait_for(
            "the event", lambda: one.states() == {"lamp": "shed", "sign": "left_alone", "pump": "failed"}
        )
        assert one.outcomes("shed")["pump"] == "write.not_obeyed"
        assert far.on["pump"]
        (pump,) = [action for action in one.facts("one")["actions"] if action["action"] == "pump"]
        assert (pump["error"]["code"], pump["is_shed"]) == ("write.not_obeyed", False)
        assert one.dr("abort", "one")[0] == 0
        wait_for("its end", lambda: far.on == {"lamp": True, "sign": False, "pump": True})


@pytest.mark.parametrize(("name", "late_s"), [("pump", None), ("lamp", 1.5)])
def test_the_n_th_command_is_not_obeyed_or_late_for_every_n_and_all_is_handed_back(
    mosquitto, tmp_path, name, late_s
):
    """The n-th command to a relay is struck, n = 1, 2, 3 ... until an event passes without meeting it."""
    with relays(tmp_path, mosquitto) as (one, far), one.daemon():
        before, n, met = dict(far.on), 0, True
        far.late_s = late_s
        while met:
            n += 1
            far.spared[name] = n - 1
            event = f"e{n}"
            code, said = one.dr("trigger", "summer", "--for", "30m", "--id", event, "--operator", "wang")
            assert code == 0, said
            wait_for(f"event {event}", lambda event=event: set(one.states(event).values()) <= DONE)
            assert one.dr("abort", event)[0] == 0

            def is_back(event=event):
                facts = one.facts(event)
                return facts["life"] == "aborted" and not any(a["is_shed"] for a in facts["actions"])

            wait_for(f"the release of {event}", is_back)
            wait_for(f"the relays after {event}", lambda: far.on == before)
            met = far.spared[name] < 0
            assert n < 10
        assert n >= 3  # it struck the shedding and the release at least
