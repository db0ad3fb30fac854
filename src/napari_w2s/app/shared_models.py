"""The models in use, and word of new ones: what all panels of a session share. No Qt, no napari."""

from __future__ import annotations

from collections.abc import Iterable

from psygnal import Signal

from napari_w2s.models.descriptor import ModelDescriptor
from napari_w2s.models.registry import Registry


class SharedModels:
    """A registry that tells when it grows.

    Parameters
    ----------
    registry : Registry

    Attributes
    ----------
    registry : Registry
    changed
        Signal: there are more models than before.
    wanted
        Signal with the name of a model that the user wants to use now.
    """

    changed = Signal()
    wanted = Signal(str)

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def add(self, descriptors: Iterable[ModelDescriptor]) -> None:
        """Add models, all of them or, if one cannot be added, none.

        Raises
        ------
        InputError
            If there is a model of one of the names.
        """
        self.registry.register_all(descriptors)
        self.changed.emit()

    def add_new(self, descriptors: Iterable[ModelDescriptor]) -> None:
        """Add those models whose names are not known yet."""
        new = [d for d in descriptors if d.name not in self.registry]
        if new:
            self.add(new)

    def use(self, name: str) -> None:
        """Tell the panels to take this model.

        Raises
        ------
        InputError
            If there is none of that name.
        """
        self.wanted.emit(self.registry.descriptor(name).name)
