"""How ticks share work and memory: deferred gradients, the neuron pass, histories, packed weights, precision."""
