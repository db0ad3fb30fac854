"""How much memory a network's activations take, found without computing anything."""

from __future__ import annotations

import copy
import logging
import weakref
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

logger = logging.getLogger(__name__)

_PROBE_EDGE = 64
_CAUTIOUS_BYTES_PER_PIXEL = 4096


class _LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follow the bytes of all tensors alive while it is entered."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return out

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = id(storage)
        if key in self._seen:
            return
        size = storage.nbytes()
        self._seen.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._release, key, size)

    def _release(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.now -= size


def bytes_per_pixel(network: nn.Module) -> int:
    """Return the peak bytes of activations per input pixel of a network.

    Parameters
    ----------
    network : torch.nn.Module
        Takes ``(N, 1, H, W)``. A copy of it is run on torch's "meta" device, which knows shapes but holds no numbers.

    Returns
    -------
    int
        At least 4. A cautious guess for a network that computes outside torch.
    """
    twin = copy.deepcopy(network).to("meta")
    probe = torch.empty((1, 1, _PROBE_EDGE, _PROBE_EDGE), device="meta")
    counter = _LiveBytes()
    try:
        with torch.inference_mode(), counter:
            twin(probe)
    except (RuntimeError, TypeError, NotImplementedError, ValueError) as error:
        logger.debug("activations of %s cannot be counted: %s", type(network).__name__, error)
        return _CAUTIOUS_BYTES_PER_PIXEL
    return max(4, counter.peak // _PROBE_EDGE**2)
