"""Read and write weights safely: nothing in a file is ever executed."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_w2s._files import write_at_once
from napari_w2s._types import OutputError, WeightsError
from napari_w2s.models.inert_unpickler import InertPickleError
from napari_w2s.models.pickled_module import ZIP_MAGIC, read_pickled_modules
from napari_w2s.models.state_dict import canonical

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

CARD_KEY = "napari_w2s_card"
"""Entry of a safetensors file's metadata that holds the model's card as JSON."""

_TAKES = "Give a .safetensors, .pth, .pt or .ckpt file of network weights"

_FOREIGN = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; fetch it with `git lfs pull`"),
    (b"<", "a web page; the download went wrong, so fetch it again"),
)


@dataclass(frozen=True)
class Checkpoint:
    """Weights as they were read.

    Attributes
    ----------
    state : mapping of str to torch.Tensor
        On the CPU, with plain key names.
    sha256 : str
        Hash of the file.
    path : Path
        The file.
    card : mapping or None
        What a model trained with this package says of itself.
    metadata : mapping
        Other plain values in the file, e.g. ``{"epoch": 49}``.
    """

    state: Mapping[str, torch.Tensor]
    sha256: str
    path: Path
    card: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


def load_state_dict(path: Path | str, *, sha256: str | None = None) -> Checkpoint:
    """Read weights from a safetensors file, a PyTorch file, or a PyTorch file of whole modules.

    Parameters
    ----------
    path : Path or str
    sha256 : str, optional
        Hash that the file must have.

    Returns
    -------
    Checkpoint

    Raises
    ------
    WeightsError
        If the file is missing, empty, truncated, hostile, not a checkpoint, or has another hash.
    """
    path = Path(path)
    data = _read_bytes(path)
    digest = hashlib.sha256(data).hexdigest()
    if sha256 is not None and digest != sha256.lower():
        raise WeightsError(
            f"{path} is not the expected file: its SHA-256 is {digest}, but {sha256.lower()} was published. "
            "It is damaged or another version: delete it and fetch it again."
        )
    card: Mapping[str, Any] | None = None
    try:
        if _is_safetensors(data):
            loaded, card = _read_safetensors(data)
        elif data.startswith((ZIP_MAGIC, b"\x80")):
            loaded = _read_torch(data, path)
        else:
            what = next((name for magic, name in _FOREIGN if data.lstrip()[: len(magic)] == magic), "something else")
            raise WeightsError(f"{path} is not a checkpoint: it is {what}. {_TAKES}.")
    except WeightsError:
        raise
    except InertPickleError as error:
        raise WeightsError(
            f"{path} was refused: {error}. Use it only if you get it anew from a source you trust."
        ) from error
    # A parser that is fed a damaged file fails in any way there is; to the user all of them mean the same.
    except Exception as error:
        logger.debug("reading %s failed", path, exc_info=True)
        raise WeightsError(f"{path} is damaged or truncated, or not a checkpoint. Fetch or save it again.") from error
    state, rest = canonical(loaded)
    if not state:
        raise WeightsError(f"{path} holds no network weights. {_TAKES}.")
    return Checkpoint(state=state, sha256=digest, path=path, card=card, metadata=rest)


def read_card(path: Path | str) -> Mapping[str, Any] | None:
    """Read the card of a safetensors file without its weights; None if it has none.

    Raises
    ------
    WeightsError
        If there is no such file, or it is not a readable safetensors file.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            header = stream.read(size) if size <= path.stat().st_size else b""
        return _card(header)
    except OSError as error:
        raise _unreadable(path, error) from error
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path} is not a readable safetensors file. Save it again.") from error


def save(path: Path | str, state: Mapping[str, torch.Tensor], card: Mapping[str, Any]) -> Path:
    """Write weights and their card to a safetensors file, whole or not at all.

    Parameters
    ----------
    path : Path or str
        An existing file is replaced. The folder must exist.
    state : mapping of str to torch.Tensor
    card : mapping
        Plain JSON; see `napari_w2s.models.card`.

    Returns
    -------
    Path

    Raises
    ------
    OutputError
        If the file cannot be written; an existing one is as it was.
    """
    from safetensors.torch import save as to_bytes

    path = Path(path)
    tensors = {key: value.detach().cpu().contiguous().clone() for key, value in state.items()}
    data = to_bytes(tensors, metadata={CARD_KEY: json.dumps(dict(card), sort_keys=True, allow_nan=False)})
    try:
        return write_at_once(path, data, durable=True)
    except OSError as error:
        raise OutputError(
            f"{path} could not be written: {error.strerror}. Choose another folder or free space."
        ) from error


def _read_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise WeightsError(f"{path} is a folder, not a checkpoint. {_TAKES}.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    if not data:
        raise WeightsError(f"{path} is empty. Fetch or save it again.")
    return data


def _unreadable(path: Path, error: OSError) -> WeightsError:
    if isinstance(error, FileNotFoundError):
        return WeightsError(f"{path} does not exist. {_TAKES}.")
    return WeightsError(f"{path} cannot be read: {error.strerror}. Check the file's permissions.")


def _is_safetensors(data: bytes) -> bool:
    return data[8:9] == b"{" and int.from_bytes(data[:8], "little") <= len(data)


def _read_safetensors(data: bytes) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
    from safetensors.torch import load

    tensors = load(data)
    return tensors, _card(data[8 : 8 + int.from_bytes(data[:8], "little")])


def _card(header: bytes) -> Mapping[str, Any] | None:
    entries = json.loads(header)
    metadata = entries.get("__metadata__") if isinstance(entries, dict) else None
    text = metadata.get(CARD_KEY) if isinstance(metadata, dict) else None
    card = json.loads(text) if isinstance(text, str) else None
    return card if isinstance(card, dict) else None


def _read_torch(data: bytes, path: Path) -> Mapping[str, Any]:
    import torch

    if data.startswith(ZIP_MAGIC):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if any(name.endswith("/constants.pkl") for name in archive.namelist()):
                raise WeightsError(f"{path} is a TorchScript program, not weights. {_TAKES}.")
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # on pickle protocols; errors say enough
            loaded = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        logger.debug("%s holds more than tensors; reading its modules as inert data", path)
        loaded = read_pickled_modules(data)
    if not isinstance(loaded, Mapping):
        raise WeightsError(f"{path} holds a {type(loaded).__name__}, not the weights of a network. {_TAKES}.")
    return loaded
