"""What every registered model must do, whichever it is."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest
import torch
from torch import fx, nn
from w2s_networks import awake, image, measured_reach, tiny

from napari_w2s._types import Task
from napari_w2s.data.simulate import simulate_fov
from napari_w2s.engine.predict import predict
from napari_w2s.engine.prepare import prepare
from napari_w2s.models.architectures import ARCHITECTURES, Architecture, Deferred
from napari_w2s.models.builtin import BUILTIN, DEFAULT_MODELS, default_registry, packaged_unet
from napari_w2s.models.descriptor import ModelDescriptor, Normalization, RestorationModel, WeightsPlace

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
PLAIN_TORCH = [param for param in METHODS if not param.values[0].frame_context]
PRECISIONS = {torch.float64: 1e-5, torch.float16: 0.01, torch.bfloat16: 0.06}
"""How far from what single precision answers, as a share of the greatest pixel."""

CPU = torch.device("cpu")
_WIDE = 32
SIZES = [(1, 1), (1, 7), (7, 1), (13, 17)]


@cache
def random_state(architecture: str) -> dict[str, torch.Tensor]:
    """Weights of an architecture at its light size, none of its layers at rest."""
    torch.manual_seed(0)
    return awake(ARCHITECTURES[architecture].create(**ARCHITECTURES[architecture].light)).state_dict()


@cache
def random_network(build: Deferred, architecture: str) -> nn.Module:
    return build(random_state(architecture) if ARCHITECTURES[architecture].has_weights else None)


def network_of(descriptor: ModelDescriptor) -> nn.Module:
    for package in descriptor.requires:
        pytest.importorskip(package)
    return random_network(descriptor.build, descriptor.architecture)


def image_for(descriptor: ModelDescriptor) -> torch.Tensor:
    height, width = (-(-n // descriptor.size_multiple) * descriptor.size_multiple for n in (13, 17))
    return image(1, 1, height, width)


@cache
def flat_context(network: nn.Module) -> object:
    frame = 100 + 5 * torch.randn(64, 64, generator=torch.Generator().manual_seed(1))
    return network.frame_context(frame.numpy())


def context_of(descriptor: ModelDescriptor, network: nn.Module) -> tuple[object, ...]:
    """What a model that measures the whole frame is given beside it: of a flat one, with noise."""
    return (flat_context(network),) if descriptor.frame_context else ()


@cache
def small(build: Deferred, architecture: str) -> nn.Module:
    """Return a network with all parts of its architecture, and fewer of each than the light size has."""
    return build(tiny(architecture).state_dict() if ARCHITECTURES[architecture].has_weights else None)


def call(descriptor: ModelDescriptor, batch: torch.Tensor) -> torch.Tensor:
    network = network_of(descriptor)
    return network(batch, *context_of(descriptor, network))


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
        again = call(descriptor, batch)
        # torch's pixel_unshuffle leaves an empty batch as it is.
        nothing = call(descriptor, batch[:0]) if descriptor.size_multiple == 1 else together[:0]
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5 * float(together.abs().max()))
    assert torch.equal(again, together)
    assert not torch.equal(together[0], together[1])
    assert torch.equal(batch, before)
    assert nothing.shape == (0, *together.shape[1:])


def measured_receptive_field(descriptor: ModelDescriptor) -> int:
    """Width of the square of input pixels that the output pixels of one input pixel depend on."""
    assert descriptor.receptive_field is not None
    if not descriptor.frame_context:
        return measured_reach(copy.deepcopy(network_of(descriptor)).double())
    edge = descriptor.receptive_field + 8
    middle = edge // 2
    x = image(1, 1, edge, edge).double()
    before = call(descriptor, 100 + 20 * x)[..., middle, middle]
    # Along a row and a diagonal: a square's sides and corners.
    places = [*((middle, k) for k in range(edge)), *((k, k) for k in range(edge))]
    changed = x.repeat(len(places), 1, 1, 1)
    for one, (i, k) in zip(changed, places, strict=True):
        one[..., i, k] += 0.5
    # About as rough as the noise of the frame in `call`.
    apart = (call(descriptor, 100 + 20 * changed)[:, 0, middle, middle] - before.squeeze()).abs()
    reach = max(abs(k - middle) for (_, k), much in zip(places, apart.tolist(), strict=True) if much > 1e-9)
    return 2 * reach + 1


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


@pytest.mark.parametrize("descriptor", METHODS)
def test_network_survives_pickling_and_copying(descriptor: ModelDescriptor) -> None:
    network = network_of(descriptor)
    batch, context = image_for(descriptor), context_of(descriptor, network)
    for twin in (pickle.loads(pickle.dumps(network)), copy.deepcopy(network)):
        assert torch.equal(twin(batch, *context), network(batch, *context))


@pytest.mark.parametrize("descriptor", METHODS)
def test_tiles_make_up_the_whole(descriptor: ModelDescriptor) -> None:
    """Where the whole frame counts, that is true as long as it is no larger than the tile that the model states."""
    for package in descriptor.requires:
        pytest.importorskip(package)
    network = small(descriptor.build, descriptor.architecture)
    if ARCHITECTURES[descriptor.architecture].has_weights:
        # With the halo that this size needs, and no wider one.
        multiple = getattr(network, "size_multiple", 1)
        descriptor = replace(descriptor, receptive_field=network.receptive_field, size_multiple=multiple)
    model = RestorationModel(descriptor, network)
    frame = simulate_fov(3, 1, 128).frames([0])[0, 20:77, 30:90]
    exact = partial(predict, model, frame, device="cpu", precision="float32")
    whole = exact(tile=max(frame.shape))
    assert whole.shape == tuple(n * descriptor.scale for n in frame.shape)
    assert descriptor.receptive_field is not None or descriptor.blended_tile >= max(frame.shape)
    for tiled in (exact(), *([exact(tile=24)] if descriptor.receptive_field is not None else ())):
        np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-5 * np.ptp(whole))


@pytest.mark.parametrize("dtype", PRECISIONS, ids=str)
@pytest.mark.parametrize("descriptor", PLAIN_TORCH)
def test_other_precisions_stay_close(descriptor: ModelDescriptor, dtype: torch.dtype) -> None:
    """Methods that measure the whole frame compute in single precision, whatever is asked for."""
    network, batch = network_of(descriptor), image_for(descriptor)
    expected = network(batch)
    answer = copy.deepcopy(network).to(dtype)(batch.to(dtype))
    assert answer.dtype == dtype
    most = PRECISIONS[dtype] * float(expected.abs().max())
    torch.testing.assert_close(answer.float(), expected, rtol=0, atol=most)
    if dtype != torch.float64:
        torch.testing.assert_close(prepare(network, CPU, dtype)(batch).float(), expected, rtol=0, atol=most)


@pytest.mark.parametrize("descriptor", PLAIN_TORCH)
def test_network_can_be_traced_and_exported(descriptor: ModelDescriptor) -> None:
    network, batch = small(descriptor.build, descriptor.architecture), image_for(descriptor)
    expected = network(batch)
    assert torch.equal(fx.symbolic_trace(network)(batch), expected)
    torch.testing.assert_close(torch.export.export(network, (batch,)).module()(batch), expected)
