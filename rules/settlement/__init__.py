"""What a curtailment earns: a programme's rules as data, and the credit line by line."""
