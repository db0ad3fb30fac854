"""What writing a model needs besides this package."""

from __future__ import annotations

from importlib.util import find_spec

from napari_w2s._types import InputError

_NEEDED = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "bioimageio": ("bioimageio.core",)}


def require(*extras: str) -> None:
    """Check that extras of this package are installed.

    Parameters
    ----------
    *extras : str
        ``"onnx"`` or ``"bioimageio"``.

    Raises
    ------
    InputError
        If a package of one of them is missing; the message says what to install.
    """
    missing = [package for extra in extras for package in _NEEDED[extra] if not _is_here(package)]
    if missing:
        raise InputError(
            f"Writing this format needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
            f'installed. Install: pip install "napari-w2s[{extras[-1]}]"'
        )


def _is_here(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # of the package that it is a part of
        return False
