"""The pydantic models of a site file's ``sinks``: where results go."""

from typing import Literal

from pydantic import Field

from drivers.settings import Broker, Identifier, Port, Seconds, Secret, Settings, Tls


class SinkSettings(Settings):
    """What every sink says."""

    id: Identifier
    timeout_s: Seconds = Field(default=10.0, description="For one delivery, whatever the far side does.")

    def streams(self) -> tuple[str, ...]:
        """Which of the store's streams are wanted, in the order in which they are served."""
        return ("intervals", "results", "scans")


class HttpsTls(Settings):
    """TLS to a server. Certificates are always checked; a self-signed one is its own ``ca``."""

    ca: str | None = Field(
        default=None, description="PEM file of who signed the server's certificate; else the system's."
    )
    certificate: str | None = Field(default=None, description="PEM file of our own certificate.")
    key: str | None = Field(default=None, description="PEM file of its key, when not in the same file.")

    def as_tls(self) -> Tls:
        """As the drivers' own settings."""
        return Tls(ca=self.ca, certificate=self.certificate, key=self.key)


class InfluxSink(SinkSettings):
    """A server that takes InfluxDB's v2 write."""

    kind: Literal["influxdb"]
    url: str = Field(pattern=r"^https?://")
    org: str = ""
    bucket: str = Field(min_length=1)
    token: Secret | None = None
    tls: HttpsTls | None = Field(default=None, description="Where the system's certificates are not enough.")


class PostgresSink(SinkSettings):
    """A city's PostgreSQL database, made ready by ``energy-monitor fleet``."""

    kind: Literal["postgres"]
    host: str = Field(min_length=1)
    port: Port = 5432
    database: str = Field(default="energy", min_length=1)
    user: str | None = Field(default=None, description="The site's role; 'energy_' and its id when left out.")
    password: Secret | None = None
    tls: HttpsTls | None = Field(default=None, description="Without it the connection is not encrypted.")
    scans: bool = Field(default=False, description="Forward raw readings as well; a hundred times as much.")

    def streams(self) -> tuple[str, ...]:
        """Raw readings only where they are wanted."""
        return ("intervals", "results", "scans") if self.scans else ("intervals", "results")


class MqttSink(Broker, SinkSettings):
    """A broker that speaks MQTT 5, and Home Assistant behind it."""

    kind: Literal["mqtt"]
    discovery_prefix: str | None = Field(
        default=None,
        pattern=r"^[^+#\s/]+(/[^+#\s/]+)*$",
        description="Tell Home Assistant about every meter under this prefix, as homeassistant.",
    )

    def streams(self) -> tuple[str, ...]:
        """Raw readings are for the devices' own topics."""
        return ("intervals", "results")
