"""A whole pass in one file: a fixed number of ticks from the learned start."""

from collections.abc import Mapping
from typing import Any

from ctm.runtime.session import Session
from ctm.runtime.thoughts import Thoughts


class WholePass:
    """A pass exported into one file; what `ctm.runtime.load` makes of it.

    Args:
        session: of the file.
        description: what stands in it besides the graph.

    Attributes:
        description: the same; docs/export.md says what is in it.
        ticks: how many are thought, after those at which the input is shown part by part.
    """

    def __init__(self, session: Session, description: Mapping[str, Any]) -> None:
        self.description = description
        self.ticks: int = description["ticks"]
        self._session = session

    def __call__(self, *inputs: Any) -> Thoughts:
        """Thinks about a batch.

        Args:
            inputs: (B, …) what the machine takes, any number of samples.

        Returns:
            the answers of all ticks; no state, since such a file does not go on from one.

        Raises:
            ValueError: for inputs that do not fit.
        """
        found = self._session(self._session.in_order(inputs), ["logits", "certainty"])
        return Thoughts(found["logits"].numpy(), found["certainty"].numpy(), shown=self.description["shown"])
