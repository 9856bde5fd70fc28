"""One picture painted by several processes: as by one; and what they refuse, and how they end."""

import io
import json
import os
import re
import signal
import socket
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from PIL import Image
from typer import Exit

from conftest import TINY
from impasto import Run, Settings
from impasto.apps.cli import distributed, main
from impasto.apps.cli.options import Options
from impasto.errors import (
    Diverged,
    ImageError,
    ImpastoError,
    OutOfMemory,
    OutputError,
    ProcessLost,
    SettingsError,
)
from impasto.hardware import ranks as hardware_ranks
from impasto.hardware.ranks import agree, on_this_rank
from impasto.images import read, resampling
from impasto.objective.strips import divided
from impasto.run import bands, share
from impasto.run.canvas import resized
from impasto.run.provenance import parse_record
from support.children import PATIENCE, child, impasto_command, wait_until
from support.pictures import smooth_picture
from support.ranks import Threads, together

SMALL = {"encoder": "tiny", "precision": "fp64", "size": 96, "smallest": 48, "iterations": 3}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Names of a photograph, a painting and a mask."""
    folder = tmp_path_factory.mktemp("pictures")
    smooth_picture(96, 80).save(folder / "photo.png")
    smooth_picture(70, 60, phase=1.0).save(folder / "painting.png")
    mask = np.zeros((80, 96), np.uint8)
    mask[:30, 20:70] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    return folder


def painted(pictures, count, **overrides):
    """The result of a run that so many threads share, and their steps' losses."""
    sources = {key: pictures / overrides.pop(key) for key in ("protect",) if key in overrides}
    if "content_masks" in overrides:
        sources["content_masks"] = [pictures / overrides.pop("content_masks")]
    settings = Settings.of(**{**SMALL, **overrides})

    def paint(ranks):
        shared = ranks if count > 1 else None
        run = Run(
            pictures / "photo.png", pictures / "painting.png", settings, ranks=shared, **sources
        )
        losses = [step.loss for step in run]
        return run.result().image.pixels, losses

    return together(count, paint)


@pytest.mark.parametrize(
    ("count", "overrides"),
    [
        (2, {}),
        (3, {"content_masks": "mask.png", "scales": (1.0,)}),
        (2, {"protect": "mask.png", "select": "best", "space": "srgb", "clip": "gamut"}),
        (2, {"legibility": 1.0, "colour": "keep", "average": 0.5, "iterations": 2}),
        (4, {"optimiser": "adam", "learning_rate": 0.5, "init": "noise", "scales": (1.0,)}),
        (2, {"seamless": "x", "line_search": "strong-wolfe", "scales": (1.0,)}),
        (3, {"size": 128, "smallest": 80, "content_masks": "mask.png", "strength": 0.6}),
        (2, {"size": 80, "legibility": 0.5, "colour": "keep", "colour_method": "luminance"}),
        (2, {"size": 80, "colour": "match", "protect": "mask.png", "style_fit": "width"}),
    ],
    ids=str,
)
def test_processes_paint_what_one_paints(pictures, count, overrides):
    (alone, expected), *_ = painted(pictures, 1, **overrides)
    for pixels, losses in painted(pictures, count, **overrides):
        assert losses == pytest.approx(expected, rel=1e-8)
        torch.testing.assert_close(pixels, alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"seamless": "both"}, "no circle"),
        ({"style_loss": "nearest-neighbour"}, "do not add up over processes"),
        ({"size": 36}, "2 processes share a canvas of 30 rows, which has room for 1"),
    ],
    ids=str,
)
def test_what_processes_cannot_share(pictures, overrides, message):
    with pytest.raises(SettingsError, match=message):
        painted(pictures, 2, **{"scales": (1.0,), "smallest": 16, **overrides})


def test_terms_of_your_own_are_for_one_process(pictures):
    names, settings = (pictures / "photo.png", pictures / "painting.png"), Settings.of(**SMALL)
    with pytest.raises(SettingsError, match="terms of your own"):
        together(2, lambda ranks: Run(*names, settings, ranks=ranks, terms=[lambda context: None]))


def test_processes_agree_on_what_they_paint(pictures):
    """Every process refuses, with the same words, which name what differs and where."""

    def paint(ranks):
        given = {**SMALL, "scales": (1.0,), "style_weight": 100.0 + (ranks.rank == 2)}
        settings = Settings.of(**given)
        run = Run(pictures / "photo.png", pictures / "painting.png", settings, ranks=ranks)
        with pytest.raises(SettingsError, match="settings of process 2 differs from that of"):
            list(run)

    def other(ranks):
        with pytest.raises(SettingsError, match="list of inputs of process 1 differs"):
            agree(ranks, {"settings": "", **({"protect": "1"} if ranks.rank == 1 else {})})

    together(3, lambda ranks: agree(ranks, {"a": "1", "b": "2"}))
    together(3, other)
    together(3, paint)


def test_all_processes_stop_where_one_is_told_to(pictures):
    def paint(ranks):
        run = Run(
            pictures / "photo.png", pictures / "painting.png", Settings.of(**SMALL), ranks=ranks
        )
        for step in run:
            if ranks.rank == 1 and step.iteration == 1:
                run.cancel()
        return run.done, run.result().image.size

    assert together(2, paint) == [(1, (96, 80))] * 2


def test_processes_keep_the_history_of_the_one_with_the_least_memory(pictures, monkeypatch):
    """The others' memory would hold more pairs, but a pair has a part at each process."""
    kept = []

    def paint(ranks):
        settings = Settings.of(**SMALL, scales=(1.0,))
        run = Run(pictures / "photo.png", pictures / "painting.png", settings, ranks=ranks)
        next(iter(run))
        kept.append(run.state.plans[0].history)

    monkeypatch.setattr(share, "gathered", lambda ranks, history: [history, 4])
    together(2, paint)
    assert kept == [4, 4]


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def started(rank, count, port, *arguments):
    """A process of several, as torchrun would start it."""
    told = {"RANK": rank, "WORLD_SIZE": count, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": count}
    told |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": 1}
    environment = {**os.environ, **{name: str(value) for name, value in told.items()}}
    return child(impasto_command(*arguments), env=environment)


OPTIONS = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]


def command(pictures, output, *options):
    names = [pictures / "photo.png", pictures / "painting.png"]
    return ["stylize", *names, *OPTIONS, "--distributed", "-o", output, *options]


def ended(processes):
    """(exit code, standard error) of each."""
    told = [process.communicate(timeout=PATIENCE)[1] for process in processes]
    return [(p.returncode, text) for p, text in zip(processes, told, strict=True)]


def test_two_processes_write_one_picture(pictures, tmp_path):
    """By gloo; the first has all outputs."""
    output, port = tmp_path / "two.png", free_port()
    arguments = command(pictures, output, "--trace", tmp_path / "two.jsonl", "-q")
    with started(0, 2, port, *arguments) as first, started(1, 2, port, *arguments) as second:
        assert ended([first, second]) == [(0, ""), (0, "")]
    (alone, losses), *_ = painted(pictures, 1)
    assert len((tmp_path / "two.jsonl").read_text().splitlines()) == len(losses)
    levels = np.asarray(Image.open(output)).transpose(2, 0, 1) / 255
    assert abs(levels - alone.numpy()).max() < 0.6 / 255


def test_a_killed_process_ends_all(pictures, tmp_path):
    trace, port = tmp_path / "trace.jsonl", free_port()
    options = "--trace", trace, "--iterations=100000", "-q", "--checkpoint-every", "0"
    arguments = command(pictures, tmp_path / "never.png", *options)
    with started(0, 2, port, *arguments) as first, started(1, 2, port, *arguments) as second:
        wait_until(lambda: trace.exists() and trace.read_text().count("\n") > 3, first)
        os.kill(second.pid, signal.SIGKILL)
        (code, told), (killed, _) = ended([first, second])
    assert (code, killed) == (2, -signal.SIGKILL)
    assert re.fullmatch(r"error: another process of this picture has ended, and so .*\n", told)
    assert not (tmp_path / "never.png").exists()
    done = json.loads((tmp_path / "never.checkpoint").read_text())["iteration"]
    arguments = command(pictures, tmp_path / "never.png", f"--iterations={done + 1}", "--resume")
    with started(0, 1, free_port(), *arguments, "-q") as alone:
        ((code, told),) = ended([alone])
    assert (code, told) == (0, "warning: other processes: the last digits may differ\n")
    assert {path.name for path in tmp_path.iterdir()} == {"never.png", "trace.jsonl"}


def test_ctrl_c_writes_the_picture_so_far(pictures, tmp_path):
    """The processes may be in different steps when they hear it."""
    output, trace, port = tmp_path / "so_far.png", tmp_path / "trace.jsonl", free_port()
    arguments = command(pictures, output, "--trace", trace, "--iterations=100000", "-q")
    with started(0, 2, port, *arguments) as first, started(1, 2, port, *arguments) as second:
        wait_until(lambda: trace.exists() and trace.read_text().count("\n") > 3, first)
        for process in (second, first):
            os.kill(process.pid, signal.SIGINT)
        assert [code for code, _ in ended([first, second])] == [130, 130]
    with Image.open(output) as picture:
        assert picture.size == (96, 80)


@pytest.mark.parametrize(
    ("errors", "raised"),
    [
        ((None, None, None), ("made", "made", "made")),
        (("exists", None, None), ("exists", Exit, Exit)),  # only the first has outputs
        (("no file", "no file", "no file"), ("no file", Exit, Exit)),
        ((None, "no file", "no file"), (Exit, "process 1: no file", Exit)),  # on another machine
        (("a", None, "b"), ("a", Exit, "process 2: b")),
    ],
    ids=str,
)
def test_an_error_is_told_by_the_first_that_has_it(errors, raised):
    def make(ranks):
        if error := errors[ranks.rank]:
            raise ImageError(error)
        return "made"

    def begin(ranks):
        try:
            return distributed.together(ranks, lambda: make(ranks))
        except ImpastoError as error:
            return str(error)
        except Exit:
            return Exit

    assert tuple(together(3, begin)) == raised


@pytest.mark.parametrize(
    ("rank", "error", "raised"),
    [
        (0, Diverged("the loss is nan"), "the loss is nan"),
        (1, Diverged("the loss is nan"), Exit),
        (1, OutOfMemory("too large"), "process 1: too large"),
        (2, ProcessLost("ended"), "process 2: ended"),
    ],
)
def test_an_error_of_one_process_says_whose_it_is(rank, error, raised, monkeypatch):
    monkeypatch.setattr(
        hardware_ranks, "joined", lambda device: nullcontext(Threads(rank, 3, [], None))
    )
    expected = Exit if raised is Exit else ImpastoError
    with (
        pytest.raises(expected) as told,
        distributed.shared(Options(Settings.of())),
    ):
        raise error
    assert raised is Exit or str(told.value) == raised


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--distributed"], "RANK is not set; use torchrun"),
        (["--distributed", "--preview", "so_far.png"], "--preview is not there with"),
        (["--distributed", "--timelapse", "film.mp4"], "--timelapse is not there with"),
        (["--distributed", "--style", "a.png"], "paints one photograph"),
    ],
    ids=str,
)
def test_what_distributed_refuses(pictures, options, message, capsys, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(SystemExit) as ended:
        main(["stylize", *map(str, (pictures / "photo.png", pictures / "painting.png")), *options])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_each_process_has_its_card(monkeypatch):
    """Of two that a machine has; on a machine without, `auto` is the CPU for all."""
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert on_this_rank(Settings.of()).device == ("cuda:1" if torch.cuda.is_available() else "cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert on_this_rank(Settings.of(device="cuda")).device == "cuda:1"
    assert on_this_rank(Settings.of(device="cpu")).device == "cpu"
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(SettingsError, match="process 2 of this machine has no card of its own"):
        on_this_rank(Settings.of())


@pytest.mark.parametrize(
    "overrides",
    [{}, {"colour": "match"}, {"legibility": 1.0}, {"seamless": "x"}, {"style_scale": 0.3}],
    ids=str,
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_rows_of_inputs_are_those_of_the_whole(pictures, overrides, mode, monkeypatch):
    """To the last bit, whether they are made by themselves or not."""
    monkeypatch.setattr(resampling, "WHOLE", 1000)
    monkeypatch.setattr(resampling, "BAND", 1500)
    photo = smooth_picture(96, 80).to_pil().convert(mode)
    if mode == "RGBA":
        photo.putalpha(Image.open(pictures / "mask.png"))
    given = {"size": 128, "smallest": 80, "finish": "grain", **overrides}
    settings = Settings.of(**{**SMALL, **given})
    masks = {"protect": pictures / "mask.png", "content_masks": [pictures / "mask.png"]}

    def made(ranks):
        run = Run(photo, pictures / "painting.png", settings, ranks=ranks, **masks)
        stage = run.inputs.stages[-1]
        part = share.share_of(ranks, stage.size[1], TINY["vgg19"], settings)
        apart, whole = run.inputs.at(stage, part), run.inputs.at(stage)
        for ours, theirs in (
            (apart.content, part.strip.of(whole.content)),
            (apart.original, part.strip.owned(whole.original)),
            (apart.protect, part.strip.owned(whole.protect)),
            (apart.regions[0].where, part.strip.of(whole.regions[0].where)),
        ):
            assert torch.equal(ours, theirs)
        (strip,) = apart.style_strips
        style = whole.styles[0]
        assert torch.equal(apart.styles[0], strip.of(style) if strip else style)
        return bool(strip)

    assert together(3, made) == [overrides.get("style_scale") is None] * 3


@pytest.mark.parametrize("size", [(50, 41), (97, 123), (40, 33)], ids=str)
def test_rows_are_resized_as_the_whole_is(size):
    picture, net = torch.rand(3, 83, 70, dtype=torch.float64), TINY["vgg19"]

    def resize(ranks):
        before, after = (
            share.Share(ranks, divided(height, ranks.count, net, ["relu2_1"]), net, ())
            for height in (83, size[1])
        )
        own = before.strip.owned(picture)
        found = share.resized_rows(own, before, after, size[0], (False, True))
        return found, after.strip.owned(resized(picture, size, (False, True)))

    for ours, theirs in together(4, resize):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-14)


SHOWN = [
    ({}, "clip"),
    ({"colour": "keep"}, "keep"),
    ({"finish": "grain"}, "an effect that sees neighbours"),
    ({"tones": "stretch"}, "tones of the whole"),
]


@pytest.mark.parametrize(("overrides", "_name"), SHOWN, ids=[name for _, name in SHOWN])
@pytest.mark.parametrize("ending", ["tif", "png"])
def test_a_result_in_bands_is_the_result(pictures, tmp_path, monkeypatch, overrides, _name, ending):
    """The first process writes it; none of the bands is the whole where pixels are apart."""
    monkeypatch.setattr(bands, "_PIXELS", 1000)
    settings = Settings.of(**{**SMALL, "iterations": 1, "scales": (1.0,), **overrides})
    names = pictures / "photo.png", pictures / "painting.png"

    def paint(ranks):
        run = Run(*names, settings, protect=pictures / "mask.png", ranks=ranks)
        list(run)
        file = tmp_path / f"{ranks.rank}.{ending}"
        if ranks.rank == 0:
            run.result_in_bands().save(file, bits=16)
        else:
            run.result_in_bands().drain()
        image = run.result().image
        return image, file

    (image, file), (_, other), _ = together(3, paint)
    assert not other.exists()
    saved = read(file)
    assert np.array_equal(saved.levels(16), image.levels(16))
    assert saved.record
    assert parse_record(saved.record)["result"] == parse_record(image.record)["result"]


def test_bands_are_taken_once(pictures):
    def paint(ranks):
        run = Run(
            pictures / "photo.png", pictures / "painting.png", Settings.of(**SMALL), ranks=ranks
        )
        list(run)
        shown = run.result_in_bands()
        shown.drain()
        with pytest.raises(OutputError, match="only 0 of 80 rows"):
            shown.save(io.BytesIO())

    together(2, paint)
