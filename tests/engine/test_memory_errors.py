"""What happens when memory runs out, on a CPU, on CUDA and on MPS; the errors are faked, the answers are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from w2s_toys import GlobalMean, Residual, model, residual

from napari_w2s._types import InputError, Progress
from napari_w2s.engine import device as devices
from napari_w2s.engine.device import available_devices, choose_device, is_out_of_memory
from napari_w2s.engine.memory import bytes_per_pixel
from napari_w2s.engine.predict import predict
from napari_w2s.engine.stream import Streamer

OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("MPS backend out of memory (MPS allocated: 18.1 GiB)"),
    MemoryError(),
]


class Hungry(nn.Module):
    """Raises as if memory had run out whenever it is given more than `limit` pixels."""

    def __init__(self, error: Exception, limit: int, network: nn.Module) -> None:
        super().__init__()
        self.error, self.limit, self.network = error, limit, network
        self.calls: list[tuple[int, ...]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.device.type != "meta":
            self.calls.append(tuple(x.shape))
            if x.numel() > self.limit:
                raise self.error
        out: torch.Tensor = self.network(x)
        return out


@pytest.fixture
def untraced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave networks as they are, so that their own forward pass runs."""
    monkeypatch.setattr("napari_w2s.engine.prepare.trace", lambda _network: None)


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("batch", [1, 4])
def test_tiles_get_smaller(error: Exception, batch: int) -> None:
    toy = residual(2)
    frame = np.random.default_rng(1).random((120, 97))
    expected = predict(toy, frame)
    hungry = model(Hungry(error, 2500, Residual(2)), scale=2, receptive_field=11)
    seen: list[Progress] = []
    result = predict(hungry, frame, tile=100, batch=batch, progress=seen.append)
    np.testing.assert_allclose(result, expected, atol=2e-5)
    assert seen[-1].done == seen[-1].total == frame.size


@pytest.mark.usefixtures("untraced")
def test_blended_tiles_get_smaller() -> None:
    hungry = model(Hungry(MemoryError(), 2500, GlobalMean()), receptive_field=None)
    np.testing.assert_allclose(predict(hungry, np.full((120, 90), 2.0)), 4.0, rtol=1e-6)


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("receptive_field", [11, None])
def test_too_little_for_any_tile_is_a_message(receptive_field: int | None) -> None:
    hungry = model(Hungry(OUT_OF_MEMORY[0], 10, Residual()), receptive_field=receptive_field)
    with pytest.raises(InputError, match="Not enough memory on cpu for Toy"):
        predict(hungry, np.zeros((64, 64)))


@pytest.mark.usefixtures("untraced")
def test_other_errors_are_not_taken_for_it() -> None:
    hungry = model(Hungry(RuntimeError("shape mismatch"), 10, Residual()), receptive_field=11)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        predict(hungry, np.zeros((64, 64)))


def test_bands_fall_back_to_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    toy, frame = residual(2), np.random.default_rng(2).random((700, 90))
    expected = predict(toy, frame)
    original: Callable[..., object] = Streamer.run

    def failing(self: Streamer, bands: object) -> object:
        rows = iter(original(self, bands))  # type: ignore[call-overload]
        yield next(rows)
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(Streamer, "run", failing)
    seen: list[Progress] = []
    result = predict(toy, frame, progress=seen.append)
    np.testing.assert_allclose(result, expected, atol=2e-5)
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert seen[-1].done == seen[-1].total


@pytest.mark.parametrize(
    ("error", "expected"),
    [*((e, True) for e in OUT_OF_MEMORY), (RuntimeError("expected 4D input"), False), (ValueError("memory"), False)],
)
def test_out_of_memory_is_recognised(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_activations_are_counted_without_running() -> None:
    plain = nn.Sequential(
        nn.Conv2d(1, 64, 3, padding=1), nn.Conv2d(64, 64, 3, padding=1), nn.Conv2d(64, 1, 3, padding=1)
    )
    assert bytes_per_pixel(plain) == 2 * 64 * 4
    assert bytes_per_pixel(model(Hungry(MemoryError(), 0, plain)).network) == 2 * 64 * 4


def test_uncountable_networks_get_a_cautious_guess() -> None:
    class Numpy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(x.numpy() + 1)

    assert bytes_per_pixel(Numpy()) >= 1024


def test_the_best_device_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert available_devices() == ["cuda:0", "cuda:1", "mps", "cpu"]
    assert str(choose_device("auto")) == "cuda:0"
    assert str(choose_device("cuda")) == "cuda:0"
    assert str(choose_device("cuda:1")) == "cuda:1"
    assert str(choose_device("auto", ("cpu",))) == "cpu"
    assert str(choose_device("cuda", ("cpu",))) == "cpu"
    assert str(choose_device("auto", ("cpu", "mps"))) == "mps"


@pytest.mark.parametrize("name", ["cuda:9", "gpu", "", "tpu"])
def test_a_device_that_is_not_here_is_named(name: str) -> None:
    with pytest.raises(InputError, match="There is no device"):
        choose_device(name)


def test_a_gpu_gives_a_share_of_its_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (10_000, 20_000))
    assert devices.memory_budget(torch.device("cuda:0")) == 6000
    assert 0 < devices.memory_budget(torch.device("cpu")) <= devices.CPU_BUDGET_BYTES
