"""History from other people's files: intervals, weather, events and bills, as their declaration says."""
