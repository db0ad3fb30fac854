"""What a run starts from: random weights, or those of a model that there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from w2s_trained import save_pair, save_small, small_state, small_unet
from w2s_training import DNCNN, TRAIN, VALIDATION, stop_after, toy_config

from napari_w2s._types import InputError, WeightsError
from napari_w2s.models.builtin import default_registry
from napari_w2s.models.checkpoint import load_state_dict
from napari_w2s.models.registry import Registry
from napari_w2s.training.checkpoints import load
from napari_w2s.training.config import TrainingConfig
from napari_w2s.training.fit import fit
from napari_w2s.training.report import FinishReason, TrainingResult
from napari_w2s.training.start import adapted, begin, find_start

SIM = {"sim": [{"name": "mse"}]}
BOTH = {"denoised": [{"name": "mse"}], "sim": [{"name": "mse"}]}
STILL = {"learning_rate": 1e-12, "weight_decay": 0.0}


def run(folder: Path, config: TrainingConfig, **options: Any) -> TrainingResult:
    given = {"train": TRAIN, "validation": VALIDATION, "preview_every": 0, "accelerator": "cpu", "devices": 1}
    return fit(config, folder, **{**given, **options})


def from_scratch(start_from: str, **changes: Any) -> TrainingConfig:
    return toy_config(network={"start_from": start_from}, optimizer=STILL, patch=16, **changes)


def assert_close(found: Any, expected: Any) -> None:
    assert set(found) == set(expected)
    for key, value in expected.items():
        torch.testing.assert_close(found[key].float(), value.float(), rtol=1e-5, atol=1e-6)


def test_a_registered_model_is_gone_on_from(tmp_path: Path) -> None:
    registry = Registry()
    registry.register_trained(save_small(tmp_path, "mine"))
    config = from_scratch("mine")
    result = run(tmp_path / "run", config, registry=registry)
    assert result.model is not None
    made = load_state_dict(result.model)
    # Its batch norms see other images now, its weights hardly move.
    weights = {key: value for key, value in made.state.items() if "running" not in key and "num_batches" not in key}
    assert_close(weights, {key: small_state()[key] for key in weights})
    (descriptor,) = Registry().register_trained(result.model)
    assert descriptor.architecture == "dncnn"
    assert descriptor.normalization == "unit"
    assert descriptor.size_multiple == 1
    assert made.card is not None
    assert made.card["training"]["config"]["network"]["start_from"] == "mine"


def test_a_file_is_gone_on_from_and_unasked_heads_are_left_behind(tmp_path: Path) -> None:
    config = from_scratch(str(save_pair(tmp_path)), task="jdsr", losses=SIM)
    result = run(tmp_path / "run", config)
    assert result.model is not None
    expected = {k: v.half() for k, v in small_unet().state_dict().items() if not k.startswith("heads.denoised")}
    assert_close(load_state_dict(result.model).state, expected)


def test_both_heads_can_be_trained_further(tmp_path: Path) -> None:
    result = run(tmp_path / "run", from_scratch(str(save_pair(tmp_path)), task="jdsr", losses=BOTH))
    assert result.model is not None
    assert [one.name for one in Registry().register_trained(result.model)] == ["toy-denoise", "toy-jdsr"]


def test_a_run_that_started_from_a_model_is_resumed_without_its_first_weights(tmp_path: Path) -> None:
    path = save_pair(tmp_path)
    config = from_scratch(str(path))
    assert run(tmp_path / "run", config, wish=stop_after(2)).reason is FinishReason.STOPPED
    kept = load(tmp_path / "run" / "last.ckpt")["state_dict"]["network.stem.weight"]
    result = run(tmp_path / "run", config, resume=True)
    assert (result.reason, result.step) == (FinishReason.COMPLETED, 6)
    torch.testing.assert_close(load(tmp_path / "run" / "last.ckpt")["state_dict"]["network.stem.weight"], kept)


def test_what_follows_from_the_model_need_not_be_said(tmp_path: Path) -> None:
    path = str(save_small(tmp_path))
    config = from_scratch(path)
    assert config.normalization == "standard"
    made = adapted(config, find_start(config))
    assert (made.network.architecture, made.normalization) == ("dncnn", "unit")


@pytest.mark.parametrize(
    ("said", "words"),
    [({"normalization": "standard"}, "has the normalization unit"), ({"network": {"architecture": "unet"}}, "dncnn")],
)
def test_what_contradicts_the_model_is_refused(tmp_path: Path, said: dict[str, Any], words: str) -> None:
    network = {**said.pop("network", {}), "start_from": str(save_small(tmp_path))}
    config = toy_config(network=network, **said)
    with pytest.raises(InputError, match=words):
        run(tmp_path / "run", config)
    assert not (tmp_path / "run").exists()


def test_a_model_that_cannot_do_the_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mine\.safetensors cannot be trained to denoise \+ super-.*sim \(x2\)"):
        run(tmp_path / "a", from_scratch(str(save_small(tmp_path)), task="jdsr", losses=SIM))
    fine = small_unet()
    del fine.heads["denoised"]
    torch.save(fine.state_dict(), tmp_path / "fine.pth")
    config = toy_config(network={"architecture": "unet", "start_from": str(tmp_path / "fine.pth")})
    with pytest.raises(InputError, match="no output 'denoised'"):
        run(tmp_path / "b", config)
    with pytest.raises(InputError, match="bicubic has no weights"):
        run(tmp_path / "c", from_scratch("bicubic", task="sr", losses=SIM))


def test_weights_without_a_card_need_the_architecture(tmp_path: Path) -> None:
    torch.save(small_state(), tmp_path / "plain.pth")
    network = {"architecture": "dncnn", "start_from": str(tmp_path / "plain.pth")}
    assert run(tmp_path / "run", toy_config(network=network, normalization="unit")).reason is FinishReason.COMPLETED
    with pytest.raises(InputError, match="cannot be gone on from"):
        run(tmp_path / "other", toy_config(network={"start_from": str(tmp_path / "plain.pth")}))


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("dncn-avg1", InputError, "Did you mean dncnn-avg1"),
        ("no/such.pth", InputError, "does not exist"),
        ("$NO_SUCH_VARIABLE/x.pth", InputError, "environment variable"),
    ],
)
def test_a_start_that_is_not_there_is_said(tmp_path: Path, name: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run(tmp_path / "run", from_scratch(name))


def test_a_damaged_start_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="not a checkpoint"):
        run(tmp_path / "run", from_scratch(str(tmp_path / "x.pth")))


def test_patches_must_fit_the_network() -> None:
    deep = {"architecture": "unet", "options": {"widths": [2, 2, 2, 2, 2], "blocks": [1] * 5}}
    with pytest.raises(InputError, match="multiple of 32, not 48"):
        begin(toy_config(network=deep, patch=48))


@pytest.mark.parametrize("architecture", ["vst-nlm", "nonsense"])
def test_what_is_no_network_is_refused(architecture: str) -> None:
    with pytest.raises(InputError, match=r"nothing to train|no architecture"):
        begin(toy_config(network={"architecture": architecture}))


def test_a_random_denoiser_does_not_super_resolve() -> None:
    with pytest.raises(InputError, match=r"DnCNN cannot be trained to super-resolve"):
        begin(toy_config(network=dict(DNCNN), task="sr", losses=SIM))


def test_a_u_net_has_the_heads_that_have_losses() -> None:
    assert set(begin(toy_config()).heads) == {"denoised"}  # type: ignore[arg-type]
    assert set(begin(toy_config(task="jdsr", losses=BOTH)).heads) == {"denoised", "sim"}  # type: ignore[arg-type]


def test_the_upstream_denoisers_can_be_trained_further(w2s_root: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("W2S_ROOT", str(w2s_root))
    for name in ("dncnn-avg1", "memnet-avg1"):
        folder = {"dncnn-avg1": "D_1", "memnet-avg1": "M_1"}[name]
        path = w2s_root / "net_data" / "trained_denoisers" / folder / "epoch_49.pth"
        architecture = default_registry().descriptor(name).architecture
        config = toy_config(network={"architecture": architecture, "start_from": str(path)}, normalization="unit")
        start = find_start(config)
        assert start is not None
        network = begin(config, start.state, start.name)
        assert network.training
        assert all(parameter.requires_grad for parameter in network.parameters())
