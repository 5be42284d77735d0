"""Random Sparkplug payloads, and what protobuf reads in them; runs in the peers' environment.

Usage: sparkplug_payloads.py SEED COUNT. Each line is ``intact`` or ``mangled``, hexadecimal bytes and JSON.
"""
# mypy: ignore-errors

import json
import random
import struct
import sys

from google.protobuf.message import DecodeError
from pysparkplug._protobuf import Payload


def single(dice):
    return struct.unpack("<f", struct.pack("<f", dice.uniform(-1e9, 1e9)))[0]


VALUES = {
    "int_value": lambda dice: dice.getrandbits(32),
    "long_value": lambda dice: dice.getrandbits(dice.choice([7, 33, 64])),
    "float_value": single,
    "double_value": lambda dice: dice.uniform(-1e300, 1e300),
    "boolean_value": lambda dice: dice.random() < 0.5,
    "string_value": lambda dice: "水" * dice.randrange(200),
    "bytes_value": lambda dice: dice.randbytes(dice.randrange(200)),
}


def fill(dice, metric):
    for field, bits in (("alias", 64), ("timestamp", 43), ("datatype", 5)):
        if dice.random() < 0.5:
            setattr(metric, field, dice.getrandbits(bits))
    if dice.random() < 0.5:
        metric.name = dice.choice(["", "kW", "電表/功率", "x" * 300])
    for field in ("is_historical", "is_transient", "is_null"):
        if dice.random() < 0.2:
            setattr(metric, field, dice.random() < 0.5)
    for _ in range(dice.randrange(3)):
        field = dice.choice(list(VALUES))
        setattr(metric, field, VALUES[field](dice))
    if dice.random() < 0.2:
        metric.metadata.content_type = "text/plain"
        metric.properties.keys.append("Quality")
        metric.properties.values.add().int_value = dice.choice([0, 192, 500])


def quality(properties):
    for key, value in zip(properties.keys, properties.values, strict=False):
        if key == "Quality":
            return value.int_value if value.HasField("int_value") else None
    return None


def read(metric):
    if isinstance(metric.name, bytes):  # what is no UTF-8 is refused by us
        raise TypeError
    field = metric.WhichOneof("value")
    is_number = field in {"int_value", "long_value", "float_value", "double_value"} and not metric.is_null
    return {
        "name": metric.name if metric.HasField("name") else None,
        "alias": metric.alias if metric.HasField("alias") else None,
        "at_ms": metric.timestamp if metric.HasField("timestamp") else None,
        "datatype": metric.datatype if metric.HasField("datatype") else None,
        "is_historical": metric.is_historical,
        "value": getattr(metric, field) if is_number else None,
        "is_true": field == "boolean_value" and metric.boolean_value,
        "quality": quality(metric.properties),
    }


def mangled(dice, data):
    """The same bytes with a few changed, cut or put together: protobuf may take them or not."""
    data = bytearray(data)
    for _ in range(dice.randrange(4)):
        at = dice.randrange(len(data) + 1)
        data[at : at + dice.randrange(3)] = dice.randbytes(dice.randrange(3))
    return bytes(data)


def main():
    dice = random.Random(int(sys.argv[1]))
    for _ in range(int(sys.argv[2])):
        payload = Payload()
        if dice.random() < 0.9:
            payload.timestamp = dice.getrandbits(43)
        if dice.random() < 0.9:
            payload.seq = dice.randrange(256)
        for _ in range(dice.randrange(6)):
            fill(dice, payload.metrics.add())
        data = payload.SerializeToString()
        is_mangled = dice.random() < 0.5
        if is_mangled:
            data = mangled(dice, data)
        try:
            payload = Payload.FromString(data)
            found = {
                "at_ms": payload.timestamp if payload.HasField("timestamp") else None,
                "seq": payload.seq if payload.HasField("seq") else None,
                "metrics": [read(metric) for metric in payload.metrics],
            }
        except (DecodeError, TypeError):
            found = None
        print("mangled" if is_mangled else "intact", data.hex() or "-", json.dumps(found))


main()
