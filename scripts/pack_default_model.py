"""Put a trained network into the package as its default model.

``python scripts/pack_default_model.py RUN/best.safetensors --scores scores.json`` takes the weights of a run of the
recipe ``w2s-unet`` (or its last.ckpt), stores them as float16 with a card that says how they were made and what
``python -m benchmarks.default_model --json scores.json`` measured, and pins their hash in ``models/builtin.py``.
"""

from __future__ import annotations

import argparse
import json
import re
from datetime import UTC, datetime
from pathlib import Path

from napari_w2s.models import builtin
from napari_w2s.models.card import make_card
from napari_w2s.models.checkpoint import load_state_dict, save
from napari_w2s.models.networks import unet
from napari_w2s.training.config import read_recipe
from napari_w2s.training.shipped import find_recipe

PACKAGE = Path(builtin.__file__).parents[1]
SYSTEMS = {"w2s-denoise": "w2s-denoise", "authors' D_N": "dncnn-avgN", "w2s-jdsr": "w2s-jdsr"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--scores", type=Path, help="figures of benchmarks.default_model")
    parser.add_argument("--steps", type=int, help="steps of the run, if they are not the recipe's")
    arguments = parser.parse_args()
    found = load_state_dict(arguments.weights)
    state = {key: value.half() for key, value in unet.build(found.state).state_dict().items()}
    config = read_recipe(find_recipe("w2s-unet"))
    scores = json.loads(arguments.scores.read_text()) if arguments.scores else {}
    card = make_card(
        *builtin.packaged_unet(""),
        date=datetime.now(UTC).date().isoformat(),
        metrics={
            name: {level: {key: round(x, 4) for key, x in values.items()} for level, values in scores[system].items()}
            for system, name in SYSTEMS.items()
            if system in scores
        },
        metrics_note="Means over W2S fields 047-056, three channels, whole images, 8-bit release: denoising against "
        "avg400 (range 255), which the authors' networks (dncnn-avgN) saw in training; SIM with range 1, as published "
        "and matched affinely.",
        training={"config": config.model_dump(mode="json"), "step": arguments.steps or config.steps},
    )
    target = PACKAGE / "models" / "weights" / "w2s-unet.safetensors"
    target.parent.mkdir(exist_ok=True)
    save(target, state, card)
    sha256 = load_state_dict(target).sha256
    source = Path(builtin.__file__)
    text, count = re.subn(r"_UNET_SHA256( *: *[^=]*)? = .*", f'_UNET_SHA256 = "{sha256}"', source.read_text(), count=1)
    if not count:
        raise SystemExit(f"{source} has no _UNET_SHA256 to set; the hash is {sha256}")
    source.write_text(text)
    print(f"{target} ({target.stat().st_size / 2**20:.1f} MiB), SHA-256 {sha256}")


if __name__ == "__main__":
    main()
