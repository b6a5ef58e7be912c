import numpy as np
import pytest

from ctm.analysis.neurons import neuron_traces, neuron_traces_side_by_side


def segments(collection):
    return np.stack(collection.get_segments())  # (D, T, 2)


def test_every_neuron_has_its_trace_in_its_own_cell(think):
    record = think(batch=3, ticks=6, neurons=10).record
    (axes,) = neuron_traces(record, sample=1, others=1).axes
    pre, faint, bold = axes.collections
    assert segments(pre).shape == segments(faint).shape == segments(bold).shape == (10, 6, 2)
    assert len({tuple(np.floor(trace.mean(0))) for trace in segments(bold)}) == 10
    assert len(np.unique(bold.get_colors(), axis=0)) == 10
    rising = -segments(bold)[4, :, 1]
    assert np.corrcoef(rising, record.post_activations[1, :, 4])[0, 1] == pytest.approx(1, abs=1e-4)


def test_the_choice_of_neurons_is_repeatable(think):
    record = think(neurons=30).record
    bold = [neuron_traces(record, neurons=8).axes[0].collections[-1] for _ in range(2)]
    assert len(segments(bold[0])) == 8
    np.testing.assert_array_equal(segments(bold[0]), segments(bold[1]))


def test_one_tick_dead_neurons_and_no_pre_activations(think):
    record = think(batch=1, ticks=1).record._replace(pre_activations=None)
    (axes,) = neuron_traces(record._replace(post_activations=0 * record.post_activations)).axes
    assert len(axes.collections) == 1
    assert np.isfinite(segments(axes.collections[0])).all()


@pytest.mark.parametrize("models", [1, 2, 3])
def test_models_side_by_side_show_the_same_sample(think, models):
    activity = {f"model {number}": think(neurons=10 * number + 5).record.post_activations for number in range(models)}
    panels = neuron_traces_side_by_side(activity, sample=2, neurons=9).axes
    assert [axes.get_title("left") for axes in panels] == list(activity)
    for axes, post in zip(panels, activity.values(), strict=True):
        bold = segments(axes.collections[-1])
        assert len(bold) == min(9, post.shape[-1])
        shown = -bold[:, :, 1]
        correlations = np.corrcoef(np.concatenate([shown, post[2].T]))[: len(bold), len(bold) :]
        np.testing.assert_allclose(correlations.max(1), 1, atol=1e-4)
