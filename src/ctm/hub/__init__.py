"""Trained models from anywhere: runs, files, folders, repositories, the authors' weights, and those in the package."""

from ctm.hub.load import from_pretrained, load
from ctm.hub.save import push, save
from ctm.hub.source import SavedRun, open_trained
from ctm.hub.zoo import zoo

__all__ = ["SavedRun", "from_pretrained", "load", "open_trained", "push", "save", "zoo"]
