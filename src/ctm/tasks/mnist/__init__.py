"""MNIST, from a folder of its four original files or from the Hugging Face hub."""

from ctm.tasks.mnist.task import Mnist

__all__ = ["Mnist"]
