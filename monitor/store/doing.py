"""Having something done in the writer's thread, from the event loop."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from monitor.store.ledgers import WriterEngine

T = TypeVar("T")

Call = Callable[[Callable[[WriterEngine], object]], None]
"""Has something done in the writer's thread; returns at once."""


class Doing:
    """Work for the writer's thread that is awaited: it is on disk when it returns.

    Parameters
    ----------
    call : the writer's ``call``.
    """

    def __init__(self, call: Call) -> None:
        self._call = call

    async def __call__(self, work: Callable[[WriterEngine], T]) -> T:
        """Have it done. Raises whatever it raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: Exception | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(result)  # type: ignore[arg-type]
            else:
                future.set_exception(error)

        def carried_out(engine: WriterEngine) -> None:
            result, error = None, None
            try:
                result = work(engine)
            except Exception as caught:  # noqa: BLE001  whatever the disk says, the caller decides
                error = caught
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(settle, result, error)

        self._call(carried_out)
        return await future
