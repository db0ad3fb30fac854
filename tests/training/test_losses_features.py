"""Losses that look through a network: known answers, where the weights come from, and what stays frozen."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import w2s_losses
from torch import nn

from napari_w2s._types import InputError, Task, WeightsError
from napari_w2s.models.descriptor import Normalization
from napari_w2s.models.networks import dncnn, unet
from napari_w2s.training.config import Loss, make_config
from napari_w2s.training.losses import make_loss
from napari_w2s.training.losses.base import Term, make_terms
from napari_w2s.training.losses.network_maps import NetworkMaps, evenly
from napari_w2s.training.losses.perceptual import Features, covariance
from napari_w2s.training.losses.vgg import LAYERS, WEIGHTS_FILE

VGG_LAYERS = (2, 7, 16, 25, 34)


def pair(edge: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 1, edge, edge, generator=generator), torch.rand(2, 1, edge, edge, generator=generator)


@pytest.fixture(scope="module")
def vgg() -> nn.Module:
    return w2s_losses.small_vgg()


@pytest.fixture(scope="module")
def vgg_file(vgg: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    torch.save(vgg.state_dict(), path)
    return str(path)


@pytest.fixture
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    return tmp_path / "hub" / "checkpoints"


def vgg_maps(vgg: nn.Module, grey: torch.Tensor) -> dict[int, torch.Tensor]:
    """The maps of the five layers, of images in the colours that ImageNet's networks expect."""
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (torch.cat([grey, grey, grey], dim=1) - mean[:, None, None]) / std[:, None, None]
    found = {}
    for number, layer in enumerate(vgg.features):
        x = layer(x)
        if number in VGG_LAYERS:
            found[number] = x.clone()
    return found


def test_layers_are_the_papers() -> None:
    assert LAYERS == VGG_LAYERS


def test_texture_is_the_papers(vgg: nn.Module, vgg_file: str) -> None:
    """0.2 times the mean squared difference of five maps, and of the covariances of the last."""
    prediction, target = pair()
    seen, wanted = vgg_maps(vgg, prediction), vgg_maps(vgg, target)
    expected = torch.stack([0.2 * (seen[i] - wanted[i]).square().mean((1, 2, 3)) for i in VGG_LAYERS]).sum(0)
    for i in range(2):
        a, b = (torch.cov(maps[34][i].flatten(1), correction=0) for maps in (seen, wanted))
        expected[i] += 0.2 * (a - b).square().mean()
    values = make_loss("texture", weights=vgg_file)(prediction, target)
    torch.testing.assert_close(values, expected)


def test_features_are_those_of_esrgan(vgg: nn.Module, vgg_file: str) -> None:
    """Mean absolute difference of the last convolution, before its activation."""
    prediction, target = pair()
    expected = (vgg_maps(vgg, prediction)[34] - vgg_maps(vgg, target)[34]).abs().mean((1, 2, 3))
    torch.testing.assert_close(make_loss("features", weights=vgg_file)(prediction, target), expected)


def test_layers_weights_and_criterion_are_options(vgg: nn.Module, vgg_file: str) -> None:
    prediction, target = pair()
    seen, wanted = vgg_maps(vgg, prediction), vgg_maps(vgg, target)
    expected = sum(w * (seen[i] - wanted[i]).square().mean((1, 2, 3)) for i, w in ((7, 3.0), (25, 0.5)))
    loss = make_loss("features", weights=vgg_file, layers=[7, 25], layer_weights=[3, 0.5], criterion="mse")
    torch.testing.assert_close(loss(prediction, target), expected)


PAPERS = {
    "JDSR": ([("mse", 1, {}), ("texture", 0.05, {})], None),
    "ESRGAN": ([("features", 1, {}), ("l1", 0.01, {})], {"kind": "relativistic", "weight": 0.005}),
    "EPSR": ([("features", 1, {"criterion": "mse"}), ("mse", 0.05, {})], {"kind": "standard", "weight": 0.04}),
}
"""Losses and adversarial term as published."""


@pytest.mark.parametrize("paper", PAPERS)
def test_losses_of_the_papers_can_be_written(paper: str, vgg_file: str) -> None:
    losses, adversarial = PAPERS[paper]
    needs = {"features": {"weights": vgg_file}, "texture": {"weights": vgg_file}}
    written = [{"name": n, "weight": w, "options": {**needs.get(n, {}), **more}} for n, w, more in losses]
    config = make_config({"name": "p", "task": "jdsr", "losses": {"sim": written}, "adversarial": adversarial})
    assert config.generative is (adversarial is not None)
    prediction, target = pair()
    total = sum(term(prediction, target) for term in make_terms(config.losses["sim"]))
    expected = sum(w * make_loss(n, **needs.get(n, {}), **more)(prediction, target).mean() for n, w, more in losses)
    torch.testing.assert_close(total, expected)


def test_covariance_of_known_channels() -> None:
    """Channel 1 is twice channel 0, channel 2 is constant."""
    channel = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    maps = torch.stack([channel, 2 * channel, torch.ones(2, 2)])[None]
    torch.testing.assert_close(covariance(maps)[0], 3.5 * torch.tensor([[1.0, 2, 0], [2, 4, 0], [0, 0, 0]]))


def test_weights_lie_where_torchvision_keeps_them(vgg_file: str, no_cache: Path) -> None:
    with pytest.raises(InputError, match="not part of this package") as caught:
        make_loss("texture")
    for words in (f"https://download.pytorch.org/models/{WEIGHTS_FILE}", "'weights'", "'features'", str(no_cache)):
        assert words in str(caught.value)
    no_cache.mkdir(parents=True)
    (no_cache / WEIGHTS_FILE).write_bytes(Path(vgg_file).read_bytes())
    assert make_loss("texture")(*pair()).shape == (2,)


@pytest.mark.parametrize("fault", ["missing", "other network", "a gap", "grey", "pickled"])
def test_weights_that_are_no_vgg(fault: str, vgg: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    state = dict(vgg.state_dict())
    if fault == "other network":
        torch.save(dncnn.create(depth=3, width=2).state_dict(), path)
    elif fault == "a gap":
        del state["features.14.weight"]
        torch.save(state, path)
    elif fault == "grey":
        torch.save({**state, "features.0.weight": torch.zeros(3, 1, 3, 3)}, path)
    elif fault == "pickled":
        torch.save({"features": print}, path)
    with pytest.raises(WeightsError, match=r"weights\.pth|VGG-19"):
        make_loss("features", weights=str(path))


def test_features_of_a_model(tmp_path: Path) -> None:
    """Convolutions 0 to 3 of five, before the ReLU that writes over the first one's result; batch norms as trained."""
    path = w2s_losses.save_model(tmp_path / "tiny.safetensors")
    torch.manual_seed(3)
    layers = dncnn.create(depth=5, width=4).eval().dncnn
    prediction, target = pair()

    def maps(x: torch.Tensor) -> list[torch.Tensor]:
        found = []
        for layer in layers:
            x = layer(x)
            if isinstance(layer, nn.Conv2d):
                found.append(x.clone())
        return found[:4]

    each = [(a - b).square().mean((1, 2, 3)) for a, b in zip(maps(prediction), maps(target), strict=True)]
    loss = make_loss("texture", features=str(path), covariance=0)
    torch.testing.assert_close(loss(prediction, target), torch.stack(each).mean(0))
    deepest = make_loss("features", features=str(path), criterion="mse")
    torch.testing.assert_close(deepest(prediction, target), each[-1])
    third = make_loss("features", features=str(path), criterion="mse", layers=[2])
    torch.testing.assert_close(third(prediction, target), each[2])


def test_layers_are_spread_over_the_depth() -> None:
    assert evenly(16, 5) == (2, 5, 8, 10, 13)
    assert evenly(4, 5) == (0, 1, 2, 3)
    assert evenly(1, 5) == (0,)


def test_a_registered_model_of_odd_needs(tmp_path: Path) -> None:
    """A standardised network of two outputs whose sizes are multiples: brightness of the pair does not matter."""
    network = unet.create((4, 4), (1, 1), fold=2, detail=4)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    path = w2s_losses.save_model(
        tmp_path / "unet.safetensors",
        network,
        architecture="unet",
        task=Task.JDSR,
        scale=2,
        size_multiple=4,
        normalization=Normalization.STANDARD,
    )
    loss = make_loss("texture", features=str(path))
    prediction, target = pair(18)
    values = loss(prediction, target)
    assert bool((values > 0).all())
    torch.testing.assert_close(loss(3 * prediction - 1, 3 * target - 1), values, rtol=1e-3, atol=1e-6)
    flat = torch.full_like(target, 0.5)
    assert bool(loss(prediction, flat).isfinite().all())


def test_names_that_are_models_are_looked_up() -> None:
    with pytest.raises(InputError, match="dncnn-avg1"):
        NetworkMaps("dncn-avg1")


def test_frozen_networks_are_not_part_of_the_training(tmp_path: Path) -> None:
    path = w2s_losses.save_model(tmp_path / "tiny.safetensors")
    owner = nn.ModuleDict({"sim": Term(Loss(name="texture", options={"features": str(path)}))})
    loss = owner["sim"].loss
    assert isinstance(loss, Features)
    assert dict(owner.state_dict()) == {}
    assert list(owner.parameters()) == []
    owner.train()
    held = loss.features.network
    assert not any(module.training for module in held.modules())
    assert not any(parameter.requires_grad for parameter in held.parameters())
    before = {key: value.clone() for key, value in held.state_dict().items()}
    prediction, target = pair()
    owner["sim"](prediction.requires_grad_(), target).backward()
    assert prediction.grad is not None
    assert all(torch.equal(before[key], value) for key, value in held.state_dict().items())
    owner.to("meta")
    assert {tensor.device.type for tensor in (*held.parameters(), *held.buffers())} == {"meta"}


def test_vgg_moves_and_is_not_saved(vgg_file: str) -> None:
    loss = make_loss("texture", weights=vgg_file)
    assert dict(loss.state_dict()) == {}
    held = [*loss.features.network.parameters(), *loss.buffers()]
    assert len(held) > 30
    loss.to(torch.float64)
    assert {tensor.dtype for tensor in (*loss.features.network.parameters(), *loss.buffers())} == {torch.float64}
    prediction, target = pair()
    assert loss(prediction.double(), target.double()).dtype == torch.float64


def test_grey_images_are_compared_channel_by_channel(vgg_file: str) -> None:
    prediction, target = pair()
    loss = make_loss("texture", weights=vgg_file)
    first, second = loss(prediction, target), loss(target, F.hardtanh(prediction, 0, 0.5))
    both = loss(torch.cat([prediction, target], 1), torch.cat([target, F.hardtanh(prediction, 0, 0.5)], 1))
    torch.testing.assert_close(both, (first + second) / 2)
