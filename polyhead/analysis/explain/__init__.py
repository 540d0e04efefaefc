"""Which parts of an input a prediction depends on, and whether the answer can be trusted."""
