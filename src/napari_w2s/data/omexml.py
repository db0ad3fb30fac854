"""What OME-XML says of images: physical size, channels, and this package's own note."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from napari_w2s.data.units import canonical_unit

log = logging.getLogger(__name__)

NAMESPACE = "napari-w2s"
"""Namespace of the MapAnnotation that this package writes."""
NOTE_KEY = "image"


@dataclass(frozen=True)
class OmeImage:
    """One ``Image`` element.

    Attributes
    ----------
    name : str
    steps : dict
        ``(size, unit)`` per upper-case axis letter, for those that are stated; units are ``"um"`` or ``"s"``.
    channels : tuple of str
        Channel names; empty where one has none.
    excitation_nm : tuple of float or None
        One per channel.
    note : mapping or None
        What this package wrote of the image.
    """

    name: str = ""
    steps: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    excitation_nm: tuple[float | None, ...] = ()
    note: Mapping[str, Any] | None = None


def parse_ome(xml: str) -> tuple[OmeImage, ...]:
    """Read the ``Image`` elements of an OME-XML text; none if it is not well-formed."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as exc:
        log.warning("The OME metadata is damaged and left aside: %s", exc)
        return ()
    notes = {
        element.get("ID", ""): _note(element)
        for element in root.iter()
        if _tag(element) == "MapAnnotation" and element.get("Namespace") == NAMESPACE
    }
    return tuple(_image(element, notes) for element in root if _tag(element) == "Image")


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _note(element: ElementTree.Element) -> Mapping[str, Any] | None:
    for item in element.iter():
        if _tag(item) == "M" and item.get("K") == NOTE_KEY:
            try:
                note = json.loads(item.text or "")
            except json.JSONDecodeError as exc:
                log.warning("The note of %s in this file is damaged and left aside: %s", NAMESPACE, exc)
                return None
            return note if isinstance(note, dict) else None
    return None


def _image(element: ElementTree.Element, notes: Mapping[str, Mapping[str, Any] | None]) -> OmeImage:
    steps: dict[str, tuple[float, str]] = {}
    channels: list[str] = []
    excitation: list[float | None] = []
    note = None
    for item in element.iter():
        tag = _tag(item)
        if tag == "Pixels":
            for axis in "XYZ":
                step = _length(item, f"PhysicalSize{axis}", "µm", "um")
                if step:
                    steps[axis] = (step, "um")
            step = _length(item, "TimeIncrement", "s", "s")
            if step:
                steps["T"] = (step, "s")
        elif tag == "Channel":
            channels.append(item.get("Name", ""))
            wavelength = _length(item, "ExcitationWavelength", "nm", "um")
            excitation.append(round(wavelength * 1000, 3) if wavelength else None)
        elif tag == "AnnotationRef":
            note = note or notes.get(item.get("ID", ""))
    return OmeImage(element.get("Name", ""), steps, tuple(channels), tuple(excitation), note)


def _length(element: ElementTree.Element, attribute: str, default_unit: str, wanted: str) -> float | None:
    """Return a positive quantity in the wanted unit; None if it is absent or in a unit of another kind."""
    text = element.get(attribute)
    if text is None:
        return None
    unit, factor = canonical_unit(element.get(f"{attribute}Unit", default_unit))
    try:
        value = float(text) * factor
    except ValueError:
        log.warning("%s=%r in the OME metadata is no number and left aside.", attribute, text)
        return None
    return value if unit == wanted and 0 < value < float("inf") else None


def to_json(value: object) -> str:
    """Return a note as JSON text, in ASCII; what JSON does not know is written as a string or a list."""
    return json.dumps(value, default=_plain)


def _plain(value: Any) -> object:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset | range):
        return list(value)
    return str(value)
