"""Everything that touches the Modbus wire; the only place that imports pymodbus.

pymodbus connects (TCP, TLS, serial), encodes requests, frames them and computes check sums. The exchange
itself is ours, because a question that stays without an answer must not cost the neighbours a reconnect:
what comes late, or from somebody else, is recognised, counted and thrown away, and the next question goes on.
"""

from drivers.modbus_link.link import LineCounts, Link
from drivers.modbus_link.question import Question, order, question
from drivers.modbus_link.transports import Transport, serial_transport, socket_transport

__all__ = [
    "LineCounts",
    "Link",
    "Question",
    "Transport",
    "order",
    "question",
    "serial_transport",
    "socket_transport",
]
