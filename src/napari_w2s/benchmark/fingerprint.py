"""What a method without weights was set to, as a hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

_DIGITS = 16


def fingerprint(network: nn.Module, packages: Iterable[str] = ()) -> str:
    """Return a hash of the public attributes of a network and its parts, tensors and all.

    Parameters
    ----------
    network : torch.nn.Module
    packages : iterable of str
        Packages whose versions count too.

    Returns
    -------
    str
        Hexadecimal digits, the same on every machine.
    """
    facts = {name: _plain(_settings(part)) for name, part in network.named_modules()}
    versions = {name: _version(name) for name in packages}
    text = json.dumps([facts, versions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _settings(part: nn.Module) -> dict[str, Any]:
    own = {name: value for name, value in vars(part).items() if not name.startswith("_") and name != "training"}
    tensors = (*part.named_parameters(recurse=False), *part.named_buffers(recurse=False))
    return {"": type(part).__name__, **own, **dict(tensors)}


def _plain(value: Any) -> Any:
    """Return a value as JSON can have it; of what is no number, text or collection of them, the name of its type."""
    import numpy as np
    import torch

    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        data = np.ascontiguousarray(value)
        return [str(data.dtype), list(data.shape), hashlib.sha256(data.tobytes()).hexdigest()]
    return type(value).__name__


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
