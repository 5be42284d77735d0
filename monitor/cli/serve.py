"""``energy-monitor serve``: the page, until it is told to end."""

import asyncio
import contextlib
import ipaddress
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from config.loading import LoadedSite, load_site
from config.site import Language, PageSettings
from config.words import say
from monitor.cli.words import WRONG_USE, tell
from monitor.clock import SystemClock
from monitor.store.city_reader import CityReader
from monitor.store.database import StoreError
from monitor.store.reader import StoreReader
from monitor.web.app import create_app
from monitor.web.city.app import create_city_app

OK = 0
BACKLOG = 256


def run_serve(site_path: Path, host: str | None, port: int | None, language: str) -> int:
    """Serve the page of a site until a signal ends it.

    Parameters
    ----------
    host, port : where to listen; as the site file says when None. Port 0 takes a free one.
    language : of what is told on the terminal; the page has its own.

    Returns
    -------
    Exit code: 0 when it was told to end, 2 when the address cannot be used.

    Raises
    ------
    ConfigurationError : the site file does not hold together.
    StoreError : there is a store, and it cannot be used.
    """
    loaded = _at(load_site(site_path), host, port)
    _check_store(loaded)
    wanted = loaded.site.page
    where = (wanted.host, wanted.port if port is None else port)
    try:
        listening = _listen(*where)
    except OSError as error:
        reason = error.strerror or str(error)
        tell(say("page.port_in_use", language, host=where[0], port=where[1], reason=reason))
        return WRONG_USE
    app = create_app(loaded, None, SystemClock())
    serve_until_told(app, app.state.page.hub.close, listening, "page.address", where[0], language)
    return OK


def run_city_serve(
    url: str,
    site: str | None,
    host: str | None,
    port: int | None,
    known_as: Sequence[str],
    language: Language,
) -> int:
    """Serve the page of a city, or of one of its sites, out of the city's database; as ``run_serve`` does.

    Parameters
    ----------
    known_as : further names under which the page may be opened.

    Raises
    ------
    StoreError : the database cannot be read, or knows no such site.
    """
    reader = CityReader(url)
    reader.zones(site)
    if site is not None:
        reader.check_site(site)
    wanted = PageSettings()
    where = (host or wanted.host, wanted.port if port is None else port)
    try:
        listening = _listen(*where)
    except OSError as error:
        reason = error.strerror or str(error)
        tell(say("page.port_in_use", language, host=where[0], port=where[1], reason=reason))
        return WRONG_USE
    names = (*known_as, where[0])
    app = create_city_app(reader, SystemClock(), language, site, names)
    serve_until_told(app, lambda: None, listening, "city.address", where[0], language)
    return OK


def serve_until_told(
    app: FastAPI,
    close_streams: Callable[[], None],
    listening: socket.socket,
    key: str,
    host: str,
    language: str,
) -> None:
    """Say the address and serve until a signal ends it."""
    with listening:
        server = _Server(app, close_streams)
        tell(say(key, language, address=_address(host, listening)))
        asyncio.run(server.serve(sockets=[listening]))


class _Server(uvicorn.Server):
    """Ends its streams before it waits for connections to end, and leaves the exit code alone."""

    def __init__(self, app: FastAPI, close_streams: Callable[[], None]) -> None:
        self._close_streams = close_streams
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                lifespan="on",
                timeout_graceful_shutdown=1,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._close_streams()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # The library's own way raises the signal once more at the end, and kills the process with it.
        loop = asyncio.get_running_loop()
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(one, self.handle_exit, one, None)
        yield


def _check_store(loaded: LoadedSite) -> None:
    """A store that is not there yet is waited for; one that can never be used is told now."""
    try:
        StoreReader.open(loaded.store_path, loaded.site.site.id).close()
    except StoreError as error:
        if error.code != "store.missing":
            raise


def _at(loaded: LoadedSite, host: str | None, port: int | None) -> LoadedSite:
    """The site with the page where the command line wants it; its own host stays a name it answers to."""
    page = loaded.site.page
    if host is not None:
        page = page.model_copy(update={"host": host, "hosts": (*page.hosts, page.host)})
    if port:
        page = page.model_copy(update={"port": port})
    return replace(loaded, site=loaded.site.model_copy(update={"page": page}))


def _listen(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    return socket.create_server(address, family=family, backlog=BACKLOG)


def _address(host: str, listening: socket.socket) -> str:
    port = listening.getsockname()[1]
    try:
        anywhere = ipaddress.ip_address(host).is_unspecified
    except ValueError:
        anywhere = False
    name = socket.gethostname() if anywhere else host
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/"
