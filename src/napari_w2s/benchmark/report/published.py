"""The authors' table of pipelines, with what was measured here beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from napari_w2s.benchmark.published import DENOISERS, NETWORKS, PROTOCOL, SOURCE, Published, published_table
from napari_w2s.benchmark.report.tables import Block, Cell, Line, Table
from napari_w2s.benchmark.report.words import NOTHING, value
from napari_w2s.benchmark.summary import Summary

LIGHT = "-light"
"""Ends the name of the small variant of a network."""

_METRICS = ("psnr", "ssim")

Ours = tuple[float | None, float | None]


def published_tables(summaries: Sequence[Summary], levels: Sequence[str]) -> list[Table]:
    """Return the authors' table with differences, and the light networks beside it where some were measured.

    Parameters
    ----------
    summaries : sequence of Summary
        Of super-resolution, by the authors' protocol.
    levels : sequence of str
    """
    own = {(one.level, one.chain, one.metric): one.mean for one in summaries}

    def measured(level: str, chain: tuple[str, str]) -> Ours:
        psnr, ssim = (own.get((level, chain, metric)) for metric in _METRICS)
        return psnr, ssim

    return [*_published(levels, measured), *_light(levels, measured)]


def _published(levels: Sequence[str], measured: Callable[[str, tuple[str, str]], Ours]) -> list[Table]:
    blocks = _blocks(levels, lambda level, chain, theirs: _beside(theirs, measured(level, chain)), empty=True)
    caption = (
        f"{SOURCE}; protocol {PROTOCOL}. In brackets: ours less theirs, on other images unless these are the test set, "
        "and with other weights unless they are the authors'."
    )
    return _table("Published: PSNR in dB / SSIM", caption, blocks)


def _light(levels: Sequence[str], measured: Callable[[str, tuple[str, str]], Ours]) -> list[Table]:
    def cell(level: str, chain: tuple[str, str], theirs: Published) -> str:
        psnr, ssim = measured(level, (chain[0], f"{chain[1]}{LIGHT}"))
        if psnr is None or ssim is None:
            return NOTHING
        return f"{value(psnr, 'psnr')} / {value(ssim, 'ssim')} ({psnr - theirs.psnr:+.2f} / {ssim - theirs.ssim:+.2f})"

    caption = (
        "In each cell ours, with the light variant of the network, and in brackets ours less the published figure of "
        "the full one. Other sizes, other training and, unless these are the test set, other images: no reproduction. "
        f"Protocol {PROTOCOL}."
    )
    blocks = _blocks(levels, cell, empty=False)
    return _table("Light networks beside the published full ones: PSNR in dB / SSIM", caption, blocks)


def _blocks(
    levels: Sequence[str], cell: Callable[[str, tuple[str, str], Published], str], *, empty: bool
) -> list[Block]:
    """Return a block per level that has something to show; lines with nothing too if `empty`."""
    table, blocks = published_table(), []
    for level in levels:
        lines = []
        for name, title in DENOISERS.items():
            texts = []
            for network, network_title in NETWORKS.items():
                theirs = table.get((level, title, network_title))
                chain = (name.replace("{level}", level), network)
                texts.append(NOTHING if theirs is None else cell(level, chain, theirs))
            if empty or any(text != NOTHING for text in texts):
                lines.append(Line(title, tuple(map(Cell, texts))))
        if any(one.text != NOTHING for line in lines for one in line.cells):
            blocks.append(Block(level, tuple(lines)))
    return blocks


def _beside(theirs: Published, ours: Ours) -> str:
    text = f"{theirs.psnr:.2f} / {theirs.ssim:.2f}"
    pairs = zip(ours, (theirs.psnr, theirs.ssim), strict=True)
    differences = [f"{own - published:+.2f}" for own, published in pairs if own is not None]
    return f"{text} ({' / '.join(differences)})" if differences else text


def _table(title: str, caption: str, blocks: Sequence[Block]) -> list[Table]:
    if not blocks:
        return []
    heads = tuple(NETWORKS.values())
    return [Table(title=title, caption=caption, corner="denoiser", heads=heads, blocks=tuple(blocks))]
