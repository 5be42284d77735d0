"""A Sparkplug B edge node made with pysparkplug, told what to do line by line.

It runs in the peers' environment: sparkplug_node.py HOST PORT. Lines: ``connect``, ``data kW kWh``,
``alias kW kWh``, ``skip``, ``leave``, ``die``.
"""
# mypy: ignore-errors

import os
import sys

import pysparkplug as sparkplug

GROUP, NODE, DEVICE = "plant", "gateway", "meter"


def metric(name, datatype, value, alias=None):
    now_ms = sparkplug.get_current_timestamp()
    return sparkplug.Metric(timestamp=now_ms, name=name, datatype=datatype, value=value, alias=alias)


def metrics(kw, kwh, named=True):
    return [
        metric("Power/Active" if named else None, sparkplug.DataType.DOUBLE, float(kw), alias=1),
        metric("Energy/Import" if named else None, sparkplug.DataType.INT64, int(kwh), alias=2),
    ]


def send_by_alias(node, client, kw, kwh):
    now_ms = sparkplug.get_current_timestamp()
    data = sparkplug.DData(timestamp=now_ms, seq=node._seq, metrics=tuple(metrics(kw, kwh, named=False)))
    topic = sparkplug.Topic(
        message_type=sparkplug.MessageType.DDATA, group_id=GROUP, edge_node_id=NODE, device_id=DEVICE
    )
    message = sparkplug.Message(topic=topic, payload=data, qos=sparkplug.QoS.AT_MOST_ONCE, retain=False)
    client.publish(message, include_dtypes=False)


def commanded(_node, message):
    for one in message.payload.metrics:
        print("commanded", one.name, one.value, flush=True)


def main():
    host, port = sys.argv[1], int(sys.argv[2])
    client = sparkplug.Client()
    rebirth = metric("Node Control/Rebirth", sparkplug.DataType.BOOLEAN, False)
    node = sparkplug.EdgeNode(GROUP, NODE, [rebirth], client=client, cmd_callback=commanded)
    node.register(sparkplug.Device(DEVICE, metrics(1, 1000)))
    for line in sys.stdin:
        word, *values = line.split()
        if word == "connect":
            node.connect(host, port=port)
        elif word == "data":
            node.update_device(DEVICE, metrics(*values))
        elif word == "alias":
            send_by_alias(node, client, *values)
        elif word == "skip":
            _ = node._seq
        elif word == "leave":
            node.disconnect()
        elif word == "die":
            os._exit(1)
        print("done", word, flush=True)


main()
