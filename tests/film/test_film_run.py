"""`impasto.film` and FilmRun: from clip to file, stopped, continued, refused; what is written."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import impasto
from impasto.apps.film.clip import Clip
from impasto.apps.film.events import FrameDone, Shot
from impasto.apps.film.preview import Preview
from impasto.apps.film.run import frames_of
from impasto.errors import Cancelled, ImageError, OutputError, SettingsError
from impasto.run.events import Notice
from support.films import SIDE, four_frames, levels_of, painted, run_of


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return four_frames(tmp_path_factory.mktemp("clips"))


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_film_in_one_call(clip, desk):
    told = []
    result = painted(clip, on_frame=lambda frame: told.append((frame, frame.picture().size)))
    assert [entry.index for entry in result.entries] == [0, 1, 2, 3]
    assert result.shots == (Shot(0, 0), Shot(1, 3))
    assert result.settings.size == SIDE
    assert result.film.frame_iterations == 2
    assert [frame.done for frame, _ in told] == [1, 2, 3, 4]
    assert {size for _, size in told} == {(SIDE, SIDE * 3 // 4)}
    assert Clip.open(result.path).count == 4
    assert [file.name for file in desk.iterdir()] == ["out.mkv"]
    with pytest.raises(ImageError):  # the work folder is gone
        told[0][0].picture()


def test_frames_are_plain_and_give_pictures_while_they_are_there(clip, desk):
    run = run_of(clip)
    frames = list(run)
    assert pickle.loads(pickle.dumps(frames)) == frames
    assert frames[0].preview(16).size == (16, 12)
    assert frames[0].preview(999).size == frames[0].picture().size
    json.dumps([frame.line() for frame in frames])
    assert np.array_equal(frames[1].picture().levels(16), run.work.read(1))


def test_cancelled_and_continued_it_is_the_same_film(clip, desk):
    whole = painted(clip, {0: "sample:swirl", 0.1: "sample:ember"}, output="whole.mkv")
    run = run_of(clip, {0: "sample:swirl", 0.1: "sample:ember"})
    with pytest.raises(Cancelled):
        cancelled_after(run, 1)
    with pytest.raises(ValueError, match="frame 2"):
        run.write()
    events = [event for event in run.events() if not isinstance(event, FrameDone)]
    assert events == [*whole.shots]
    assert [strip(e) for e in run.write().entries] == [strip(e) for e in whole.entries]
    np.testing.assert_array_equal(levels_of("whole.mkv"), levels_of("out.mkv"))


def cancelled_after(run, index):
    for frame in run:
        if frame.entry.index == index:
            run.cancel()


def strip(entry):
    return replace(entry, seconds=0)


@pytest.mark.parametrize(
    "other",
    [
        {"styles": {0: "sample:swirl", 0.2: "sample:ember"}},
        {"styles": {0: "sample:swirl", 0.1: ["sample:ember", "sample:swirl"]}},
        {"styles": "sample:swirl"},
        {"protect": np.zeros((24, 32, 3), np.uint8)},
    ],
)
def test_a_work_folder_is_of_its_styles_times_and_masks(clip, desk, other):
    first = run_of(clip, {0: "sample:swirl", 0.1: "sample:ember"})
    assert first.work.folder.exists()
    styles = other.pop("styles", {0: "sample:swirl", 0.1: "sample:ember"})
    with pytest.raises(OutputError, match="holds another film"):
        run_of(clip, styles, **other)


def test_one_key_is_as_if_the_style_held_throughout(clip, desk):
    one = painted(clip, "sample:swirl", keep_work=True)
    keyed = painted(clip, {0: "sample:swirl"}, output="keyed.mkv")
    assert [e.sha256 for e in one.entries] == [e.sha256 for e in keyed.entries]


def test_at_a_key_a_still_has_that_style(clip, desk):
    """A shot that begins at the second key is painted as if there were no other."""
    faded = painted(clip, {0: "sample:swirl", "2f": "sample:ember"}, keep_work=True)
    ember = painted(clip, "sample:ember", output="ember.mkv", keep_work=True)
    assert faded.entries[3].sha256 == ember.entries[3].sha256
    assert faded.entries[0].sha256 != ember.entries[0].sha256


def folder_of(folder, frames):
    folder.mkdir()
    for number, levels in enumerate(frames):
        Image.fromarray(levels).save(folder / f"{number}.png")
    return str(folder)


@pytest.mark.parametrize("every", [1, 2])
def test_what_a_moving_mask_protects_stays(clip, desk, every):
    masks = np.zeros((4, 24, 32, 3), np.uint8)
    for number, mask in enumerate(masks):
        mask[:, 4 * number : 4 * number + 12] = 255
    painted(clip, protect=folder_of(desk / "masks", masks), every=every)
    apart = np.abs(levels_of("out.mkv").astype(float) / 65535 - levels_of(clip) / 255).max(-1)
    inside = masks[..., 0] == 255
    assert apart[inside].max() < 0.02
    assert apart[~inside].mean() > 0.05


def test_frames_between_two_styles_are_filled_too(clip, desk):
    result = painted(clip, {0: "sample:swirl", "2f": "sample:ember"}, every=2)
    assert [entry.kind for entry in result.entries] == ["first", "between", "held", "first"]


def test_content_masks_may_come_and_go(clip, desk):
    left = np.zeros((4, 24, 32, 3), np.uint8)
    left[:2, :, :16] = 255
    masks = [folder_of(desk / "left", left), folder_of(desk / "right", 255 - left)]
    result = painted(clip, ["sample:swirl", "sample:ember"], content_masks=masks)
    assert len(result.entries) == 4


def test_a_part_is_kept_for_the_rest(clip, desk):
    painted(clip, frames="0:2")
    assert (desk / "out.mkv.work").exists()
    assert Clip.open("out.mkv").count == 2
    assert len(painted(clip).entries) == 4
    assert not (desk / "out.mkv.work").exists()


@pytest.mark.parametrize("frames", ["2", "3:2", ":9", "a:b", range(0, 4, 2), range(2, 9), 3])
def test_other_frames_are_refused(frames):
    with pytest.raises(SettingsError, match="expected A:B"):
        frames_of(frames, 4)
    assert frames_of(":2", 4) == frames_of(range(2), 4) == range(2)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"styles": "missing.jpg"}, ImageError),
        ({"styles": {0: "missing.jpg"}}, ImageError),
        ({"styles": {0: "sample:swirl"}, "style_weights": (1.0,)}, SettingsError),
        ({"styles": ["sample:swirl"] * 2, "style_weights": (1.0,)}, SettingsError),
        ({"protect": "missing.png"}, ImageError),
        ({"content_masks": [np.zeros((9, 9, 3), np.uint8)]}, SettingsError),
        ({"report": "report.pdf"}, OutputError),
        ({"report": "nowhere/report.html"}, OutputError),
        ({"preview": "preview.txt"}, OutputError),
        ({"preview": "report.html", "report": "report.html"}, OutputError),
        ({"output": "clip.mkv"}, OutputError),
        ({"colour": "keep"}, SettingsError),
        ({"frames": "3:9"}, SettingsError),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_and_nothing_is_written(clip, desk, options, error):
    clip = (desk / "clip.mkv").write_bytes(clip.read_bytes()) and "clip.mkv"
    with pytest.raises(error) as caught:
        run_of(clip, **options)
    assert "\n" not in str(caught.value)
    assert [file.name for file in desk.iterdir()] == ["clip.mkv"]


def frames_at(folder, count=4):
    """A folder of pictures with the names of a film's frames."""
    folder.mkdir()
    for number in range(1, count + 1):
        Image.new("RGB", (32, 24), (60 * number, 0, 0)).save(folder / f"{number:06d}.png")
    return folder


def content_of(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("link", [False, True])
def test_a_film_never_takes_the_place_of_its_clip(desk, link):
    frames = frames_at(desk / "frames")
    before = content_of(frames)
    output = "frames"
    if link:
        output = "link"
        (desk / output).symlink_to(frames)
    with pytest.raises(OutputError, match=f"{output}: is also an input"):
        painted("frames", output=output)
    assert content_of(frames) == before


@pytest.mark.parametrize(
    ("role", "name", "said"),
    [
        ("protect", "masks", "masks: is also an input"),
        ("content_masks", "masks", "masks: is also an input"),
        ("styles", "masks/000001.png", r"masks: holds the input 000001\.png"),
        ("protect", "masks/000001.png", r"masks: holds the input 000001\.png"),
    ],
)
def test_a_film_of_pictures_replaces_none_that_it_is_painted_from(clip, desk, role, name, said):
    masks = frames_at(desk / "masks")
    before = content_of(masks)
    with pytest.raises(OutputError, match=said):
        painted(clip, output="masks", **{role: name})
    assert content_of(masks) == before


def test_a_film_of_pictures_replaces_another_one(clip, desk):
    frames_at(desk / "out", 9)
    painted(clip, output="out")
    assert sorted(content_of(desk / "out")) == [f"{n:06d}.png" for n in range(4)]


class Clock:
    """Seconds that pass when they are told to."""

    now = 0.0

    def __call__(self):
        return self.now


def test_a_preview_is_written_at_most_once_a_second_and_at_the_end(desk):
    frames = []
    for index in range(4):
        file = desk / f"frame{index}.png"
        Image.new("RGB", (8, 6), (60 * index, 0, 0)).save(file)
        frames.append(FrameDone(None, index + 1, 4, file))
    clock = Clock()
    preview = Preview("preview.png", clock)
    shown = []
    for clock.now, frame in zip((0, 0.9, 1.0, 1.1), frames, strict=True):
        preview.show(frame)
        shown.append(Image.open("preview.png").getpixel((0, 0))[0])
    assert shown == [0, 0, 120, 180]


def test_a_film_shows_its_last_frame(clip, desk):
    painted(clip, preview="preview.png")
    last = levels_of("out.mkv")[-1] / 65535
    assert np.abs(np.asarray(Image.open("preview.png")) / 255 - last).max() < 0.01


def test_a_preview_that_cannot_be_written_is_one_notice(clip, desk, monkeypatch):
    run = run_of(clip, preview="preview.png")

    def full(frame):
        raise OutputError("preview.png: No space left on device")

    monkeypatch.setattr(run._preview, "show", full)
    notices = [event.text for event in run.events() if isinstance(event, Notice)]
    assert notices == ["preview.png: No space left on device; the film goes on"]
    assert run.write().path.exists()


def test_an_option_that_a_film_does_not_have_is_told(clip, desk):
    with pytest.raises(SettingsError, match="nonsense is no option of a film; expected beside,"):
        impasto.film(clip, "painting.png", "out.mp4", nonsense=1)
