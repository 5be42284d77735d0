"""The far end of a serial line: a scripted meter that hears RTU requests."""

import asyncio
import os
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

Say = Callable[[bytes], None]
Script = Callable[[bytes, Say], None]
"""Gets a request and how to put bytes on the line, now or later."""

_REQUEST = 8  # unit, function, address, count, check sum


def check_sum(data: bytes) -> bytes:
    """The two bytes at a frame's end (Modbus over Serial Line V1.02, 6.2.2)."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return struct.pack("<H", crc)


def asked(request: bytes) -> tuple[int, int, int, int]:
    """Unit, function, address and count."""
    unit, function, address, count = struct.unpack(">BBHH", request[:6])
    return unit, function, address, count


def answer_of(request: bytes, register: int = 0) -> bytes:
    """As many registers as were asked for, each of them this."""
    count = asked(request)[3]
    body = request[:2] + bytes([2 * count]) + struct.pack(">H", register) * count
    return body + check_sum(body)


def exception_of(request: bytes, code: int) -> bytes:
    """An exception, in answer to a request."""
    body = bytes([request[0], request[1] | 0x80, code])
    return body + check_sum(body)


@asynccontextmanager
async def rtu_meter(line: Path, hear: Script) -> AsyncIterator[None]:
    """Let ``hear`` have every request that comes over a line."""
    loop, rest = asyncio.get_running_loop(), bytearray()
    end = os.open(line, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def say(data: bytes) -> None:
        os.write(end, data)

    def listen() -> None:
        rest.extend(os.read(end, 4096))
        while len(rest) >= _REQUEST:
            request = bytes(rest[:_REQUEST])
            if check_sum(request[:6]) == request[6:]:
                del rest[:_REQUEST]
                hear(request, say)
            else:
                del rest[0]

    loop.add_reader(end, listen)
    try:
        yield
    finally:
        loop.remove_reader(end)
        os.close(end)
