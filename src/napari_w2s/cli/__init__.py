"""The command line: everything the widgets do, without a screen."""

from __future__ import annotations

from napari_w2s.cli.root import main

__all__ = ["main"]
