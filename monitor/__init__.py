"""The running program: collector, pipeline, store, sinks, page, reports and command line."""
