"""Read a network's make off its weights, and put weights into a network with every key accounted for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar

from napari_w2s._types import WeightsError

if TYPE_CHECKING:
    import torch
    from torch import nn

_Network = TypeVar("_Network", bound="nn.Module")

_WRAPPERS = ("state_dict", "model_state_dict", "params_ema", "params", "model", "network", "net")
_WRAPPER_PREFIXES = ("module.", "_orig_mod.")
_LIGHTNING_MARK = "pytorch-lightning_version"
_LIGHTNING_PREFIXES = ("network.", "model.", "net.")
_SHOWN = 4
_FAR_MORE, _FEW = 4, 256
_MAX_NESTING = 8


def canonical(loaded: Mapping[str, Any]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Find the state dict in what a checkpoint holds, and give its keys their plain names.

    Wrappers such as ``{"epoch": 49, "model": {...}}`` are opened, and the prefixes that `DataParallel` (``module.``),
    `torch.compile` and Lightning put before every key are taken off.

    Parameters
    ----------
    loaded : mapping
        Plain Python values and tensors.

    Returns
    -------
    state : dict of str to torch.Tensor
        Empty if the checkpoint holds no tensors.
    rest : dict
        What stood beside the state dict and is plain JSON, e.g. ``{"epoch": 49, "name": "avg1"}``.
    """
    import torch

    rest: dict[str, Any] = {}
    lightning = False
    current: Mapping[str, Any] = loaded
    for _ in range(_MAX_NESTING):
        lightning = lightning or _LIGHTNING_MARK in current
        rest |= {str(k): v for k, v in current.items() if isinstance(v, (str, int, float, bool))}
        inner = next((current[k] for k in _WRAPPERS if isinstance(current.get(k), Mapping)), None)
        if inner is None:
            break
        current = inner
    state = {str(k): v for k, v in current.items() if isinstance(v, torch.Tensor)}
    stripped = True
    while stripped:
        stripped = False
        for prefix in _WRAPPER_PREFIXES:
            if state and all(key.startswith(prefix) for key in state):
                state = {key.removeprefix(prefix): value for key, value in state.items()}
                stripped = True
    if lightning:
        prefix = next((p for p in _LIGHTNING_PREFIXES if any(key.startswith(p) for key in state)), "")
        # Beside the network a Lightning module may hold losses with weights of their own.
        state = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    return state, rest


def fit(make: Callable[[], _Network], state: Mapping[str, Any], architecture: str) -> _Network:
    """Make a network and load a state dict into it, every key and every shape matching.

    Parameters
    ----------
    make : callable
        Returns the network. It is called where tensors take no memory, and stopped when it makes far more weights than
        `state` has, so that neither forged shapes nor forged names cost anything.
    state : mapping of str to torch.Tensor
        Not shared with the network afterwards.
    architecture : str
        Name of the network for a person.

    Returns
    -------
    torch.nn.Module
        In eval mode, float32, needing no gradient.

    Raises
    ------
    WeightsError
        If a key is missing, unexpected or of another shape or kind, or a weight is not finite.
    """
    import torch

    try:
        with torch.device("meta"), _at_most(_FAR_MORE * len(state) + _FEW):
            network = make()
    except _TooManyError as error:
        reason = f"their names ask for a network of far more than these {len(state)} weights"
        raise mismatch(architecture, state, reason=reason) from error
    except RuntimeError as error:
        raise mismatch(architecture, state, reason=f"their sizes make no network ({error})") from error
    own = network.state_dict()
    # Counters of batches seen in training serve momentum only; old versions of torch did not save them.
    counters = {key: torch.tensor(0) for key in own if key.endswith("num_batches_tracked")}
    missing = [key for key in own if key not in state and key not in counters]
    unexpected = [key for key in state if key not in own]
    if missing or unexpected:
        raise mismatch(architecture, state, missing=missing, unexpected=unexpected)
    # All shapes before any values: one tensor that is spread out from a single number may fit, and take long to read.
    for key, value in state.items():
        if tuple(value.shape) != tuple(own[key].shape):
            reason = f"{key} is {_shape(value)}, expected {_shape(own[key])}"
            raise mismatch(architecture, state, reason=reason)
        real = own[key].is_floating_point()
        if value.layout != torch.strided or value.is_complex() or (real and not value.is_floating_point()):
            raise mismatch(architecture, state, reason=f"{key} is a {value.layout} tensor of {value.dtype}")
    loaded: dict[str, torch.Tensor] = {**counters}
    for key, value in state.items():
        if not bool(torch.isfinite(value).all()):
            raise WeightsError(
                f"the weights of {architecture} hold NaN or infinity in {key}: "
                "the training diverged. Choose another checkpoint."
            )
        loaded[key] = value.detach().to("cpu", own[key].dtype, copy=True, memory_format=torch.contiguous_format)
    network.load_state_dict(loaded, strict=True, assign=True)
    if any(t.is_meta for t in (*network.parameters(), *network.buffers())):
        raise RuntimeError(f"{architecture} has tensors outside of its state dict, which its weights cannot fill")
    return network.eval().requires_grad_(requires_grad=False)


def mismatch(
    architecture: str,
    state: Mapping[str, Any],
    *,
    missing: Collection[str] = (),
    unexpected: Collection[str] = (),
    reason: str = "",
) -> WeightsError:
    """Return the error that says how a checkpoint differs from what an architecture needs."""
    parts = [f"these weights do not fit {architecture}"]
    if reason:
        parts.append(reason)
    if missing:
        parts.append(f"{len(missing)} keys are missing ({_some(missing)})")
    if unexpected:
        parts.append(f"{len(unexpected)} keys are not part of it ({_some(unexpected)})")
    if not missing and not unexpected:
        parts.append(f"the checkpoint's keys look like {_some(state)}")
    return WeightsError("; ".join(parts) + ". Choose the model that they were trained for.")


def count_children(state: Mapping[str, Any], prefix: str) -> int:
    """Count the entries of a list of modules: one more than the largest N in keys ``prefix.N.…``; 0 if none.

    Parameters
    ----------
    state : mapping
    prefix : str
        Name of the list, without the last dot.

    Returns
    -------
    int
        Never more than the state dict has keys, so that a forged index cannot ask for a huge network.
    """
    heads = {key[len(prefix) + 1 :].split(".", 1)[0] for key in state if key.startswith(prefix + ".")}
    numbers = {int(head) for head in heads if head.isdecimal() and len(head) < 10}
    return min(max(numbers) + 1, len(state)) if numbers else 0


def require_shape(state: Mapping[str, Any], key: str, ndim: int, architecture: str) -> tuple[int, ...]:
    """Return the shape of the weight that a network's make is read from.

    Raises
    ------
    WeightsError
        If there is no such weight, or it does not have `ndim` axes.
    """
    if key not in state:
        raise mismatch(architecture, state, reason=f"it needs {key}")
    shape = tuple(int(n) for n in state[key].shape)
    if len(shape) != ndim or 0 in shape:
        raise mismatch(architecture, state, reason=f"{key} is {shape}, expected {ndim} axes")
    return shape


class _TooManyError(Exception):
    """More weights were made than were allowed."""


def _at_most(most: int) -> AbstractContextManager[Any]:
    """Stop, with `_TooManyError`, whatever makes more weights than that in this thread."""
    import torch
    from torch.overrides import TorchFunctionMode

    class Bound(TorchFunctionMode):
        made = 0

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            # What torch's layers make their weights with.
            self.made += func is torch.empty
            if self.made > most:
                raise _TooManyError
            return func(*args, **(kwargs or {}))

    return Bound()


def _some(keys: Collection[str]) -> str:
    shown = list(keys)[:_SHOWN]
    return ", ".join(f"{key[:80]}" for key in shown) + (", …" if len(keys) > _SHOWN else "")


def _shape(value: Any) -> str:
    return " x ".join(str(n) for n in value.shape) or "a single number"
