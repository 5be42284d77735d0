"""Hanging up always ends, whatever the connection was doing: the daemon's own end waits for it."""

import asyncio

import pytest
import uvloop

from drivers.mqtt_wire import Wire


class CancelledWire(Wire):
    """One whose dialling is cancelled in the instant in which the connection stands."""

    dialling: "asyncio.Task[object] | None" = None

    def connection_made(self, transport):
        super().connection_made(transport)
        assert self.dialling is not None
        self.dialling.cancel()


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def test_hanging_up_ends_although_dialling_was_cancelled_at_its_last_step(run):
    async def story() -> None:
        accepted: list[asyncio.StreamWriter] = []
        server = await asyncio.start_server(lambda _, writer: accepted.append(writer), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        wire = CancelledWire(lambda _: None, lambda: None)
        wire.dialling = asyncio.create_task(
            asyncio.get_running_loop().create_connection(lambda: wire, "127.0.0.1", port)
        )
        with pytest.raises(asyncio.CancelledError):
            await wire.dialling
        async with asyncio.timeout(30):
            await wire.finish()
        for writer in accepted:
            writer.close()
        server.close()

    run(story())
