"""What identifies a method without weights."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from napari_w2s.benchmark.fingerprint import fingerprint
from napari_w2s.models.builtin import default_registry
from napari_w2s.models.classical.epll import build as build_epll
from napari_w2s.models.classical.nlm import VSTNonLocalMeans


class Thing(nn.Module):
    def __init__(self, **settings: object) -> None:
        super().__init__()
        for name, value in settings.items():
            setattr(self, name, value)


def test_settings_decide() -> None:
    assert fingerprint(VSTNonLocalMeans()) == fingerprint(VSTNonLocalMeans())
    assert fingerprint(VSTNonLocalMeans()) != fingerprint(VSTNonLocalMeans(strength=0.7))
    assert fingerprint(Thing(a=(1.0, 2.0))) != fingerprint(Thing(a=(1.0, 3.0)))
    assert fingerprint(Thing(a={"b": "c"})) != fingerprint(Thing(a={"b": "d"}))
    assert fingerprint(nn.Sequential(Thing(a=1))) != fingerprint(nn.Sequential(Thing(a=2)))


def test_tensors_decide_wherever_they_are() -> None:
    epll = build_epll(None)
    before = fingerprint(epll)
    assert before == fingerprint(build_epll(None))
    epll.prior = replace(epll.prior, weights=epll.prior.weights + 1e-6)
    assert fingerprint(epll) != before
    thing = Thing()
    thing.register_buffer("taps", torch.ones(3))
    empty = fingerprint(thing)
    thing.taps[1] = 2
    assert fingerprint(thing) != empty


def test_what_cannot_be_told_apart_on_every_machine_is_left_out() -> None:
    assert fingerprint(Thing(a=object(), _own=1)) == fingerprint(Thing(a=object(), _own=2))
    assert fingerprint(Thing().train()) == fingerprint(Thing().eval())


def test_versions_of_packages_decide() -> None:
    assert len({fingerprint(Thing(), packages) for packages in ((), ("numpy",), ("no-such-package",))}) == 3


def test_methods_differ() -> None:
    registry = default_registry()
    names = ["vst-nlm", "vst-epll", "pure-let", "vst-tv", "vst-wavelet", "bicubic"]
    assert len({fingerprint(registry.load(name).network) for name in names}) == len(names)
