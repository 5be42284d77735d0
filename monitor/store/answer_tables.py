"""Tables of what answers for a saving: the locked base year, its adjustments, measures, targets, findings."""

from monitor.store.schema import metadata

__all__ = ["metadata"]
