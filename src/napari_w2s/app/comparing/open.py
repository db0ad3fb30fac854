"""From paths and images to a comparison."""

from __future__ import annotations

import os
from pathlib import Path

from napari_w2s._types import InputError, Level
from napari_w2s.app.comparing.comparison import Comparison, Tile
from napari_w2s.data.image import Image

Given = str | os.PathLike[str] | Image
"""An image, its file, or (as one of several) a saved comparison."""

_LEVELS = tuple(Level)


class Opening:
    """Opens images one by one and makes a comparison of them.

    Parameters
    ----------
    channel : int or None
        Which image of files that hold several.
    what : str
        What images are called in their keys.

    Attributes
    ----------
    problems : tuple of str
        What of a saved comparison could not be opened.
    """

    def __init__(self, channel: int | None = None, what: str = "image") -> None:
        self._channel, self._what = channel, what
        self._images: dict[str, Image] = {}
        self._saved: Comparison | None = None
        self.problems: tuple[str, ...] = ()

    def add(self, given: Given) -> None:
        """Open one more.

        Raises
        ------
        InputError
            If it is missing, no file, not to be read, holds several images, or is there already.
        """
        from napari_w2s.app.comparing.file import SUFFIX, reopen

        if self.known(given) is not None:
            name = given.name if isinstance(given, Image) else given
            raise InputError(f"{name} stands twice in the comparison. Give it once.")
        if isinstance(given, Image):
            self._images[f"{self._what} {len(self._images) + 1}"] = given
            return
        path = Path(given).expanduser()
        if path.suffix.lower() != SUFFIX:
            self._images[str(path.resolve())] = _open(path, self._channel)
            return
        if self._saved is not None:
            raise InputError(f"{path} is a second saved comparison. Give one only.")
        reopened = reopen(path)
        self._saved, self.problems = reopened.comparison, reopened.problems

    def key_of(self, given: Given) -> str:
        """Return the key of one of the images; one that is not among them is added.

        Raises
        ------
        InputError
            As `add`.
        """
        key = self.known(given)
        if key is not None:
            return key
        before = set(self._images)
        self.add(given)
        added = set(self._images) - before
        if not added:
            raise InputError(f"{given} is a saved comparison, which can be no reference. Give an image.")
        return added.pop()

    def tiles(self) -> tuple[Tile, ...]:
        """Return what was opened, as it is.

        Raises
        ------
        InputError
            If that is a saved comparison.
        """
        from napari_w2s.app.comparing.select import title_of

        if self._saved is not None:
            raise InputError("A saved comparison can be no averaging level. Give images.")
        return tuple(Tile(key=key, image=image, title=title_of(image)) for key, image in self._images.items())

    def comparison(self, reference: str | None = None) -> Comparison:
        """Return what was opened, side by side; averaging levels of the benchmark come first, in their order.

        Raises
        ------
        InputError
            If nothing was.
        """
        from napari_w2s.app.comparing.select import gather

        if self._saved is None:
            if not self._images:
                raise InputError("There is nothing to compare: no image was given.")
            made = gather(self._images, reference)
            return made.replace(tiles=_ordered(made.tiles))
        made = self._saved
        if self._images:
            more = gather(self._images)
            made = made.replace(tiles=(*made.tiles, *more.tiles), averages=(*made.averages, *more.averages))
        return made if reference is None else made.replace(reference=reference)

    def known(self, given: Given) -> str | None:
        """Return the key of an image or of a file's image, if it is there already."""
        if isinstance(given, Image):
            return next((key for key, image in self._images.items() if image is given), None)
        key = str(Path(given).expanduser().resolve())
        if key in self._images:
            return key
        saved = () if self._saved is None else self._saved.tiles
        return next((tile.key for tile in saved if _file(tile) == key), None)


def _open(path: Path, channel: int | None) -> Image:
    from napari_w2s.data.stacks import open_images

    if path.is_dir():
        raise InputError(f"{path} is a folder. Give the images in it that are to be compared.")
    images = open_images(path)
    if channel is None and len(images) > 1:
        raise InputError(f"{path} holds {len(images)} images. Choose one: channel 0 to {len(images) - 1}.")
    if channel is not None and not 0 <= channel < len(images) and len(images) > 1:
        raise InputError(f"{path} has the channels 0 to {len(images) - 1}, and no {channel}.")
    return images[channel or 0] if len(images) > 1 else images[0]


def _ordered(tiles: tuple[Tile, ...]) -> tuple[Tile, ...]:
    levels = [tile for tile in tiles if tile.level is not None]
    return (
        *sorted(levels, key=lambda tile: _LEVELS.index(tile.level or Level.SIM)),
        *(t for t in tiles if t.level is None),
    )


def _file(tile: Tile) -> str | None:
    """Return the file that an image was read from; a restoration that is in none tells that of its input."""
    source = tile.image.w2s.get("source")
    return None if source is None or source == tile.restoration.get("source") else str(Path(str(source)).resolve())
