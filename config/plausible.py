"""What bills, logs and readings by hand can say, as the site file has it."""

from config.site import Site
from rules.logs import Plausible

HOURS_A_DAY = 24


def plausible_of(site: Site) -> dict[str, Plausible]:
    """By commodity and by meter; a meter of which nothing is said cannot use more than its ``max_rate``."""
    found: dict[str, Plausible] = {}
    for commodity, of_commodity in site.commodities.items():
        if of_commodity.plausible is not None:
            one = of_commodity.plausible
            found[commodity.value] = Plausible(one.least_a_day, one.most_a_day)
    for by_hand in site.manual_meters:
        if by_hand.plausible is not None:
            found[by_hand.id] = Plausible(by_hand.plausible.least_a_day, by_hand.plausible.most_a_day)
    for meter in site.meters:
        if meter.plausible is not None:
            found[meter.id] = Plausible(meter.plausible.least_a_day, meter.plausible.most_a_day)
        elif meter.max_rate is not None:
            found[meter.id] = Plausible(0.0, HOURS_A_DAY * meter.max_rate)
    return found
