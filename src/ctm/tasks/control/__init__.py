"""Acting: environments of Gymnasium, and whole episodes to score an agent by (appendix G.6)."""

from ctm.tasks.control.task import Control

__all__ = ["Control"]
