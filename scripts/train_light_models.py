"""Train the light networks whose pictures and figures the documentation shows, each from its own recipe.

Usage: ``python scripts/train_light_models.py FOLDER [MODEL ...] [--steps N]`` with ``W2S_ROOT`` set. Fields of view
047-056 are kept out of training, and validate it; the rest of the recipe is as shipped. Writes FOLDER/MODEL.safetensors
and the run itself to FOLDER/runs/MODEL. A run that was interrupted goes on, and a model that is there is left alone.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import yaml

from napari_w2s.training.config import TrainingConfig, read_recipe
from napari_w2s.training.fit import fit
from napari_w2s.training.report import FinishReason
from napari_w2s.training.shipped import find_recipe

MODELS = (
    "ridnet-light",
    "rcan-light",
    "rdn-light",
    "srfbn-light",
    "san-light",
    "jdsr-light",
    "esrgan-light",
    "epsr-light",
)
LEARNED, HELD_OUT = "1-46", "47-56"


def recipe(model: str, folder: Path, steps: int | None) -> TrainingConfig:
    """Return the shipped recipe of a model, with the fields of view of the documentation's figures kept out."""
    entries = yaml.safe_load(find_recipe(model).read_text(encoding="utf-8"))
    (source,) = entries.pop("train")
    entries.pop("validation_share")
    entries["train"] = [source | {"fovs": LEARNED}]
    entries["validation"] = [source | {"fovs": HELD_OUT}]
    if steps is not None:
        if "adversarial" in entries:
            start = entries["adversarial"]["start_after"] * steps // entries["steps"]
            entries["adversarial"]["start_after"] = start
        entries["steps"] = steps
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{model}.yaml"
    path.write_text(yaml.safe_dump(entries, sort_keys=False), encoding="utf-8")
    return read_recipe(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="all by default")
    parser.add_argument("--steps", type=int, help="fewer or more than the recipe's")
    arguments = parser.parse_args()
    for model in arguments.models or MODELS:
        target = arguments.folder / f"{model}.safetensors"
        if target.exists():
            continue
        config = recipe(model, arguments.folder, arguments.steps)
        result = fit(config, arguments.folder / "runs" / model, resume=True)
        print(f"{model}: {result.message}", flush=True)
        if result.reason is FinishReason.COMPLETED and result.model is not None:
            shutil.copyfile(result.model, target)
        if result.reason is FinishReason.STOPPED:
            break


if __name__ == "__main__":
    main()
