"""Keys that work in the canvas while images are compared, and only then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.components import ViewerModel


class Keys:
    """Binds keys of a viewer, and gives them back as they were.

    Parameters
    ----------
    viewer : napari.Viewer
    actions : mapping of str to callable
        By key, as napari names them.
    """

    def __init__(self, viewer: ViewerModel, actions: Mapping[str, Callable[[], None]]) -> None:
        self._viewer = viewer
        self._actions = dict(actions)
        self._before: dict[str, Any] | None = None

    def bind(self) -> None:
        """Bind the keys."""
        if self._before is not None:
            return
        self._before = {}
        for key, action in self._actions.items():
            self._before[key] = self._viewer.bind_key(key, None)
            self._viewer.bind_key(key, _calling(action), overwrite=True)

    def release(self) -> None:
        """Give the keys back."""
        before, self._before = self._before, None
        for key, former in (before or {}).items():
            self._viewer.bind_key(key, former, overwrite=True)


def _calling(action: Callable[[], None]) -> Callable[[Any], None]:
    def call(_viewer: Any) -> None:
        action()

    return call
