"""Customer baseline load: what a customer would have drawn in a window; a method is a set of parameters."""
