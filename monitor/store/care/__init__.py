"""Care for the store: copies that are verified, what is wrong with a file, and how much room it may take."""
