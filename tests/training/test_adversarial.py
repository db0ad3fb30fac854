"""Training against a discriminator: what both sides are scored by, and whose steps are counted."""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
import w2s_losses
import w2s_training
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import nn
from torch.utils.data import DataLoader, Dataset

from napari_w2s._types import InputError
from napari_w2s.models.networks import discriminator
from napari_w2s.training.adversarial import GAMES, AdversarialModule, make_module
from napari_w2s.training.config import TrainingConfig, make_config
from napari_w2s.training.fit import fit
from napari_w2s.training.module import TrainingModule
from napari_w2s.training.quiet import quiet
from napari_w2s.training.report import FinishReason

PATCH = 16
RECIPE: Mapping[str, Any] = {
    "name": "tiny",
    "task": "jdsr",
    "network": {"architecture": "unet", "options": {"widths": [4], "blocks": [1], "fold": 1, "detail": 4}},
    "losses": {"sim": [{"name": "l1"}], "denoised": [{"name": "mse"}]},
    "adversarial": {"weight": 0.1, "width": 2, "learning_rate": 1e-3},
    "optimizer": {"name": "adam", "learning_rate": 1e-3, "gradient_clip": 0.5},
    "schedule": {"warmup": 0, "decay": 0},
    "patch": PATCH,
    "batch": 2,
    "steps": 4,
    "validate_every": 2,
    "average": None,
}


class Patches(Dataset[dict[str, torch.Tensor]]):
    """A field's worth of patches; the SIM image is a sharper one."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(number)
        sim = torch.rand(1, 2 * PATCH, 2 * PATCH, generator=generator)
        clean = nn.functional.avg_pool2d(sim[None], 2)[0]
        noisy = clean + 0.1 * torch.randn(clean.shape, generator=generator)
        same = torch.tensor([1.0, 0.0])
        return {"noisy": noisy, "sim": sim, "sim_map": same, "denoised": clean, "denoised_map": same}


class Diary(pl.Callback):
    """What could be seen after each step."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.losses: list[float] = []
        self.logged: list[dict[str, float]] = []
        self.judges: list[torch.Tensor] = []
        self.rates: list[list[float]] = []
        self.norms: list[list[float]] = []

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, *_: Any) -> None:
        self.steps.append(pl_module.steps_done)
        self.losses.append(float(outputs["loss"]))
        self.logged.append({f"train/{name}": float(loss) for name, loss in pl_module.parts.items()})
        self.judges.append(weights(pl_module.discriminator))
        self.rates.append([optimizer.param_groups[0]["lr"] for optimizer in trainer.optimizers])
        self.norms.append([steepness(network) for network in (pl_module.network, pl_module.discriminator)])


def config(**changes: Any) -> TrainingConfig:
    against = RECIPE["adversarial"] | changes.pop("adversarial", {})
    return make_config({**RECIPE, "adversarial": against, **changes})


def weights(network: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()]).clone()


def steepness(network: nn.Module) -> float:
    """The norm of the gradients that the last step used."""
    parts = [parameter.grad.norm() for parameter in network.parameters() if parameter.grad is not None]
    return float(torch.stack(parts).norm()) if parts else 0.0


def module_of(recipe: TrainingConfig) -> AdversarialModule:
    torch.manual_seed(0)
    made = make_module(recipe)
    assert isinstance(made, AdversarialModule)
    return made


def train(
    module: TrainingModule, folder: Path, epochs: int = 2, checkpoint: Path | None = None, **options: Any
) -> tuple[pl.Trainer, Diary]:
    """Train for epochs of two steps."""
    diary = Diary()
    with quiet():
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            callbacks=[diary],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
            limit_val_batches=0,
            **options,
        )
        loader = DataLoader(Patches(), batch_size=2)
        trainer.fit(module, loader, loader, ckpt_path=checkpoint, weights_only=True)
    return trainer, diary


@pytest.mark.parametrize("kind", GAMES)
@pytest.mark.parametrize("logit", [-1.0, 0.0])
def test_who_cannot_tell_loses_log_2(kind: str, logit: float) -> None:
    """For the relativistic kind whatever the logits are, so long as they are equal; for the other at 0."""
    equal = torch.full((3,), logit if kind == "relativistic" else 0.0)
    assert GAMES[kind].generator(equal, equal).item() == pytest.approx(log(2))
    assert GAMES[kind].discriminator(equal, equal).item() == pytest.approx(log(2))


def test_known_answers_of_the_relativistic_average_loss() -> None:
    """Measured 1 and 3, made 0 and -2: means 2 and -1. Minus log sigmoid of 2, 4 for measured, and of 2, 4 for made."""
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([0.0, -2.0])

    def cost(x: float) -> float:
        return float(torch.log1p(torch.exp(torch.tensor(-x))))

    game = GAMES["relativistic"]
    told = ((cost(2) + cost(4)) / 2 + (cost(2) + cost(4)) / 2) / 2
    assert game.discriminator(real, fake).item() == pytest.approx(told)
    deceived = ((cost(-2) + cost(-4)) / 2 + (cost(-2) + cost(-4)) / 2) / 2
    assert game.generator(real, fake).item() == pytest.approx(deceived)
    assert game.generator(fake, real).item() == pytest.approx(game.discriminator(real, fake).item())


def test_known_answers_of_the_standard_loss() -> None:
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([0.0, -2.0])
    true, false = torch.sigmoid(real), torch.sigmoid(fake)
    game = GAMES["standard"]
    told = -(true.log().mean() + (1 - false).log().mean()) / 2
    assert game.discriminator(real, fake).item() == pytest.approx(told.item())
    assert game.generator(real, fake).item() == pytest.approx(-false.log().mean().item())


def test_discriminator_is_that_of_the_paper() -> None:
    with torch.device("meta"):
        network = discriminator.create()
        assert network(torch.zeros(2, 1, 128, 128)).shape == (2,)
    linear = [(m.in_features, m.out_features) for m in network.modules() if isinstance(m, nn.Linear)]
    assert linear == [(8192, 100), (100, 1)]
    widths = [m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d) and m.stride == (2, 2)]
    assert widths == [64, 128, 256, 512, 512]
    assert {m.negative_slope for m in network.modules() if isinstance(m, nn.LeakyReLU)} == {0.2}


@pytest.mark.parametrize(("size", "stages"), [(16, 3), (32, 4), (64, 5), (100, 5), (128, 5), (224, 5)])
def test_discriminator_of_any_size(size: int, stages: int) -> None:
    network = discriminator.create(size, width=2)
    assert network(torch.rand(1, 1, size, size)).shape == (1,)
    assert sum(isinstance(m, nn.Conv2d) for m in network.modules()) == 2 * stages


def test_too_small_to_be_judged() -> None:
    with pytest.raises(InputError, match="16 x 16"):
        discriminator.create(16, stages=5)


def test_the_config_says_who_trains() -> None:
    assert type(make_module(config())) is AdversarialModule
    plain = make_config({**RECIPE, "adversarial": None})
    assert type(make_module(plain)) is TrainingModule
    assert config().generative
    assert not plain.generative


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"adversarial": {"kind": "wasserstein"}}, "adversarial.kind"),
        ({"adversarial": {"weight": 0}}, "adversarial.weight"),
        ({"adversarial": {"output": "denoised"}, "losses": {"sim": [{"name": "l1"}]}}, "no losses"),
        ({"task": "denoise", "self_supervised": "noise2void", "adversarial": {"output": "denoised"}}, "clean images"),
    ],
)
def test_configs_that_cannot_be(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        config(**changes)


@pytest.mark.parametrize("changes", [{}, {"adversarial": {"kind": "standard", "output": "denoised"}}])
def test_both_networks_learn(changes: dict[str, Any], tmp_path: Path) -> None:
    module = module_of(config(**changes))
    before = weights(module.network), weights(module.discriminator)
    trainer, diary = train(module, tmp_path)
    assert diary.steps == [1, 2, 3, 4]
    assert trainer.global_step == 4
    assert bool((weights(module.network) != before[0]).float().mean() > 0.9)
    assert bool((weights(module.discriminator) != before[1]).float().mean() > 0.9)
    assert all(parameter.requires_grad for parameter in module.parameters())
    for loss, logged in zip(diary.losses, diary.logged, strict=True):
        terms = logged["train/sim"] + logged["train/denoised"] + 0.1 * logged["train/adversarial"]
        assert loss == pytest.approx(terms, rel=1e-5)
        assert logged["train/loss"] == pytest.approx(loss, rel=1e-5)
        assert 0.1 < logged["train/discriminator"] < 5


def test_the_network_hears_of_the_judgement(tmp_path: Path) -> None:
    """The same steps with another weight of the adversarial term end elsewhere; all else is alike."""
    ends = []
    for weight in (0.1, 5.0):
        module = module_of(config(adversarial={"weight": weight}))
        train(module, tmp_path, epochs=1)
        ends.append(weights(module.network))
    assert not torch.equal(*ends)


def test_the_discriminator_waits(tmp_path: Path) -> None:
    module = module_of(config(adversarial={"start_after": 3}))
    start = weights(module.discriminator)
    _, diary = train(module, tmp_path)
    assert [torch.equal(judge, start) for judge in diary.judges] == [True, True, True, False]
    assert ["train/discriminator" in logged for logged in diary.logged] == [False, False, False, True]
    assert diary.steps == [1, 2, 3, 4]


def test_until_then_it_is_the_automatic_training(tmp_path: Path) -> None:
    """Steps without the discriminator are those of the module that Lightning steps: clipping and schedule included."""
    changes: dict[str, Any] = {
        "optimizer": {"name": "adamw", "learning_rate": 1e-2, "weight_decay": 0.1, "gradient_clip": 1e-3},
        "schedule": {"kind": "steps", "milestones": [0.3, 0.6], "factor": 0.5},
    }
    manual = module_of(config(adversarial={"start_after": 4}, **changes))
    torch.manual_seed(0)
    automatic = make_module(make_config({**RECIPE, **changes, "adversarial": None}))
    automatic.network.load_state_dict(manual.network.state_dict())
    automatic.discriminator = nn.Linear(1, 1)
    _, mine = train(manual, tmp_path)
    _, other = train(automatic, tmp_path)
    torch.testing.assert_close(weights(manual.network), weights(automatic.network))
    assert mine.losses == pytest.approx(other.losses)
    assert mine.steps == other.steps
    assert [norms[0] for norms in mine.norms + other.norms] == pytest.approx([1e-3] * 8, rel=1e-3)
    assert [rates[0] for rates in mine.rates] == [rates[0] for rates in other.rates]


def test_the_discriminators_rate_follows_the_same_clock(tmp_path: Path) -> None:
    """It joins after two of four steps, when the factor has fallen to a half, and a quarter is left after three."""
    schedule = {"kind": "steps", "milestones": [0.5, 0.75], "factor": 0.5}
    module = module_of(config(adversarial={"start_after": 2}, schedule=schedule))
    _, diary = train(module, tmp_path)
    assert diary.rates[1] == pytest.approx([0.5e-3, 0.5e-3])
    assert diary.rates[2] == pytest.approx([0.25e-3, 0.25e-3])


def test_resumed_training_goes_on_as_if_never_stopped(tmp_path: Path) -> None:
    whole = module_of(config())
    train(whole, tmp_path)
    half = module_of(config())
    trainer, _ = train(half, tmp_path, epochs=1)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    again = module_of(config())
    resumed, diary = train(again, tmp_path, checkpoint=tmp_path / "half.ckpt")
    assert diary.steps == [3, 4]
    assert resumed.global_step == 4
    torch.testing.assert_close(weights(again.network), weights(whole.network))
    torch.testing.assert_close(weights(again.discriminator), weights(whole.discriminator))
    assert len(resumed.optimizers) == 2
    assert all(float(state["step"]) == 4 for o in resumed.optimizers for state in o.state.values())


def test_a_whole_run_and_its_resumption(tmp_path: Path) -> None:
    """With averaged weights and a loss that looks through a network, neither of which learns."""
    model = w2s_losses.save_model(tmp_path / "tiny.safetensors")
    texture = {"name": "texture", "weight": 0.05, "options": {"features": str(model)}}
    entries: dict[str, Any] = {
        "task": "jdsr",
        "losses": {"sim": [{"name": "l1"}, texture]},
        "adversarial": {"width": 2, "start_after": 2},
        "average": 0.9,
    }
    for steps in (3, 6):
        result = fit(
            w2s_training.toy_config(**entries, steps=steps),
            tmp_path / "run",
            train=w2s_training.TRAIN,
            validation=w2s_training.VALIDATION,
            accelerator="cpu",
            devices=1,
            resume=True,
            preview_every=0,
        )
        assert result.reason is FinishReason.COMPLETED
        assert result.step == steps
    stored = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    steps_of = [{float(state["step"]) for state in states["state"].values()} for states in stored["optimizer_states"]]
    assert steps_of == [{6}, {4}]
    assert {key.split(".")[0] for key in stored["state_dict"]} == {"network", "average", "discriminator"}


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_in_half_precision(precision: str, tmp_path: Path) -> None:
    """With float16 losses are scaled up, and gradients down again before they are clipped."""
    recipe = {"precision": precision, "optimizer": {**RECIPE["optimizer"], "gradient_clip": 1e-3}}
    exact, half = module_of(config(**recipe)), module_of(config(**recipe))
    _, expected = train(exact, tmp_path, epochs=1)
    if precision == "float16":
        options: dict[str, Any] = {"plugins": [MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", 8.0))]}
    else:
        options = {"precision": "bf16-mixed"}
    _, diary = train(half, tmp_path, epochs=1, **options)
    assert diary.steps == [1, 2]
    assert diary.norms == [pytest.approx([1e-3, 1e-3], rel=1e-2)] * 2
    assert weights(half.network).dtype == torch.float32
    assert diary.losses == pytest.approx(expected.losses, rel=0.03)


def test_a_black_image_is_judged_gently() -> None:
    """A network may begin with images of zeros: what it hears of them must be of the size of other judgements."""
    torch.manual_seed(0)
    judge = discriminator.create(32, width=4)
    sizes = []
    for image in (torch.zeros(2, 1, 32, 32), torch.rand(2, 1, 32, 32)):
        image.requires_grad_()
        judge(image).sum().backward()
        assert image.grad is not None
        sizes.append(float(image.grad.norm()))
    assert 0 < sizes[0] < 100 * sizes[1]
