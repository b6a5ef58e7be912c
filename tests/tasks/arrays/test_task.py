import numpy as np
import pytest
import torch

import ctm
from ctm import ConfigError, DataError
from ctm.cli.options import settings_of, training_app, values_of
from ctm.comparison.comparison import Comparison
from tasks.arrays.data import SHAPES, experiment, samples, save


@pytest.mark.parametrize("positions", [(), (4,)])
@pytest.mark.parametrize("shape", SHAPES)
def test_task_and_model_learn_from_the_data_what_they_are_like(tmp_path, shape, positions):
    x, y = samples(shape, positions=positions)
    fitted = experiment(train=save(tmp_path / "a.npz", x, y)).fitted()
    learned = fitted.task.learned
    assert (learned.input_shape, learned.answer, learned.classes) == (shape, positions, ("maybe", "no", "yes"))
    assert fitted.model.readout.shape == (*positions, 3)
    assert fitted == fitted.fitted()
    task = fitted.task.build()
    inputs, targets = task.batch(0, 0, 8)
    assert inputs.shape == (8, shape[-1], *shape[:-1])
    thoughts = fitted.model.build()(inputs)
    assert thoughts.logits.shape == (8, 2, *positions, 3)
    assert task.format_answer(targets[0]) == " ".join(learned.classes[int(label)] for label in targets[0].flatten())


def test_a_file_is_found_from_another_folder(tmp_path, monkeypatch):
    save(tmp_path / "a.npz", *samples())
    monkeypatch.chdir(tmp_path)
    fitted = experiment(train="a.npz").fitted()
    monkeypatch.chdir("/")
    assert len(fitted.task.build().sample(0).inputs) == 1


def test_inputs_are_normalised_by_the_samples_to_train_on_alone(tmp_path):
    x, y = samples((4, 2))
    x[:, :, 1] = 7  # a channel that says nothing
    files = {name: save(tmp_path / f"{name}.npz", x + shift, y) for name, shift in (("train", 0), ("validation", 90))}
    fitted = experiment(**files).fitted()
    seen = fitted.task.read().train.inputs
    assert fitted.task.learned.mean == pytest.approx((seen[:, :, 0].mean(), 7))
    assert fitted.task.learned.deviation == pytest.approx((seen[:, :, 0].std(), 1))
    task = fitted.task.build()
    everything = task.samples.train.inputs
    assert everything[:, 0].mean().item() == pytest.approx(0, abs=1e-5)
    assert everything[:, 0].std(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert not everything[:, 1].any()
    shifted = task.samples.splits["validation"].inputs
    assert shifted[:, 0].mean().item() == pytest.approx(
        (x[:, :, 0].mean() + 90 - seen[:, :, 0].mean()) / seen[:, :, 0].std(), rel=1e-4
    )


def test_shares_are_held_out_where_no_file_is_given(tmp_path):
    x, y = samples(count=50)
    path = save(tmp_path / "a.npz", x, y)
    splits = experiment(train=path).task.read()
    assert [len(part.rows) for part in splits] == [36, 4, 10]
    assert sorted(np.concatenate([part.rows for part in splits])) == list(range(50))
    assert all(np.allclose(part.inputs, x[part.rows]) for part in splits)
    other = experiment(train=path, split_seed=1).task.read()
    assert sorted(other.test.rows) != sorted(splits.test.rows)
    given = experiment(train=path, validation=path, test=path).task.read()
    assert [len(part.rows) for part in given] == [50, 50, 50]


def test_a_run_is_used_without_its_data(tmp_path):
    x, y = samples()
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "a.npz"
    fitted = experiment(train=save(path, x, y)).fitted()
    run = ctm.Run.create(tmp_path / "run", fitted)
    ctm.train(run, quiet=True)
    path.unlink()
    opened = ctm.Run.open(run.path)
    assert opened.experiment == fitted
    task = opened.experiment.task.build()
    inputs = task.parse("1, 2 3 4 5")
    assert torch.allclose(
        inputs, (torch.arange(1.0, 6) - torch.tensor(task.learned.mean)) / torch.tensor(task.learned.deviation)
    )
    assert task.format_answer(task.answer(opened.load_model()(inputs))[0]) in ("maybe", "no", "yes")
    with pytest.raises(DataError, match=r"a\.npz: no such file$"):
        task.sample(0)


def test_a_sample_is_read_from_an_array_or_a_text(tmp_path):
    x, y = samples((6, 5, 3))
    task = experiment(train=save(tmp_path / "a.npz", x, y)).fitted().task.build()
    expected = task.inputs(x[:1])
    np.save(tmp_path / "one.npy", x[0])
    (tmp_path / "one.txt").write_text(" ".join(map(repr, x[0].ravel().tolist())))
    for path in (tmp_path / "one.npy", tmp_path / "a.npz", tmp_path / "one.txt"):
        assert torch.equal(task.read(path), expected)
    with pytest.raises(DataError, match=r"^89 numbers: expected 90, for a sample of shape \(6, 5, 3\)$"):
        task.parse("1 " * 89)
    (tmp_path / "one.csv").write_text("a,b")
    with pytest.raises(DataError, match=r"one\.csv: could not convert string to float: 'a': expected numbers$"):
        task.read(tmp_path / "one.csv")


def test_maps_are_drawn_with_the_names_of_the_classes(tmp_path, monkeypatch):
    from ctm.analysis import looking

    x, y = samples((6, 5, 3))
    fitted = experiment(train=save(tmp_path / "a.npz", x, y)).fitted()
    task = fitted.task.build()
    shown = task.sample(0)
    thoughts = fitted.model.build().eval()(shown.inputs, record=True)
    assert task.shows_attention
    labels, draw = [], looking._draw
    monkeypatch.setattr(looking, "_draw", lambda scene, time: labels.append(scene.labels) or draw(scene, time))
    assert [name for name, _ in task.figures(thoughts, shown)] == ["attention"]
    assert next(task.animate(thoughts, shown.inputs, shown.targets[0])).ndim == 3
    assert labels == [["maybe", "no", "yes"]] * 2


def test_vectors_are_not_drawn(tmp_path):
    fitted = experiment(train=save(tmp_path / "a.npz", *samples())).fitted()
    task, model = fitted.task.build(), fitted.model.build().eval()
    shown = task.sample(0)
    thoughts = model(shown.inputs, record=True)
    assert not task.shows_attention
    assert not list(task.figures(thoughts, shown))
    assert not list(task.animate(thoughts, shown.inputs, None))


def test_the_command_line_and_comparisons_fit_before_a_run_is_made(tmp_path):
    path = save(tmp_path / "a.npz", *samples((4, 2)))
    plan = [f"--training.{name.replace('_', '-')}={value}" for name, value in (("iterations", 1), ("batch_size", 2))]
    arguments = ["--task.train", path, "--run", str(tmp_path / "run"), "--quiet", "--model.ticks", "1", *plan]
    training_app("arrays")(arguments, exit_on_error=False, result_action="return_value")
    assert ctm.Run.open(tmp_path / "run").experiment.model.backbone == ctm.ConvNet.Config((32, 64), (False, True), 2, 1)
    compared = Comparison(tmp_path / "compared", {"mine": experiment(train=path)}, seeds=(0,))
    assert compared.runs["mine", 0].experiment.task.learned.classes == ("maybe", "no", "yes")
    again = Comparison(tmp_path / "compared", {"mine": experiment(train=path)}, seeds=(0,))
    assert again.runs.keys() == compared.runs.keys()


def test_what_is_learned_is_no_option():
    task = experiment().task
    settings = settings_of(type(task), values_of(task, ()))
    assert hasattr(settings, "train")
    assert not hasattr(settings, "learned")


def test_without_a_file_nothing_is_learned():
    with pytest.raises(ConfigError, match=r"^task\.train: missing: name a file, as in --task\.train my\.npz$"):
        experiment().fitted()
    with pytest.raises(ConfigError, match=r"^task\.learned: missing: experiment\.fitted\(\) finds out"):
        experiment().task.build()


def test_a_backbone_for_other_inputs_is_refused(tmp_path):
    fitted = experiment(train=save(tmp_path / "a.npz", *samples())).fitted()
    with pytest.raises(ConfigError, match=r"^model\.backbone = .*'features': 6.*: expected one for inputs \[5\]$"):
        fitted.replace(model=fitted.model.replace(backbone=fitted.model.backbone.replace(features=6)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[:, :4], y), r"test\.npz: x: shape \(60, 4\): expected \(N, 5\), as to train on$"),
        (
            lambda x, y: (x, y[:, None]),
            r"test\.npz: y: shape \(60, 1\): expected one labels? a sample, as to train on$",
        ),
        (
            lambda x, y: (x, np.where(np.arange(60) == 8, "new", y)),
            r"test\.npz: y: 'new' in row 8: no sample to train on has this label; they have maybe, no, yes; give more",
        ),
    ],
)
def test_other_samples_that_are_unlike_those_to_train_on_are_refused(tmp_path, change, message):
    x, y = samples()
    test = save(tmp_path / "test.npz", *change(x, y))
    with pytest.raises(DataError, match=message):
        experiment(train=save(tmp_path / "a.npz", x, y), test=test).fitted()


def test_a_label_that_only_the_held_out_samples_have_is_refused_with_its_row(tmp_path):
    x, y = samples()
    row = experiment(train=save(tmp_path / "a.npz", x, y)).task.read().test.rows[0]
    y[row] = "once"
    with pytest.raises(DataError, match=rf"a\.npz: y: 'once' in row {row}: no sample to train on has this label"):
        experiment(train=save(tmp_path / "a.npz", x, y)).fitted()


def test_one_class_and_one_sample_are_too_few(tmp_path):
    x, y = samples()
    with pytest.raises(DataError, match=r"a\.npz: y: all labels are 'no': expected two or more classes$"):
        experiment(train=save(tmp_path / "a.npz", x, np.full_like(y, "no"))).fitted()
    with pytest.raises(DataError, match=r"a\.npz: 1 samples, 1 of them held out: none are left to train on$"):
        experiment(train=save(tmp_path / "a.npz", x[:1], y[:1])).fitted()
