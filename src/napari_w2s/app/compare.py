"""Compare images of one place with numbers and a figure: the use case behind the command line and scripts."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_w2s._types import InputError, StopFn
from napari_w2s.app.comparing.comparison import Comparison, Contrast
from napari_w2s.app.comparing.open import Given, Opening
from napari_w2s.app.comparing.pixels import PixelBox, PixelPoint, pixel_size, position_of, world_box, world_point
from napari_w2s.data.image import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from napari_w2s.app.comparing.numbers import Numbers


@dataclass(frozen=True, eq=False)
class Compared:
    """Images side by side and what was measured.

    Attributes
    ----------
    comparison : Comparison
    numbers : Numbers
        By tile: ``compared.numbers.tiles[0].psnr``.
    problems : tuple of str
        What of a saved comparison could not be opened, a sentence each.
    """

    comparison: Comparison
    numbers: Numbers
    problems: tuple[str, ...] = ()

    def save_figure(self, path: str | os.PathLike[str], *, enlarge: PixelBox | None = None, **options: Any) -> Path:
        """Draw the comparison and save it as PNG (300 dots per inch), SVG or PDF.

        Parameters
        ----------
        path : path
        enlarge : tuple of int, optional
            (top, left, height, width) of the part that is shown enlarged, in pixels as for `compare`; by default the
            box.
        **options
            For `napari_w2s.app.comparing.figure.draw_comparison`.

        Raises
        ------
        InputError, OutputError
        """
        from napari_w2s.app.comparing.figure import draw_comparison
        from napari_w2s.app.figure_file import check_figure_path, save_figure

        file = check_figure_path(Path(path))
        part = None if enlarge is None else world_box(self.comparison, enlarge)
        return save_figure(draw_comparison(self.comparison, self.numbers, enlarge=part, **options), file)

    def save_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the numbers as CSV, one line per image.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        from napari_w2s.app.comparing.table import save_csv

        return save_csv(self.numbers, Path(path))

    def save(self, path: str | os.PathLike[str]) -> tuple[str, ...]:
        """Write what is compared to a small JSON file, which `compare` and the napari panel open again.

        Returns
        -------
        tuple of str
            Images that are in no file, so that it cannot reopen them; a sentence each.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        from napari_w2s.app.comparing.file import save

        return save(self.comparison, Path(path)).problems

    def save_profile(
        self,
        path: str | os.PathLike[str],
        start: PixelPoint,
        end: PixelPoint,
        *,
        width: float = 0.0,
        normalised: bool = False,
    ) -> Path:
        """Plot the intensities of all images along a line.

        Parameters
        ----------
        path : path
        start, end : tuple of int
            (y, x) of the ends, in pixels as for `compare`.
        width : float
            Of the band that is averaged, in the same pixels; it is as wide in all images. 0 is the line alone.
        normalised : bool
            Bring each curve to the range 0 to 1.

        Raises
        ------
        InputError, OutputError
        """
        from napari_w2s.app.comparing.curves import profiles
        from napari_w2s.app.comparing.plots import draw_profiles

        ends = (world_point(self.comparison, start), world_point(self.comparison, end))
        band = width * pixel_size(self.comparison)
        curves = profiles(self.comparison, *ends, width=band, normalised=normalised)
        return _save_plot(path, lambda: draw_profiles(curves, normalised=normalised))

    def save_spectrum(self, path: str | os.PathLike[str]) -> Path:
        """Plot the radially averaged power of all images, within the box.

        Raises
        ------
        InputError, OutputError
        """
        from napari_w2s.app.comparing.curves import spectra
        from napari_w2s.app.comparing.plots import draw_spectra

        return _save_plot(path, lambda: draw_spectra(spectra(self.comparison)))

    def save_worth(self, path: str | os.PathLike[str]) -> Path:
        """Plot the averaging curve of the place, and what each image is worth.

        Raises
        ------
        InputError
            If there is no curve: it needs avg400 and other averaging levels, or a burst.
        OutputError
        """
        from napari_w2s.app.comparing.plots import draw_worth

        return _save_plot(path, lambda: draw_worth(self.numbers))

    def to_markdown(self) -> str:
        """Return the numbers as a table in Markdown."""
        from napari_w2s.app.comparing.table import table, to_markdown

        return to_markdown(table(self.numbers))


def compare(
    images: Given | Sequence[Given],
    *,
    reference: Given | None = None,
    averages: Sequence[Given] = (),
    box: PixelBox | None = None,
    contrast: Contrast | str | None = None,
    frame: Sequence[int] = (),
    channel: int | None = None,
    data_range: float | None = None,
    threshold: str = "1/7",
    microssim: bool = False,
    stop: StopFn | None = None,
) -> Compared:
    """Put images of one place side by side and measure them.

    Images are laid on one another by pixel size and position, so they may differ in both.

    Parameters
    ----------
    images : path, Image, or sequence of either
        In the order in which they are shown, but that averaging levels of the benchmark come first, from avg1 to SIM. A
        path may be that of a saved comparison (JSON), whose settings then hold where none are given here.
    reference : path or Image, optional
        What the others are measured against, one of `images` or one more. By default the avg400 or else the SIM image
        among them, if there is one; without a reference there are the numbers that need none.
    averages : sequence of path or Image
        Images of the place that are not shown: averaging levels, or a burst of frames. They tell what a restoration is
        worth in frames.
    box : tuple of int, optional
        (top, left, height, width) of the part that is measured, in pixels of the reference, or without one of the first
        image; by default all that the images have in common.
    contrast : Contrast or str, optional
        ``"shared"`` (the default), ``"per tile"`` or ``"matched"``: how the figure shows intensities. Numbers do not
        depend on it.
    frame : sequence of int
        Which frame of stacks: an index for each axis before y and x, or for the last ones of these, such as (t, z); by
        default the first.
    channel : int, optional
        Which image of files that hold several.
    data_range : float, optional
        The greatest possible difference of intensities, for PSNR and SSIM; by default that of 8-bit images, else that
        of the reference.
    threshold : {"1/7", "half-bit"}
        Of the FRC resolution.
    microssim : bool
        Measure MicroSSIM too, which takes about as long as all other numbers.
    stop : callable, optional
        Polled between numbers.

    Returns
    -------
    Compared

    Raises
    ------
    InputError
        If an image is missing or cannot be read, or the images have no area in common, or the box is outside of it.
    Cancelled
        If `stop` returned True.
    """
    from napari_w2s.app.comparing.numbers import METRICS, OPTIONAL, measure
    from napari_w2s.app.comparing.planes import planes

    given = [images] if isinstance(images, str | os.PathLike | Image) else list(images)
    opening = Opening(channel)
    for one in given:
        opening.add(one)
    comparison = opening.comparison(None if reference is None else opening.key_of(reference))
    if averages:
        hidden = Opening(channel, "average")
        for one in averages:
            if opening.known(one) is None:
                hidden.add(one)
        comparison = comparison.replace(averages=(*comparison.averages, *hidden.tiles()))
    if contrast is not None:
        comparison = comparison.replace(contrast=_contrast(contrast))
    if data_range is not None:
        comparison = comparison.replace(data_range=float(data_range))
    if frame:
        comparison = comparison.replace(position=position_of(comparison, frame))
    if box is not None:
        comparison = comparison.replace(box=world_box(comparison, box))
    planes(comparison)
    numbers = measure(comparison, threshold=threshold, only=(*METRICS, *OPTIONAL) if microssim else METRICS, stop=stop)
    return Compared(comparison, numbers, opening.problems)


def _save_plot(path: str | os.PathLike[str], draw: Callable[[], Figure]) -> Path:
    from napari_w2s.app.figure_file import check_figure_path, save_figure

    file = check_figure_path(Path(path))
    return save_figure(draw(), file)


def _contrast(name: Contrast | str) -> Contrast:
    if name not in set(Contrast):
        raise InputError(f"There is no contrast {str(name)!r}. Choose one of: {', '.join(Contrast)}.")
    return Contrast(name)
