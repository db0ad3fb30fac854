"""What a panel uses unless it is given something else. Everything heavy is imported when it is first needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from napari_w2s._types import ProgressFn, StopFn
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.app.shared_models import SharedModels
from napari_w2s.data.image import Image

if TYPE_CHECKING:
    from napari_w2s.models.registry import Registry


@cache
def _session_models() -> SharedModels:
    from napari_w2s.models.registry import Registry

    return SharedModels(Registry())


def models() -> SharedModels:
    """Return the models of this session: the built-in ones and the user's, those included that are new since."""
    from napari_w2s.models.builtin import default_registry

    shared = _session_models()
    shared.add_new(default_registry().descriptors())
    return shared


def load(models: Registry, settings: RestoreSettings, *, progress: ProgressFn, should_stop: StopFn) -> dict[str, Any]:
    """Fetch and load the models that the settings name, once for all layers of a run."""
    from napari_w2s.app.restore import load_pipeline

    return {"pipeline": load_pipeline(settings, models, progress=progress, should_stop=should_stop)}


def restore(image: Image, settings: RestoreSettings, **options: Any) -> Image:
    """Restore one image; see `napari_w2s.app.restore.restore_image`."""
    from napari_w2s.app.restore import restore_image

    return restore_image(image, settings, **options)


def devices() -> Sequence[str]:
    """List the devices of this machine. The first call imports torch."""
    from napari_w2s.engine.device import available_devices

    return available_devices()


def accent(theme: str) -> tuple[str, str]:
    """Return the colours in which a theme of napari draws what is active, and what the mouse is over."""
    from napari.utils.theme import get_system_theme, get_theme

    colours = get_theme(get_system_theme() if theme == "system" else theme)
    return str(colours.current.as_hex()), str(colours.highlight.as_hex())


def warning(theme: str) -> str:
    """Return the colour in which a theme of napari draws what needs attention."""
    from napari.utils.theme import get_system_theme, get_theme

    return str(get_theme(get_system_theme() if theme == "system" else theme).warning.as_hex())


def trainable() -> frozenset[str]:
    """Return the architectures that can be trained."""
    from napari_w2s.models.architectures import ARCHITECTURES

    return frozenset(name for name, method in ARCHITECTURES.items() if method.has_weights)


def w2s_root() -> str:
    """Return the folder of the benchmark that the environment names, if it does."""
    return os.environ.get("W2S_ROOT", "")
