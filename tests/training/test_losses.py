"""What every loss has to keep to, and known answers of those that compare pixels."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import w2s_losses

from napari_w2s._types import InputError
from napari_w2s.training.config import Loss
from napari_w2s.training.losses import LOSSES, make_loss
from napari_w2s.training.losses.base import Term, make_terms, match_brightness
from napari_w2s.training.losses.image_loss import ImageLoss


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(w2s_losses.save_model(tmp_path_factory.mktemp("model") / "tiny.safetensors"))


@pytest.fixture(params=list(LOSSES))
def loss(request: pytest.FixtureRequest, model_file: str) -> ImageLoss:
    name = request.param
    made = make_loss(name, **({"features": model_file} if name in ("features", "texture") else {}))
    assert isinstance(made, ImageLoss)
    return made


def pair(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(shape, generator=generator), torch.rand(shape, generator=generator)


@pytest.mark.parametrize("shape", [(3, 1, 24, 24), (2, 1, 17, 30), (2, 2, 16, 16), (1, 1, 5, 7)])
def test_one_number_per_patch(loss: ImageLoss, shape: tuple[int, ...]) -> None:
    prediction, target = pair(*shape)
    values = loss(prediction, target)
    assert values.shape == (shape[0],)
    assert bool((values > 1e-4).all())
    for i, value in enumerate(values):
        torch.testing.assert_close(loss(prediction[i : i + 1], target[i : i + 1])[0], value, rtol=1e-4, atol=1e-6)


def test_less_for_a_better_answer(loss: ImageLoss) -> None:
    prediction, target = pair(2, 1, 24, 24)
    better = target + 0.1 * (prediction - target)
    assert bool((loss(better, target) < 0.5 * loss(prediction, target)).all())


def test_gradients_reach_the_prediction_alone(loss: ImageLoss) -> None:
    prediction, target = (image.requires_grad_() for image in pair(2, 1, 24, 24))
    loss(prediction, target).sum().backward()
    assert prediction.grad is not None
    assert bool(prediction.grad.isfinite().all())
    assert bool((prediction.grad != 0).float().mean() > 0.9)
    assert target.grad is None


@pytest.mark.parametrize("flat", [False, True])
def test_gradients_are_numbers_at_the_best_answer(loss: ImageLoss, flat: bool) -> None:
    target = torch.zeros(2, 1, 24, 24) if flat else pair(2, 1, 24, 24)[1]
    prediction = target.clone().requires_grad_()
    value = loss(prediction, target)
    value.sum().backward()
    assert bool((value.abs() < 2e-3).all())
    assert prediction.grad is not None
    assert bool(prediction.grad.isfinite().all())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_computed_in_float32(loss: ImageLoss, dtype: torch.dtype) -> None:
    prediction, target = (image.to(dtype) for image in pair(2, 1, 24, 24))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        values = loss(prediction, target)
    assert values.dtype == torch.float32
    torch.testing.assert_close(values, loss(prediction.float(), target.float()))


def test_masks(loss: ImageLoss) -> None:
    prediction, target = pair(2, 1, 24, 24)
    mask = torch.zeros(2, 1, 24, 24)
    mask[..., 3:9, 5:20] = 1
    if not loss.per_pixel:
        with pytest.raises(InputError, match="more than single pixels"):
            loss(prediction, target, mask)
        return
    inside = loss(prediction[..., 3:9, 5:20], target[..., 3:9, 5:20])
    torch.testing.assert_close(loss(prediction, target, mask), inside)
    torch.testing.assert_close(loss(prediction, target, 0.01 * mask), inside)
    torch.testing.assert_close(loss(prediction, target, torch.ones_like(mask)), loss(prediction, target))
    assert loss(prediction, target, torch.zeros_like(mask)).tolist() == [0, 0]


def test_a_mask_of_one_channel_serves_all() -> None:
    prediction, target = pair(2, 3, 8, 8)
    mask = torch.zeros(2, 1, 8, 8)
    mask[..., :4] = 1
    torch.testing.assert_close(
        make_loss("l1")(prediction, target, mask), (prediction - target)[..., :4].abs().mean((1, 2, 3))
    )


@pytest.mark.parametrize(("name", "expected"), [("l1", 0.3), ("mse", 0.09), ("charbonnier", (0.09 + 1e-6) ** 0.5)])
def test_known_answers(name: str, expected: float) -> None:
    target = pair(1, 1, 8, 8)[1]
    assert make_loss(name)(target - 0.3, target).item() == pytest.approx(expected, rel=1e-5)


BAD_OPTIONS: list[tuple[str, dict[str, Any], str]] = [
    ("sharp", {}, "no loss 'sharp'"),
    ("l1", {"power": 2}, "power"),
    ("charbonnier", {"epsilon": 0}, "epsilon"),
    ("charbonnier", {"epsilon": "small"}, "charbonnier"),
    ("ssim", {"window": 10}, "odd"),
    ("ssim", {"sigma": 0}, "sigma"),
    ("fourier", {"high": -1}, "high"),
    ("features", {"features": "no-such-model"}, "neither a model nor a file"),
    ("features", {"features": "bicubic"}, "not a network"),
    ("features", {"layers": [7, 2]}, "ascending"),
    ("features", {"layers": []}, "whole numbers"),
    ("features", {"layers": ["first"]}, "whole numbers"),
    ("features", {"layers": 3}, "features"),
    ("features", {"layers": [37]}, "layers 0 to 36"),
    ("features", {"criterion": "l3"}, "criterion"),
    ("texture", {"covariance": -1}, "covariance"),
]


@pytest.mark.parametrize(("name", "options", "words"), BAD_OPTIONS)
def test_what_is_no_loss(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        make_loss(name, **options)


def test_options_that_do_not_fit_a_model(model_file: str) -> None:
    for options, words in (
        ({"layers": [0, 9]}, "convolutions 0 to 4"),
        ({"layers": [0, 1], "layer_weights": [1]}, "2 numbers"),
        ({"layers": [0, 1], "layer_weights": [1, -1]}, "2 numbers"),
        ({"weights": "vgg.pth"}, "has its own"),
    ):
        with pytest.raises(InputError, match=words):
            make_loss("features", features=model_file, **options)


def test_terms_are_weighted_means() -> None:
    prediction, target = pair(3, 1, 8, 8)
    terms = make_terms([Loss(name="l1", weight=2), Loss(name="mse", weight=0.5)])
    total = sum(term(prediction, target) for term in terms)
    error = prediction - target
    torch.testing.assert_close(total, 2 * error.abs().mean() + 0.5 * error.square().mean())


def test_a_matched_term_takes_no_notice_of_brightness() -> None:
    target = pair(2, 1, 12, 12)[1]
    term = Term(Loss(name="mse", matched=True))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert term(0.25 * target.bfloat16() + 0.5, target).item() < 1e-4
    assert term(0.25 * target + 0.5, target).item() < 1e-9
    assert Term(Loss(name="mse"))(0.25 * target + 0.5, target).item() > 0.01


def test_brightness_is_matched_by_least_squares() -> None:
    prediction, target = pair(2, 1, 12, 12)
    matched = match_brightness(prediction, target)
    for i in range(2):
        x = torch.stack([prediction[i].flatten(), torch.ones(144)], dim=1)
        best = x @ torch.linalg.lstsq(x, target[i].flatten()[:, None]).solution
        torch.testing.assert_close(matched[i].flatten(), best[:, 0], rtol=1e-4, atol=1e-5)


def test_a_flat_answer_is_brought_to_the_mean_and_learns() -> None:
    target = pair(1, 1, 4, 4)[1]
    flat = torch.zeros(1, 1, 4, 4, requires_grad=True)
    torch.testing.assert_close(match_brightness(flat, target), target.mean().expand(1, 1, 4, 4))
    Term(Loss(name="mse", matched=True))(flat, target).backward()
    assert flat.grad is not None
    torch.testing.assert_close(flat.grad, 2 * (target.mean() - target) / 16)
