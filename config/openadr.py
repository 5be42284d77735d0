"""What the operator says of OpenADR: whose events are taken, which plan they run, and what is reported."""

from typing import Literal

from pydantic import Field

from config.modes import LONGEST_S, ModeName
from config.sinks import HttpsTls
from drivers.settings import Identifier, Seconds, Secret, Settings
from rules import openadr

Level = Literal["1", "2", "3"]


class ProgrammeRuleSettings(Settings):
    """Which events run which plan. The first rule that fits an event counts."""

    plan: Identifier = Field(description="Plan that such an event runs.")
    programme: str = Field(default="", description="Programme that it is settled by.")
    market_context: str = Field(
        default="", description="Only events of this market context, an address; of any when left out."
    )
    resource: str = Field(default="", description="Only events for this resource; for any when left out.")
    signal: Literal["SIMPLE", "LOAD_DISPATCH"] = Field(
        default="SIMPLE", description="SIMPLE has levels 0 to 3; LOAD_DISPATCH of type 'delta' has power."
    )
    levels: dict[Level, float | Literal["all"]] = Field(
        default_factory=dict,
        description="kW that a level of SIMPLE wants, or 'all' of the plan; 'all' for each when left out.",
    )


class UsageReportSettings(Settings):
    """A meter or formula whose mean power is reported, interval by interval."""

    meter: Identifier = Field(description="A meter of the site, or a formula.")
    resource: str = Field(
        default="", description="Resource that it stands for; the meter's id when left out."
    )
    hertz: float = Field(default=60.0, gt=0, description="Of the network; the profile wants it said.")
    voltage_v: float = Field(default=380.0, gt=0, description="Of the network; the profile wants it said.")


class OpenAdrSettings(Settings):
    """A virtual end node (VEN) of OpenADR 2.0b, which asks its virtual top node (VTN) by HTTP."""

    vtn_url: str = Field(
        pattern=r"^https?://", description="Up to the version, as https://vtn.example/OpenADR2/Simple/2.0b."
    )
    ven_name: str = Field(min_length=1, max_length=128, description="As the VTN knows us.")
    ven_id: str | None = Field(default=None, description="Given by the VTN when it is left out.")
    registration_id: str | None = Field(default=None, description="Of a registration that there is already.")
    operator: Identifier | None = Field(
        default=None, description="Operator in whose name events are armed; none is live without."
    )
    operator_key: Secret | None = Field(default=None, description="Where the key of this operator is kept.")
    tls: HttpsTls | None = Field(default=None, description="Certificates of ours and of the VTN's authority.")
    sign: bool = Field(default=False, description="Sign messages with the certificate and key of 'tls'.")
    vtn_fingerprint: str | None = Field(
        default=None,
        pattern=r"^([0-9A-F]{2}:){9}[0-9A-F]{2}$",
        description="Of the certificate that the VTN signs with; messages without it are refused.",
    )
    poll_s: Seconds | None = Field(default=None, description="As the VTN wishes when left out.")
    unknown_after_s: float = Field(
        default=900.0,
        gt=0,
        le=LONGEST_S,
        description="When the VTN was silent for so long its signal is unknown, and the plan's rule applies.",
    )
    opt_in: Literal["possible", "never"] = Field(
        default="possible",
        description="Opt in to all that can be carried out, or to nothing: then it only looks and reports.",
    )
    mode: ModeName = Field(
        default="live", description="No event is run stronger than this, or than its plan."
    )
    rules: tuple[ProgrammeRuleSettings, ...] = Field(min_length=1)
    reports: tuple[UsageReportSettings, ...] = ()


def rules_of(settings: OpenAdrSettings) -> tuple[openadr.Rule, ...]:
    """The rules as ``rules`` sees them."""
    return tuple(
        openadr.Rule(
            plan=one.plan,
            programme=one.programme,
            signal=one.signal,
            market_context=one.market_context,
            resource=one.resource,
            levels={int(level): None if kw == "all" else float(kw) for level, kw in one.levels.items()},
        )
        for one in settings.rules
    )
