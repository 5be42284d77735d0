"""Fuzz MQTT's frames: any bytes in any pieces give messages and frames, or the connection is given up.

Run by `make fuzz`.
"""

import contextlib

import atheris

from tests.fuzz.harness import fuzz

with atheris.instrument_imports(include=["drivers.mqtt_frames"]):
    from drivers.inbox import Arrival
    from drivers.mqtt_frames import Frames, NotMqtt

MAX_BYTES = 200


def one_input(raw: bytes) -> None:
    data = atheris.FuzzedDataProvider(raw)
    frames = Frames(1, is_5=data.ConsumeBool(), max_bytes=MAX_BYTES)
    with contextlib.suppress(NotMqtt):
        while data.remaining_bytes():
            for found in frames.feed(data.ConsumeBytes(data.ConsumeIntInRange(0, 300))):
                payload = found.payload if isinstance(found, Arrival) else found
                assert len(payload) <= MAX_BYTES + 5, found
            assert len(frames._rest) <= MAX_BYTES + 5


if __name__ == "__main__":
    fuzz(one_input)
