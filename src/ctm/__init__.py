"""Continuous Thought Machines: networks that think, tick by tick, and answer when they are sure.

>>> import ctm
>>> model = ctm.build("digits")
>>> thoughts = model(images)
>>> thoughts.at("most_certain")

The public names are listed in `__init__.pyi` and loaded when they are first used: importing the package costs next to
nothing.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
