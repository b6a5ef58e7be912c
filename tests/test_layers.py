"""Which module may import which: one way, without circles, imports inside functions included."""

import grimp
import pytest

GRAPH = grimp.build_graph("ctm", exclude_type_checking_imports=False)
LAYERS = ("kernels", "machine", "inference", "transforms", "control", "training", "hub", "page", "comparison", "cli")
"""Later ones may import earlier ones."""


def imports(module):
    return GRAPH.find_modules_directly_imported_by(module)


def part_of(module, *packages):
    return any(module == f"ctm.{package}" or module.startswith(f"ctm.{package}.") for package in packages)


def test_there_is_no_circle():
    """Not even one that runs through a module, its package and back."""
    done, path = set(), []

    def visit(module):
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            path.append(module)
            for imported in sorted(imports(module)):
                visit(imported)
            done.add(path.pop())

    for module in sorted(GRAPH.modules):
        visit(module)


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_import_downwards(layer):
    above = LAYERS[LAYERS.index(layer) + 1 :]
    for module in filter(lambda module: part_of(module, layer), GRAPH.modules):
        upwards = [imported for imported in imports(module) if part_of(imported, *above)]
        assert not upwards, f"{module} imports {upwards}"


def test_parts_know_neither_the_machine_nor_what_uses_it():
    parts = (
        "backbones",
        "observers",
        "cores",
        "readouts",
        "synapses",
        "neurons",
        "synchronization",
        "windowed",
        "gated",
        "pairings",
        "positions",
    )
    for module in filter(lambda module: part_of(module, *parts), GRAPH.modules):
        assert not [name for name in imports(module) if part_of(name, *LAYERS[1:], "tasks", "analysis")], module


def test_analysis_and_control_know_no_task_and_no_run():
    for module in filter(lambda module: part_of(module, "analysis", "control"), GRAPH.modules):
        assert not [name for name in imports(module) if part_of(name, "tasks", "training", "comparison", "cli")], module


def test_tasks_do_not_know_each_other_but_for_their_data():
    """Questions are about the pictures of digits and MNIST; nothing but presets knows the training."""
    for module in filter(lambda module: part_of(module, "tasks"), GRAPH.modules):
        if not module.endswith("presets") and not part_of(module, "tasks.variants"):
            assert not [name for name in imports(module) if part_of(name, "training", "comparison", "cli")], module
