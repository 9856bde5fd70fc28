"""Checkpoints of processes that share a picture: a part of each, and another number goes on."""

import json

import pytest
import torch

from conftest import TINY
from impasto import Run, Settings
from impasto.errors import CheckpointError, OutputError
from impasto.optimisers import compact
from impasto.run import share
from impasto.run.checkpoint import Checkpoint
from impasto.run.redivision import redivided
from impasto.run.shared_checkpoint import SharedCheckpoint, remove_shared, save_shared
from support.pictures import smooth_picture
from support.ranks import together


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder with a photograph and a painting."""
    folder = tmp_path_factory.mktemp("pictures")
    smooth_picture(96, 80).save(folder / "photo.png")
    smooth_picture(70, 60, phase=1.0).save(folder / "painting.png")
    return folder


CONTINUED = {"encoder": "tiny", "precision": "fp64", "size": 72, "smallest": 64, "iterations": 3}


def continued(pictures, count, resume, *, stop=None, save=None, **overrides):
    """The losses of a run of so many threads that goes on from a checkpoint, and its picture."""
    settings = Settings.of(**{**CONTINUED, **overrides})
    names = pictures / "photo.png", pictures / "painting.png"

    def paint(ranks):
        run = Run(*names, settings, ranks=ranks, resume=resume)
        for step in run:
            if step.done == stop:
                save_shared(run.checkpoint(copy=False), save, run.share)
                break
        return [step.loss for step in run.steps], run.result().image.pixels

    return together(count, paint)[0]


@pytest.mark.parametrize(
    "overrides",
    [
        {"scales": "auto"},
        {"select": "best", "clip": "gamut", "precondition": 0},
        {"optimiser": "adam", "learning_rate": 0.5, "average": 0.5},
    ],
    ids=str,
)
def test_a_shared_run_goes_on_with_any_number_of_processes(pictures, tmp_path, overrides):
    """With as many to the last bit, with others to 1e-8: parts are of rows, or of a transform's."""
    place = tmp_path / "a.checkpoint"
    expected, picture = continued(pictures, 2, None, **overrides)
    stop = len(expected) - 4
    continued(pictures, 2, None, stop=stop, save=place, **overrides)
    assert len([*tmp_path.iterdir()]) == 3
    for count in (2, 3, 1):
        losses, pixels = continued(pictures, count, SharedCheckpoint.load(place), **overrides)
        if count == 2:
            assert losses == expected
            assert torch.equal(pixels, picture)
        assert losses == pytest.approx(expected, rel=1e-8)
        torch.testing.assert_close(pixels, picture, rtol=0, atol=1e-6)


@pytest.mark.parametrize("counts", [(2, 3), (3, 2)], ids=str)
def test_pairs_in_bfloat16_are_divided_anew(pictures, tmp_path, counts, monkeypatch):
    """In blocks of chunks: those of three processes are those of two, to the last bit."""
    monkeypatch.setattr(compact, "_CHUNK", 1000)
    place, two = tmp_path / "a.checkpoint", {"precision": "bf16", "scales": (1.0,)}
    continued(pictures, counts[0], None, stop=3, save=place, **two)
    known = SharedCheckpoint.load(place)

    def divided_as(ranks):
        part = share.share_of(ranks, 60, TINY["vgg19"], Settings.of(**{**CONTINUED, **two}))
        return known.divided(part, spectral=True)

    there = together(counts[1], divided_as)
    back = [
        redivided(
            there, [p.tensors["gradient"].shape[1] for p in there], known.rows, n, spectral=True
        )
        for n in range(counts[0])
    ]
    for n, part in enumerate(back):
        original = Checkpoint.load(known.parts[n])
        assert part.tensors.keys() == original.tensors.keys()
        for name, tensor in original.tensors.items():
            same = torch.equal(part.tensors[name], tensor)
            assert same or name == "progress.numbers", name  # with the seconds of each process
    losses, _ = continued(pictures, counts[1], known, **two)
    assert losses[3] == Checkpoint.load(known.parts[0]).tensors["progress.numbers"][3, 0]
    assert len(losses) == 4


def test_a_checkpoint_of_one_process_goes_on_in_several(pictures):
    names, settings = (pictures / "photo.png", pictures / "painting.png"), Settings.of(**CONTINUED)
    expected, _ = continued(pictures, 1, None)
    run = Run(*names, settings)
    for step in run:
        if step.done == 4:
            break
    losses, _ = continued(pictures, 3, run.checkpoint())
    assert losses == pytest.approx(expected, rel=1e-8)


def test_parts_of_another_moment_are_deleted(pictures, tmp_path):
    place = tmp_path / "a.checkpoint"
    left = tmp_path / f"a.checkpoint.{'0' * 12}.7"
    others = [tmp_path / "a.checkpoint.old", tmp_path / "b.checkpoint.000000000000.0"]
    for file in (left, *others):
        file.write_text("")
    for stop in (1, 2):
        continued(pictures, 2, None, stop=stop, save=place)
    assert not left.exists()
    assert len([*tmp_path.iterdir()]) == 3 + len(others)
    assert json.loads(place.read_text())["iteration"] == 2
    together(2, lambda ranks: remove_shared(place, ranks))
    assert sorted(tmp_path.iterdir()) == sorted(others)


@pytest.mark.parametrize("error", [OutputError("disk full"), ZeroDivisionError("disk full")])
def test_a_part_that_cannot_be_written_keeps_the_checkpoint_before(
    error, pictures, tmp_path, monkeypatch
):
    place = tmp_path / "a.checkpoint"
    continued(pictures, 2, None, stop=1, save=place)
    before, save = place.read_bytes(), Checkpoint.save

    def refuse(checkpoint, path):
        if path.name.endswith(".1"):
            raise error
        save(checkpoint, path)

    monkeypatch.setattr(Checkpoint, "save", refuse)
    with pytest.raises(OutputError):
        continued(pictures, 2, None, stop=2, save=place)
    assert place.read_bytes() == before
    assert len([*tmp_path.iterdir()]) == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "damaged"),
        ('{"impasto": "other", "stage": 0, "rows": [1], "moment": "000000000000"}', "expected a"),
        (
            '{"impasto": "shared checkpoint 1", "stage": 0, "rows": [1], "moment": "../../etc"}',
            "exp",
        ),
        ('{"impasto": "shared checkpoint 1", "stage": 0, "rows": [], "moment": "0"}', "expected a"),
        ('{"rows": 3}', "damaged"),
        ("", "cut short"),
    ],
    ids=str,
)
def test_a_damaged_index_is_refused(tmp_path, text, says):
    place = tmp_path / "a.checkpoint"
    place.write_text(text)
    with pytest.raises(CheckpointError, match=says):
        SharedCheckpoint.load(place)


def test_a_part_that_is_missing_is_refused(pictures, tmp_path):
    place = tmp_path / "a.checkpoint"
    continued(pictures, 2, None, stop=1, save=place)
    known = SharedCheckpoint.load(place)
    with pytest.raises(CheckpointError, match="resume with distributed"):
        Run(
            pictures / "photo.png",
            pictures / "painting.png",
            Settings.of(**CONTINUED),
            resume=known,
        )
    known.parts[1].unlink()
    with pytest.raises(CheckpointError, match="No such file"):
        continued(pictures, 2, known)
