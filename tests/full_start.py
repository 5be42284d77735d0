"""A daemon that starts on a disk that is full to the last byte, in a process of its own (``disk.c``).

Says at the end, as one line of JSON, what became of it.
"""

import ctypes
import json
import logging
import sys
from pathlib import Path

from monitor.app import Daemon
from monitor.clock import SystemClock
from monitor.store.care.ballast import Ballast
from monitor.store.database import StoreError
from tests.keeping_world import Keeping


def main(folder: str, begins: str) -> None:
    """Start a store of the present version again, or begin one anew, where nothing has room any more."""
    heard: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(getattr(record.msg, "key", ""))  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    one = Keeping(Path(folder), 10**9)
    one.feed(0, 30_000)
    path = one.loaded.store_path
    one.house.leave()
    ballast = Ballast(path, None)
    assert ballast.make()
    if begins == "anew":
        path.rename(path.with_name("elsewhere.db"))
    files = [file for file in (path, ballast.path) if file.exists()]
    ctypes.CDLL(None).limit_space(sum(file.stat().st_size for file in files))
    codes = []
    try:
        Daemon(one.loaded, SystemClock())._opened.close()
    except StoreError as error:
        codes = [error.code, str(error.data)]
    print(json.dumps({"refused": codes, "heard": heard, "kept": ballast.is_there()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
