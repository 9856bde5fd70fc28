"""Every knob of a run, once: name, default, range, unit and help.

Command-line options, recipe files and the record in a saved picture are generated from the fields
of `Settings`. Settings are frozen; derive others with `Settings.of(recipe, **overrides)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from impasto.errors import SettingsError
from impasto.settings.recipes import recipe

__all__ = ["DEFAULT_RECIPE", "Settings", "choices", "spread"]

DEFAULT_RECIPE = "standard"


def _layers(value: object) -> object:
    """`relu4_2,relu3_1=0.5` or a list of names -> {name: weight}; a weight left out is 1."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, (list, tuple)):
        return value
    pairs = [str(item).partition("=") for item in value]
    return {name.strip(): weight if equals else 1.0 for name, equals, weight in pairs}


def _several(value: object) -> object:
    """`0.5,1` -> its numbers as a tuple; anything but text as it is."""
    return tuple(value.split(",")) if isinstance(value, str) else value


def _auto_or_several(value: object) -> object:
    """`auto` -> itself; else as `_several`."""
    return value if value == "auto" else _several(value)


def _listed(value: object) -> object:
    """One name as a tuple of it."""
    return (value,) if isinstance(value, str) else value


def _one_or_several(value: object) -> object:
    """`900x600` or `500,300` -> its numbers as a tuple; a number alone as it is."""
    text = value.replace("x", ",") if isinstance(value, str) else ""
    return _several(text) if "," in text else value


Side = Annotated[int, Field(ge=1, le=1_000_000)]
Longest = Annotated[int, Field(ge=0, le=1_000_000)]
Size = Annotated[Longest | tuple[Side, Side], BeforeValidator(_one_or_several)]
Count = Annotated[int, Field(ge=0, le=10_000_000)]
Counts = Annotated[Count | tuple[Count, ...], BeforeValidator(_one_or_several)]
Part = Annotated[float, Field(gt=0, le=1)]
Scales = Annotated[Literal["auto"] | tuple[Part, ...], BeforeValidator(_auto_or_several)]
Tile = Literal["auto", "off"] | Annotated[int, Field(ge=1, le=1_000_000)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Layers = Annotated[dict[str, Annotated[float, Field(ge=0)]], BeforeValidator(_layers)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Weights = Annotated[tuple[Weight, ...], BeforeValidator(_several)]
Factor = Annotated[float, Field(gt=0, le=16)]
Factors = Annotated[Factor | tuple[Factor, ...], BeforeValidator(_one_or_several)]
Masks = Annotated[tuple[str, ...], BeforeValidator(_listed)]


def _knob(group: str, text: str, **constraints: Any) -> Any:  # noqa: ANN401 (pydantic's own types)
    return Field(description=text, json_schema_extra={"group": group}, **constraints)


class Settings(BaseModel):
    """The settings of one run. The defaults are those of the recipe files' common ground."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    recipe: str = _knob(
        "Picture", "named settings to start from; see `impasto recipes`", default=""
    )
    size: Size = _knob(
        "Picture",
        "the result's longest side in pixels, or WxH; 0 keeps the photograph's",
        default=512,
    )
    fit: Literal["crop", "stretch"] = _knob(
        "Picture", "how a picture of another shape comes to WxH", default="crop"
    )
    style_fit: Literal["longest", "native", "width", "same"] = _knob(
        "Picture",
        "style image's size: the result's longest side, that but never enlarged, its width, or "
        "both its sides (see --fit)",
        default="longest",
    )
    style_scale: Factors = _knob(
        "Picture", "multiplies the style image's size, X or X,X,… per style", default=1.0
    )
    scales: Scales = _knob(
        "Picture",
        "parts of the size to paint one after the other, each from the last, X,…,1; auto is from "
        "--smallest up by --scale-factor",
        default=(1.0,),
    )
    smallest: Side = _knob(
        "Picture", "--scales auto: least longest side to paint at, in pixels", default=256
    )
    scale_factor: float = _knob(
        "Picture", "--scales auto: from one scale to the next", default=2**0.5, gt=1.01, le=16
    )
    detail: float = _knob(
        "Picture",
        "how much of the photograph's fine detail an enlarged canvas takes up, 0 to 1",
        default=0.0,
        ge=0,
        le=1,
    )
    init: str = _knob(
        "Picture",
        "first canvas: content, recoloured (in the style's colours), noise, style, or a file",
        default="content",
    )
    noise: Literal["normal", "uniform"] = _knob(
        "Picture", "distribution of --init noise around mid-grey", default="normal"
    )
    noise_scale: float = _knob(
        "Picture",
        "standard deviation (normal) or half-width (uniform) of that noise, in the space's units",
        default=0.001,
        ge=0,
    )
    space: Literal["caffe", "caffe-rgb", "imagenet", "srgb"] = _knob(
        "Picture",
        "what is optimised: BGR or RGB 0-255 minus the mean, normalised RGB, or sRGB 0-1",
        default="caffe",
    )
    clip: Literal["none", "gamut"] | float = _knob(
        "Picture",
        "keep the canvas in bounds: none, gamut (what a screen can show), or ±X in its space",
        default="none",
    )
    style_weights: Weights = _knob(
        "Styles", "how much of each style, X,X,…; left out, of all alike", default=()
    )
    style_blend: Literal["statistics", "losses"] = _knob(
        "Styles",
        "several styles in one region: what is measured of them as one mixture, or each by itself",
        default="statistics",
    )
    content_mask: Masks = _knob(
        "Styles",
        "where a style goes: a picture, white where it does, once for each region; or one map, a "
        "region a colour",
        default=(),
    )
    style_mask: Masks = _knob(
        "Styles", "where in the painting it is taken from, once for each region or map", default=()
    )
    keep: str = _knob(
        "Styles", "a picture, white where the photograph is to stay as it is", default=""
    )
    strength: float = _knob(
        "Styles",
        "from the photograph's own style, 0, to the painting's, 1",
        default=1.0,
        ge=0,
        le=1,
    )
    colour: Literal["style", "keep", "match"] = _knob(
        "Colour",
        "the painting's; keep the photograph's; or match the painting to those before it is used",
        default="style",
    )
    colour_method: Literal["auto", "afterwards", "luminance", "linear", "histogram"] = _knob(
        "Colour",
        "keep: afterwards, or paint luminance alone; match: linear (mean and covariance) or "
        "histogram; auto is the first",
        default="auto",
    )
    colour_strength: float = _knob(
        "Colour", "how far colours are kept or matched", default=1.0, ge=0, le=1
    )
    finish: Literal["none", "relief", "grain"] = _knob(
        "Finish", "a last touch: thick paint lit from the upper left, or grain", default="none"
    )
    finish_strength: float = _knob("Finish", "how much of that", default=0.5, ge=0, le=1)
    tones: Literal["clip", "stretch"] = _knob(
        "Picture",
        "what a picture shows of its canvas: what is visible, or least to greatest value stretched",
        default="clip",
    )
    seed: int = _knob("Picture", "seed of the noise", default=0, ge=0, le=2**63 - 1)

    content_weight: Weight = _knob("Objective", "weight of the content term", default=5.0)
    style_weight: Weight = _knob("Objective", "weight of the style term", default=100.0)
    tv_weight: Weight = _knob("Objective", "weight of the total variation", default=0.001)
    content_layers: Layers = _knob(
        "Objective",
        "layers compared with the photograph, LAYER[=WEIGHT],…",
        default={"relu4_2": 1.0},
    )
    style_layers: Layers = _knob(
        "Objective",
        "layers compared with the style, LAYER[=WEIGHT],…",
        default={f"relu{block}_1": 1.0 for block in range(1, 6)},
    )
    weighting: Literal["absolute", "relative"] = _knob(
        "Objective",
        "distances at each layer as they are, or in parts of what a picture without features has, "
        "so that weights mean the same for every picture, layer and style loss",
        default="absolute",
    )
    content_normalisation: Literal["mean", "half-mean", "half-sum"] = _knob(
        "Objective", "of Σ(F-P)²: mean, ½ mean or ½ sum", default="mean"
    )
    style_loss: str = _knob(
        "Objective",
        "what two layers are compared by: gram, moments, wasserstein, sliced-wasserstein, "
        "nearest-neighbour, or one registered",
        default="gram",
    )
    style_normalisation: Literal["positions", "elements", "none", "gatys"] = _knob(
        "Objective",
        "of Grams: over positions, positions x channels, none, or Gatys' 1/(4C²M²)",
        default="elements",
    )
    tv_normalisation: Literal["l1-sum", "l1-mean", "l2-mean", "l2-swapped", "l2-diagonal"] = _knob(
        "Objective",
        "of the total variation: absolute or squared, summed or averaged, or of diagonals too",
        default="l1-sum",
    )

    encoder: str = _knob(
        "Network",
        "which network measures: a name (see `impasto weights list`) or a weight file",
        default="vgg19",
    )
    pooling: Literal["max", "avg", "l2"] = _knob("Network", "how it pools", default="max")
    padding: Literal["zero", "replicate"] = _knob(
        "Network", "its first layer's border: mean colour or edge colour", default="zero"
    )
    precision: Literal["auto", "bf16", "fast32", "fp32", "fp64"] = _knob(
        "Network",
        "arithmetic; fp32 is other programs' to the last digit, fast32 is not; auto is bf16 where "
        "the hardware multiplies it, else fast32",
        default="auto",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = _knob(
        "Network", "where it runs; auto is the fastest there is", default="auto"
    )
    threads: int = _knob("Network", "CPU threads; 0 is one per core", default=0, ge=0, le=1024)
    tile: Tile = _knob(
        "Network",
        "longest side of the windows that are looked at one by one, in pixels; off is all at once, "
        "auto is what fits --memory. The result is the same",
        default="auto",
    )
    memory: ByteSize = _knob(
        "Network",
        "how much the run may take in all, such as 4GB; 0 is what is free",
        default=ByteSize(0),
        ge=0,
    )

    optimiser: Literal["lbfgs", "adam"] = _knob("Optimiser", "how to descend", default="lbfgs")
    iterations: Counts = _knob("Optimiser", "how many steps, N or N,N,… per scale", default=1000)
    tolerance: float = _knob(
        "Optimiser",
        "stop once the loss changes by at most this fraction; 0 never",
        default=0.0,
        ge=0,
    )
    take: Literal["last", "best"] = _knob(
        "Optimiser", "which canvas is the result: the last, or that of least loss", default="last"
    )
    average: float = _knob(
        "Optimiser",
        "the result is the canvases' average, each before counting this much less; 0 the last",
        default=0.0,
        ge=0,
        lt=1,
    )
    learning_rate: float = _knob(
        "Optimiser", "step length, in the space's units for Adam", default=1.0, gt=0
    )
    first_step: Literal["l1", "l2"] | Annotated[float, Field(gt=0)] = _knob(
        "Optimiser",
        "L-BFGS: how far to go first: min(1, 1/|g|₁), 1/|g|₂, or X levels of 255 on average",
        default="l1",
    )
    decay: float = _knob(
        "Optimiser", "Adam: factor on the learning rate …", default=1.0, gt=0, le=1
    )
    decay_every: Counts = _knob(
        "Optimiser", "… after each so many iterations, N or one per scale; 0 never", default=0
    )
    betas: Annotated[tuple[Beta, Beta], BeforeValidator(_several)] = _knob(
        "Optimiser", "Adam: decay of the gradient's mean and square", default=(0.9, 0.999)
    )
    epsilon: float = _knob("Optimiser", "Adam: added to the denominator", default=1e-8, gt=0)
    history: int = _knob("Optimiser", "L-BFGS: curvature pairs kept", default=100, ge=1, le=1000)
    precondition: float = _knob(
        "Optimiser",
        "L-BFGS: first guess of how steps fall with spatial frequency, 1/f^2X; not if clipped",
        default=0.0,
        ge=0,
        le=2,
    )
    line_search: Literal["none", "armijo", "strong-wolfe", "more-thuente"] = _knob(
        "Optimiser", "L-BFGS: how the step length is found", default="none"
    )
    evaluations: int = _knob(
        "Optimiser",
        "L-BFGS: start anew after so many evaluations, which make one iteration; 0 never",
        default=0,
        ge=0,
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Settings:
        wolfe = self.optimiser == "lbfgs" and self.line_search in ("strong-wolfe", "more-thuente")
        if wolfe and self.clip != "none" and not self.evaluations:
            raise ValueError(
                f"line_search {self.line_search} cannot hold a clipped canvas; use armijo, "
                f"or set evaluations, to clip when it starts anew"
            )
        if isinstance(self.clip, float) and self.clip <= 0:
            raise ValueError(f"clip is {self.clip}; expected none, gamut or a positive number")
        methods = {"keep": ("afterwards", "luminance"), "match": ("linear", "histogram")}
        if self.colour_method not in ("auto", *methods.get(self.colour, ())):
            fitting = ", ".join(("auto", *methods.get(self.colour, ())))
            raise ValueError(
                f"colour_method is {self.colour_method}; with colour {self.colour} expected one of "
                f"{fitting}"
            )
        if self.style_weights and not any(self.style_weights):
            raise ValueError("style_weights are all 0; give one of the styles a weight")
        if not self.init.strip():
            raise ValueError("init is empty; expected the name of one or a picture file")
        self._check_scales()
        return self

    def _check_scales(self) -> None:
        parts = None if self.scales == "auto" else self.scales
        if parts is not None and (list(parts[-1:]) != [1] or list(parts) != sorted(parts)):
            raise ValueError(
                f"scales is {parts}; expected auto, or rising parts of the size up to 1"
            )
        for name in ("iterations", "decay_every"):
            value = getattr(self, name)
            if value == () or (parts and isinstance(value, tuple) and len(value) != len(parts)):
                raise ValueError(f"{name} is {value}; expected one number, or one per scale")

    @property
    def files_read(self) -> tuple[str, ...]:
        """Names of what may be files, beside the photograph and the paintings."""
        names = (self.init, self.encoder, self.keep, *self.content_mask, *self.style_mask)
        return tuple(name for name in names if name)

    def without_folders(self) -> Settings:
        """The same for all to see: of files, no more than their names."""
        plain: dict[str, Any]
        plain = {
            field: PurePath(getattr(self, field)).name for field in ("init", "encoder", "keep")
        }
        for field in ("content_mask", "style_mask"):
            plain[field] = tuple(PurePath(name).name for name in getattr(self, field))
        return self.model_copy(update=plain)

    def replaced(self, **overrides: Any) -> Settings:  # noqa: ANN401 (fields, checked there)
        """These settings with some fields replaced; SettingsError if one does not fit."""
        return self.checked({**self.model_dump(), **overrides})

    @classmethod
    def of(cls, name: str = DEFAULT_RECIPE, /, **overrides: Any) -> Settings:  # noqa: ANN401
        """The recipe `name` with some fields replaced; SettingsError if one does not fit."""
        named = dict(recipe(name).settings)
        if "scales" in overrides:  # a recipe's numbers are for its own
            scales = cls.checked({"scales": overrides["scales"]}).scales
            for field in {"iterations", "decay_every"} & {*named} if scales != "auto" else ():
                named[field] = spread(named[field], len(scales))
        return cls.checked({**named, **overrides, "recipe": name})

    @classmethod
    def checked(cls, fields: Mapping[str, Any]) -> Settings:
        """Settings from plain values; SettingsError names the first that does not fit."""
        try:
            return cls(**fields)
        except ValidationError as error:
            raise SettingsError(_one_line(error, fields)) from None


def spread(value: int | Sequence[int], count: int) -> tuple[int, ...]:
    """A value for each of so many scales: one number for all, or several, the last for the rest."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return (*values, *values[-1:] * count)[:count]


def choices(field: str) -> tuple[str, ...]:
    """The names that a field of few choices accepts, in the order of its declaration."""
    return tuple(Settings.model_json_schema()["properties"][field].get("enum", ()))


def _one_line(error: ValidationError, fields: Mapping[str, Any]) -> str:
    """What was given for the first field that does not fit, and what is expected of it."""
    errors = error.errors()
    field = str(errors[0]["loc"][0]) if errors[0]["loc"] else ""
    if not field:
        return errors[0]["msg"].removeprefix("Value error, ")
    if errors[0]["type"] == "extra_forbidden":
        return f"{field} is no setting; expected one of {', '.join(Settings.model_fields)}"
    branches = [e for e in errors if e["loc"][0] == field]  # several, where types are alternatives
    deepest = max(branches, key=lambda e: len(e["loc"]))
    expected = " or ".join(_reason(e) for e in branches if len(e["loc"]) == len(deepest["loc"]))
    if field.endswith("_layers") and len(deepest["loc"]) > 1:
        return f"{field}[{deepest['loc'][1]}] is {deepest['input']!r}; input should be {expected}"
    return f"{field} is {fields[field]!r}; input should be {expected}"


def _reason(error: Any) -> str:  # noqa: ANN401 (pydantic's ErrorDetails)
    return str(error["msg"].removeprefix("Input should be ").partition(", unable to")[0])
