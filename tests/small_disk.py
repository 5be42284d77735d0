"""A store on a disk that is full to the last byte, in a process of its own; the disk is ``disk.c``.

Says at the end, as one line of JSON, what became of it.
"""

import ctypes
import json
import logging
import sys
from pathlib import Path

from monitor.store import writer as store_writer
from monitor.store.care.verify import verify_store
from tests.keeping_world import Keeping

STEP_S = 15_000
"""Seconds of readings that come at once: 500 of them."""


class Heard(logging.Handler):
    """Codes of what was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.codes: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = getattr(record.msg, "error", None)
        self.codes.append(error["code"] if error else getattr(record.msg, "key", str(record.msg)))


def main(folder: str, reserve: str) -> None:
    """Fill a store's disk, with or without its ballast, and have its keeper look until all is written."""
    store_writer.RETRY_FIRST_S = store_writer.RETRY_CAP_S = 86_400.0
    heard = Heard()
    logging.getLogger().addHandler(heard)
    one = Keeping(Path(folder), 10**9)
    writer, keeper = one.house.writer, one.keeper()
    keeper.look()
    one.feed(0, 300_000)
    ballast = one.loaded.store_path.with_name("energy.db.ballast")
    laid_by = ballast.stat().st_size
    if reserve == "without":
        ballast.unlink()
    disk = ctypes.CDLL(None)
    files = ("energy.db", "energy.db-wal", "energy.db.ballast")
    sizes = [file.stat().st_size for name in files if (file := ballast.with_name(name)).exists()]
    disk.limit_space(sum(sizes))
    fed = 10_000
    while writer.last_error is None:  # what the log has room for is written
        fed += one.accept(30 * fed, 30 * fed + STEP_S)
        one.wait_until("it is written or refused", lambda: not writer.waiting() or writer.last_error)
    looks = 0
    while writer.waiting() and looks < 10:
        looks += 1
        tries = writer.tries
        keeper.look()
        one.wait_until("it was tried", lambda before=tries: writer.tries > before)
    stuck, kept_back = bool(writer.waiting()), ballast.exists()
    codes = sorted(set(heard.codes))
    disk.limit_space(0)
    writer.try_now()
    one.wait_until("all of it is on disk", lambda: not writer.waiting())
    keeper.look()
    one.house.settle()
    told = {row.device: row.error for row in one.house.reader.conditions() if row.error}
    result = {
        "laid_by": laid_by, "stuck": stuck, "kept_back": kept_back, "codes": codes, "told": told,
        "again": ballast.exists(), "fed": fed, "there": one.scans(),
        "given_up": sum(row.count for row in one.house.reader.given_up() if row.sink == ""),
        "verify": [finding.code for finding in verify_store(one.loaded.store_path)],
    }  # fmt: skip
    one.house.leave()
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
