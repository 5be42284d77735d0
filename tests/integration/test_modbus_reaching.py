"""Why a line cannot be reached, told with its cure; Modbus over TLS."""

import asyncio
import os
import socket
import ssl
from contextlib import asynccontextmanager, suppress

import pytest
from pydantic import TypeAdapter

from config.words import LANGUAGES, say
from drivers.contract import Garbled, NoAnswer, Unreachable
from drivers.modbus import ModbusDriver
from drivers.settings import ModbusBus
from tests.modbus_world import (
    ONE,
    clock_ms,
    driver,
)
from tests.servers import Authority, free_port
from tests.servers.modbus import good_answer, running, scripted


def test_why_nobody_could_be_reached(tmp_path):
    def code(**bus):
        with pytest.raises(Unreachable) as error:
            asyncio.run(driver([{"id": "a"}], **bus).read("a"))
        assert not isinstance(error.value, NoAnswer)
        assert error.value.data["device"] == "a"
        return error.value.code

    assert code(port=free_port()) == "driver.nobody_listens"
    assert code(port=free_port(), host="no-such-host.invalid") == "driver.unknown_host"
    settings = {"kind": "modbus_rtu", "id": "b", "devices": [{"id": "a", "profile": "test"}]}
    bus = TypeAdapter(ModbusBus).validate_python({**settings, "line": str(tmp_path / "ttyUSB0")})
    with pytest.raises(Unreachable) as error:
        asyncio.run(ModbusDriver(bus, {"test": ONE}, clock_ms).read("a"))
    assert error.value.code == "driver.no_such_port"


def refuse_one(listening, context):
    """Meet one client, refuse its certificate, wait until it hangs up: a reset would overtake the words."""
    connection, _ = listening.accept()
    with context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as secured:
        with suppress(ssl.SSLError):
            secured.do_handshake()
        while os.read(secured.fileno(), 4096):
            pass


def test_over_tls(tmp_path):
    """Modbus/TCP Security: both sides show certificates that one authority signed."""
    authority = Authority(tmp_path)
    theirs = authority.sign("gateway", alternatives="DNS:gateway.example")
    ours = authority.sign("monitor")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(theirs.file, theirs.key)
    context.load_verify_locations(authority.own.file)
    context.verify_mode = ssl.CERT_REQUIRED
    trust = {"ca": authority.own.file.name, "server_name": "gateway.example"}
    own = {"certificate": ours.file.name, "key": ours.key.name}

    async def scene():
        port = free_port()

        async def code(**tls):
            with pytest.raises(Unreachable) as error:
                await driver([{"id": "a"}], folder=tmp_path, port=port, tls=tls).read("a")
            for language in LANGUAGES:
                assert "a" in say(error.value.code, language, **error.value.data)
            return error.value.code

        async with scripted(port, good_answer, context):
            one = driver([{"id": "a"}, {"id": "b", "unit": 2}], folder=tmp_path, port=port,
                         tls={**trust, **own})  # fmt: skip
            async with running(one) as inbox:
                await inbox.until(lambda box: len(box.of("a")) >= 3 and len(box.of("b")) >= 3)
            assert one.counts.dials == 1
            assert await code(**own, ca=trust["ca"]) == "driver.tls_wrong_name"
            assert await code(server_name="gateway.example") == "driver.tls_unknown_authority"
            assert await code(ca="nowhere.pem") == "driver.tls_files"
        # asyncio's server hangs up without its alert; a blocking one sends it, as gateways do.
        with socket.create_server(("127.0.0.1", port)) as listening:
            meeting = asyncio.create_task(asyncio.to_thread(refuse_one, listening, context))
            assert await code(**trust) == "driver.tls_ours_refused"
            await meeting

    asyncio.run(scene())


@asynccontextmanager
async def without_tls(port, reply):
    """A far end that hears a greeting in TLS and says something else, or (None) waits for more."""
    serving = set()

    async def hear(reader, writer):
        serving.add(asyncio.current_task())
        with suppress(ConnectionError):
            await reader.read(4096)
            if reply is None:
                await reader.read(4096)
            else:
                writer.write(reply)
        writer.close()

    async with await asyncio.start_server(hear, "127.0.0.1", port):
        yield
        await asyncio.gather(*serving)


@pytest.mark.parametrize(
    "reply", [None, b"", b"\x00\x01\x00\x00\x00\x03\x01\x83\x02"], ids=["waits", "hangs up", "answers"]
)
def test_tls_to_a_port_without_it_is_told_from_nobody_there(reply):
    async def scene():
        port = free_port()
        one = driver([{"id": "a"}], port=port, timeout_s=0.5, tls={})
        async with without_tls(port, reply):
            with pytest.raises(Unreachable) as error:
                await one.read("a")
        assert error.value.code == "driver.tls_not_spoken"
        assert "not in TLS" in say(error.value.code, "en", **error.value.data)
        with pytest.raises(Unreachable) as error:
            await one.read("a")
        assert error.value.code == "driver.nobody_listens"

    asyncio.run(scene())


@pytest.mark.parametrize("alert", ["15030300020246", "150301000202460000000000"])
def test_no_tls_to_a_port_that_wants_it_is_told(alert):
    async def scene():
        port = free_port()
        async with scripted(port, lambda _: bytes.fromhex(alert)):
            with pytest.raises(Garbled) as error:
                await driver([{"id": "a"}], port=port).read("a")
        assert error.value.code == "driver.tls_wanted"
        for language in LANGUAGES:
            assert "TLS" in say(error.value.code, language, **error.value.data)

    asyncio.run(scene())


def test_a_tls_server_that_hangs_up_without_a_word_leaves_the_hint(tmp_path):
    """OpenSSL sends no alert to whom it does not understand."""
    own = Authority(tmp_path).own
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.file, own.key)

    async def scene():
        port = free_port()
        async with scripted(port, good_answer, context):
            with pytest.raises(NoAnswer) as error:
                await driver([{"id": "a"}], port=port).read("a")
        assert error.value.code == "driver.hung_up"
        for language in LANGUAGES:
            assert "TLS" in say(error.value.code, language, **error.value.data)

    asyncio.run(scene())
