"""The residual U-Net: what it answers, and how it is rebuilt from its weights."""

from __future__ import annotations

import pytest
import torch
from w2s_networks import tiny

from napari_w2s._types import InputError, WeightsError
from napari_w2s.models.networks import unet

SMALL = {"widths": (4, 6, 8), "blocks": (1, 2, 1), "detail": 3}


@pytest.mark.parametrize("fold", [1, 2])
def test_a_new_network_passes_its_input_through(fold: int) -> None:
    network = unet.create(**SMALL, fold=fold)
    noisy = torch.rand(2, 1, 16, 24)
    answers = network.restore(noisy)
    assert torch.equal(answers["denoised"], noisy)
    assert answers["sim"].shape == (2, 1, 32, 48)
    assert network.size_multiple == 4 * fold


@pytest.mark.parametrize("fold", [1, 2])
@pytest.mark.parametrize("outputs", [("denoised",), ("sim",), ("denoised", "sim")])
def test_its_heads_are_read_off_the_weights(fold: int, outputs: tuple[str, ...]) -> None:
    made = tiny("unet", **SMALL, fold=fold, outputs=outputs)
    rebuilt = unet.build(made.state_dict())
    noisy = torch.rand(1, 1, 16, 16)
    assert rebuilt.outputs == outputs
    for name, answer in made.restore(noisy).items():
        assert torch.equal(rebuilt.restore(noisy)[name], answer)


def test_one_head_of_two() -> None:
    made = tiny("unet", **SMALL)
    noisy = torch.rand(1, 1, 16, 16)
    both = made.restore(noisy)
    assert torch.equal(unet.build(made.state_dict(), output="denoised")(noisy), both["denoised"])
    assert torch.equal(unet.build(made.state_dict(), output="sim")(noisy), both["sim"])
    with pytest.raises(WeightsError, match="no output 'sim', only denoised"):
        unet.build(unet.create(**SMALL, outputs=("denoised",)).state_dict(), output="sim")


@pytest.mark.parametrize("fold", [1, 2])
@pytest.mark.parametrize("outputs", [("denoised",), ("sim",), ("denoised", "sim")])
@pytest.mark.parametrize("levels", [1, 2])
def test_the_receptive_field_is_the_widest_of_any_pixel(fold: int, outputs: tuple[str, ...], levels: int) -> None:
    made = {"widths": (4, 6)[:levels], "blocks": (1, 2)[:levels], "detail": 2, "outputs": outputs, "fold": fold}
    network = tiny("unet", **made).double()
    for parameter in network.parameters():
        # All of one sign: nothing cancels out.
        torch.nn.init.uniform_(parameter, 0.02, 0.08)
    cell = network.size_multiple
    height = -(-(network.receptive_field + 2 * cell) // cell) * cell
    first, widest = height // 2 // cell * cell, 0
    for row in range(first, first + cell):
        x = torch.rand(1, 1, height, cell, dtype=torch.float64, requires_grad=True)
        answer = network(x)
        scale = answer.shape[-1] // cell
        answer[..., row * scale : (row + 1) * scale, :].sum().backward()
        touched = x.grad[0, 0].ne(0).any(1).nonzero()
        widest = max(widest, row - int(touched.min()), int(touched.max()) - row)
    assert network.receptive_field == 2 * widest + 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"widths": (4, 8), "blocks": (1,)}, "as many widths as numbers of blocks"),
        ({"widths": (0,), "blocks": (1,)}, "at least 1"),
        ({"outputs": ()}, "none was asked for"),
        ({"outputs": ("sharp",)}, "sharp was asked for"),
        ({"fold": 3}, "1 or 2 pixels"),
    ],
)
def test_options_that_make_no_network(options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        unet.create(**options)


def test_weights_of_another_network() -> None:
    state = tiny("unet", **SMALL).state_dict()
    with pytest.raises(WeightsError, match=r"encoder\.0\.0\.conv1\.weight"):
        unet.build({"dncnn.0.weight": torch.zeros(4, 1, 3, 3)})
    with pytest.raises(WeightsError, match="its heads are"):
        unet.build({key.replace("heads.sim", "heads.sharp"): value for key, value in state.items()})
    with pytest.raises(WeightsError, match="stem takes 3 channels"):
        unet.build({**state, "stem.weight": torch.zeros(4, 3, 3, 3)})
    with pytest.raises(WeightsError, match="missing"):
        unet.build({key: value for key, value in state.items() if key != "down.1.weight"})


def test_a_forged_number_of_levels_costs_nothing() -> None:
    state = unet.create(**SMALL).state_dict()
    with pytest.raises(WeightsError, match=r"it needs encoder\.3\.0\.conv1\.weight"):
        unet.build({**state, "encoder.99999999.0.conv1.weight": torch.zeros(4, 4, 3, 3)})
