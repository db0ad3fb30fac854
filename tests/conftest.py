"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

import pytest


@pytest.fixture(autouse=True)
def _no_trained_models(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test see, or add to, the models that whoever runs it has trained."""
    monkeypatch.setenv("NAPARI_W2S_MODELS", str(tmp_path_factory.getbasetemp() / "models" / uuid4().hex))


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
