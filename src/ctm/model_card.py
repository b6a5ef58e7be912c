"""The card of a saved model, its README.md: what it is, what it scores, how it is used."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData

LIBRARY = "continuous-thought-machines"

_CITATION = """\
@article{darlow2025continuous,
  title = {Continuous Thought Machines},
  author = {Darlow, Luke and Regan, Ciaran and Risi, Sebastian and Seely, Jeffrey and Jones, Llion},
  journal = {arXiv preprint arXiv:2505.05522},
  year = {2025}
}"""


def model_card(
    content: Mapping[str, Any],
    title: str = "Continuous Thought Machine",
    text: str = "A network that thinks, tick by tick, and answers when it is sure.",
    license: str | None = None,
    figures: Sequence[str] = (),
) -> ModelCard:
    """The card of a model.

    Args:
        content: of its `config.json`, with "experiment" and "scores" (by name) if it was trained by this library.
        title: its heading.
        text: what it is, in a sentence or more.
        license: of the weights, as the hub names licences, such as "apache-2.0"; nothing if its maker states none.
        figures: names of pictures beside the card.
    """
    experiment, scores = content.get("experiment"), content.get("scores") or {}
    task = "" if experiment is None else experiment["task"]["kind"]
    data = ModelCardData(
        library_name=LIBRARY,
        license=license,
        tags=["continuous-thought-machine", "pytorch", *([task] if task else [])],
        model_name=title if scores else None,
        eval_results=[_result(task, name, value) for name, value in scores.items()] or None,
    )
    parts = [f"# {title}", text, "## Use", _use(content)]
    if scores:
        rows = [f"| {name.replace('_', ' ')} | {value:.4g} |" for name, value in scores.items()]
        parts += ["## Scores", "On the test split.", "\n".join(["| | |", "| --- | --- |", *rows])]
    parts += [f"![{name.rpartition('.')[0]}]({name})" for name in figures]
    parts += ["## Configuration", "```yaml\n" + _configuration(content) + "```"]
    parts += ["## Licence", license or "Its maker states none."]
    made_by = f"Made by {LIBRARY} {content['made_by']}, an independent implementation of"
    parts += ["## Citation", f"{made_by} [Continuous Thought Machines](https://arxiv.org/abs/2505.05522):"]
    parts += [f"```bibtex\n{_CITATION}\n```"]
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(parts) + "\n")


def _result(task: str, name: str, value: float) -> EvalResult:
    return EvalResult(
        task_type=task, dataset_type=task, dataset_name=task, dataset_split="test", metric_type=name, metric_value=value
    )


def _use(content: Mapping[str, Any]) -> str:
    lines = ["```python", "import ctm", "", 'model = ctm.load("PATH_OR_REPOSITORY")        # PyTorch, evaluation mode']
    if content["machine"]["readout"].get("kind") == "actor_critic":
        lines += ["agent = ctm.Agent(model)", "numbers, value, state = agent(observation, agent.initial_state(1))"]
    else:
        lines += ["thoughts = model(x)                            # an answer and a certainty for every tick"]
        lines += ['answers = thoughts.at("most_certain")']
    lines += ["```"]
    if content.get("experiment") is not None:
        lines += ["", "    ctm think PATH        # answers an input of its task, and animates how"]
    return "\n".join(lines)


def _configuration(content: Mapping[str, Any]) -> str:
    shown = {name: content[name] for name in ("preset", "machine", "plugins", "experiment") if content.get(name)}
    return yaml.safe_dump(shown, sort_keys=False, allow_unicode=True)
