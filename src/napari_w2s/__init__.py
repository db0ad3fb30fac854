"""Restore fluorescence images: denoise, super-resolve, or both, with the models and data of the W2S benchmark.

The public names below are imported when they are first used, so that importing the package costs neither torch nor Qt.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_w2s.app.compare import compare
    from napari_w2s.app.restore import restore_image
    from napari_w2s.app.settings import RestoreSettings
    from napari_w2s.data.image import Image
    from napari_w2s.data.ometiff import write_ome_tiff
    from napari_w2s.data.stacks import open_images
    from napari_w2s.engine.pipeline import Pipeline
    from napari_w2s.engine.predict import predict
    from napari_w2s.models.builtin import default_registry

    __version__: str

__all__ = [
    "Image",
    "Pipeline",
    "RestoreSettings",
    "__version__",
    "compare",
    "default_registry",
    "open_images",
    "predict",
    "restore_image",
    "write_ome_tiff",
]

_HOMES = {
    "Image": "napari_w2s.data.image",
    "Pipeline": "napari_w2s.engine.pipeline",
    "RestoreSettings": "napari_w2s.app.settings",
    "compare": "napari_w2s.app.compare",
    "default_registry": "napari_w2s.models.builtin",
    "open_images": "napari_w2s.data.stacks",
    "predict": "napari_w2s.engine.predict",
    "restore_image": "napari_w2s.app.restore",
    "write_ome_tiff": "napari_w2s.data.ometiff",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = _version()
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    # Reading package metadata takes several milliseconds: only whoever asks for the version pays for it.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("napari-w2s")
    except PackageNotFoundError:
        return "0+unknown"
