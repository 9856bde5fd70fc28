"""Settings of the picture: size, scales, first canvas, styles, colour, effect."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from impasto.settings.fields import (
    ColourMode,
    Effect,
    Factors,
    Init,
    Longest,
    Scales,
    Side,
    Size,
    Weights,
    knob,
)

__all__ = ["PictureSettings"]


class PictureSettings(BaseModel):
    """What is painted, at which sizes, and how the result is finished."""

    recipe: str = knob(
        "Picture", "named settings to start from; see `impasto recipes`", default="", pixels=False
    )
    size: Size = knob(
        "Picture",
        "longest side of the result in pixels, or WxH; 0 keeps the content picture's size",
        default=512,
    )
    fit: Literal["crop", "stretch"] = knob(
        "Picture", "how a picture of another shape is brought to WxH", default="crop"
    )
    style_fit: Literal["longest", "native", "width", "same"] = knob(
        "Picture",
        "size of a style picture: longest side as the result's, the same without enlarging, "
        "width as the result's, or both sides as the result's",
        default="longest",
    )
    style_scale: Factors = knob(
        "Picture",
        "factor on the style picture's size, which sets the size of the strokes; X, or X,X,… per "
        "style",
        default=1.0,
    )
    scales: Scales = knob(
        "Picture",
        "sizes to paint one after the other, as parts of the result: X,…,1; auto rises from "
        "smallest by scale_factor",
        default=(1.0,),
    )
    smallest: Side = knob("Picture", "scales auto: minimum longest side, in pixels", default=256)
    scale_factor: float = knob(
        "Picture",
        "scales auto: ratio of each scale to the one before",
        default=2**0.5,
        gt=1.01,
        le=16,
    )
    supersample_below: Longest = knob(
        "Picture",
        "scales auto: a result with a shorter longest side is painted larger, by scale_factor or "
        "at smallest, and shrunk; pixels, 0 for never",
        default=0,
    )
    detail: float = knob(
        "Picture",
        "how much of the content's fine detail is added when the canvas is enlarged, 0 to 1",
        default=0.0,
        ge=0,
        le=1,
    )
    init: Init = knob(
        "Picture",
        "first canvas: content, recoloured (content in the style's colours), noise, or style",
        default="content",
    )
    noise: Literal["normal", "uniform"] = knob(
        "Picture", "distribution of the noise of init noise, around mid-grey", default="normal"
    )
    noise_scale: float = knob(
        "Picture",
        "standard deviation (normal) or half-width (uniform) of that noise, in units of space",
        default=0.001,
        ge=0,
    )
    space: Literal["caffe", "caffe-rgb", "imagenet", "srgb"] = knob(
        "Picture",
        "colour space that is optimised: BGR or RGB, 0-255 minus the mean; normalised RGB; sRGB "
        "0-1",
        default="caffe",
    )
    clip: Literal["none", "gamut"] | float = knob(
        "Picture",
        "bounds of the canvas while it is optimised: none, gamut (visible colours), or ±X in space",
        default="none",
    )
    style_weights: Weights = knob(
        "Styles", "share of each style, X,X,…; equal by default", default=()
    )
    style_blend: Literal["statistics", "losses"] = knob(
        "Styles",
        "several styles in one place: blend their statistics, or add their losses",
        default="statistics",
    )
    strength: float = knob(
        "Styles",
        "0 keeps the content's own style, 1 takes the style picture's",
        default=1.0,
        ge=0,
        le=1,
    )
    colour: ColourMode = knob(
        "Colour",
        "whose colours: the style's, keep the content's, or match the style to the content first",
        default="style",
    )
    colour_method: str = knob(
        "Colour",
        "keep: afterwards, or luminance (paint luminance alone); match: linear (mean and "
        "covariance) or histogram; auto is the first",
        default="auto",
    )
    colour_strength: float = knob(
        "Colour", "how far colours are kept or matched, 0 to 1", default=1.0, ge=0, le=1
    )
    finish: Effect = knob(
        "Finish",
        "effect on the finished picture: relief of thick paint, grain, or photographic (the "
        "content's own structure in the picture's colours)",
        default="none",
    )
    finish_strength: float = knob("Finish", "strength of the effect", default=0.5, ge=0, le=1)
    tones: Literal["clip", "stretch"] = knob(
        "Picture",
        "how a canvas becomes visible: clip its values, or stretch minimum to maximum",
        default="clip",
    )
    seamless: Literal["none", "x", "y", "both"] = knob(
        "Picture",
        "make the result's left and right edge (x), top and bottom (y) or both join without a seam",
        default="none",
    )
    seed: int = knob("Picture", "seed of the noise", default=0, ge=0, le=2**63 - 1)

    @property
    def wraps(self) -> tuple[bool, bool]:
        """Whether the picture's rows and its columns are circles: top and bottom, sides."""
        return self.seamless in ("y", "both"), self.seamless in ("x", "both")
