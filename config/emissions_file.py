"""Emission factors by day: an operator's own first, then those that come with the product."""

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from pydantic import Field

import config
from config.data_files import Grade, Graded, read_data_file
from config.site import Commodity, Site
from drivers.settings import Identifier, Settings

FOLDER = Path(config.__file__).parent / "emissions"
OWN = "own"


class YearFactor(Settings):
    """The factor of one year."""

    kg_co2e: float = Field(ge=0)
    grade: Grade
    source: Graded


class EmissionsFile(Settings):
    """The whole of a file of factors."""

    emissions: Identifier
    commodity: Commodity
    unit: str
    years: dict[int, YearFactor] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Factor:
    """kg CO2e of one unit of a commodity; ``grade`` is own, P, S or B."""

    kg_co2e: float
    grade: str
    source: str


@cache
def product_factors() -> EmissionsFile:
    """The product's own factors."""
    return read_data_file(FOLDER / "taiwan.yaml", EmissionsFile, lambda _root, _source: ()).model


def factor_on(site: Site, commodity: Commodity, day: date) -> Factor | None:
    """The factor in force on a day; None where nobody knows one."""
    mine = [
        one
        for one in site.emission_factors
        if one.commodity is commodity and one.start <= day and (one.through is None or day <= one.through)
    ]
    if mine:
        newest = max(mine, key=lambda one: one.start)
        return Factor(newest.kg_co2e, OWN, newest.source)
    product = product_factors()
    found = product.years.get(day.year) if commodity is product.commodity else None
    return None if found is None else Factor(found.kg_co2e, found.grade, found.source)
