"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from w2s_workers import MODELS, processes


@pytest.fixture(autouse=True)
def _no_trained_models(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test see, or add to, the models that whoever runs it has trained."""
    monkeypatch.setenv(MODELS, str(tmp_path_factory.getbasetemp() / "models" / uuid4().hex))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small trained model, ``mine``."""
    from w2s_trained import save_small

    return save_small(tmp_path_factory.mktemp("models")).parent


@pytest.fixture
def own_models(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process find the small model."""
    monkeypatch.setenv(MODELS, str(models))


@pytest.fixture(scope="module")
def workers(models: Path) -> Iterator[Any]:
    """Two worker processes that find the small model."""
    pytest.importorskip("distributed")
    with processes(2, models) as running:
        yield running


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
