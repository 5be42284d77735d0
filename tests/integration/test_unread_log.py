"""A daemon whose log nobody reads: it measures all the same, and ends when it is told to."""

import os
import signal
import subprocess
from contextlib import closing
from threading import Event
from time import monotonic

from monitor.store.database import StoreError, WriterLock
from monitor.store.reader import StoreReader
from tests.integration.test_store_trouble import PROGRAM, SITE
from tests.servers.processes import PATIENCE_S
from tests.unit.test_log_voice import fill

# Once a moment something is logged and written: a device that nobody answers for.
DEVICE = """
buses:
  - id: north
    kind: modbus_tcp
    host: 127.0.0.1
    port: 1
    devices: [{id: main, profile: eastron_sdm630, unit: 1}]
"""


def test_a_full_pipe_holds_up_neither_readings_nor_the_end(tmp_path):
    site = tmp_path / "site.yaml"
    site.write_text(SITE + DEVICE, encoding="utf-8")
    store = tmp_path / "energy.db"
    reading, writing = os.pipe()
    fill(writing)
    daemon = subprocess.Popen([*PROGRAM, "run", "--site", site], stderr=writing, stdout=subprocess.DEVNULL)
    os.close(writing)
    try:

        def at_work():
            if daemon.poll() is not None or WriterLock(store).holder() is None:
                return False
            try:
                with closing(StoreReader.open(store, "hall")) as reader:
                    return ("main", "offline") in {(row.device, row.condition) for row in reader.conditions()}
            except StoreError:
                return False

        deadline_s = monotonic() + PATIENCE_S
        while not at_work():  # it dials its device, and writes down what came of it
            assert daemon.poll() is None
            assert monotonic() < deadline_s
            Event().wait(0.1)
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(PATIENCE_S) == 0
    finally:
        daemon.kill()
        daemon.wait()
        os.close(reading)
