"""From an entry of the site file's ``sinks`` to its far end."""

from config.loading import LoadedSite
from config.sinks import InfluxSink, MqttSink, PostgresSink
from monitor.clock import Clock
from monitor.sinks.delivery import MakeFarEnd
from monitor.sinks.secrets import Token
from monitor.store.reader import StoreReader


def maker_of(
    settings: InfluxSink | PostgresSink | MqttSink,
    loaded: LoadedSite,
    clock: Clock,
    reader: StoreReader | None = None,
) -> MakeFarEnd:
    """What makes the far end of a sink; its library is loaded only where a site has one.

    Parameters
    ----------
    reader : for sinks that tell sums over many rows; None where nothing is delivered, as in ``check``.

    Raises
    ------
    ConfigurationError : a secret that it needs is not there.
    """
    site = loaded.site
    if isinstance(settings, PostgresSink):
        from monitor.sinks.postgres import PostgresFarEnd

        password = Token(settings.password, loaded.folder)
        return lambda: PostgresFarEnd(settings, site.site.id, password, loaded.folder)
    if isinstance(settings, MqttSink):
        from monitor.sinks.mqtt import MqttFarEnd

        secret = Token(settings.password, loaded.folder)
        return lambda: MqttFarEnd(settings, site, secret, loaded.folder, reader)
    from monitor.sinks.influx import InfluxFarEnd

    token = Token(settings.token, loaded.folder)
    meters = {meter.id: meter.commodity for meter in site.meters}
    return lambda: InfluxFarEnd(settings, site.site.id, token, clock, meters, loaded.folder)
