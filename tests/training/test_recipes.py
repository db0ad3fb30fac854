"""Every recipe that comes along trains what it says, each on a fixed batch of small patches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import w2s_losses
from w2s_training import toy_field

from napari_w2s.models.architectures import ARCHITECTURES
from napari_w2s.training.adversarial import make_module
from napari_w2s.training.config import TrainingConfig, read_recipe
from napari_w2s.training.losses.vgg import WEIGHTS_FILE
from napari_w2s.training.patches import PatchMaker
from napari_w2s.training.shipped import find_recipe, recipe_names
from napari_w2s.training.start import adapted, begin, find_start

LEVELS = ("avg1", "avg2", "avg4", "avg8", "avg16", "avg400")
STEPS = 20


@pytest.fixture
def vgg_in_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a stand-in for VGG-19's weights where torch keeps downloads."""
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(w2s_losses.small_vgg().state_dict(), folder / WEIGHTS_FILE)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


def small(config: TrainingConfig) -> TrainingConfig:
    """Return a recipe with a light network, small patches, and no learning rate that starts at nothing."""
    light = ARCHITECTURES[config.network.architecture].light
    network = config.network.model_copy(update={"options": dict(light)}) if light else config.network
    changes = {"network": network, "patch": 32, "batch": 2, "precision": "float32", "average": None}
    if config.adversarial is not None:
        changes["adversarial"] = config.adversarial.model_copy(update={"width": 4})
    return config.model_copy(update=changes)


@pytest.mark.usefixtures("vgg_in_cache")
@pytest.mark.parametrize("name", recipe_names())
def test_the_loss_falls(name: str) -> None:
    recipe = read_recipe(find_recipe(name))
    assert recipe.steps % recipe.validate_every == 0
    assert all("$W2S_ROOT" in source.paths["root"] for source in recipe.train)
    start = find_start(recipe)
    config = small(adapted(recipe, start))
    torch.manual_seed(0)
    module = make_module(config, begin(config, start and start.state))
    maker = PatchMaker(config, [toy_field(0, LEVELS)])
    drawn = [maker.draw(number) for number in range(config.batch)]
    batch = {key: torch.from_numpy(np.stack([sample[key] for sample in drawn])) for key in drawn[0]}
    optimizer = module.optimizer_of(module.network, config.optimizer.learning_rate)["optimizer"]
    for group in optimizer.param_groups:
        group["lr"] = config.optimizer.learning_rate
    losses = []
    for _step in range(STEPS):
        optimizer.zero_grad()
        total, _ = module.losses(batch)
        total.backward()
        torch.nn.utils.clip_grad_norm_(module.network.parameters(), config.optimizer.gradient_clip or 1e9)
        optimizer.step()
        losses.append(total.item())
    assert all(np.isfinite(losses))
    assert losses[-1] < losses[0]
