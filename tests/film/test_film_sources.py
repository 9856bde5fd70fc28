"""What a frame is painted from: styles at its time, masks that move."""

import numpy as np
import pytest
from PIL import Image

from impasto.apps.film.clip import Clip
from impasto.apps.film.masks import MovingMask, mask_of
from impasto.apps.film.sources import Sources, agreement
from impasto.errors import ImageError, SettingsError
from impasto.images import read
from impasto.images.resampling import whiteness
from impasto.settings import Settings
from support import clips

WIDTH, HEIGHT, FRAMES = 32, 24, 4
SETTINGS = Settings.of(size=(WIDTH, HEIGHT), encoder="tiny")


def bar(n, width=8, step=4):
    """A white bar of `width` px that moves by `step` a frame; (h, w, 3) uint8."""
    levels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    levels[:, step * n : step * n + width] = 255
    return levels


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    frames = clips.pan((1, 0), FRAMES, (HEIGHT, WIDTH)).frames
    return Clip.open(clips.write(folder / "clip.mkv", frames, codec="ffv1", pixels="bgr0"))


@pytest.fixture
def bars(tmp_path):
    """A folder of masks."""
    return folder_of(tmp_path / "bars", [bar(n) for n in range(FRAMES)])


def folder_of(folder, frames):
    folder.mkdir()
    for number, levels in enumerate(frames):
        Image.fromarray(levels).save(folder / f"{number}.png")
    return folder


def white(mask):
    return whiteness(read(mask)).numpy()


def test_a_folder_a_film_and_an_animation_move(bars, tmp_path):
    film = clips.write(tmp_path / "m.mkv", np.stack([bar(n) for n in range(FRAMES)]), codec="ffv1",
                       pixels="bgr0")  # fmt: skip
    first, *others = (Image.fromarray(bar(n)) for n in range(FRAMES))
    first.save(tmp_path / "m.webp", save_all=True, append_images=others, lossless=True)
    for place in (bars, film, tmp_path / "m.webp"):
        mask = mask_of(place, FRAMES, 10**6)
        assert isinstance(mask, MovingMask)
        for index in (0, 1, 1, 3, 2, 0):  # in any order
            np.testing.assert_allclose(white(mask.at(index)), bar(index)[..., 0] / 255, atol=0.01)


def test_a_picture_holds_for_every_frame(bars):
    still = str(bars / "0.png")
    assert mask_of(still, FRAMES, 10**6) == still
    assert mask_of("sample:swirl", FRAMES, 10**6) == "sample:swirl"
    array = bar(0)
    assert mask_of(array, FRAMES, 10**6) is array


def test_transparent_is_black_as_in_a_still(tmp_path):
    levels = np.dstack([np.full((HEIGHT, WIDTH, 3), 255, np.uint8), bar(1)[..., :1]])
    folder = folder_of(tmp_path / "masks", [levels] * 2)
    moving = mask_of(folder, 2, 10**6)
    np.testing.assert_allclose(white(moving.at(1)), white(folder / "0.png"), atol=0.01)
    assert white(moving.at(1)).min() == 0


@pytest.mark.parametrize("frames", [1, FRAMES - 1, FRAMES + 1])
def test_another_number_of_masks_is_refused(bars, frames):
    with pytest.raises(SettingsError, match=f"{FRAMES} masks for the clip's {frames} frames"):
        mask_of(bars, frames, 10**6)


def test_what_is_no_mask_is_refused(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "text.mp4").write_text("no film")
    for name in ("text.png", "text.mp4", "missing.png", "missing.mp4"):
        with pytest.raises(ImageError, match=name.replace(".", r"\.")):
            mask_of(tmp_path / name, FRAMES, 10**6)


def test_a_frame_has_its_own_masks(clip, bars):
    sources = Sources.of("sample:swirl", {"protect": str(bars)}, clip)
    for index in range(FRAMES):
        now = sources.at(index, 0.0, SETTINGS)
        np.testing.assert_allclose(now.masks[0].numpy(), bar(index)[..., 0] / 255, atol=0.01)
        assert white(now.arguments["protect"]).mean() == pytest.approx(0.25)


def test_masks_that_hold_still_change_nothing(clip, bars):
    sources = Sources.of(["sample:swirl"], {"protect": str(bars / "0.png")}, clip)
    now = sources.at(2, 0.1, SETTINGS)
    assert (now.masks, dict(now.changes)) == (None, {})
    assert agreement(now, now, np.zeros((HEIGHT, WIDTH, 2), np.float32)) == 1.0


def test_a_style_whose_mask_is_black_is_left_out(clip, tmp_path):
    there = folder_of(tmp_path / "there", [bar(n) if n < 2 else 0 * bar(n) for n in range(FRAMES)])
    always = folder_of(tmp_path / "always", [255 - bar(n) for n in range(FRAMES)])
    arguments = {"content_masks": [str(there), str(always)], "style_masks": ["s1.png", "s2.png"]}
    sources = Sources.of(["a.jpg", "b.jpg"], arguments, clip)
    settings = SETTINGS.replaced(style_scale=(1.0, 2.0))
    first, last = (sources.at(n, 0.0, settings) for n in (0, 3))
    assert (first.styles, dict(first.changes)) == (["a.jpg", "b.jpg"], {})
    assert (last.styles, dict(last.changes)) == (["b.jpg"], {"style_scale": (2.0,)})
    assert last.arguments["style_masks"] == ["s2.png"]
    assert len(last.arguments["content_masks"]) == 1
    nowhere = Sources.of(["a.jpg"], {"content_masks": str(there)}, clip).at(3, 0.0, SETTINGS)
    assert nowhere.arguments["content_masks"] == []
    assert nowhere.changes == {"style_weight": 0.0}


def test_styles_without_weight_are_left_out(clip):
    settings = SETTINGS.replaced(style_scale=(1.0, 2.0, 3.0))
    sources = Sources.of({0: "a", 1: ["b", "c"]}, {"style_masks": ["x", "y", "z"]}, clip)
    now = sources.at(30, 1.0, settings)
    assert (now.styles, now.weights) == (["b", "c"], (0, 0.5, 0.5))
    assert now.changes == {"style_weights": (0.5, 0.5), "style_scale": (2.0, 3.0)}
    assert now.arguments["style_masks"] == ["y", "z"]
    assert sources.at(0, 0.0, settings).changes == {"style_weights": (1.0,), "style_scale": (1.0,)}


def test_where_masks_move_on_their_own_nothing_is_held(clip, bars):
    """A bar that moves by 4 px while the flow says nothing moves: its sides are painted anew."""
    sources = Sources.of("sample:swirl", {"protect": str(bars)}, clip)
    now, before = (sources.at(n, 0.0, SETTINGS) for n in (1, 0))
    alike = agreement(now, before, np.zeros((HEIGHT, WIDTH, 2), np.float32))
    np.testing.assert_allclose(alike, 1 - np.abs(bar(1) - 1.0 * bar(0))[..., 0] / 255, atol=0.01)
    follows = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    follows[..., 0] = -4  # what is here was 4 px to the left
    assert agreement(now, before, follows)[:, 6:].min() > 0.99


def test_what_does_not_fit_together_is_refused(clip, bars):
    with pytest.raises(SettingsError, match="content masks"):
        Sources.of({0: "a"}, {"content_masks": [str(bars)]}, clip)
    with pytest.raises(SettingsError, match="the clip has 4 frames"):
        Sources.of({"4f": "a"}, {}, clip)
    with pytest.raises(SettingsError, match="style_weights"):
        Sources.of({0: "a"}, {}, clip).check(SETTINGS.replaced(style_weights=(1.0,)))


def test_moving_maps_in_colours_are_refused(clip, tmp_path):
    red = bar(0) * np.uint8([1, 0, 0])
    folder = folder_of(tmp_path / "maps", [red] * FRAMES)
    sources = Sources.of("a", {"content_masks": [str(folder)]}, clip)
    with pytest.raises(SettingsError, match="has colours"):
        sources.at(0, 0.0, SETTINGS)
