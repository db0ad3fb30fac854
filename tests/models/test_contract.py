"""What every registered model must do, whichever it is."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from functools import cache

import pytest
import torch
from torch import fx, nn

from napari_w2s._types import Task, WeightsError
from napari_w2s.models.architectures import ARCHITECTURES, Architecture, Deferred
from napari_w2s.models.builtin import BUILTIN, DEFAULT_MODELS, default_registry, packaged_unet
from napari_w2s.models.descriptor import ModelDescriptor, Normalization, WeightsPlace

# The packaged ones also where their weights are not there.
ALL = tuple({d.name: d for d in (*packaged_unet("0" * 64), *BUILTIN)}.values())
MODELS = [pytest.param(d, id=d.name) for d in ALL]
# Models of one architecture, size and output differ in weights only: what does not depend on them is tested once, and
# where there is a light size, on that one.
ONE_OF_EACH = {
    (d.architecture, d.output or ""): d
    for d in reversed(ALL)
    if not ARCHITECTURES[d.architecture].light or dict(d.options) == dict(ARCHITECTURES[d.architecture].light)
}
METHODS = [pytest.param(d, id="-".join(filter(None, key))) for key, d in sorted(ONE_OF_EACH.items())]
WITH_WEIGHTS = [param for param in METHODS if param.values[0].weights is not None]
_STRIP = 8
_WIDE = 32
SIZES = [(1, 1), (1, 7), (7, 1), (13, 17)]


@cache
def random_state(architecture: str) -> dict[str, torch.Tensor]:
    """Weights of an architecture at its light size, none of its layers at rest."""
    torch.manual_seed(0)
    made = ARCHITECTURES[architecture].create(**ARCHITECTURES[architecture].light)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.1, 0.4)
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
        elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and not module.weight.any():
            nn.init.kaiming_normal_(module.weight)
    return made.state_dict()


@cache
def random_network(build: Deferred, architecture: str) -> nn.Module:
    return build(random_state(architecture) if ARCHITECTURES[architecture].has_weights else None)


def network_of(descriptor: ModelDescriptor) -> nn.Module:
    for package in descriptor.requires:
        pytest.importorskip(package)
    return random_network(descriptor.build, descriptor.architecture)


def image_for(descriptor: ModelDescriptor) -> torch.Tensor:
    height, width = (-(-n // descriptor.size_multiple) * descriptor.size_multiple for n in (13, 17))
    return torch.rand(1, 1, height, width)


def call(descriptor: ModelDescriptor, batch: torch.Tensor) -> torch.Tensor:
    network = network_of(descriptor)
    if not descriptor.frame_context:
        return network(batch)
    torch.manual_seed(1)
    frame = 100 + 5 * torch.randn(64, 64)
    return network(batch, network.frame_context(frame.numpy()))


@pytest.mark.parametrize("descriptor", MODELS)
def test_card_is_complete(descriptor: ModelDescriptor) -> None:
    for text in ("name", "title", "summary", "architecture", "licence", "origin", "citation"):
        assert getattr(descriptor, text).strip(), text
    assert descriptor.summary.endswith(".")
    assert "\n" not in descriptor.summary
    assert descriptor.scale == (1 if descriptor.task is Task.DENOISE else 2)
    assert isinstance(descriptor.normalization, Normalization)
    assert descriptor.size_multiple >= 1
    assert descriptor.devices[0] == "cpu"
    method = ARCHITECTURES[descriptor.architecture]
    assert descriptor.build == method.build_for(descriptor.output)
    assert descriptor.serves(descriptor.task)
    assert descriptor.task not in descriptor.tasks
    assert "arXiv" in descriptor.citation or descriptor.citation == method.citation
    assert descriptor.frame_context == method.frame_context
    assert (descriptor.weights is not None) == method.has_weights
    if descriptor.weights is not None:
        assert (descriptor.weights.sha256 is None) == (descriptor.weights.place is WeightsPlace.OWN)
        assert len(bytes.fromhex(descriptor.weights.sha256 or "00" * 32)) == 32
        assert descriptor.weights.licence


def test_descriptors_survive_pickling_and_copying() -> None:
    assert copy.deepcopy(ALL) == ALL
    assert len({hash(descriptor) for descriptor in ALL}) == len(ALL)
    code = (
        "import pickle, sys; models = pickle.Unpickler(sys.stdin.buffer).load(); "
        "assert 'torch' not in sys.modules; print([(d.name, str(d.build)) for d in models])"
    )
    other = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(ALL), capture_output=True, check=True)
    assert other.stdout.decode().strip() == str([(d.name, str(d.build)) for d in ALL])


def test_listing_models_imports_no_torch() -> None:
    code = (
        "import sys; from napari_w2s.models.builtin import default_registry; r = default_registry(); r.names(); "
        "r.parse('vst-nlm+bicubic'); assert not {'torch', 'skimage', 'dask', 'pooch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_are_unique_and_the_default_is_among_them() -> None:
    assert len({d.name for d in BUILTIN}) == len(BUILTIN)
    registry = default_registry()
    assert registry.parse("+".join(DEFAULT_MODELS)) == DEFAULT_MODELS
    assert all(registry.available(name) == "built in" for name in DEFAULT_MODELS)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("descriptor", METHODS)
def test_any_size_comes_out_at_scale(descriptor: ModelDescriptor, size: tuple[int, int]) -> None:
    height, width = (-(-n // descriptor.size_multiple) * descriptor.size_multiple for n in size)
    batch = torch.rand(1, 1, height, width)
    result = call(descriptor, batch)
    assert result.shape == (1, 1, height * descriptor.scale, width * descriptor.scale)
    assert result.dtype == torch.float32
    assert torch.isfinite(result).all()


@pytest.mark.parametrize("descriptor", METHODS)
def test_batches_are_treated_one_by_one(descriptor: ModelDescriptor) -> None:
    edge = 16
    batch = torch.rand(3, 1, edge, edge, generator=torch.Generator().manual_seed(2))
    before = batch.clone()
    with torch.inference_mode():
        together = call(descriptor, batch)
        alone = torch.cat([call(descriptor, batch[i : i + 1]) for i in range(3)])
        # torch's pixel_unshuffle leaves an empty batch as it is.
        nothing = call(descriptor, batch[:0]) if descriptor.size_multiple == 1 else together[:0]
    size = float(together.abs().max())
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-3 * size)
    assert not torch.equal(together[0], together[1])
    assert torch.equal(batch, before)
    assert nothing.shape == (0, *together.shape[1:])


def measured_receptive_field(descriptor: ModelDescriptor) -> int:
    """Width of the square of input pixels that the output pixels of one input pixel depend on."""
    assert descriptor.receptive_field is not None
    multiple, scale = descriptor.size_multiple, descriptor.scale
    edge = -(-(descriptor.receptive_field + 8) // multiple) * multiple
    # For a network a strip will do, and where it pools, the pixel is the last one of a pooled cell.
    width = max(multiple, _STRIP) if ARCHITECTURES[descriptor.architecture].has_weights else edge
    row, column = (n // 2 // multiple * multiple + multiple - 1 for n in (edge, width))
    block = (..., slice(row * scale, (row + 1) * scale), slice(column * scale, (column + 1) * scale))
    generator = torch.Generator().manual_seed(3)
    x = torch.rand(1, 1, edge, width, generator=generator, dtype=torch.float64)
    if ARCHITECTURES[descriptor.architecture].has_weights or not descriptor.frame_context:
        network = copy.deepcopy(network_of(descriptor)).double()
        x.requires_grad_()
        network(x)[block].sum().backward()
        touched = x.grad[0, 0] != 0
    else:
        touched = torch.zeros(edge, edge, dtype=torch.bool)
        # Along a row and a diagonal: a square's sides and corners.
        for line in ([(row, k) for k in range(edge)], [(k, k) for k in range(edge)]):
            for i, k in line:
                changed = x.clone()
                changed[..., i, k] += 0.5
                # About as rough as the noise of the frame in `call`.
                difference = call(descriptor, 100 + 20 * changed)[block] - call(descriptor, 100 + 20 * x)[block]
                touched[i, k] = bool(difference.abs().max() > 1e-9)
    rows = touched.any(1).nonzero()
    columns = touched.any(0).nonzero()
    return 2 * int(max(row - rows.min(), rows.max() - row, column - columns.min(), columns.max() - column)) + 1


@pytest.mark.parametrize("descriptor", METHODS)
def test_receptive_field_is_what_the_network_has(descriptor: ModelDescriptor) -> None:
    if descriptor.receptive_field is None:
        pytest.skip("depends on the whole frame")
    assert network_of(descriptor).receptive_field == descriptor.receptive_field
    assert getattr(network_of(descriptor), "size_multiple", 1) == descriptor.size_multiple
    if descriptor.frame_context and descriptor.receptive_field > _WIDE:
        pytest.skip("too slow to ask pixel by pixel: its own test cuts a frame into tiles")
    # The widest that any pixel of a pooled cell needs is what counts.
    least = descriptor.receptive_field - 2 * (descriptor.size_multiple - 1)
    assert least <= measured_receptive_field(descriptor) <= descriptor.receptive_field


@pytest.mark.parametrize("descriptor", [p for p in MODELS if p.values[0].weights is not None])
def test_every_size_says_what_its_network_needs(descriptor: ModelDescriptor) -> None:
    if descriptor.weights.place is not WeightsPlace.OWN:
        one = ONE_OF_EACH[descriptor.architecture, descriptor.output or ""]
        assert (descriptor.receptive_field, descriptor.size_multiple) == (one.receptive_field, one.size_multiple)
        return
    with torch.device("meta"):
        network = ARCHITECTURES[descriptor.architecture].create(**descriptor.options)
    assert descriptor.receptive_field == network.receptive_field
    assert descriptor.size_multiple == getattr(network, "size_multiple", 1)


@pytest.mark.parametrize("architecture", [a for a in ARCHITECTURES.values() if a.light], ids=lambda a: a.name)
def test_light_sizes_are_light(architecture: Architecture) -> None:
    with torch.device("meta"):
        light, usual = (architecture.create(**options) for options in (architecture.light, {}))
    counts = [sum(p.numel() for p in network.parameters()) for network in (light, usual)]
    assert counts[0] < min(1.5e6, counts[1] / 2)


@pytest.mark.parametrize("descriptor", WITH_WEIGHTS)
def test_state_dict_round_trip(descriptor: ModelDescriptor) -> None:
    network = network_of(descriptor)
    again = descriptor.build(network.state_dict())
    assert not again.training
    assert not any(parameter.requires_grad for parameter in again.parameters())
    assert list(again.state_dict()) == list(network.state_dict())
    batch = image_for(descriptor)
    assert torch.equal(again(batch), network(batch))


@pytest.mark.parametrize("descriptor", WITH_WEIGHTS)
def test_built_network_owns_its_weights(descriptor: ModelDescriptor) -> None:
    state = {key: value.clone() for key, value in network_of(descriptor).state_dict().items()}
    network = descriptor.build(state)
    batch = torch.rand(1, 1, 8, 8)
    before = network(batch)
    for value in state.values():
        value.zero_()
    assert torch.equal(network(batch), before)


@pytest.mark.parametrize("descriptor", WITH_WEIGHTS)
def test_float16_weights_become_float32(descriptor: ModelDescriptor) -> None:
    state = {
        key: value.half() if value.is_floating_point() else value
        for key, value in network_of(descriptor).state_dict().items()
    }
    network = descriptor.build(state)
    assert {p.dtype for p in network.parameters()} == {torch.float32}


@pytest.mark.parametrize("descriptor", WITH_WEIGHTS)
@pytest.mark.parametrize("change", ["lost", "added", "reshaped", "nan", "integers"])
def test_weights_that_do_not_fit_are_refused(descriptor: ModelDescriptor, change: str) -> None:
    state = dict(network_of(descriptor).state_dict())
    key = [k for k in state if k.endswith("weight")][-1]
    if change == "lost":
        del state[key]
    elif change == "added":
        state["extra.weight"] = torch.zeros(3)
    elif change == "reshaped":
        state[key] = state[key][..., :0]
    elif change == "nan":
        state[key] = torch.full_like(state[key], float("nan"))
    else:
        state[key] = state[key].to(torch.int32)
    with pytest.raises(WeightsError, match=ARCHITECTURES[descriptor.architecture].title):
        descriptor.build(state)


@pytest.mark.parametrize("descriptor", WITH_WEIGHTS)
def test_no_weights_and_foreign_weights_are_refused(descriptor: ModelDescriptor) -> None:
    title = ARCHITECTURES[descriptor.architecture].title
    with pytest.raises(WeightsError, match=title):
        descriptor.build(None)
    with pytest.raises(WeightsError, match=r"encoder\.weight"):
        descriptor.build({"encoder.weight": torch.zeros(3, 3)})


@pytest.mark.parametrize("descriptor", WITH_WEIGHTS)
def test_network_can_be_traced(descriptor: ModelDescriptor) -> None:
    network = network_of(descriptor)
    batch = image_for(descriptor)
    torch.testing.assert_close(fx.symbolic_trace(network)(batch), network(batch), rtol=0, atol=0)
