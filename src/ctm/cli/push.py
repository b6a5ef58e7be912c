"""`ctm push`: a trained model into a repository of the Hugging Face hub."""

from pathlib import Path

from ctm.cli.trained import Which


def push(
    source: Path,
    repository: str,
    /,
    *,
    checkpoint: Which = "best",
    license: str | None = None,
    private: bool = False,
) -> None:
    """Saves a trained model, its card and its pictures into a repository of the Hugging Face hub.

    Log in before, with `hf auth login`.

    Parameters
    ----------
    source:
        As for `ctm convert`.
    repository:
        user/name; it is made if it does not exist.
    checkpoint:
        Of a run, the one with the best validation score, or the last one.
    license:
        For the card, such as apache-2.0.
    private:
        Make a new repository that only you can see.
    """
    from ctm.hub import push

    print(f"saved: {push(source, repository, which=checkpoint, license=license, private=private or None)}")
