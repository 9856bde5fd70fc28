"""Whether a clip can be a loop: one shot, whose last frame leads to its first."""

from __future__ import annotations

from impasto.apps.film.clip import Clip
from impasto.apps.film.shots import CUT, Thumbnail, change, shots
from impasto.errors import SettingsError

__all__ = ["check_loop", "not_a_loop"]


def check_loop(clip: Clip, span: range) -> None:
    """Read the whole clip, as thumbnails, before anything is painted.

    Raises SettingsError for a part of a clip, for a second shot, and for a first frame that differs
    from the last one, moved, as much as shots do.
    """
    if span != range(clip.count):
        raise SettingsError("loop needs the whole clip; leave out frames, or cut the clip before")
    first = last = None
    for seen in shots(clip.frames(), lambda frame: frame.pixels):
        if seen.begins and seen.index:
            raise not_a_loop(seen.index)
        last = Thumbnail.of(seen.item.pixels)
        first = first or last
    if first and last and (apart := change(first, last)) > CUT:
        raise SettingsError(
            f"loop needs a last frame that leads to the first; these differ by {apart:.2f} of "
            f"their contrast, and motion by {CUT} at most"
        )


def not_a_loop(index: int) -> SettingsError:
    """The error of a clip with a cut."""
    return SettingsError(f"loop needs a clip of one shot; frame {index} begins another")
