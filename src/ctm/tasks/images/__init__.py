"""Photographs: ImageNet and CIFAR-10 (sections 5, E and G.1); models without a task so far.

Also how pictures are augmented.
"""

from ctm.tasks.images.augmentation import Augmentation, Crop, Flip, ResizedCrop
from ctm.tasks.images.auto_augment import AutoAugment

__all__ = ["Augmentation", "AutoAugment", "Crop", "Flip", "ResizedCrop"]
