"""Answers matched to whole SIM images: the map, the weights, what becomes of a patch, and a run that goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import w2s_fields
import w2s_losses
import w2s_training
from torch import nn

from napari_w2s._types import InputError, Task
from napari_w2s.models.networks import unet
from napari_w2s.training.config import TrainingConfig, changed
from napari_w2s.training.fields import Field
from napari_w2s.training.fit import fit
from napari_w2s.training.module import on_scale
from napari_w2s.training.patches import PatchMaker
from napari_w2s.training.report import TrainingResult
from napari_w2s.training.run import MATCHES
from napari_w2s.training.whole_images import Match, measure_matches, read_matches, write_matches

CPU = torch.device("cpu")


class Doubling(nn.Module):
    """Repeats each pixel twice along y and x."""

    def restore(self, noisy: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"sim": F.interpolate(noisy, scale_factor=2, mode="nearest")}


class Flat(Doubling):
    """Answers the same everywhere."""

    def restore(self, noisy: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"sim": torch.zeros_like(super().restore(noisy)["sim"])}


def config(**changes: Any) -> TrainingConfig:
    return w2s_fields.config(task=Task.SR, losses={"sim": [{"name": "mse"}]}, **changes)


def field(seed: int, error: float = 0.0, levels: tuple[str, ...] = ("avg1",)) -> Field:
    """Return a field whose SIM image is the doubled input, twice as bright and shifted, with some error."""
    noisy = w2s_fields.textured(seed)
    sim = 2 * np.kron(noisy, np.ones((2, 2), np.float32)) + 30
    wrong = error * np.random.default_rng(seed).standard_normal(sim.shape)
    return Field(name=f"{seed}", group=f"{seed}", inputs=dict.fromkeys(levels, noisy), denoised=noisy, sim=sim + wrong)


def fit_of(maker: PatchMaker, number: int, match: Match) -> float:
    """Return how far the doubling network's answer, once matched, is from the SIM image of a field, at most."""
    sample = maker.centre(maker.fields[number], "avg1", w2s_fields.EDGE)
    noisy, affine = (torch.from_numpy(sample[name])[None] for name in ("noisy", "sim_map"))
    answer = on_scale(Doubling().restore(noisy)["sim"], affine)[0].numpy()
    return float(np.abs(match.gain * answer + match.offset - sample["sim"]).max())


def test_the_map_brings_the_answer_to_the_image() -> None:
    maker = PatchMaker(config(), [field(1), field(2)])
    matches = measure_matches(Doubling(), maker, CPU)
    for number, fits in enumerate(matches):
        assert fit_of(maker, number, fits["avg1"]) < 1e-5


def test_an_image_counts_by_what_the_fit_leaves() -> None:
    maker = PatchMaker(config(), [field(1, error=4), field(1, error=8)])
    near, far = (fits["avg1"].weight for fits in measure_matches(Doubling(), maker, CPU))
    ranges = [np.ptp(one.sim) for one in maker.fields]
    assert near / far == pytest.approx(2 * ranges[0] / ranges[1], rel=0.1)
    assert (near**2 + far**2) / 2 == pytest.approx(1)


def test_no_image_counts_more_than_twice() -> None:
    maker = PatchMaker(config(), [field(1), *(field(n, error=20) for n in range(2, 8))])
    weights = [fits["avg1"].weight for fits in measure_matches(Doubling(), maker, CPU)]
    assert max(weights) == weights[0] == 2.0


def test_every_input_of_a_field_has_its_match() -> None:
    levels = ("avg1", "avg4")
    maker = PatchMaker(config(levels=dict.fromkeys(levels, 1.0)), [field(1, 2, levels)])
    assert set(measure_matches(Doubling(), maker, CPU)[0]) == set(levels)


def test_a_flat_answer_keeps_its_scale() -> None:
    maker = PatchMaker(config(), [field(1)])
    (fits,) = measure_matches(Flat(), maker, CPU)
    assert fits["avg1"].gain == 1
    assert np.isfinite([fits["avg1"].offset, fits["avg1"].weight]).all()


def test_a_network_is_left_as_it_was() -> None:
    network = nn.Sequential()
    network.restore = Doubling().restore  # type: ignore[assignment]
    measure_matches(network.train(), PatchMaker(config(), [field(1)]), CPU)
    assert network.training


def test_patches_are_brought_to_brightness_and_weight() -> None:
    plain, matched = (PatchMaker(config(), [field(1)]) for _ in range(2))
    matched.matches = [{"avg1": Match(gain=3.0, offset=0.5, weight=0.25)}]
    before, after = plain.draw(4), matched.draw(4)
    answer = np.linspace(-1, 1, 5)
    np.testing.assert_array_equal(after["noisy"], before["noisy"])
    np.testing.assert_allclose(after["sim"], 0.25 * before["sim"], rtol=1e-6)
    was = answer * before["sim_map"][0] + before["sim_map"][1]
    now = answer * after["sim_map"][0] + after["sim_map"][1]
    np.testing.assert_allclose(now, 0.25 * (3 * was + 0.5), rtol=1e-5)


def test_what_is_judged_stays_as_it_is() -> None:
    maker = PatchMaker(config(), [field(1)])
    before = maker.centre(maker.fields[0], "avg1", 16)
    maker.matches = [{"avg1": Match(3.0, 0.5, 0.25)}]
    after = maker.centre(maker.fields[0], "avg1", 16)
    np.testing.assert_array_equal(after["sim_map"], before["sim_map"])
    np.testing.assert_array_equal(after["sim"], before["sim"])


def test_patches_of_noise_alone_have_no_image_to_match() -> None:
    empty = config(augmentation={**w2s_fields.PLAIN, "empty": 1.0})
    plain, matched = (PatchMaker(empty, [field(1)]) for _ in range(2))
    matched.matches = [{"avg1": Match(3.0, 0.5, 0.25)}]
    np.testing.assert_array_equal(matched.draw(4)["sim_map"], plain.draw(4)["sim_map"])


class TestFile:
    def test_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        maker = PatchMaker(config(), [field(1, 3), field(2, 5)])
        matches = measure_matches(Doubling(), maker, CPU)
        write_matches(matches, tmp_path / MATCHES)
        assert read_matches(tmp_path / MATCHES, maker) == matches
        assert [path.name for path in tmp_path.iterdir()] == [MATCHES]

    @pytest.mark.parametrize("text", ["", "[", "{}", "[{}]", '[{"avg1": [1, 2]}]', '[{"avg1": "abc"}]', "[1]", "null"])
    def test_that_says_nothing_useful_counts_as_missing(self, tmp_path: Path, text: str) -> None:
        (tmp_path / MATCHES).write_text(text)
        assert read_matches(tmp_path / MATCHES, PatchMaker(config(), [field(1)])) is None

    def test_of_other_fields_counts_as_missing(self, tmp_path: Path) -> None:
        maker = PatchMaker(config(), [field(1), field(2)])
        write_matches(measure_matches(Doubling(), maker, CPU), tmp_path / MATCHES)
        assert read_matches(tmp_path / MATCHES, PatchMaker(config(), [field(1)])) is None


@pytest.fixture
def recipe(tmp_path: Path) -> TrainingConfig:
    """Return a recipe that goes on from a small network and matches whole images."""
    torch.manual_seed(1)
    options = {"widths": [4], "blocks": [1], "fold": 2, "detail": 2}
    network = unet.create(outputs=["sim"], **options)
    path = w2s_losses.save_model(
        tmp_path / "start.safetensors",
        network,
        task=Task.SR,
        architecture="unet",
        output="sim",
        scale=2,
        normalization="standard",
        options=options,
        size_multiple=4,
    )
    return w2s_training.toy_config(
        task=Task.SR, losses={"sim": [{"name": "mse"}]}, network={"start_from": str(path)}, match_images=True
    )


def run(folder: Path, config: TrainingConfig, **how: Any) -> TrainingResult:
    train, validation = w2s_training.TRAIN, w2s_training.VALIDATION
    return fit(config, folder, train=train, validation=validation, devices=1, accelerator="cpu", preview_every=0, **how)


class TestRun:
    def test_learns_and_says_that_it_matched(self, tmp_path: Path, recipe: TrainingConfig) -> None:
        result = run(tmp_path / "run", recipe)
        assert result.step == 6
        assert any("matched to whole SIM images" in note for note in result.notes)

    def test_goes_on_with_the_matches_that_it_began_with(self, tmp_path: Path, recipe: TrainingConfig) -> None:
        whole = run(tmp_path / "whole", recipe)
        run(tmp_path / "parts", recipe, wish=w2s_training.stop_after(4))
        before = (tmp_path / "parts" / MATCHES).read_text()
        parts = run(tmp_path / "parts", recipe, resume=True)
        assert (tmp_path / "parts" / MATCHES).read_text() == before
        assert not any("matched" in note for note in parts.notes)
        assert parts.metrics == pytest.approx(whole.metrics, abs=1e-3)

    def test_what_a_killed_run_left_half_written_is_removed(self, tmp_path: Path, recipe: TrainingConfig) -> None:
        run(tmp_path / "run", recipe, wish=w2s_training.stop_after(4))
        left = tmp_path / "run" / f".{MATCHES}.0123abcd.tmp"
        left.write_text("[")
        run(tmp_path / "run", recipe, resume=True)
        assert not left.exists()

    def test_measures_anew_what_was_damaged(self, tmp_path: Path, recipe: TrainingConfig) -> None:
        run(tmp_path / "run", recipe, wish=w2s_training.stop_after(4))
        (tmp_path / "run" / MATCHES).write_text("[")
        assert run(tmp_path / "run", recipe, resume=True).step == 6
        assert len(json.loads((tmp_path / "run" / MATCHES).read_text())) == len(w2s_training.TRAIN)

    def test_other_patches_are_learned_from_than_without(self, tmp_path: Path, recipe: TrainingConfig) -> None:
        with_it, without = run(tmp_path / "a", recipe), run(tmp_path / "b", changed(recipe, {"match_images": False}))
        assert with_it.metrics != without.metrics


@pytest.mark.parametrize(
    "entries",
    [
        {"task": "denoise", "losses": {"denoised": [{"name": "l1"}]}, "network": {"start_from": "dncnn-avg1"}},
        {"task": "sr", "losses": {"sim": [{"name": "l1"}]}},
        {
            "task": "sr",
            "losses": {"sim": [{"name": "l1"}]},
            "network": {"start_from": "w2s-jdsr"},
            "adversarial": {"output": "sim"},
        },
    ],
)
def test_a_recipe_without_what_it_needs_is_refused(entries: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="match_images"):
        w2s_training.toy_config(match_images=True, **entries)
