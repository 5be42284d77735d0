"""Fuzz what devices publish: any messages, in any order, to any convention, give scans or counted refusals.

Run by `make fuzz`. The bytes of one input are cut into messages for one device of a shipped profile, so that
births, changes, last wills and duplicates meet; every decoder of payloads is on the way.
"""

import json
import logging
import warnings
from typing import Any

import atheris

from tests.fuzz.harness import fuzz

with atheris.instrument_imports(
    include=[
        "drivers.inbox",
        "drivers.payload_json",
        "drivers.payload_times",
        "drivers.payloads",
        "drivers.sparkplug",
        "drivers.sparkplug_wire",
        "drivers.streams",
    ]
):
    import numpy as np

    from config.profiles import load_profile, profile_names
    from config.words import LANGUAGES, say
    from drivers.inbox import Arrival, Counts, Inbox
    from drivers.mqtt_profile import MqttProfile
    from drivers.payload_json import steps_of
    from drivers.payload_times import EARLIEST_MS, LATEST_AHEAD_MS
    from drivers.presence import Presence
    from drivers.settings import MqttDevice
    from drivers.streams import directory_of
    from rules.quality import Quality

NOW_MS = 1_772_418_000_000
DAY_MS = 86_400_000
PROFILES = {name: p for name in profile_names() if isinstance(p := load_profile(name), MqttProfile)}
NAMES = sorted(PROFILES)
KINDS = ["NBIRTH/n", "NDATA/n", "NDEATH/n", "DBIRTH/n/m", "DDATA/n/m", "DDEATH/n/m"]
STARTS = [
    b"",
    b'{"ENERGY": {"Power": ',
    b'{"params": {"ts": 1772417700, "em:0": {',
    b'{"Time": "',
    b"\x12\x1d\x0a\x0cPower/Active",
]


class Desk:
    """Where scans, news and refusals arrive."""

    def __init__(self) -> None:
        self.scans = []
        self.errors = []

    def scan(self, scan, _on_commit=None):
        self.scans.append(scan)

    def news(self, news):
        """Nobody asks."""

    def check(self, latest_ms):
        for scan in self.scans:
            assert scan.values.shape == scan.quality.shape == (len(scan.layout.points),)
            assert (np.isfinite(scan.values) == (scan.quality != Quality.MISSING)).all()
            assert EARLIEST_MS <= scan.at_ms <= latest_ms + LATEST_AHEAD_MS + 1
        for error in self.errors:
            assert all(say(error.code, language, **error.data) for language in LANGUAGES)


VALUES = [
    "NaN",
    "1,234",
    "",
    "-3e2",
    "2026-03-29T02:30:00",
    "2026-10-25T02:30:00",
    "9999-12-31T23:59:59-14:00",
]


def a_value(data):
    what = data.ConsumeIntInRange(0, 5)
    if what < 2:
        return data.ConsumeInt(9) if what else data.ConsumeFloat()
    if what == 2:
        return data.PickValueInList(VALUES)
    if what == 3:
        return [a_value(data) for _ in range(data.ConsumeIntInRange(0, 3))]
    return data.PickValueInList([None, True, {}, NOW_MS / 1000, NOW_MS])


def a_message(data, profile):
    """JSON with values where a profile looks for some."""
    part = data.PickValueInList(list(profile.parts.values()))
    under = [delta.under for delta in part.deltas]
    paths = [f"{before}.{point.path}" for before in ("", *under) for point in part.points.values()]
    paths += [path for path in (part.time, part.duplicate_by, part.restart_by, "params.ts") if path]
    content: dict[str, Any] = {}
    for _ in range(data.ConsumeIntInRange(0, 6)):
        *parents, leaf = steps_of(data.PickValueInList(paths)) or ("x",)
        node: Any = content
        for step in parents:
            node = node.setdefault(step, {}) if isinstance(node, dict) else {}
        if isinstance(node, dict):
            node[leaf] = a_value(data)
    return json.dumps(content).encode()


def one_input(fuzzed: bytes) -> None:
    data = atheris.FuzzedDataProvider(fuzzed)
    name = data.PickValueInList(NAMES)
    device = MqttDevice(id="meter", profile=name, topic="g/n/m", timezone="Europe/Berlin")
    directory, desk, counts = directory_of([device], PROFILES), Desk(), Counts()
    inbox = Inbox(
        "broker",
        directory,
        delivery=desk,
        presence=Presence("broker", {"meter": 300.0}, desk.news),
        acknowledge=lambda *_: None,
        publish=lambda *_, **__: None,
        counts=counts,
        refused=desk.errors.append,
    )
    topics = [*directory.routes, *directory.words]
    topics += [f"spBv1.0/g/{kind}" for kind in KINDS] if directory.nodes else []
    now_ms = NOW_MS
    for _ in range(data.ConsumeIntInRange(1, 6)):
        topic, start = data.PickValueInList(topics), data.PickValueInList(STARTS)
        now_ms += data.ConsumeIntInRange(0, DAY_MS)
        retained, qos = data.ConsumeBool(), data.ConsumeIntInRange(0, 1)
        if data.ConsumeBool():
            payload = start + data.ConsumeBytes(data.ConsumeIntInRange(0, 300))
        else:
            payload = a_message(data, PROFILES[name])
        inbox.take(Arrival(topic, payload, qos, 1, retained, 1), now_ms, (now_ms - NOW_MS) / 1000)
    desk.check(now_ms)
    # What came at QoS 0 and again at QoS 1 is handed over twice: only the second can be acknowledged.
    assert counts.scans <= len(desk.scans) <= counts.scans + counts.duplicates


if __name__ == "__main__":
    warnings.simplefilter("error")
    logging.disable()
    fuzz(one_input)
