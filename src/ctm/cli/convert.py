"""`ctm convert`: a trained model as a file or a folder for others."""

from pathlib import Path
from typing import Literal

from ctm.cli.trained import Which
from ctm.errors import ConfigError

Numbers = Literal["float32", "float16", "bfloat16"]


def convert(
    source: Path,
    destination: Path,
    /,
    *,
    checkpoint: Which = "best",
    numbers: Numbers = "float32",
    license: str | None = None,
    config: str | None = None,
    kind: str | None = None,
    trust_remote_code: bool = False,
) -> None:
    """Saves a trained model with its task and scores, for `ctm.load` and the commands of this program.

    Parameters
    ----------
    source:
        A run, a checkpoint, a saved model or one in the package, a repository user/name; or weights of the paper's
        authors.
    destination:
        NAME.safetensors for a single file, or a new folder, with a card and the pictures that `ctm figures` made.
    checkpoint:
        Of a run, the one with the best validation score, or the last one.
    numbers:
        How weights are written; float16 and bfloat16 take half the space.
    license:
        For the card, such as apache-2.0.
    config:
        Arguments of the authors that their file does not hold, as YAML: "{prediction_reshaper: [100, 5]}".
    kind:
        Which of the authors' models it is, if it cannot be seen: ctm, sort, qamnist, rl, lstm, lstm-qamnist, lstm-rl
        or ff.
    trust_remote_code:
        Run the files beside a saved model that define parts of it.
    """
    import torch

    from ctm.hub import save

    saved = save(
        source,
        destination,
        which=checkpoint,
        dtype=getattr(torch, numbers),
        license=license,
        config=_arguments(config),
        kind=kind,
        trust_remote_code=trust_remote_code,
    )
    print(f"saved: {saved}")


def _arguments(text: str | None) -> dict | None:
    import yaml

    try:
        found = None if text is None else yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--config {text}: not YAML: {' '.join(str(error).split())}") from None
    if found is not None and not isinstance(found, dict):
        raise ConfigError(f"--config {text}: expected arguments by name, such as '{{prediction_reshaper: [100, 5]}}'")
    return found
