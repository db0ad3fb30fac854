"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def w2s_root() -> Path:
    """Folder of the real W2S files, named by the environment variable W2S_ROOT."""
    root = os.environ.get("W2S_ROOT")
    if not root:
        pytest.skip("W2S_ROOT is not set: no real W2S data here")
    path = Path(root).resolve()
    if not (path / "data").is_dir():
        pytest.skip(f"W2S_ROOT={root} holds no data folder")
    return path
