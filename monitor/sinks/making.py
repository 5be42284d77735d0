"""From an entry of the site file's ``sinks`` to its far end."""

from config.loading import LoadedSite
from config.sinks import InfluxSink
from monitor.clock import Clock
from monitor.sinks.delivery import MakeFarEnd
from monitor.sinks.secrets import Token


def maker_of(settings: InfluxSink, loaded: LoadedSite, clock: Clock) -> MakeFarEnd:
    """What makes the far end of a sink; its library is loaded only where a site has one.

    Raises
    ------
    ConfigurationError : a secret that it needs is not there.
    """
    site = loaded.site
    from monitor.sinks.influx import InfluxFarEnd

    token = Token(settings.token, loaded.folder)
    meters = {meter.id: meter.commodity for meter in site.meters}
    return lambda: InfluxFarEnd(settings, site.site.id, token, clock, meters, loaded.folder)
