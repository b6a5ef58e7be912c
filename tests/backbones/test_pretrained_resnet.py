"""ResNets of published weights, against one that is written out with the published names."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ctm import ConfigError, DataError, PretrainedResNet
from ctm.backbones import PerFrame, without_published_weights

COUNTS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
PARAMETERS = {18: 11_689_512, 34: 21_797_672, 50: 25_557_032, 101: 44_549_160, 152: 60_192_808}
"""As published, with a classifier of 1,000 classes."""


class Block(nn.Module):
    def __init__(self, inputs, width, stride, deep):
        super().__init__()
        outputs = 4 * width if deep else width
        shapes = [(inputs, width, 1, 1), (width, width, 3, stride), (width, outputs, 1, 1)]
        shapes = shapes if deep else [(inputs, width, 3, stride), (width, width, 3, 1)]
        for number, (before, after, size, step) in enumerate(shapes, start=1):
            setattr(self, f"conv{number}", nn.Conv2d(before, after, size, step, size // 2, bias=False))
            setattr(self, f"bn{number}", nn.BatchNorm2d(after))
        self.layers = len(shapes)
        self.downsample = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = x
        for number in range(1, self.layers + 1):
            y = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(y))
            y = y.relu() if number < self.layers else y
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class Published(nn.Module):
    """A ResNet for ImageNet, with the names of torchvision and timm."""

    def __init__(self, depth):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        deep, channels = depth >= 50, 64
        for stage, count in enumerate(COUNTS[depth]):
            blocks = []
            for index in range(count):
                width = 64 * 2**stage
                blocks.append(Block(channels, width, 2 if stage and not index else 1, deep))
                channels = 4 * width if deep else width
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, 1000)

    def features(self, x, stages):
        x = nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
        for stage in range(1, stages + 1):
            x = getattr(self, f"layer{stage}")(x)
        return x


def published(depth):
    """One with random weights and statistics."""
    torch.manual_seed(0)
    network = Published(depth).eval()
    for name, tensor in network.state_dict().items():
        if "running_var" in name:
            tensor.uniform_(0.5, 1.5)
        if "running_mean" in name or name.endswith("bias"):
            tensor.uniform_(-0.2, 0.2)
    return network


@pytest.fixture(scope="module")
def network():
    return published(18)


@pytest.fixture
def weights(network, tmp_path):
    torch.save(network.state_dict(), tmp_path / "resnet18.pth")
    return str(tmp_path / "resnet18.pth")


@pytest.mark.parametrize(("depth", "stages"), [(18, 1), (18, 4), (50, 2)])
def test_features_are_those_of_the_published_network(depth, stages, tmp_path):
    network = published(depth)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    pictures = torch.randn(2, 3, 64, 48)
    for name in ("weights.safetensors", "weights.pth"):
        config = PretrainedResNet.Config(str(tmp_path / name), depth, stages)
        features = config.build()(pictures)
        assert features.shape == (2, config.channels, *{1: (16, 12), 2: (8, 6), 4: (2, 2)}[stages])
        assert features.unique().numel() > features.numel() / 4
        torch.testing.assert_close(features, network.features(pictures, stages))


@pytest.mark.parametrize("depth", COUNTS)
def test_every_depth_has_the_published_tensors(depth, monkeypatch):
    with torch.device("meta"):
        network = Published(depth)
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[depth]
    monkeypatch.setattr("ctm.backbones.pretrained_resnet._read", lambda path: network.state_dict())
    for stages in (1, 4):
        PretrainedResNet.Config("somewhere", depth, stages).check_weights()


def test_older_files_without_counts_of_batches_are_read(network, tmp_path):
    older = {name: tensor for name, tensor in network.state_dict().items() if "num_batches" not in name}
    torch.save(older, tmp_path / "older.pth")
    pictures = torch.randn(1, 3, 32, 32)
    features = PretrainedResNet.Config(str(tmp_path / "older.pth"), 18).build()(pictures)
    torch.testing.assert_close(features, network.features(pictures, 4))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop("layer2.0.conv1.weight"), "layer2.0.conv1.weight is missing"),
        (
            lambda tensors: tensors.update({"layer1.2.conv1.weight": torch.zeros(1)}),
            "layer1.2.conv1.weight is unexpect",
        ),
        (
            lambda tensors: tensors.update({"conv1.weight": torch.zeros(64, 3, 3, 3)}),
            r"conv1.weight has shape \(64, 3, 3",
        ),
    ],
)
def test_other_tensors_are_refused(change, message, network, tmp_path):
    tensors = network.state_dict()
    change(tensors)
    torch.save(tensors, tmp_path / "other.pth")
    config = PretrainedResNet.Config(str(tmp_path / "other.pth"), 18)
    for use in (config.check_weights, config.build, PerFrame.Config(config).check_weights):
        with pytest.raises(DataError, match=rf"other\.pth: no weights of a ResNet-18 for ImageNet: {message}"):
            use()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.pth", None, "no such file; expected published weights, .safetensors or .pth"),
        ("broken.pth", b"", "weights that cannot be read"),
        ("broken.safetensors", b"hello", "weights that cannot be read"),
        ("list.pth", [1, 2], "expected a state dict, names with a tensor each; found something else"),
        ("nested.pth", {"state_dict": {}}, "expected a state dict, names with a tensor each; found something else"),
    ],
)
def test_files_that_are_no_weights_are_refused(name, content, message, tmp_path):
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif content is not None:
        torch.save(content, tmp_path / name)
    with pytest.raises(DataError, match=rf"{name}: {message}"):
        PretrainedResNet.Config(str(tmp_path / name), 18).check_weights()


def test_frozen_it_never_changes_and_keeps_nothing_for_gradients(weights):
    model = nn.ModuleList([PretrainedResNet.Config(weights, 18, 1).build()]).train()
    (backbone,) = model
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    pictures = torch.randn(2, 3, 32, 32)
    features = backbone(pictures)
    assert not features.requires_grad
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert not any(module.training for module in backbone.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in backbone.state_dict().items())
    backbone(pictures.requires_grad_()).sum().backward()  # what matters in a picture can still be asked
    assert pictures.grad.abs().sum() > 0


def test_not_frozen_it_trains_like_any_other(weights):
    backbone = PretrainedResNet.Config(weights, 18, 1, frozen=False).build()
    before = backbone.stem[1].running_mean.clone()
    backbone(torch.randn(2, 3, 32, 32)).sum().backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters())
    assert not torch.equal(before, backbone.stem[1].running_mean)
    assert not any(module.training for module in backbone.eval().modules())


def test_without_published_weights_no_file_is_looked_for(weights):
    config = PretrainedResNet.Config("nowhere.pth", 18, 1)
    with without_published_weights():
        again = config.build()
    with without_published_weights(), without_published_weights(skip=False):
        config.build()
    again.load_state_dict(PretrainedResNet.Config(weights, 18, 1).build().state_dict())
    with without_published_weights(skip=False), pytest.raises(DataError, match=r"nowhere\.pth: no such file"):
        config.build()
    with pytest.raises(DataError, match=r"nowhere\.pth: no such file"):
        config.build()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"depth": 20}, "depth = 20: expected one of 18, 34, 50, 101, 152"),
        ({"stages": 5}, "stages = 5: expected 1 to 4"),
    ],
)
def test_wrong_configurations_are_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        PretrainedResNet.Config("weights.pth", **fields)


def test_it_takes_pictures_of_three_channels():
    config = PretrainedResNet.Config("weights.pth")
    assert config.adapted((3, 20, 20)) is config
    assert config.adapted((1, 20, 20)) is None
    assert config.adapted((3, 20)) is None
