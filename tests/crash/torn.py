"""A power cut: what was not on disk yet is torn; what was promised to be there stays."""

import random
import struct
from pathlib import Path

FRAME_HEAD, LOG_HEAD, INDEX_HEAD = 24, 32, 48


def tear(store: Path, how: str, dice: random.Random) -> str:
    """Spoil the tail of a dead daemon's log behind what was promised. Returns what was done, in words.

    The promise ends where the log's index says: a commit gets there once it is synchronised (FULL). The
    index itself is lost in a power cut.
    """
    log, index = store.with_name(store.name + "-wal"), store.with_name(store.name + "-shm")
    if how == "none" or not log.exists() or log.stat().st_size < LOG_HEAD or not index.exists():
        return "nothing was torn"
    data = log.read_bytes()
    page = struct.unpack(">I", data[8:12])[0]
    head = index.read_bytes()[: 2 * INDEX_HEAD]
    # Written twice, so that readers see whether a writer was in the middle of it.
    if head[12] != 1 or head[:INDEX_HEAD] != head[INDEX_HEAD:] or head[32:40] != data[16:24]:
        return "the index tells no promise: it was being made"
    promised = LOG_HEAD + struct.unpack("=I", head[16:20])[0] * (FRAME_HEAD + page)
    assert promised <= len(data), f"{promised} bytes were promised, the log has {len(data)}"
    index.unlink()
    behind = data[promised:]
    if how == "cut":
        torn = behind[: dice.randint(0, len(behind))]
    elif how == "zeros":
        torn = behind[: dice.randint(0, len(behind))] + bytes(dice.randint(1, 3 * page))
    elif how == "noise":
        torn = dice.randbytes(dice.randint(1, 3 * (page + FRAME_HEAD)))
    else:  # blocks of what stood there before, in the middle of nothing
        torn = data[LOG_HEAD : LOG_HEAD + dice.randint(1, 3) * (FRAME_HEAD + page)]
    log.write_bytes(data[:promised] + torn)
    return f"behind {promised} bytes, {len(behind)} became {len(torn)} ({how})"
