"""Data sets that are named often, with the means and deviations of the authors' code."""

from ctm.tasks.images.augmentation import Crop
from ctm.tasks.images.task import Images

DIGITS = Images.Config(
    data="digits",
    size=8,
    colours=False,
    mean=(0.5,),
    deviation=(0.5,),
    augmentations=(Crop(1),),
    drawings=True,
)
"""scikit-learn's handwritten digits, 8x8, without a download."""

MNIST = Images.Config(data="ylecun/mnist", size=28, colours=False, mean=(0.1307,), deviation=(0.3081,), drawings=True)
"""LeCun's handwritten digits, 28x28."""

CIFAR10 = Images.Config(
    data="uoft-cs/cifar10",
    size=32,
    colours=True,
    mean=(0.49139968, 0.48215827, 0.44653124),
    deviation=(0.24703233, 0.24348505, 0.26158768),
)
"""Photographs of 32x32 pixels, 10 classes."""

CIFAR100 = Images.Config(
    data="uoft-cs/cifar100",
    label_column="fine_label",
    size=32,
    colours=True,
    mean=(0.50707516, 0.48654887, 0.44091784),
    deviation=(0.26733429, 0.25643846, 0.27615047),
)
"""Photographs of 32x32 pixels, 100 classes."""

IMAGENET = Images.Config(
    data="ILSVRC/imagenet-1k",
    test_split="validation",
    validation_share=0.01,
    size=224,
    resize=256,
    colours=True,
    mean=(0.485, 0.456, 0.406),
    deviation=(0.229, 0.224, 0.225),
)
"""Photographs, 1,000 classes. Its own test split has no labels; its validation split is what scores are reported of, so
a hundredth of the training pictures is held out to choose checkpoints on."""
