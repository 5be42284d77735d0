"""What the browser fetches once and keeps: style sheet, script, and the chart library's bundle."""

import asyncio
import gzip
import hashlib
import logging
import os
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent / "static"
MEDIA_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
               ".svg": "image/svg+xml"}  # fmt: skip
SNIPPET = "window.vegaEmbed=vegaEmbed;"
"""What the bundle gives to the page."""

# The bundler brings a JavaScript engine of 100 MB with it: it works in a process of its own and ends.
_BUNDLE = "import sys, vl_convert; sys.stdout.write(vl_convert.javascript_bundle(sys.argv[1]))"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, ready to be sent."""

    media_type: str
    body: bytes
    packed: bytes

    @classmethod
    def of(cls, name: str, body: bytes) -> "Asset":
        """Pack a file by its name's ending."""
        return cls(MEDIA_TYPES[Path(name).suffix], body, gzip.compress(body, 9, mtime=0))


def hashed(name: str, content: bytes) -> str:
    """A file's name with its content in it."""
    path = Path(name)
    return f"{path.stem}.{hashlib.sha256(content).hexdigest()[:12]}{path.suffix}"


class Assets:
    """Static files under names that change with their content, so that they may be kept for ever.

    Parameters
    ----------
    cache : folder where the chart library's bundle is kept between starts; it is made anew where that
        cannot be written.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._files: dict[str, Asset] = {}
        self._urls: dict[str, str] = {}
        for path in sorted(FOLDER.iterdir()):
            body = path.read_bytes()
            name = hashed(path.name, body)
            self._files[name] = Asset.of(path.name, body)
            self._urls[path.name] = f"/static/{name}"
        release = f"{version('vl-convert-python')} {SNIPPET}"
        self._bundle_name = hashed("vega.js", release.encode())
        self._urls["vega.js"] = f"/static/{self._bundle_name}"
        self._bundle: asyncio.Task[Asset | None] | None = None

    def url(self, name: str) -> str:
        """Address of a file. KeyError for one that is not there."""
        return self._urls[name]

    def start(self) -> None:
        """Begin to fetch or make the bundle; called on the event loop."""
        self._bundle = asyncio.create_task(self._load_bundle(), name="chart-bundle")

    async def close(self) -> None:
        """Stop making it."""
        if self._bundle is not None:
            self._bundle.cancel()
            await asyncio.gather(self._bundle, return_exceptions=True)

    async def get(self, name: str) -> Asset | None:
        """A file by its hashed name; waits for the bundle while that is being made."""
        if name == self._bundle_name and self._bundle is not None:
            return await asyncio.shield(self._bundle)
        return self._files.get(name)

    async def _load_bundle(self) -> Asset | None:
        kept = self._cache / f".page-{self._bundle_name}"
        try:
            body = await asyncio.to_thread(kept.read_bytes)
        except OSError:
            made = await self._make_bundle()
            if made is None:
                return None
            body = made
            await asyncio.to_thread(_keep, kept, body)
        return await asyncio.to_thread(Asset.of, "vega.js", body)

    async def _make_bundle(self) -> bytes | None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _BUNDLE, SNIPPET,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            body, complaint = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.communicate()
            raise
        if process.returncode != 0:
            log.error("the chart library could not be bundled: %s", complaint.decode(errors="replace")[-500:])
            return None
        return body


def _keep(path: Path, body: bytes) -> None:
    """Keep a file whole or not at all; a folder that cannot be written only costs the next start time."""
    if not path.parent.is_dir():
        return
    part = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        part.write_bytes(body)
        part.replace(path)
    except OSError as error:
        log.info("the chart library is not kept between starts: %s", error)
