"""Handwritten digits, 8x8 pixels, that come with scikit-learn: real data without a download."""

from ctm.tasks.digits.task import Digits

__all__ = ["Digits"]
