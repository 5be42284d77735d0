"""Tables of curtailment: events, what was written to equipment for them, baselines and settlements."""

from monitor.store.schema import metadata

__all__ = ["metadata"]
