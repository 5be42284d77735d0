"""The demo's past: of every meter that has a register, and of no other."""

from pathlib import Path

import numpy as np

from config.loading import load_site
from simulators.building import Building
from simulators.demo import past, site_yaml

NOW_S = 1_499_000_000.0  # 2017-07-02 in Taipei


def test_a_formula_has_no_past_of_its_own(tmp_path: Path):
    formula = (
        "  - id: floors\n"
        "    name: {zh-TW: 樓層, en: Floors}\n"
        "    commodity: electricity\n"
        "    formula: floors-low + floors-mid + floors-high\n"
    )
    site = tmp_path / "site.yaml"
    site.write_text(site_yaml(502, 1883, 8090) + formula, encoding="utf-8")
    loaded = load_site(site)
    arrays = dict(past(loaded, Building(), NOW_S))
    with_past = {name.partition("/")[0] for name in arrays}
    assert with_past == {meter.id for meter in loaded.site.meters} - {"floors"}
    register_end, tail = arrays["main/register_end"], arrays["main/tail"]
    assert (np.diff(arrays["main/start_s"]) > 0).all()
    assert tail[0] >= register_end[-1]  # the open interval goes on where the closed ones end
