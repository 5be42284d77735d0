"""Demand windows of a meter, of a formula, or of all meters that add up to a site's electricity."""

from collections.abc import Sequence

from config.site import Commodity, Site
from monitor.store.reader import StoreReader
from rules.formulas import Formula, Term, evaluate
from rules.intervals import IntervalSeries


def site_meters(site: Site) -> tuple[str, ...]:
    """The meters that add up to the site's electricity; none where it has not said."""
    settings = site.commodities.get(Commodity.ELECTRICITY)
    return settings.meters if settings is not None else ()


def windows_of(reader: StoreReader, meters: Sequence[str], start_s: int, end_s: int) -> IntervalSeries:
    """Intervals of some meters together that start in [start_s, end_s), seconds UTC.

    Of several meters only what each of them has closed; the least of their coverage and the worst of their
    quality hold for the sum.
    """
    if len(meters) == 1:
        return reader.intervals(meters[0], start_s, end_s)
    total = Formula(" + ".join(meters), tuple(Term(meter, 1.0, 0) for meter in meters))
    return evaluate(total, {meter: reader.intervals(meter, start_s, end_s) for meter in meters}).series
