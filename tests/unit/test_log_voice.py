"""Whoever logs never waits for whoever reads: a pipe that nobody reads costs lines, and they are counted."""

import fcntl
import logging
import os
import re

import pytest

from config.words import Spoken
from monitor.cli.log import Voice
from tests.servers.processes import PATIENCE_S


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    yield reading, writing
    os.close(writing)
    os.close(reading)


def fill(descriptor):
    """Put in what goes in."""
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    count = 0
    while True:
        try:
            count += os.write(descriptor, b"." * 4095 + b"\n")
        except BlockingIOError:
            break
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)
    return count


def record(message, *args):
    return logging.LogRecord("x", logging.WARNING, "x.py", 1, message, args, None)


def test_lines_come_out_in_order_in_words(pipe):
    voice = Voice("en", pipe[1])
    voice.handle(record(Spoken("log.requests", count=3)))
    voice.tell("as it is")
    voice.handle(record("%s of %d", "one", 2))
    voice.end(PATIENCE_S)
    first, second, third = os.read(pipe[0], 65536).decode().splitlines()
    assert re.fullmatch(r"[-\d]+ [\d:,]+ WARNING 3 requests of other commands carried out", first)
    assert (second, third.endswith("WARNING one of 2")) == ("as it is", True)


def test_what_finds_no_room_is_counted_and_told_once_it_flows_again(pipe):
    full = fill(pipe[1])
    voice = Voice("en", pipe[1], most_lines=5)
    for number in range(100):
        voice.handle(record("line %d", number))  # returns: nobody reads
    voice.end(0.05)  # and so does this
    read = b""
    while b"were dropped" not in read:
        read += os.read(pipe[0], 65536)
    lines = read[full:].decode().splitlines()
    kept = [line for line in lines if "WARNING line " in line]
    told = re.search(r"WARNING (\d+) lines of the log were dropped here", lines[-1])
    assert told is not None
    assert len(kept) + int(told[1]) == 100
    assert [line.split()[-1] for line in kept] == [str(number) for number in range(len(kept))]
    voice.handle(record("on it goes"))
    voice.end(PATIENCE_S)
    assert os.read(pipe[0], 65536).decode().endswith("on it goes\n")


def test_a_reader_that_went_away_stops_nobody():
    reading, writing = os.pipe()
    os.close(reading)
    voice = Voice("en", writing)
    for number in range(100):
        voice.handle(record("line %d", number))
    voice.end(PATIENCE_S)
    assert voice._lines.unfinished_tasks == 0
    os.close(writing)


def test_lines_come_out_where_logging_takes_a_handlers_lock_itself(pipe, monkeypatch):
    """As from Python 3.13 on, whichever this is."""

    def handle(self, record):
        with self.lock:
            self.emit(record)
        return True

    monkeypatch.setattr(logging.Handler, "handle", handle)
    voice = Voice("en", pipe[1])
    voice.handle(record("%s", "heard"))
    voice.end(PATIENCE_S)
    os.set_blocking(pipe[0], False)
    assert os.read(pipe[0], 65536).decode().endswith("WARNING heard\n")
