"""Losses by name."""

from __future__ import annotations

from napari_w2s.training.losses.base import LOSSES, make_loss

__all__ = ["LOSSES", "make_loss"]
