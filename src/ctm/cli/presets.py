"""`ctm presets`: what there is to train, and what it costs."""

from json import dumps
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ctm.errors import ConfigError

if TYPE_CHECKING:
    from ctm.counting import Costs


def presets(
    name: str | None = None,
    /,
    *settings: Annotated[str, Parameter(allow_leading_hyphen=True)],
    count: bool = False,
    input_shape: Annotated[tuple[int, ...] | None, Parameter(consume_multiple=True)] = None,
    json: bool = False,
) -> None:
    """Lists the presets, or shows one as YAML.

    Its settings can be changed, as in `ctm presets digits --count --model.core.neurons 256`.

    Parameters
    ----------
    name:
        Which one to show: a preset, a Python file that registers one, or a YAML file such as a run's config.yaml.
    settings:
        Settings to be changed.
    count:
        Count its parameters, the multiplications of a sample, and the memory of a training step.
    input_shape:
        For a preset without a task, which --count needs to know: of one sample, such as 3 224 224.
    json:
        Print the count as one JSON object.
    """
    from ctm.cli.options import load_config, with_options
    from ctm.config import to_yaml
    from ctm.registry import presets, summary

    if (json or input_shape is not None) and not count:
        raise ConfigError("presets: --json and --input-shape belong to --count")
    if name is None and count:
        raise ConfigError("presets: name one to count, as in 'ctm presets digits --count'")
    if name is None:
        width = max(map(len, presets()))
        print("\n".join(f"{known:{width}}  {summary(known)}" for known in presets()))
        return
    config = with_options(name, list(settings)) if settings else load_config(name)
    if not count:
        print(to_yaml(config), end="")
        return
    from ctm.counting import count as counted

    costs = counted(config, input_shape)
    print(_as_json(name, costs) if json else _as_table(costs))


def _as_json(name: str, costs: "Costs") -> str:
    parts = {part: values._asdict() for part, values in costs.parts.items()}
    memory = None if costs.memory is None else costs.memory._asdict() | {"total": costs.memory.total}
    found = {"preset": name, "parts": parts, "ticks": costs.ticks, "multiplications": costs.multiplications}
    return dumps(found | ({} if memory is None else {"memory": memory}))


def _as_table(costs: "Costs") -> str:
    """Parameters and multiplications by part, and two lines of sums."""
    heading = ("part", "parameters", "once a pass", "once a sample", "at each tick")
    rows = [
        heading,
        *((name, *map("{:,}".format, part)) for name, part in (costs.parts | {"all": costs.total}).items()),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    lines.append(f"multiplications of a sample in {costs.ticks} ticks: {costs.multiplications:,}")
    if (memory := costs.memory) is None:
        return "\n".join(lines)
    weights, optimizer, working, total = (
        f"{size / 1e6:,.1f} MB" for size in (memory.weights, memory.optimizer, memory.working, memory.total)
    )
    lines.append(
        f"memory of a training step with {memory.samples} samples: {total} "
        f"(weights {weights}, optimiser {optimizer}, activations and gradients {working})"
    )
    return "\n".join(lines)
