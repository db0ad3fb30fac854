"""What is known of every network module, small networks of each, and states that were tampered with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from torch import nn

from napari_w2s.models.architectures import ARCHITECTURES

Options = Mapping[str, Any]
State = dict[str, torch.Tensor]

FAR = 99_999_999
"""An index that no list of modules reaches."""

_SQUARE = 96
_STRIP = 8


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a network module says of itself.

    Attributes
    ----------
    tiny : mapping
        Options of a small network that has all its parts.
    others : tuple of mapping
        How further small networks differ from that.
    counts : tuple of (mapping, int, int or None)
        Options, number of weights and receptive field of networks at their full size; None for the whole frame.
    learning : mapping
        How one differs from the tiny one that is wide enough for every weight to learn.
    needs : str
        The key that foreign weights are told to lack.
    optional : frozenset of str
        Keys that may be missing.
    exports_any_size : bool
        True if one exported network serves frames of any size.
    """

    tiny: Options
    others: tuple[Options, ...]
    counts: tuple[tuple[Options, int, int | None], ...]
    needs: str
    learning: Options
    optional: frozenset[str] = frozenset()
    exports_any_size: bool = True


NETWORKS: Mapping[str, Facts] = {
    "dncnn": Facts(
        tiny={"depth": 4, "width": 4},
        others=({"depth": 20}, {"channels": 3}, {"depth": 7, "batch_norm": False}, {"depth": 2, "width": 3}),
        counts=(({}, 556_032, 35),),
        needs="dncnn.0.weight",
        learning={},
    ),
    "memnet": Facts(
        tiny={"width": 4, "memory_blocks": 2, "residual_blocks": 1},
        others=({"residual_blocks": 3}, {"channels": 3, "memory_blocks": 1}),
        counts=(({}, 194_922, 101),),
        needs="feature_extractor.conv.weight",
        learning={},
    ),
    "unet": Facts(
        tiny={"widths": (4, 6), "blocks": (1, 1), "detail": 3},
        others=({"fold": 1}, {"widths": (2, 3, 2), "blocks": (1, 2, 1)}, {"widths": (3,), "blocks": (2,)}),
        counts=(({}, 3_032_133, 315), ({"outputs": ("denoised",)}, 2_920_996, 311)),
        needs="encoder.0.0.conv1.weight",
        learning={"widths": (8, 8), "detail": 8, "outputs": ("sim",)},
    ),
    "ridnet": Facts(
        tiny={"features": 6, "blocks": 1, "reduction": 3},
        others=({"blocks": 2}, {"features": 3, "reduction": 16}),
        counts=(({}, 1_497_041, None), (ARCHITECTURES["ridnet"].light, 188_201, None)),
        needs="head.body.0.weight",
        learning={"features": 16, "reduction": 2},
    ),
    "rcan": Facts(
        tiny={"groups": 1, "blocks": 1, "width": 4, "reduction": 2},
        others=({"groups": 2, "blocks": 3, "width": 5, "reduction": 9},),
        counts=(({}, 15_442_337, None), (ARCHITECTURES["rcan"].light, 384_449, None)),
        needs="head.0.weight",
        learning={"width": 16},
    ),
    "rdn": Facts(
        tiny={"features": 6, "growth": 4, "blocks": 2, "layers": 3},
        others=({"blocks": 3, "layers": 2}, {"features": 3, "growth": 5, "blocks": 1, "layers": 1, "channels": 2}),
        counts=(({}, 22_121_089, 267), (ARCHITECTURES["rdn"].light, 274_817, 59)),
        needs="sfe1.weight",
        learning={},
    ),
    "san": Facts(
        tiny={"features": 8, "groups": 1, "blocks": 2, "reduction": 4},
        others=({"groups": 2}, {"features": 3, "blocks": 1, "channels": 2}),
        counts=(({}, 15_672_426, None), (ARCHITECTURES["san"].light, 298_270, None)),
        needs="head.0.weight",
        learning={"features": 32, "reduction": 8},
        exports_any_size=False,
    ),
    "srfbn": Facts(
        tiny={"features": 4, "groups": 2, "steps": 3},
        others=({"groups": 3, "steps": 2}, {"features": 3, "groups": 1, "steps": 1, "channels": 2}),
        counts=(({}, 2_134_748, 103), (ARCHITECTURES["srfbn"].light, 157_624, 31)),
        needs="conv_in.0.weight",
        learning={},
        optional=frozenset({"steps"}),
    ),
    "edsr": Facts(
        tiny={"blocks": 1, "width": 4},
        others=({"blocks": 3, "width": 5}, {"mean": 0.4488}),
        counts=(({}, 40_720_385, 137), (ARCHITECTURES["edsr"].light, 419_521, 57)),
        needs="head.0.weight",
        learning={"width": 16},
    ),
    "rrdb": Facts(
        tiny={"blocks": 1, "width": 4, "growth": 2},
        others=({"blocks": 2, "width": 5, "growth": 3},),
        # JDSR, the authors' published weights of it for avg1, ESRGAN.
        counts=(
            ({}, 11_696_641, 489),
            ({"blocks": 12}, 8_818_945, 369),
            ({"blocks": 23}, 16_732_609, 699),
            (ARCHITECTURES["rrdb"].light, 766_849, 129),
        ),
        needs="conv_first.weight",
        learning={"width": 16},
    ),
}
"""By name of the architecture: all that have weights."""


def module_of(name: str) -> ModuleType:
    return import_module(ARCHITECTURES[name].module)


def awake(network: nn.Module) -> nn.Module:
    """Give random numbers to what starts at rest, so that every layer does something."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.1, 0.4)
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.kaiming_normal_(parameter) if parameter.ndim > 1 else nn.init.uniform_(parameter, 0.02, 0.3)
    return network


def tiny(name: str, **changes: Any) -> nn.Module:
    """Make a small network for inference, the same each time, none of its layers at rest."""
    torch.manual_seed(0)
    return awake(module_of(name).create(**{**NETWORKS[name].tiny, **changes})).eval()


def shapes_of(name: str, **options: Any) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a network's weights by their keys, without making them."""
    with torch.device("meta"):
        state = module_of(name).create(**options).state_dict()
    return {key: tuple(value.shape) for key, value in state.items()}


def image(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def measured_reach(network: nn.Module, channels: int = 1) -> int:
    """Return the width of the square of input pixels that the output pixels of one input pixel depend on.

    Parameters
    ----------
    network : torch.nn.Module
        In double precision, with a finite receptive field. Where it pools, the pixel is the last of a pooled cell.
    channels : int
        Of the images that it takes.
    """
    multiple = getattr(network, "size_multiple", 1)
    edge = -(-(network.receptive_field + 8) // multiple) * multiple
    # A strip tells less, and is a lot faster.
    width = edge if edge <= _SQUARE else max(multiple, _STRIP)
    row, column = (n // 2 // multiple * multiple + multiple - 1 for n in (edge, width))
    x = image(1, channels, edge, width, seed=3).double().requires_grad_()
    answer = network(x)
    scale = answer.shape[-1] // width
    answer[..., row * scale : (row + 1) * scale, column * scale : (column + 1) * scale].sum().backward()
    touched = x.grad[0].ne(0).any(0)
    rows, columns = touched.any(1).nonzero(), touched.any(0).nonzero()
    return 2 * int(max(row - rows.min(), rows.max() - row, column - columns.min(), columns.max() - column)) + 1


CHANGES: Mapping[str, Callable[[torch.Tensor], torch.Tensor | None]] = {
    "doubled": lambda weight: torch.cat(2 * [torch.atleast_1d(weight)]),
    "flat": lambda weight: weight.reshape(-1, 1),
    "empty": lambda weight: torch.atleast_1d(weight)[..., :0],
    "for colours": lambda weight: weight.repeat(1, 3, 1, 1) if weight.ndim == 4 else None,
    "oblong": lambda weight: nn.functional.pad(weight, (2, 0)) if weight.ndim == 4 else None,
    "huge": lambda weight: weight.flatten()[:1].expand(2**22, *weight.shape[1:]),
    "not a number": lambda weight: torch.full_like(weight, torch.nan) if weight.is_floating_point() else None,
    "integers": lambda weight: weight.to(torch.int32) if weight.is_floating_point() else None,
}
"""What can be wrong with one weight; None where that cannot be."""


def added_keys(state: State) -> Iterator[tuple[str, str]]:
    """Name further and far entries of all lists of modules, each with the key that its name is made of."""
    for key in state:
        for number in re.finditer(r"(?<=\.)\d+(?=\.)", key):
            for index in (7, FAR):
                yield f"{key[: number.start()]}{index}{key[number.end() :]}", key


def grown(state: State, length: int) -> State:
    """Return a state in which lists of modules within lists have so many entries, in name only.

    Few weights then ask for a network of `length` squared modules.
    """
    more, seen = dict(state), set()
    for key, weight in state.items():
        parts = re.split(r"(?<=\.)0(?=\.)", key, maxsplit=2)
        if len(parts) == 3 and tuple(parts[:2]) not in seen:
            seen.add(tuple(parts[:2]))
            for index in range(length):
                for one, two in ((index, 0), (0, index), (index, FAR)):
                    more.setdefault(f"{parts[0]}{one}{parts[1]}{two}{parts[2]}", weight)
    return more
