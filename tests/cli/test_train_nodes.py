"""``napari-w2s train`` on several machines: here two processes that know each other by address and rank only."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from w2s_tree import make_8bit

from napari_w2s.training.checkpoints import load
from napari_w2s.training.config import read_recipe
from napari_w2s.training.fit import fit

RECIPE: dict[str, Any] = {
    "name": "tiny",
    "task": "denoise",
    "network": {"architecture": "unet", "options": {"widths": [4], "blocks": [1]}},
    "losses": {"denoised": [{"name": "mse"}]},
    "patch": 16,
    "batch": 2,
    "steps": 2,
    "validate_every": 2,
    "validation_crop": 16,
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.timeout(300)
def test_two_nodes_make_what_one_makes_with_twice_the_batch(tmp_path: Path) -> None:
    root = make_8bit(tmp_path / "w2s", fovs=(1, 2, 3), channels=(0,))
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(
        yaml.safe_dump({**RECIPE, "train": [{"kind": "w2s", "paths": {"root": [str(root)]}, "fovs": "1-3"}]})
    )
    folder = tmp_path / "run"
    arguments = ["train", recipe, "-o", folder, "--devices", "1", "--num-nodes", "2", "--accelerator", "cpu"]
    command = [sys.executable, "-m", "napari_w2s", *map(str, arguments)]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "OMP_NUM_THREADS": "1"}
    nodes = [
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **shared, "NODE_RANK": str(rank)},
        )
        for rank in (0, 1)
    ]
    (out, err), (quiet_out, quiet_err) = [node.communicate() for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], err + quiet_err
    assert out.splitlines() == [str(folder / "best.safetensors")]
    assert (quiet_out, quiet_err) == ("", "")

    config = read_recipe(recipe).model_copy(update={"batch": 4})
    fit(config, tmp_path / "one", accelerator="cpu", devices=1, preview_every=0)
    two, one = (load(tmp_path / name / "last.ckpt")["state_dict"] for name in ("run", "one"))
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-4, atol=1e-6)
