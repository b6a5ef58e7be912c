"""Photographs: ImageNet and CIFAR-10 (sections 5, E and G.1); models without a task so far."""
