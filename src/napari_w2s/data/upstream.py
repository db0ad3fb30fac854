"""What the authors' repository holds at the pinned commit: paths and hashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from types import MappingProxyType

from napari_w2s._types import InputError, Level
from napari_w2s.data.protocol import CHANNELS, TEST_FOVS, TRAIN_FOVS

COMMIT = "929e43b3b2db609f7b89b38896e8aaf2a125d0c3"
BASE_URL = f"https://raw.githubusercontent.com/IVRL/w2s/{COMMIT}/"


@lru_cache(maxsize=1)
def registry() -> Mapping[str, str]:
    """Path in the authors' repository to SHA-256, for all files that can be fetched.

    Returns
    -------
    mapping of str to str
        2,400 images of the 8-bit release (``data/train/avg1/001_0.png``) and ten denoisers
        (``net_data/trained_denoisers/D_1/epoch_49.pth``).
    """
    text = resources.files("napari_w2s.data").joinpath("upstream_registry.txt").read_text("ascii")
    return MappingProxyType(dict(line.rsplit(" ", 1) for line in text.splitlines() if line))


def expected_hash(path: str) -> str:
    """Look up the SHA-256 of a file; only paths of the registry pass, so that none leads out of a folder.

    Raises
    ------
    InputError
        If `path` is not in the registry.
    """
    expected = registry().get(path)
    if expected is None:
        raise InputError(f"{path} is not one of the authors' files; napari_w2s.data.download.registry() lists them")
    return expected


def fov_paths(
    fov: int, channels: Sequence[int] = tuple(CHANNELS), levels: Sequence[Level] = tuple(Level)
) -> dict[tuple[int, Level], str]:
    """Paths of one field of view in the 8-bit release, by channel and level.

    Parameters
    ----------
    fov : int
        1 to 120.
    channels : sequence of int
    levels : sequence of Level
        Test FOVs (081-120) have no avg400: it is left out unless nothing else was asked for.

    Raises
    ------
    InputError
        If there is no such FOV, channel or level.
    """
    if fov not in TRAIN_FOVS and fov not in TEST_FOVS:
        raise InputError(f"there is no FOV {fov}; W2S has {TRAIN_FOVS[0]} to {TEST_FOVS[-1]}")
    split = "train" if fov in TRAIN_FOVS else "test"
    for channel in channels:
        if channel not in CHANNELS:
            raise InputError(f"there is no channel {channel}; W2S has {', '.join(map(str, CHANNELS))}")
    chosen = [Level(level) for level in levels]
    if split == "test":
        chosen = [level for level in chosen if level is not Level.AVG400]
        if levels and not chosen:
            raise InputError(f"FOV {fov} is a test FOV, and the 8-bit release has no avg400 of those; take FOV 1 to 80")
    return {(c, level): f"data/{split}/{level}/{fov:03d}_{c}.png" for c in channels for level in chosen}
