"""RIDNet: its keys, its fixed mean, and its dilated branches."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from w2s_networks import FAR, image, shapes_of, tiny

from napari_w2s._types import WeightsError
from napari_w2s.models.networks import ridnet


def test_names_and_shapes_of_the_authors() -> None:
    shapes = shapes_of("ridnet")
    expected = {
        "sub_mean.weight": (1, 1, 1, 1),
        "sub_mean.bias": (1,),
        "add_mean.weight": (1, 1, 1, 1),
        "add_mean.bias": (1,),
        "head.body.0.weight": (64, 1, 3, 3),
        "b1.r1.body1.0.weight": (64, 64, 3, 3),
        "b1.r1.body1.2.bias": (64,),
        "b2.r1.body2.2.weight": (64, 64, 3, 3),
        "b3.r1.body3.0.weight": (64, 128, 3, 3),
        "b4.r2.body.2.weight": (64, 64, 3, 3),
        "b4.r3.body.4.weight": (64, 64, 1, 1),
        "b4.ca.c1.body.0.weight": (4, 64, 1, 1),
        "b4.ca.c2.body.0.weight": (64, 4, 1, 1),
        "tail.weight": (1, 64, 3, 3),
    }
    assert {key: shapes[key] for key in expected} == expected
    assert len(shapes) == 4 + 2 + 4 * 2 * 12 + 2


def test_a_new_network_passes_its_input_through() -> None:
    x = image(1, 1, 9, 9)
    torch.testing.assert_close(ridnet.create(features=6, blocks=2, reduction=3)(x), x)


def test_the_mean_is_part_of_the_weights_and_never_learned() -> None:
    network = tiny("ridnet")
    assert not {name for name, _ in network.named_parameters() if "mean" in name}
    assert float(network.sub_mean.bias) == pytest.approx(-0.43, abs=1e-3)
    assert float(network.add_mean.bias) == pytest.approx(0.43, abs=1e-3)
    x = image(1, 1, 8, 8)
    other = ridnet.build({**network.state_dict(), "add_mean.bias": torch.tensor([1.43])})
    torch.testing.assert_close(other(x) - network(x), torch.full_like(x, 1.43 - float(network.add_mean.bias)))
    shifted = ridnet.build({**network.state_dict(), "sub_mean.bias": network.sub_mean.bias - 1})
    torch.testing.assert_close(shifted(x + 1) - 1, network(x))


def test_branches_are_dilated() -> None:
    """A point's mark after the merged branches: 1 + 2, 3 + 4 and a last 3 x 3 make it 17 wide, with gaps."""
    run = ridnet.MergeRun(1).double()
    for parameter in run.parameters():
        nn.init.constant_(parameter, 0.0 if parameter.ndim == 1 else 1.0)
    point = torch.zeros(1, 1, 25, 25, dtype=torch.double)
    point[..., 12, 12] = 1
    seen = [
        (branch(point)[0, 0, 12].nonzero().flatten() - 12).tolist()
        for branch in (run.body1[0], run.body1[2], run.body2[0], run.body2[2])
    ]
    assert seen == [[-1, 0, 1], [-2, 0, 2], [-3, 0, 3], [-4, 0, 4]]
    columns = run(point)[0, 0].any(0).nonzero().flatten() - 12
    assert (int(columns.min()), int(columns.max())) == (-8, 8)


@pytest.mark.parametrize("block", [2, FAR])
def test_a_block_too_many_is_refused(block: int) -> None:
    """Blocks are numbered in their names, not in a list."""
    state = tiny("ridnet").state_dict()
    with pytest.raises(WeightsError, match=ridnet.ARCHITECTURE):
        ridnet.build({**state, f"b{block}.ca.c1.body.0.weight": state["b1.ca.c1.body.0.weight"]})
