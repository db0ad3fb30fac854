"""``python -m napari_w2s`` is the command ``napari-w2s``."""

from __future__ import annotations

from napari_w2s.cli import main

if __name__ == "__main__":
    main()
