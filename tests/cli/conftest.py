"""Fixtures of the tests of the command line."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import pytest
import torch
from w2s_cli import Ended, Run

from napari_w2s import cli


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run the command with arguments in this process and return how it ended."""
    monkeypatch.setenv("COLUMNS", "120")
    logger = logging.getLogger("napari_w2s")  # the command sets it up for its own process
    handlers, level = logger.handlers, logger.level

    def call(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["napari-w2s", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return Ended(int(end.value.code or 0), captured.out, captured.err)

    yield call
    logger.handlers = handlers
    logger.setLevel(level)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Tiny networks take longer on several threads than on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
