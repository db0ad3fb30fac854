"""Run a convolutional network over an image band by band, computing every pixel once.

A tile needs a halo as wide as half the receptive field, and everything inside the halo is computed again for the
neighbour. A band of rows needs none if each convolution remembers the last rows of its own input: 2 for a 3 x 3
kernel. The bands are small enough to stay in the processor's caches from layer to layer, memory does not grow with
the height of the image, and the answer is that of the whole image.

It works for graphs of stride-1 "same" convolutions and of operations that treat every row alike. For others
`Streamer.build` returns None.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from napari_w2s.engine.prepare import CastingConv

_POINTWISE_MODULES = (
    nn.ReLU,
    nn.LeakyReLU,
    nn.PReLU,
    nn.Sigmoid,
    nn.Tanh,
    nn.BatchNorm2d,
    nn.PixelShuffle,
)
_POINTWISE_FUNCTIONS = {
    operator.add,
    operator.sub,
    operator.mul,
    operator.neg,
    operator.truediv,
    torch.add,
    torch.sub,
    torch.mul,
    torch.cat,
    torch.relu,
    torch.sigmoid,
    F.relu,
    F.leaky_relu,
    F.pixel_shuffle,
}


class _Queue:
    """Rows that one operation has made and another has not taken yet."""

    def __init__(self) -> None:
        self._parts: list[torch.Tensor] = []
        self.rows = 0

    def put(self, rows: torch.Tensor) -> None:
        if rows.shape[2]:
            self._parts.append(rows)
            self.rows += rows.shape[2]

    def take_all(self) -> torch.Tensor | None:
        return self.take(self.rows) if self.rows else None

    def take(self, count: int) -> torch.Tensor:
        taken: list[torch.Tensor] = []
        self.rows -= count
        while count:
            part = self._parts.pop(0)
            if part.shape[2] > count:
                self._parts.insert(0, part[:, :, count:])
                part = part[:, :, :count]
            taken.append(part)
            count -= part.shape[2]
        return taken[0] if len(taken) == 1 else torch.cat(taken, dim=2)


class _Conv:
    """A "same" convolution that remembers the rows that its next output rows still need."""

    def __init__(self, conv: nn.Conv2d, scratch: dict[Any, torch.Tensor], *, rectify: bool) -> None:
        self.conv, self.dtype, self.scratch, self.rectify = conv, conv.weight.dtype, scratch, rectify
        self.radius = int(conv.dilation[0]) * (int(conv.kernel_size[0]) - 1) // 2
        self.side = int(conv.dilation[1]) * (int(conv.kernel_size[1]) - 1) // 2
        self.tail: torch.Tensor | None = None

    def __call__(self, rows: torch.Tensor, *, last: bool) -> torch.Tensor | None:
        """Take rows that follow the former ones; return the rows that are now complete."""
        reach, conv = self.radius, self.conv
        if not reach:
            rows = rows.clamp_min(0) if self.rectify else rows
            return F.conv2d(rows.to(self.dtype), conv.weight, conv.bias, 1, (0, self.side), conv.dilation, conv.groups)
        if self.tail is None:
            self.tail = rows.new_zeros((1, rows.shape[1], reach, rows.shape[3]), dtype=self.dtype)
        kept, fresh = self.tail.shape[2], rows.shape[2]
        total = kept + fresh + (reach if last else 0)
        block = self._block(rows.shape[1], total, rows.shape[3], rows.device)
        block[:, :, :kept] = self.tail
        if self.rectify and rows.dtype == self.dtype:
            torch.clamp_min(rows, 0, out=block[:, :, kept : kept + fresh])
        else:
            block[:, :, kept : kept + fresh] = rows.clamp_min(0) if self.rectify else rows
        if last:
            block[:, :, kept + fresh :] = 0
        self.tail = block[:, :, max(0, total - 2 * reach) :].clone(memory_format=torch.channels_last)
        if total <= 2 * reach:
            return None
        return F.conv2d(block, conv.weight, conv.bias, 1, (0, self.side), conv.dilation, conv.groups)

    def _block(self, channels: int, rows: int, width: int, device: torch.device) -> torch.Tensor:
        """Return uninitialised room that all convolutions share: it is used up before the next one runs."""
        key = channels, width, self.dtype
        room = self.scratch.get(key)
        if room is None or room.shape[2] < rows:
            room = torch.empty(
                (1, channels, rows, width), dtype=self.dtype, device=device, memory_format=torch.channels_last
            )
            self.scratch[key] = room
        return room[:, :, :rows]


class Streamer:
    """A traced network, ready to be run in bands of rows over one image after another."""

    def __init__(self, graph: fx.GraphModule) -> None:
        self._graph = graph
        self._modules = dict(graph.named_modules())
        # A rectifier whose result only one convolution reads is applied as that convolution copies its rows.
        self._merged = {
            node
            for node in graph.graph.nodes
            if node.op == "call_module"
            and isinstance(self._modules[str(node.target)], nn.ReLU)
            and [self._conv_of(user) is not None for user in node.users] == [True]
        }

    @classmethod
    def build(cls, network: nn.Module) -> Streamer | None:
        """Return a streamer for a network made by `prepare`, or None if it has an operation that needs all rows."""
        if not isinstance(network, fx.GraphModule):
            return None
        modules = dict(network.named_modules())
        inputs = [n for n in network.graph.nodes if n.op == "placeholder"]
        if len(inputs) != 1 or not all(_is_row_local(node, modules) for node in network.graph.nodes):
            return None
        return cls(network)

    def run(self, bands: Iterable[tuple[torch.Tensor, bool]]) -> Iterator[torch.Tensor]:
        """Feed bands ``(1, C, rows, W)`` of one image, top to bottom, and yield the result's rows in order.

        Parameters
        ----------
        bands : iterable of (torch.Tensor, bool)
            The band, and True with the last one.
        """
        step = self._compile()
        for band, last in bands:
            rows = step(band.contiguous(memory_format=torch.channels_last), last)
            if rows is not None:
                yield rows

    def _compile(self) -> Callable[[torch.Tensor, bool], torch.Tensor | None]:
        """Set up the memory of one run: a queue per edge between operations, and the convolutions' rows."""
        nodes = list(self._graph.graph.nodes)
        queues: dict[tuple[fx.Node, fx.Node], _Queue] = {
            (source, node): _Queue() for node in nodes for source in node.all_input_nodes if source.op != "get_attr"
        }
        scratch: dict[Any, torch.Tensor] = {}
        convs = {
            node: _Conv(_inner_conv(module), scratch, rectify=node.args[0] in self._merged)
            for node in nodes
            if (module := self._conv_of(node)) is not None
        }

        def step(band: torch.Tensor, last: bool) -> torch.Tensor | None:
            result: torch.Tensor | None = None
            for node in nodes:
                if node.op == "placeholder":
                    rows: torch.Tensor | None = band
                elif node.op == "get_attr":
                    continue
                elif node in self._merged:
                    (source,) = node.all_input_nodes
                    rows = queues[source, node].take_all()
                elif node in convs:
                    rows = _advance_conv(convs[node], queues[node.args[0], node], last)
                else:
                    rows = self._advance_pointwise(node, queues)
                if node.op == "output":
                    result = rows
                elif rows is not None:
                    for user in node.users:
                        queues[node, user].put(rows)
            return result

        return step

    def _conv_of(self, node: fx.Node) -> nn.Module | None:
        module = self._modules[str(node.target)] if node.op == "call_module" else None
        return module if _is_conv(module) else None

    def _advance_pointwise(self, node: fx.Node, queues: dict[tuple[fx.Node, fx.Node], _Queue]) -> torch.Tensor | None:
        sources = [s for s in node.all_input_nodes if s.op != "get_attr"]
        ready = min(queues[s, node].rows for s in sources)
        if not ready:
            return None
        values = {s: queues[s, node].take(ready) for s in sources}

        def value(n: fx.Node) -> Any:
            if n.op == "get_attr":
                return operator.attrgetter(str(n.target))(self._graph)
            return values[n]

        args = fx.node.map_arg(node.args, value)
        kwargs = fx.node.map_arg(node.kwargs, value)
        if node.op == "output":
            out: torch.Tensor = args[0]  # type: ignore[assignment]
        elif node.op == "call_module":
            out = self._modules[str(node.target)](*args)
        else:
            out = node.target(*args, **kwargs)  # type: ignore[operator]
        return out


def _advance_conv(conv: _Conv, queue: _Queue, last: bool) -> torch.Tensor | None:
    rows = queue.take_all()
    return None if rows is None else conv(rows, last=last)


def _is_conv(module: nn.Module | None) -> bool:
    return isinstance(module.conv if isinstance(module, CastingConv) else module, nn.Conv2d)


def _inner_conv(module: nn.Module) -> nn.Conv2d:
    conv = module.conv if isinstance(module, CastingConv) else module
    assert isinstance(conv, nn.Conv2d)
    return conv


def _is_row_local(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op in ("placeholder", "get_attr", "output"):
        return node.op != "output" or isinstance(node.args[0], fx.Node)
    if node.op == "call_function":
        if node.target is torch.cat:
            dim = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
            return bool(dim == 1)
        return node.target in _POINTWISE_FUNCTIONS and not node.kwargs.get("inplace", False)
    if node.op != "call_module":
        return False
    module = modules[str(node.target)]
    if _is_conv(module):
        module = _inner_conv(module)
        same = all(
            pad == dilation * (kernel - 1) // 2 and kernel % 2
            for pad, dilation, kernel in zip(_padding(module), module.dilation, module.kernel_size, strict=True)
        )
        return same and module.padding_mode == "zeros" and tuple(module.stride) == (1, 1)
    shared = getattr(module, "inplace", False) and len(node.all_input_nodes[0].users) > 1
    return isinstance(module, _POINTWISE_MODULES) and not shared


def _padding(conv: nn.Conv2d) -> tuple[int, ...]:
    if conv.padding == "same":
        return tuple(d * (k - 1) // 2 for d, k in zip(conv.dilation, conv.kernel_size, strict=True))
    return (-1, -1) if isinstance(conv.padding, str) else tuple(conv.padding)
