"""Questions about handwritten digits: remember them, then add and subtract (appendix G.5)."""

from ctm.tasks.qamnist.task import QuestionsAboutDigits

__all__ = ["QuestionsAboutDigits"]
