"""`ctm presets`: what there is to train."""


def presets(name: str | None = None, /) -> None:
    """Lists the presets, or shows one as YAML.

    Parameters
    ----------
    name:
        Which one to show.
    """
    from ctm.config import to_yaml
    from ctm.registry import preset, presets, summary

    if name is None:
        width = max(map(len, presets()))
        print("\n".join(f"{known:{width}}  {summary(known)}" for known in presets()))
    else:
        print(to_yaml(preset(name)), end="")
