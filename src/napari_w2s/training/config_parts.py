"""The parts of a training config: frozen, serialisable records."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


def _as_text(value: Any) -> Any:
    """Take a number for its digits: YAML reads ``fovs: 41`` as one."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Frozen(BaseModel):
    """Entries that do not change once they are read, and none that are unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Network(Frozen):
    """The network to train: made anew, or a registered model to go on from.

    Attributes
    ----------
    architecture : str
        A name in `napari_w2s.models.architectures`.
    options : dict
        Keyword arguments of the architecture's ``create``.
    start_from : str or None
        Name of a registered model, or path of a weights file, whose weights and size are taken over.
    """

    architecture: str = "unet"
    options: dict[str, Any] = {}
    start_from: str | None = None


class Source(Frozen):
    """Images to learn from.

    Attributes
    ----------
    kind : {"w2s", "folders", "patches", "burst", "images"}
        ``w2s``: a root of the benchmark, of any release. ``folders``: images of one name are a pair. ``patches``: HDF5
        files whose rows pair. ``burst``: frames of one field, split into halves. ``images``: noisy images alone.
    paths : dict of str to list of str
        Files and folders by role: ``root`` for W2S; ``noisy`` and ``denoised`` or ``sim`` for folders and patches;
        ``noisy`` for the others. ``$W2S_ROOT`` and ``~`` are expanded.
    fovs : str
        For W2S: fields of view to take, e.g. ``"1-46"`` or ``"1-40,57"``.
    channels : tuple of int
        For W2S: channels to take.
    axis : int
        For a burst: the axis of its frames.
    """

    kind: Literal["w2s", "folders", "patches", "burst", "images"] = "w2s"
    paths: dict[str, tuple[str, ...]] = {"root": ("$W2S_ROOT",)}
    fovs: Annotated[str, BeforeValidator(_as_text)] = "1-46"
    channels: tuple[int, ...] = (0, 1, 2)
    axis: int = 0


class Augmentation(Frozen):
    """Random changes of a patch.

    Attributes
    ----------
    flips : bool
        Flip and turn by right angles.
    scale, offset : float
        Standard deviation of the logarithm of a random factor, and of a random offset in standard deviations of the
        frame, that the intensities of input and target share.
    own_statistics : float
        Share of patches that are standardised by their own mean and standard deviation instead of their frame's, so
        that the network meets fields with nothing in them. For ``standard`` normalisation only.
    empty : float
        Share of patches that are made up of noise alone, from a few photons a pixel to many, with an even target: a
        network that never meets such ones finds structure in them.
    renoise : float
        Share of patches whose noisy image is drawn anew, every time differently: the clean image with noise as strong
        as the noisy one has at each intensity. Without it, a network that trains for long learns the noise of its few
        images by heart. For images with a clean one only; avg400 itself stays as it is.
    camera : {"scmos", "emccd"}
        How that noise is spread: as photons are, or as an electron-multiplying camera's is (W2S is of such a one),
        which has as large a variance but is more lopsided.
    turn : float
        Share of these patches that are also turned by any angle: more views of few fields. Noise is drawn after the
        turn, so that interpolation does not smooth it.
    zoom : float
        Standard deviation of the logarithm of the random factor by which turned patches are magnified. The point
        spread function is magnified with them.
    """

    flips: bool = True
    scale: Weight = 0.1
    offset: Weight = 0.1
    own_statistics: Annotated[float, Field(ge=0, le=1)] = 0.0
    empty: Annotated[float, Field(ge=0, le=1)] = 0.0
    renoise: Annotated[float, Field(ge=0, le=1)] = 0.0
    camera: Literal["scmos", "emccd"] = "scmos"
    turn: Annotated[float, Field(ge=0, le=1)] = 0.0
    zoom: Annotated[float, Field(ge=0, le=0.25)] = 0.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.turn and not self.renoise:
            raise ValueError("augmentation.turn turns patches whose noise is drawn anew: set augmentation.renoise too")
        if self.zoom and not self.turn:
            raise ValueError("augmentation.zoom magnifies turned patches: set augmentation.turn too")
        return self


class Loss(Frozen):
    """One term of the loss.

    Attributes
    ----------
    name : str
        A name in `napari_w2s.training.losses`.
    weight : float
    matched : bool
        Fit the prediction's brightness to the target's first, per patch by least squares.
    options : dict
        Keyword arguments of the loss.
    """

    name: str
    weight: Weight = 1.0
    matched: bool = False
    options: dict[str, Any] = {}


class Schedule(Frozen):
    """How the learning rate runs over the steps.

    Attributes
    ----------
    kind : {"constant", "one-cycle", "steps"}
        ``constant``: a linear rise over `warmup` steps, then level, then over the last `decay` steps down
        to zero as 1 minus a square root. ``one-cycle``: up over `warmup` steps and down along a cosine.
        ``steps``: times `factor` at each share of the steps in `milestones`.
    warmup, decay : float
        Numbers of steps; below 1, shares of the steps.
    milestones : tuple of float
    factor : float
    """

    kind: Literal["constant", "one-cycle", "steps"] = "constant"
    warmup: Weight = 0.02
    decay: Weight = 0.25
    milestones: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    factor: Positive = 0.5


class Brightness(Frozen):
    """What SIM images are brought to, where their own brightness says nothing.

    A SIM image of the 8-bit release is scaled by itself, so its brightness does not follow from the widefield image.
    With this, every SIM image that is learned from has the same mean and standard deviation, those that such images
    have on average, and the network need not guess.

    Attributes
    ----------
    mean, std : float
        Of every SIM image, in units of the intensity range.
    slope : float
        How much brighter the SIM image is, on average, where the clean widefield image is by one standard deviation.
    """

    mean: float
    std: Positive
    slope: Positive


class Optimizer(Frozen):
    """AdamW (or Adam, with no decay) and what belongs to it."""

    name: Literal["adam", "adamw"] = "adamw"
    learning_rate: Positive = 4e-4
    weight_decay: Weight = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    gradient_clip: Positive | None = 1.0


class Adversarial(Frozen):
    """A second network that learns to tell the answers from the targets, and which the network learns to deceive.

    Attributes
    ----------
    weight : float
        Of the adversarial term in the network's loss.
    kind : {"relativistic", "standard"}
        See `napari_w2s.training.adversarial`.
    learning_rate : float
        Of the discriminator.
    start_after : int
        Steps without it at the beginning.
    width : int
        Features of the discriminator's first stage.
    output : {"sim", "denoised"}
        The output that is judged.
    """

    weight: Positive = 0.005
    kind: Literal["relativistic", "standard"] = "relativistic"
    learning_rate: Positive = 1e-4
    start_after: Annotated[int, Field(ge=0)] = 0
    width: Count = 64
    output: Literal["sim", "denoised"] = "sim"
