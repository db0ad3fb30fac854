"""Put a trained network into the package as its default model.

``python scripts/pack_default_model.py RUN/best.safetensors W2S_ROOT --scores scores.json`` takes the weights of a run
of the recipe ``w2s-unet-match``, or a mean of such weights, stores them as float16 with a card that says how they were
made and what ``python -m benchmarks.default_model --json scores.json`` measured, and pins their hash in
``models/builtin.py``. The recipes say in their comments which goes on from which.

There it also puts how bright a finished SIM-like frame is made. The SIM images of the 8-bit release are each scaled to
their own maximum, so their gain and mean go with a power of the extent of what is restored; the powers are fitted on
the fields that the network learned from.
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from imageio.v3 import imread
from torch import nn

from napari_w2s.engine.predict import predict
from napari_w2s.models import builtin
from napari_w2s.models.card import make_card
from napari_w2s.models.checkpoint import load_state_dict, save
from napari_w2s.models.descriptor import RestorationModel, Stretch
from napari_w2s.models.networks import unet
from napari_w2s.training.config import read_recipe
from napari_w2s.training.shipped import find_recipe

PACKAGE = Path(builtin.__file__).parents[1]
LEARNED = range(1, 47)
LEVEL = "avg4"
RECIPES = ("w2s-unet", "w2s-unet-finish", "w2s-unet-redraw", "w2s-unet-match")
NOTE = (
    "Weights were averaged twice: those of w2s-unet-finish and w2s-unet-redraw before w2s-unet-match, and in the end "
    "those that w2s-unet-match went on from with those of two runs of it. The comments of the recipes tell more."
)
SYSTEMS = {"w2s-denoise": "w2s-denoise", "authors' D_N": "dncnn-avgN", "w2s-jdsr": "w2s-jdsr"}


def fit_stretch(network: nn.Module, root: Path) -> Stretch:
    """Find how the brightness of SIM images goes with the extent of what a network makes of widefield images."""
    (model,) = (d for d in builtin.packaged_unet("") if d.output == "sim")
    loaded = RestorationModel(replace(model, stretch=None), network)
    extents, gains, means = [], [], []
    for path in sorted((root / "data" / "train" / "sim").glob("*.png")):
        if int(path.name[:3]) not in LEARNED:
            continue
        sim = imread(path).astype(np.float64) / 255
        noisy = imread(root / "data" / "train" / LEVEL / path.name)
        made = predict(loaded, noisy, precision="bfloat16").astype(np.float64) / 255
        extents.append(np.ptp(made))
        gains.append(((made - made.mean()) * (sim - sim.mean())).mean() / made.var())
        means.append(sim.mean())
    by_gain, by_mean = (np.polyfit(np.log(extents), np.log(values), 1) for values in (gains, means))
    figures = {
        "gain": np.exp(by_gain[1]),
        "gain_power": by_gain[0],
        "level": np.exp(by_mean[1]),
        "level_power": by_mean[0],
        "least": min(extents),
        "most": max(extents),
    }
    return Stretch(**{name: round(float(value), 4) for name, value in figures.items()})


def figures_of(scores: dict[str, object]) -> dict[str, float]:
    """Return the numbers among the scores of a level."""
    return {key: round(value, 4) for key, value in scores.items() if isinstance(value, float)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("root", type=Path, help="folder with data/train")
    parser.add_argument("--scores", type=Path, help="figures of benchmarks.default_model")
    parser.add_argument("--keep-stretch", action="store_true", help="the weights are packaged already: renew the card")
    arguments = parser.parse_args()
    found = load_state_dict(arguments.weights)
    state = {key: value.half() for key, value in unet.build(found.state).state_dict().items()}
    configs = [read_recipe(find_recipe(name)) for name in RECIPES]
    denoise, fine = builtin.packaged_unet("")
    stretch = fine.stretch if arguments.keep_stretch else fit_stretch(unet.build(state, output="sim"), arguments.root)
    fine = replace(fine, stretch=stretch)
    scores = json.loads(arguments.scores.read_text()) if arguments.scores else {}
    card = make_card(
        denoise,
        fine,
        date=datetime.now(UTC).date().isoformat(),
        metrics={
            name: {level: figures_of(values) for level, values in scores[system].items()}
            for system, name in SYSTEMS.items()
            if system in scores
        },
        metrics_note="Means over W2S fields 047-056, three channels, whole images, 8-bit release: denoising against "
        "avg400 (range 255), which the authors' networks (dncnn-avgN) saw in training; SIM with range 1, as published "
        "and matched affinely.",
        training={
            "config": configs[-1].model_dump(mode="json"),
            "step": configs[-1].steps,
            "note": NOTE,
            "before": [{"config": one.model_dump(mode="json"), "step": one.steps} for one in configs[:-1]],
        },
    )
    target = PACKAGE / "models" / "weights" / "w2s-unet.safetensors"
    target.parent.mkdir(exist_ok=True)
    save(target, state, card)
    sha256 = load_state_dict(target).sha256
    source = Path(builtin.__file__)
    text = source.read_text()
    for entry, value in (("_UNET_SHA256", f'"{sha256}"'), ("_UNET_STRETCH", repr(stretch))):
        text, count = re.subn(rf"^{entry}\b.*", f"{entry} = {value}", text, count=1, flags=re.MULTILINE)
        if not count:
            raise SystemExit(f"{source} has no {entry} to set to {value}")
    source.write_text(text)
    print(f"{target} ({target.stat().st_size / 2**20:.1f} MiB), SHA-256 {sha256}")


if __name__ == "__main__":
    main()
