"""Registers that lie: what is booked, what is refused, and that energy is right in the end.

Every meter of the site has a fault of its own at the same time; the tests look at one meter each.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rules.quality import Quality
from tests.servers import free_port
from tests.servers.halls import Hall, running_hall, wait_for

INTERVAL_S = 5
MAX_RATE_KW = 500
# What stood still for two intervals must be more than can pass between two readings, at night, too.
MAX_RATES_KW = {"stuck": 60}
FAULTS: dict[str, dict[str, object]] = {
    "zero": {"kind": "zero", "times": 1},
    "spike": {"kind": "spiking", "by": 53_000, "times": 1},
    "away": {"kind": "resetting"},
    "stuck": {"kind": "stuck"},
    "none": {"kind": "invalid"},
    "pattern": {"kind": "invalid"},
    "frozen": {"kind": "frozen"},
}
REPLACED = {"kind": "resetting"}
ROLLS_AFTER_KWH = 0.25
MODULUS_KWH = 1000

# A counter in Wh that rolls over, and says with a pattern of its own that it has no value.
PROFILE = f"""\
profile: counting_meter
version: 1
maker: any
model: any
family: electricity
source: [tests]
points:
  energy_import: {{address: 0, type: u32, unit: kWh, scale: 0.001, rolls_over_at: {MODULUS_KWH},
                   invalid: [0xFFFFFFFE]}}
  active_power_total: {{address: 2, type: f32, unit: kW}}
"""
COUNTING = ("pattern", "rolls")
METERS = (*FAULTS, "replaced", "rolls", "right")


def site(port: int) -> str:
    lines = [
        "site: {id: hall, name: {zh-TW: 市政大樓, en: City Hall}, language: en}",
        "store: {path: energy.db}",
        f"interval_s: {INTERVAL_S}",
        "commodities: {electricity: {base_year: 2015, meters: [right]}}",
        "buses:",
        f"  - {{id: gateway, kind: modbus_tcp, host: 127.0.0.1, port: {port}, every_s: 0.5, devices: [",
    ]
    for unit, meter in enumerate(METERS, start=1):
        profile = "counting_meter.yaml" if meter in COUNTING else "eastron_sdm630"
        lines.append(f"      {{id: {meter}, profile: {profile}, unit: {unit}}},")
    lines += ["  ]}", "meters:"]
    for meter in METERS:
        most_kw = MAX_RATES_KW.get(meter, MAX_RATE_KW)
        lines.append(
            f"  - {{id: {meter}, name: {{zh-TW: {meter}, en: {meter}}}, commodity: electricity,"
            f" counter: {meter}.energy_import, rate: {meter}.active_power_total, max_rate: {most_kw}}}"
        )
    return "\n".join(lines) + "\n"


@dataclass
class Story:
    """The hall after all faults but one were cleared; when they began, were all there, and were ended."""

    hall: Hall
    before: int
    began_s: float
    faulty_s: float
    ended_s: float

    def rows(self, meter: str) -> list[tuple[int, int, float, int, int]]:
        """The meter's intervals from before the fault until after it, all of them."""
        first_s = math.floor(self.began_s / INTERVAL_S) * INTERVAL_S
        rows = [row for row in self.hall.intervals(meter) if row[0] >= first_s]
        assert [row[0] for row in rows] == list(range(first_s, rows[-1][0] + 1, INTERVAL_S))
        return rows

    def refusals(self, meter: str) -> set[str]:
        return {code for (code,) in self.hall.rows("SELECT code FROM refusals WHERE meter = ?", meter)}

    def booked_and_used(self, meter: str) -> tuple[float, float]:
        rows = self.rows(meter)
        for _, length_s, quantity, *_ in rows:
            assert 0 <= quantity <= MAX_RATE_KW * length_s / 3600
        end_s = rows[-1][0] + rows[-1][1]
        return sum(row[2] for row in rows), self.hall.used(meter, rows[0][0], end_s)

    def moment(self, meter: str) -> float:
        """What is used in three seconds: so long before its stamp an edge may be read on a slow machine.

        Every fault lasts longer than two intervals: what it would cost or invent is more than this.
        """
        return self.hall.used(meter, self.began_s, self.began_s + 3)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder: Path = tmp_path_factory.mktemp("hall")
    (folder / "counting_meter.yaml").write_text(PROFILE, encoding="utf-8")
    script = folder / "faults.yaml"
    rolling = f"{{device: rolls, kind: rolling_over, before: {ROLLS_AFTER_KWH}, points: [energy_import]}}"
    script.write_text(f"faults: [{rolling}]\n", encoding="utf-8")
    with running_hall(folder, site(free_port()), "right", "--faults", str(script)) as hall:
        for meter in METERS:
            wait_for(f"an interval of {meter}", lambda meter=meter: len(hall.intervals(meter)) >= 1)
        before, began_s = hall.last_scan(), time.time()
        numbers = [hall.set_fault(meter, **said) for meter, said in FAULTS.items()]
        hall.set_fault("replaced", **REPLACED)
        faulty_s = time.time()
        hall.wait_for_interval_after("right", faulty_s + INTERVAL_S)
        ended_s = time.time()
        for number in numbers:
            hall.clear_fault(number)
        hall.wait_for_scans("rolls")
        wait_for("the rollover", lambda: hall.scans("rolls")[-1][1]["energy_import"] < MODULUS_KWH / 2)
        ended_at_last_s = time.time()
        for meter in METERS:
            hall.wait_for_interval_after(meter, ended_at_last_s)
        yield Story(hall, before, began_s, faulty_s, ended_s)


@pytest.mark.parametrize("meter", ["right", "zero", "spike", "none", "pattern", "frozen", "stuck", "away"])
def test_energy_is_right_in_the_end(story: Story, meter: str):
    booked, used = story.booked_and_used(meter)
    assert booked == pytest.approx(used, rel=0.02, abs=story.moment(meter))


@pytest.mark.parametrize(("meter", "code"), [("zero", "backward"), ("spike", "spike")])
@pytest.mark.scenario(24)
def test_what_is_not_believed_is_kept_and_has_a_reason(story: Story, meter: str, code: str):
    assert code in story.refusals(meter)
    values = [values["energy_import"] for _, values, _ in story.hall.scans(meter, story.before)]
    assert (0.0 in values) if meter == "zero" else (max(values) > 53_000)


def test_a_right_meter_has_nothing_refused(story: Story):
    assert story.refusals("right") == set()


@pytest.mark.scenario(24)
def test_a_replaced_register_is_a_new_epoch_without_a_negative_or_giant_interval(story: Story):
    booked, used = story.booked_and_used("replaced")
    assert 0.5 * used - story.moment("replaced") <= booked <= 1.02 * used + story.moment("replaced")
    assert "new_epoch" in story.refusals("replaced")


@pytest.mark.scenario(23)
def test_a_rollover_goes_on_counting(story: Story):
    hall = story.hall
    rows = hall.intervals("rolls")
    assert all(0 <= row[2] <= MAX_RATE_KW * row[1] / 3600 for row in rows)
    used = hall.used("rolls", rows[0][0], rows[-1][0] + rows[-1][1])
    assert sum(row[2] for row in rows) == pytest.approx(used, rel=0.02, abs=story.moment("rolls"))
    epochs = {epoch for (epoch,) in hall.rows("SELECT epoch FROM intervals WHERE meter = 'rolls'")}
    assert epochs == {0}


@pytest.mark.parametrize("meter", ["none", "pattern"])
@pytest.mark.scenario(22)
def test_no_value_is_missing_and_not_zero(story: Story, meter: str):
    scans = story.hall.scans(meter, story.before)
    read = [(values["energy_import"], qualities["energy_import"]) for _, values, qualities in scans]
    marked = [math.isnan(value) for value, _ in read]
    assert any(marked)
    first, last = marked.index(True), len(marked) - marked[::-1].index(True)
    assert all(quality == Quality.MISSING for _, quality in read[first:last])
    assert all(value > 0 for value, _ in read[:first] + read[last:])
    later = story.hall.scans(meter)[-1]
    assert set(later[2].values()) == {Quality.GOOD}


@pytest.mark.scenario(24)
def test_a_register_that_caught_up_is_no_peak(story: Story):
    query = "SELECT max(rate_avg) FROM intervals WHERE meter = 'stuck'"
    ((most,),) = story.hall.rows(query)
    power = float(story.hall.model.rate(story.hall.model.source("stuck"), story.began_s))
    # It stood for two intervals and more: as a peak that would be three times the power.
    assert most <= 2 * power
