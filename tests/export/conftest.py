import jaxtyping
import pytest


@pytest.fixture(autouse=True)
def _traceable(monkeypatch):
    """Shapes in annotations are not checked, which cannot be exported."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
