"""Pictures with one label each: MNIST, CIFAR, ImageNet, folders of one's own (sections 5, E, G.1 and G.2)."""

from ctm.tasks.images.augmentation import Augmentation, Crop, Flip, ResizedCrop
from ctm.tasks.images.auto_augment import AutoAugment
from ctm.tasks.images.task import Images

__all__ = ["Augmentation", "AutoAugment", "Crop", "Flip", "Images", "ResizedCrop"]
