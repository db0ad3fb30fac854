"""Where the panels' settings outlive a session: napari's own store for what a plugin's manifest declares."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

logger = logging.getLogger(__name__)

PLUGIN = "napari-w2s"


class Store(Protocol):
    """Something that keeps plain values by name."""

    def load(self) -> dict[str, Any]:
        """Return all that is kept."""

    def save(self, values: Mapping[str, Any]) -> None:
        """Keep values; those of other names stay."""


class PluginStore:
    """One category of the manifest's ``configurations``, shown in napari's preferences and saved beside its settings.

    Without napari >= 0.9, which brought them, or if this plugin is not registered with it, settings last for the
    session only.

    Parameters
    ----------
    category : str
        Key of the category in the manifest.
    """

    def __init__(self, category: str) -> None:
        self._category = category
        self._fallback: dict[str, Any] = {}

    def load(self) -> dict[str, Any]:
        """Return all values of the category."""
        group = self._group()
        return dict(self._fallback) if group is None else dict(group.model_dump())

    def save(self, values: Mapping[str, Any]) -> None:
        """Keep those values that differ; napari writes its file after each."""
        group = self._group()
        if group is None:
            self._fallback.update(values)
            return
        for name, value in values.items():
            if getattr(group, name) != value:
                setattr(group, name, value)

    def _group(self) -> Any:
        try:
            from napari.settings import get_plugin_settings
        except ImportError:
            logger.info("this napari keeps no settings of plugins; they last for the session only")
            return None
        try:
            return getattr(get_plugin_settings(PLUGIN), self._category)
        except KeyError:
            logger.info("%s is not registered with napari; settings last for the session only", PLUGIN)
            return None
