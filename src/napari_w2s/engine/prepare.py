"""Make a faster twin of a network with the same answer: batch norms folded away, a layout and a precision that suit."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

logger = logging.getLogger(__name__)


class CastingConv(nn.Module):
    """A convolution that computes in its own precision whatever precision its input has."""

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d, dtype: torch.dtype) -> None:
        super().__init__()
        self.conv = conv.to(dtype)
        self.dtype = dtype

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve ``(N, C, H, W)`` in this module's precision."""
        out: torch.Tensor = self.conv(x.to(self.dtype))
        return out


class CastingPReLU(nn.PReLU):
    """A PReLU whose slopes take the precision of its input."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Rectify ``(N, C, H, W)``."""
        return nn.functional.prelu(input, self.weight.to(input.dtype))


def trace(network: nn.Module) -> fx.GraphModule | None:
    """Return the network as a graph of operations, or None if its forward pass depends on its data."""
    try:
        return fx.symbolic_trace(network)
    except Exception as error:
        logger.debug("%s cannot be traced: %s", type(network).__name__, error)
        return None


def prepare(network: nn.Module, device: torch.device, dtype: torch.dtype = torch.float32) -> nn.Module:
    """Return a copy of a network made ready for inference.

    Batch norms that follow a convolution are folded into it, weights go to `device` in channels-last layout, and for
    a lower precision the convolutions inside compute in `dtype`. The first and last convolutions of every path, which
    read and write intensities, stay in float32, and so does every sum with the input.

    Parameters
    ----------
    network : torch.nn.Module
        In eval mode; it is not changed.
    device : torch.device
    dtype : torch.dtype
        ``torch.float32``, ``torch.bfloat16`` or ``torch.float16``.

    Returns
    -------
    torch.nn.Module
        A `torch.fx.GraphModule` where the network can be traced.
    """
    twin = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
    graph = trace(twin)
    if graph is not None:
        twin = _simplify(graph)
    if dtype != torch.float32:
        _lower_precision(twin, dtype)
    return twin.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _simplify(graph: fx.GraphModule) -> fx.GraphModule:
    """Drop what does nothing in eval mode, and fold batch norms into the convolutions before them."""
    modules = dict(graph.named_modules())
    for node in list(graph.graph.nodes):
        module = modules[node.target] if node.op == "call_module" else None
        source = node.args[0] if module is not None else None
        if isinstance(module, (nn.Identity, nn.Dropout, nn.Dropout2d)):
            node.replace_all_uses_with(source)
            graph.graph.erase_node(node)
        if not isinstance(module, nn.BatchNorm2d):
            continue
        if (
            not isinstance(source, fx.Node)
            or source.op != "call_module"
            or not isinstance(modules[str(source.target)], nn.Conv2d)
            or len(source.users) > 1
        ):
            continue
        conv = modules[str(source.target)]
        fused = fuse_conv_bn_eval(conv, module)
        _set_module(graph, str(source.target), fused)
        modules[str(source.target)] = fused
        node.replace_all_uses_with(source)
        graph.graph.erase_node(node)
    graph.graph.lint()
    graph.recompile()
    graph.delete_all_unused_submodules()
    return graph


def _lower_precision(network: nn.Module, dtype: torch.dtype) -> None:
    ends = _ends(network) if isinstance(network, fx.GraphModule) else set()
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            sees_intensities = name in ends or 1 in (module.in_channels, module.out_channels)
            _set_module(network, name, CastingConv(module, torch.float32 if sees_intensities else dtype))
        elif isinstance(module, nn.PReLU):
            rectifier = CastingPReLU(module.num_parameters)
            rectifier.weight = module.weight
            _set_module(network, name, rectifier)


def _ends(graph: fx.GraphModule) -> set[str]:
    """Return the names of the convolutions that are the first or the last one on some path through the network."""
    modules = dict(graph.named_modules())

    def reach(start: str, neighbours: Callable[[fx.Node], Iterable[fx.Node]]) -> set[str]:
        found: set[str] = set()
        seen: set[fx.Node] = set()
        queue = [node for node in graph.graph.nodes if node.op == start]
        while queue:
            node = queue.pop()
            if node in seen:
                continue
            seen.add(node)
            if node.op == "call_module" and isinstance(modules[str(node.target)], nn.Conv2d):
                found.add(str(node.target))
            else:
                queue.extend(neighbours(node))
        return found

    return reach("placeholder", lambda node: node.users) | reach("output", lambda node: node.all_input_nodes)


def _set_module(root: nn.Module, name: str, module: Any) -> None:
    parent, _, child = name.rpartition(".")
    setattr(root.get_submodule(parent), child, module)
