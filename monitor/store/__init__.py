"""The store: everything that was committed, and where every reader meets the daemon."""
