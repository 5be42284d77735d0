"""What a building would have used: from the store to observations, the base model, and days against it."""
