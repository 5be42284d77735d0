"""A range of an unknown device's registers, looked through on a device that does not answer for just any."""

import asyncio
import struct

from drivers.modbus_profile import Table
from monitor.cli.dialling import FarEnd
from monitor.cli.scanning import show_scan
from tests.modbus_world import asked
from tests.servers import free_port
from tests.servers.modbus import answer_of, exception_of, scripted

VALUES = [(1, 3), (3, 5), (5, 7), (7, 11)]
"""Two floats of 32 bits and one of 64, beside registers that there are not."""


def whole_values_only(frame):
    """As Siemens's meters: a read that starts or ends inside a value, or at none, is an error."""
    _, start, count = asked(frame)
    edges = {edge for value in VALUES for edge in value}
    if {start, start + count} <= edges:
        return answer_of(frame, b"".join((100 + at).to_bytes(2, "big") for at in range(start, start + count)))
    return exception_of(frame, 2)


def even_counts_only(frame):
    """As Eastron's meters, which begin anywhere."""
    _, start, count = asked(frame)
    return exception_of(frame, 2) if count % 2 or start + count > 10 else answer_of(frame, bytes(2 * count))


def said_of(answer, wish, capsys):
    async def scene():
        port = free_port()
        async with scripted(port, answer):
            far_end = FarEnd("127.0.0.1", port, 1, timeout_s=20.0)
            await asyncio.to_thread(show_scan, far_end, Table.HOLDING, wish, "en")

    asyncio.run(scene())
    return capsys.readouterr().out


def test_a_device_that_gives_whole_values_only_is_looked_through(capsys):
    said = said_of(whole_values_only, "0-12", capsys)
    assert "10 of 13 registers answered" in said
    rows = [line.split()[:3] for line in said.splitlines()]
    assert all([str(at), f"{100 + at:04X}", str(100 + at)] in rows for at in range(1, 11)), said


def test_every_digit_is_shown_within_eighty_columns(capsys):
    large = b"".join(struct.pack(">f", value) for value in (-912_345_678.0, 255_705.969, -0.001234567, 4e8))
    said = said_of(lambda frame: answer_of(frame, large[: 2 * asked(frame)[2]]), "0-7", capsys)
    assert "8 of 8 registers answered" in said
    assert "-912345664" in said
    assert "255706" in said
    assert "-0.001234567" in said
    assert "…" not in said


def test_a_device_that_answers_even_counts_only_is_looked_through(capsys):
    assert "10 of 13 registers answered" in said_of(even_counts_only, "0-12", capsys)
