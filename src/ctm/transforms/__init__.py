"""What changes a model from outside: compiling its tick, recomputing for the backward pass."""
