"""What a panel uses unless it is given something else. Everything heavy is imported when it is first needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari_w2s._types import ProgressFn, StopFn
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.data.image import Image

if TYPE_CHECKING:
    from napari_w2s.models.registry import Registry


def registry() -> Registry:
    """Return the built-in models."""
    from napari_w2s.models.builtin import default_registry

    return default_registry()


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
