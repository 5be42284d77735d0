"""What stands in the store, as files for other programs: streamed, with units in the names of the columns."""
