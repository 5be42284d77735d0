"""How a line is reached: a socket, TLS, a serial port. Each gives an open link, or says why not."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from pymodbus.transport import CommParams
from pymodbus.transport.transport import CommType

from drivers.contract import Unreachable, Where
from drivers.modbus_link.debts import Debts
from drivers.modbus_link.link import LineCounts, Link
from drivers.modbus_link.rtu import RtuLink
from drivers.modbus_link.tcp import TcpLink, Transactions
from drivers.settings import ModbusSerialBus, Tls
from drivers.tls import client_context, tls_reason, tls_trouble

_LEAST_DIAL_S = 3.0  # a TLS handshake or a far gateway takes longer than an answer
_SOCKET_QUIET_S = 0.002
_CODES = {
    errno.ECONNREFUSED: "driver.nobody_listens",
    errno.ECONNRESET: "driver.hung_up",
    errno.ENOENT: "driver.no_such_port",
    errno.EACCES: "driver.port_forbidden",
    errno.EAGAIN: "driver.port_in_use",
    errno.EBUSY: "driver.port_in_use",
}


class Transport(Protocol):
    """A way to one line."""

    @property
    def address(self) -> str:
        """For people: ``10.0.0.7:502``, ``/dev/ttyUSB0``."""

    async def dial(self, timeout_s: float, counts: LineCounts) -> Link:
        """Open the line anew. Raises ``Unreachable``."""


class _Transport:
    def __init__(self, address: str, create: Callable[[float, LineCounts], Link]) -> None:
        self.address = address
        self._create = create

    async def dial(self, timeout_s: float, counts: LineCounts) -> Link:
        """Open the line anew. Raises ``Unreachable``."""
        counts.dials += 1
        link: Link | None = None
        try:
            async with asyncio.timeout(max(timeout_s, _LEAST_DIAL_S)):
                link = self._create(timeout_s, counts)
                link.transport, _ = await link.call_create()
                await link.ready
        except (OSError, ValueError) as error:  # a name that no resolver takes is a ValueError
            if link is not None:
                link.hang_up()
            raise self._unreachable(error, link is not None and link.in_handshake) from error
        except BaseException:
            if link is not None:
                link.hang_up()
            raise
        return link

    def _unreachable(self, error: OSError | ValueError, in_handshake: bool) -> Unreachable:
        where = Where(self.address)
        if trouble := tls_trouble(error):
            reason = tls_reason(error) if isinstance(error, ssl.SSLError) else str(error)
            return Unreachable(where, f"driver.{trouble}", reason=reason)
        if in_handshake:  # somebody took the call, and did not answer in TLS
            return Unreachable(where, "driver.tls_not_spoken")
        if isinstance(error, (socket.gaierror, ValueError)):
            return Unreachable(where, "driver.unknown_host")
        return Unreachable(where, _CODES.get(getattr(error, "errno", None) or 0))


def socket_transport(
    host: str, port: int, *, rtu: bool = False, tls: Tls | None = None, folder: Path = Path()
) -> Transport:
    """A way through a socket: Modbus TCP, Modbus/TCP Security, or RTU frames as they are.

    Parameters
    ----------
    folder : where relative paths of certificates count from.
    """
    debts, transactions = Debts(), Transactions()

    def create(timeout_s: float, counts: LineCounts) -> Link:
        params = CommParams(comm_type=CommType.TCP, host=host, port=port, timeout_connect=timeout_s)
        link: Link = TcpLink(params, counts, transactions)
        if rtu:
            link = RtuLink(params, counts, _SOCKET_QUIET_S, debts)
        if tls is not None:
            link.call_create = partial(_secured, link, host, port, tls, folder)
        return link

    return _Transport(f"{host}:{port}", create)


async def _secured(
    link: Link, host: str, port: int, tls: Tls, folder: Path
) -> tuple[asyncio.Transport, Link]:
    """Connect, then shake hands: only so is nobody there told from somebody without TLS."""
    context = client_context(tls, folder)
    plain, _ = await link.loop.create_connection(asyncio.Protocol, host, port)
    link.in_handshake = True
    secure = await link.loop.start_tls(plain, link, context, server_hostname=tls.server_name or host)
    link.in_handshake = False
    assert secure is not None  # noqa: S101  it is None for a transport that is closing, which raises first
    link.connection_made(secure)
    return secure, link


def serial_transport(bus: ModbusSerialBus) -> Transport:
    """A serial line of our own."""
    debts = Debts()

    def create(timeout_s: float, counts: LineCounts) -> Link:
        params = CommParams(
            comm_type=CommType.SERIAL,
            host=bus.line,
            baudrate=bus.baud,
            bytesize=bus.data_bits,
            parity=bus.parity[0].upper(),
            stopbits=bus.stop_bits,
            timeout_connect=timeout_s,
        )
        return RtuLink(params, counts, _quiet_s(bus.baud), debts)

    return _Transport(bus.line, create)


def _quiet_s(baud: int) -> float:
    """3.5 characters of 11 bits; fixed above 19,200 baud (Modbus over Serial Line V1.02, 2.5.1.1)."""
    return 0.00175 if baud > 19200 else 3.5 * 11 / baud
