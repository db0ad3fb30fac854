"""RDN: its keys, under two sets of names, and its dense blocks."""

from __future__ import annotations

import re

import pytest
import torch
from w2s_networks import image, shapes_of, tiny

from napari_w2s._types import WeightsError
from napari_w2s.models.networks import rdn


def test_names_and_shapes_of_the_authors() -> None:
    shapes = shapes_of("rdn")
    expected = {
        "sfe1.weight": (64, 1, 3, 3),
        "sfe2.bias": (64,),
        "rdbs.15.layers.7.conv.weight": (64, 512, 3, 3),
        "rdbs.15.lff.weight": (64, 576, 1, 1),
        "gff.0.weight": (64, 1024, 1, 1),
        "gff.1.weight": (64, 64, 3, 3),
        "upscale.0.weight": (256, 64, 3, 3),
        "output.weight": (1, 64, 3, 3),
    }
    assert {key: shapes[key] for key in expected} == expected
    assert len(shapes) == 2 * (2 + 16 * 9 + 2 + 2)


def test_names_of_the_papers_authors() -> None:
    network = tiny("rdn")
    renamed = {}
    for key, value in network.state_dict().items():
        for ours, theirs in (
            (r"^sfe", "SFENet"),
            (r"^rdbs\.(\d)\.layers\.(\d)\.conv", r"RDBs.\1.convs.\2.conv.0"),
            (r"^rdbs\.(\d)\.lff", r"RDBs.\1.LFF"),
            (r"^gff", "GFF"),
            (r"^upscale", "UPNet"),
            (r"^output", "UPNet.2"),
        ):
            key = re.sub(ours, theirs, key)
        renamed[key] = value
    assert {"SFENet1.weight", "RDBs.1.convs.2.conv.0.bias", "RDBs.0.LFF.weight", "GFF.1.bias"} < set(renamed)
    assert {"UPNet.0.weight", "UPNet.2.weight"} < set(renamed)
    assert not set(renamed) & set(network.state_dict())
    x = image(1, 1, 7, 9)
    assert torch.equal(rdn.build(renamed)(x), network(x))
    with pytest.raises(WeightsError, match=r"RDN.*sfe1\.weight under two names"):
        rdn.build({**renamed, "sfe1.weight": renamed["SFENet1.weight"]})


def test_dense_layers_see_all_that_came_before() -> None:
    """With one layer's weights at 1 and all else out of the way, a block adds up its input and its earlier layers."""
    block = rdn.DenseBlock(2, 1, 2).double()
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        block.layers[0].conv.bias.fill_(3)
        block.layers[1].conv.weight[..., 1, 1] = 1
        block.lff.weight[1, 3] = 1
        x = torch.rand(1, 2, 4, 5, dtype=torch.double)
        expected = torch.stack([x[0, 0], x[0, 1] + x[0].sum(0) + 3])[None]
        torch.testing.assert_close(block(x), expected)


def test_weights_for_three_times_as_many_pixels_are_refused() -> None:
    with pytest.raises(WeightsError, match=rdn.ARCHITECTURE):
        rdn.build({**tiny("rdn").state_dict(), "upscale.0.weight": torch.zeros(54, 6, 3, 3)})
