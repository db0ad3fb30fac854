"""The folder of the models that the user has trained. Costs no torch import: only their cards are read."""

from __future__ import annotations

import logging
import os
import re
import shutil
from pathlib import Path

from napari_w2s._files import replacing
from napari_w2s._types import InputError, OutputError, WeightsError
from napari_w2s.models.card import descriptors_of
from napari_w2s.models.checkpoint import read_card
from napari_w2s.models.registry import Registry

logger = logging.getLogger(__name__)

FOLDER_VARIABLE = "NAPARI_W2S_MODELS"
"""Environment variable that names another folder than the usual one."""

SUFFIX = ".safetensors"

_STEM = re.compile(r"[a-z0-9][a-z0-9._-]*")


def models_folder() -> Path:
    """Return the folder of the user's models; it need not exist."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("napari-w2s", appauthor=False) / "models"


def add_trained(registry: Registry, *, without: Path | None = None) -> None:
    """Add the models in the user's folder, in the order of the files' names.

    Only the cards are read: whether the weights are what a card says comes out when they are loaded. A file that is
    damaged, or has a model of a name that is taken, is left out, and the log says why.

    Parameters
    ----------
    registry : Registry
    without : Path, optional
        A file in the folder to leave out.
    """
    folder = models_folder()
    try:
        files = sorted(path for path in folder.iterdir() if _is_model(path) and path != without)
    except FileNotFoundError:
        return
    except OSError as error:
        logger.warning("The models in %s are left out: %s.", folder, error.strerror)
        return
    for path in files:
        try:
            card = read_card(path)
            if card is None:
                raise WeightsError("It has no card that says what it is.")
            registry.register_all(descriptors_of(card, path))
        except (WeightsError, InputError) as error:
            logger.warning("The models in %s are left out. %s", path, error)


def install(path: Path | str, *, name: str | None = None) -> Path:
    """Copy a trained model into the user's folder, so that it is listed from now on.

    Parameters
    ----------
    path : Path or str
        A safetensors file with a card.
    name : str, optional
        Name of the file in the folder, without its suffix; that of its first model if left out. A file of that name is
        replaced: it is taken for an earlier version. The models themselves are called what the card says.

    Returns
    -------
    Path
        The copy.

    Raises
    ------
    WeightsError
        If the file is no trained model, or its weights do not fit what its card says.
    InputError
        If another model has one of its names, or no file can have the name.
    OutputError
        If the copy cannot be written; what was there is as it was.
    """
    from napari_w2s.models.builtin import BUILTIN

    path, folder = Path(path), models_folder()
    # Whole: a card alone could promise what its weights do not keep.
    descriptors = Registry().register_trained(path)
    name = descriptors[0].name if name is None else name
    if not _STEM.fullmatch(name):
        raise InputError(f"{name!r} cannot name a file: use lower-case letters, digits, '-', '_' and '.'.")
    target = folder / f"{name}{SUFFIX}"
    others = Registry(BUILTIN)
    add_trained(others, without=target)
    others.register_all(descriptors)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            shutil.copyfile(path, temporary)
    except OSError as error:
        raise OutputError(
            f"{target} could not be written: {error.strerror}. Free space, or name another folder in {FOLDER_VARIABLE}."
        ) from error
    return target


def _is_model(path: Path) -> bool:
    return path.suffix == SUFFIX and not path.name.startswith(".") and path.is_file()
