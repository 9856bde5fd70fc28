"""What a browser may ask to have painted: pictures by id, and an allow-list of settings.

    {"content": id, "styles": [id], "recipe": name, "settings": {field: value}, …}
        ──> JobRequest ──> Settings and pictures of a run

A request holds no paths: pictures and masks are ids, which the library knows or does not; networks
and first canvases are names of registries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from impasto.apps.studio.orders import Kept
from impasto.apps.studio.refusal import Refusal
from impasto.errors import ImpastoError, printable
from impasto.settings import DEFAULT_RECIPE, Settings

__all__ = ["ALLOWED", "MAX_STYLES", "WITHHELD", "JobRequest", "Shelf", "checked_settings"]

MAX_STYLES = 5

ALLOWED = {
    "Picture": (
        "size",
        "fit",
        "style_fit",
        "style_scale",
        "scales",
        "smallest",
        "scale_factor",
        "supersample_below",
        "seamless",
        "detail",
        "init",
        "noise",
        "noise_scale",
        "space",
        "clip",
        "tones",
        "seed",
    ),
    "Styles": ("style_weights", "style_blend", "strength"),
    "Colour": ("colour", "colour_method", "colour_strength"),
    "Finish": ("finish", "finish_strength"),
    "Objective": (
        "content_weight",
        "style_weight",
        "tv_weight",
        "legibility",
        "content_layers",
        "style_layers",
        "weighting",
        "content_normalisation",
        "style_loss",
        "style_normalisation",
        "tv_normalisation",
    ),
    "Optimiser": (
        "optimiser",
        "iterations",
        "tolerance",
        "select",
        "average",
        "learning_rate",
        "first_step",
        "decay",
        "decay_every",
        "betas",
        "epsilon",
        "history",
        "precondition",
        "line_search",
        "evaluations",
    ),
    "Network": ("encoder", "pooling", "padding", "precision"),
}
"""Settings that a request may have, by group. A new setting is not among them until it is here."""

WITHHELD = {
    "recipe": "it is a field of the request itself",
    "device": "which device is free is for the machine's owner to say, not for a page",
    "threads": "more threads than cores slow down the server and everything beside it",
    "tile": "a wrong one takes all memory or hours; the result is the same, and auto fits",
    "memory": "a page cannot know what the machine can spare",
}
"""Settings that a request may not have, and why."""

_NAMES = frozenset(name for group in ALLOWED.values() for name in group)

Id = Annotated[str, StringConstraints(min_length=1, max_length=80)]
Short = Annotated[str, StringConstraints(max_length=200)]


class Shelf(Protocol):
    """Where pictures are: `impasto.apps.studio.pictures.Library`."""

    def facts(self, picture: str) -> Mapping[str, Any]:
        """The facts of a picture; Refusal 404 for an id that is not there."""
        ...

    def kept(self, picture: str) -> Kept:
        """Its file and its name; Refusal likewise."""
        ...

    async def rest(self, masks: Sequence[str]) -> str:
        """The id of a mask of what is in none of these."""
        ...


class JobRequest(BaseModel):
    """A picture to be painted, as it was asked for.

    Attributes:
        content: id of the photograph; None for a texture.
        styles: ids of the paintings, at most five; none for a reconstruction.
        recipe: name of the settings to start from.
        settings: fields of Settings that differ from the recipe, plain JSON.
        protect: id of a mask, white where the photograph stays.
        masks: for each style the id of a mask that says where it goes, or None: for all of them
            none has a mask, for one of several that it goes where the others do not.
        start: id of a job whose canvas is the first one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    content: Id | None = None
    styles: tuple[Id, ...] = Field(default=(), max_length=MAX_STYLES, strict=False)
    recipe: Id = DEFAULT_RECIPE
    settings: dict[Id, Any] = Field(default={}, max_length=len(_NAMES))
    protect: Id | None = None
    masks: tuple[Id | None, ...] = Field(default=(), max_length=MAX_STYLES, strict=False)
    start: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{1,64}$")] | None = None

    @classmethod
    def of(cls, data: object, shelf: Shelf) -> JobRequest:
        """The request that a body holds, with everything checked that needs no network.

        Raises Refusal 422 in one line for what is wrong in it. The planner checks the rest: layers
        of the network, methods of a colour mode, sizes, memory.
        """
        try:
            request = cls.model_validate(data)
        except ValidationError as error:
            raise Refusal(422, _explained(error)) from None
        checked_settings(request.recipe, request.settings)
        request._check_pictures(shelf)
        return request

    @classmethod
    async def settled(cls, data: object, shelf: Shelf) -> JobRequest:
        """The same, with the mask of a style that has none among several made from the others'."""
        request = cls.of(data, shelf)
        given = [mask for mask in request.masks if mask is not None]
        if not given or len(given) == len(request.masks):
            return request.model_copy(update={"masks": tuple(given)})
        other = await shelf.rest(given)
        masks = tuple(other if mask is None else mask for mask in request.masks)
        return request.model_copy(update={"masks": masks})

    def plain(self) -> dict[str, Any]:
        """As JSON: what `of` takes."""
        return self.model_dump(mode="json")

    def pictures(self) -> tuple[str, ...]:
        """Ids of all pictures and masks in it."""
        named = (self.content, *self.styles, self.protect, *self.masks)
        return tuple(dict.fromkeys(picture for picture in named if picture is not None))

    def files(self, shelf: Shelf) -> dict[str, Any]:
        """The pictures `content`, `styles`, `protect`, `content_masks` of a Work, each Kept."""
        return {
            "content": self.content and shelf.kept(self.content),
            "styles": tuple(map(shelf.kept, self.styles)),
            "protect": self.protect and shelf.kept(self.protect),
            "content_masks": tuple(shelf.kept(mask) for mask in self.masks if mask is not None),
        }

    def _check_pictures(self, shelf: Shelf) -> None:
        for picture in self.pictures():
            shelf.facts(picture)
        if self.content is None and not self.styles:
            raise Refusal(422, "there is neither a photograph nor a painting; choose one")
        if self.protect is not None and self.content is None:
            raise Refusal(422, "a mask protects the photograph, and there is none")
        if self.masks and len(self.masks) != len(self.styles):
            raise Refusal(
                422,
                f"{len(self.masks)} masks for {len(self.styles)} styles; expected one for each, "
                f"null for a style without one",
            )
        given = [mask for mask in self.masks if mask is not None]
        if given and len(self.masks) - len(given) > 1:
            raise Refusal(
                422,
                "several styles have no mask; expected at most one, which goes where no other does",
            )


def checked_settings(recipe: str, settings: Mapping[str, Any]) -> None:
    """Refusal 422 where a setting is not allowed, or has a value that does not fit.

    The method of a colour mode is not looked at: the modes are torch's.
    """
    for name in settings:
        if name in WITHHELD:
            raise Refusal(422, f"{name} cannot be set here: {WITHHELD[name]}")
        if name not in _NAMES:
            raise Refusal(422, f"{printable(name)} is no setting of the studio")
    plain = {name: value for name, value in settings.items() if name != "colour_method"}
    try:
        Settings.of(recipe, **plain)
    except ImpastoError as error:
        raise Refusal(422, str(error)) from None


def _explained(error: ValidationError) -> str:
    """The first thing that is wrong, as `field is …; expected …`."""
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(map(str, first["loc"])) or "the request"
    if first["type"] == "extra_forbidden":
        return f"{field} is no field of a request; expected one of {_FIELDS}"
    reason = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return f"{field}: expected {reason}"


_FIELDS = ", ".join(JobRequest.model_fields)
