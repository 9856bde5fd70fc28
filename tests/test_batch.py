"""Batches: which pairs, where to, what is done already, and what a failure leaves."""

import gc
import json
import multiprocessing
import os
import pickle
import random
import re
import shlex
import shutil
import signal
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import impasto
from conftest import smooth_picture
from impasto import Settings
from impasto.apps.batch import (
    Batch,
    Entry,
    Gallery,
    Layout,
    Manifest,
    Pair,
    Task,
    galleries_in,
    job,
    paint_job,
    pair_up,
    pairs_in,
)
from impasto.apps.batch.processes import Processes
from impasto.apps.cli import main
from impasto.errors import ImageError, OutputError, SettingsError
from impasto.images import read
from impasto.objective import StyleCache
from impasto.outputs.report.writing import REPORTS
from impasto.run.events import Step
from impasto.run.provenance import show_record
from support.pictures import no_pictures_in, save_pairs

SMALL = {"size": 32, "iterations": 1, "precision": "fp32", "style_loss": "gram", "encoder": "tiny"}
QUICK = [
    part for name, value in SMALL.items() for part in (f"--{name.replace('_', '-')}", str(value))
]
SETTINGS = Settings.of("standard", **SMALL)
REAL = SETTINGS.replaced(encoder="vgg19", supersample_below=0)
"""For other processes, which know no tiny network, and paint as large as users have it."""
DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with two pairs in it."""
    monkeypatch.chdir(tmp_path)
    save_pairs(2, "jpg")
    return tmp_path


@pytest.fixture
def batch(capsys):
    """`impasto batch` in this process: (exit code, stdout, stderr)."""

    def run(*arguments, small=QUICK):
        with pytest.raises(SystemExit) as left:
            main(["batch", *map(str, arguments), *small])
        return (left.value.code, *capsys.readouterr())

    return run


def manifest(folder="."):
    return [json.loads(line) for line in Path(folder, "manifest.jsonl").read_text().splitlines()]


def statuses(folder="."):
    return [(line["index"], line["status"]) for line in manifest(folder)]


def refused(result):
    """The one line of an error, with exit code 2 and nothing on stdout."""
    code, out, err = result
    assert (code, out) == (2, ""), result
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def touch(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"")


def names(paths):
    return [path.name for path in paths]


# Which pairs


@given(st.lists(st.integers(0, 10**30), unique=True, min_size=1), st.randoms())
def test_numbers_sort_as_numbers(tmp_path_factory, numbers, order):
    folder = tmp_path_factory.mktemp("natural")
    shuffled = order.sample(numbers, len(numbers))
    touch(folder, *(f"content_{number}.png" for number in shuffled))
    expected = [f"content_{number}.png" for number in sorted(numbers)]
    assert names(Gallery(folder, "content_").pictures()) == expected


def test_names_without_numbers_sort_too(tmp_path):
    wanted = [
        "2 b.png",
        "10.jpg",
        "A.png",
        "a1.png",
        "a1b2.png",
        "a1b10.png",
        "ä.png",
        "日本 1.JPG",
    ]
    touch(tmp_path, *random.Random(0).sample(wanted, len(wanted)))
    assert names(Gallery(tmp_path).pictures()) == wanted


def test_any_ending_in_any_case_and_nothing_else(tmp_path):
    pictures = ["content_1.JPG", "content_2.jpeg", "content_3.TiFf", "content_4.webp"]
    pictures += ["content_5.avif", "content_6.bmp", "content_7.GIF", "content_8.Png"]
    touch(tmp_path, *pictures, "content_9.txt", "content_10", ".content_11.png", "other.png")
    (tmp_path / "content_12.png").mkdir()
    contents, styles = galleries_in(tmp_path)
    assert names(contents.pictures()) == pictures
    with pytest.raises(ImageError, match="no picture whose name begins with style_"):
        styles.pictures()


def test_a_gallery_of_one_picture(tmp_path):
    touch(tmp_path, "one.jpg", "two.jpg")
    one = Gallery(tmp_path / "one.jpg")
    assert one.pictures() == [tmp_path / "one.jpg"]
    assert one.has(tmp_path / "." / "one.jpg")
    assert not one.has(tmp_path / "two.jpg")


@given(st.integers(1, 9), st.integers(1, 9))
def test_pairings_count(some, others):
    contents = [Path(f"c{number}") for number in range(some)]
    styles = [Path(f"s{number}") for number in range(others)]
    every = pair_up(contents, styles, "all")
    assert len(set(every)) == some * others
    assert every[0] == Pair(contents[0], styles[0])
    if some == others:
        assert [(p.content, p.style) for p in pair_up(contents, styles)] == list(
            zip(contents, styles, strict=True)
        )
    else:
        with pytest.raises(
            SettingsError, match=f"{some} content and {others} style .*set pairs to all"
        ):
            pair_up(contents, styles)


# Where to


def test_each_pair_has_a_folder(folder, batch):
    code, out, err = batch(".")
    assert (code, out) == (
        0, "2 painted, 0 skipped (done before), 0 failed of 2; see manifest.jsonl\n"
    )  # fmt: skip
    assert "2/2" in err
    for index, number in enumerate((1, 2)):
        assert read(f"gen_{index}/content_{number}_style_{number}.png").size == (32, 26)
        assert len(list(Path(f"gen_{index}").iterdir())) == 1


def test_results_are_those_of_single_runs(folder, batch):
    batch(".", "--pairs", "all", "-q")
    for line in manifest():
        alone = impasto.stylize(line["content"], line["style"], **SMALL)
        assert np.array_equal(np.asarray(Image.open(line["output"])), alone.image.to_pil())
        last = alone.steps[-1]
        assert (line["iterations"], line["loss"], line["terms"]) == (1, last.loss, last.terms)
        assert Settings.checked(line["settings"]) == SETTINGS


def test_the_best_canvas_has_its_own_loss(folder):
    settings = SETTINGS.replaced(select="best", optimiser="adam", learning_rate=200, iterations=3)
    settings = settings.replaced(scales="0.9,1")
    (entry,) = Batch(pairs_in(".")[:1], settings, Layout(Path("out")))
    record = show_record("out/gen_0/content_1_style_1.png")
    assert entry.loss == record["result"]["loss"]
    assert entry.iterations == record["result"]["iterations_run"] == 6


def test_a_recipe_writes_what_it_writes(folder, batch):
    code, *_ = batch(".", "--recipe", "matconvnet-noise", "--save-every", "1", "--report", "r.png",
                     "--timelapse", "none", "--trace", "{stem}.jsonl", "-o", "out",
                     small=["--size", "32", "--iterations", "2"])  # fmt: skip
    assert code == 0
    for index in (0, 1):
        found = sorted(path.name for path in Path(f"out/gen_{index}").iterdir())
        assert found == ["final_output.jpg", "final_output.jsonl", "r.png", "temp_output_1.jpg"]


def test_shared_folders_keep_pairs_apart(folder, batch):
    code, *_ = batch("--contents", ".", "--styles", ".", "--pairs", "all", "--output", "out",
                     "--name", "{content}+{style}.jpg", "--trace", "t.jsonl", "-q")  # fmt: skip
    assert code == 0
    assert len(list(Path("out").glob("*.jpg"))) == 16
    assert len(list(Path("out").glob("content_1+style_2_t.jsonl"))) == 1
    assert len(list(Path("out").iterdir())) == 33


def test_one_painting_for_all_photographs(folder, batch):
    shutil.copy("style_1.jpg", "wave.jpg")
    code, _, err = batch("--contents", ".", "--styles", "wave.jpg", "-o", "out",
                         "--name", "{content}.png", "-q")  # fmt: skip
    assert (code, err) == (0, "")
    assert {"content_1.png", "content_2.png", "style_1.png"} <= {
        path.name for path in Path("out").iterdir()
    }
    code, _, err = batch("--contents", ".", "--styles", "wave.jpg", "-o", "o", "--pairs", "order")
    assert code == 2
    assert "1 style pictures, too few" in err
    assert not Path("o").exists()


def test_templates_have_fields(folder):
    name = "{recipe}/{index:03d}/{content}-{style}.png"
    jobs = Layout(Path("out"), name).jobs(pairs_in("."), SETTINGS)
    assert [job.name for job in jobs] == [
        "standard/000/content_1-style_1.png",
        "standard/001/content_2-style_2.png",
    ]
    assert jobs[0].path == Path("out/standard/000/content_1-style_1.png")


ESCAPES = ["/tmp/{index}.png", "../{index}.png", "a/../../{index}.png", "a//{index}.png",
           "./{index}.png", "{index}.png/", "..", "{content}/./x.png"]  # fmt: skip


@pytest.mark.parametrize("name", ESCAPES)
def test_templates_stay_inside(name, folder, batch):
    assert "expected a path within" in refused(batch(".", "--name", name, "-o", "out", "-q"))
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "name", ["{index.__class__}.png", "{file}.png", "{0}.png", "{", "{index:{x}}.png", "{index:s}"]
)
def test_templates_have_no_other_fields(name, folder, batch):
    assert repr(name) in refused(batch(".", "--name", name, "-q"))


def test_hostile_names_stay_inside(tmp_path):
    """Whatever stems there are: the name is in the folder, or refused."""
    layout = Layout(tmp_path, "{content}/{index}.png")
    for path in (Path("-o.png"), Path("{style}.png"), Path("~")):
        (job,) = layout.jobs([Pair(path, Path("s.png"))], SETTINGS)
        assert job.path.resolve() == (tmp_path / path.stem / "0.png").resolve()
    for path in (Path(".."), Path("x/..") / "...png"):
        with pytest.raises(SettingsError, match="expected a path within the output folder"):
            layout.jobs([Pair(path, Path("s.png"))], SETTINGS)


def test_a_link_does_not_lead_out(folder, batch):
    Path("out").mkdir()
    Path("elsewhere").mkdir()
    Path("out/gen_1").symlink_to(folder / "elsewhere")
    assert "a link leads out of out" in refused(batch(".", "-o", "out", "-q"))


COLLISIONS = {
    "one name for all": ["--name", "x.png"],
    "input": ["--output", ".", "--name", "{content}.jpg"],
    "input of another pair": ["--output", ".", "--name", "content_{index}.jpg"],
    "report is result": ["--name", "{index}/r.png", "--report", "r.png"],
    "trace elsewhere": ["--name", "{index}/x.png", "--trace", "../manifest.jsonl"],
    "report elsewhere": ["--report", "sub/report.png"],
    "report without name": ["--report", ""],
}  # fmt: skip


@pytest.mark.parametrize("collision", COLLISIONS)
def test_files_do_not_collide(collision, folder, batch):
    before = sorted(folder.rglob("*"))
    refused(batch(".", *COLLISIONS[collision], "-q"))
    assert sorted(folder.rglob("*")) == before


def test_a_trace_is_not_the_manifest(tmp_path):
    layout = Layout(tmp_path, "{content}.png", {"trace": "manifest.jsonl"})
    with pytest.raises(OutputError, match="is also the manifest"):
        layout.jobs([Pair(Path("a.png"), Path("s.png"))], SETTINGS)


def test_an_intermediate_is_no_result(tmp_path):
    pairs = [Pair(Path(name), Path("s.png")) for name in ("a.png", "a.0002.png")]
    layout = Layout(tmp_path / "out", "{content}.png", {"save_every": 2})
    settings = SETTINGS.replaced(iterations=4)
    with pytest.raises(OutputError, match=r"a\.0002\.png: is also a file of a\.png with s\.png"):
        layout.jobs(pairs, settings)


def test_a_rerun_does_not_paint_from_its_own_results(folder, batch):
    name = ["--name", "{content}-{style}.jpg"]
    assert batch(".", *name, "-q")[0] == 0
    assert "0 painted, 2 skipped" in batch(".", *name)[1]
    told = refused(batch(".", *name, "--report", "{stem}.png", "-q"))
    assert "would be an input when this is run again" in told


# What is done


def test_styles_are_measured_once(folder, monkeypatch):
    get, measured = StyleCache.get, []

    def counted(cache, key, measure):
        return get(cache, key, lambda: measured.append(key) or measure())

    monkeypatch.setattr(StyleCache, "get", counted)
    entries = list(Batch(pairs_in(".", "all"), SETTINGS, Layout(Path("out"))))
    assert [entry.status for entry in entries] == ["done"] * 4
    assert len(measured) == len(set(measured)) == 2


def test_a_rerun_passes_over_what_is_done(folder, batch):
    batch(".", "-q")
    code, out, err = batch(".")
    assert (code, out) == (
        0, "0 painted, 2 skipped (done before), 0 failed of 2; see manifest.jsonl\n"
    )  # fmt: skip
    assert err == ""
    assert statuses() == [(0, "done"), (1, "done")]
    smooth_picture(40, 33, phase=7).save("content_2.jpg")
    assert "1 painted, 1 skipped" in batch(".")[1]
    Path("gen_0/content_1_style_1.png").unlink()
    assert "1 painted, 1 skipped" in batch(".")[1]
    assert "2 painted, 0 skipped" in batch(".", "--seed", "1")[1]
    assert "2 painted, 0 skipped" in batch(".", "--seed", "1", "--overwrite")[1]
    assert "0 painted, 2 skipped" in batch(".", "--seed", "1")[1]


def test_new_pairs_are_added(folder, batch):
    batch(".", "-q")
    smooth_picture(40, 33).save("content_10.png")
    smooth_picture(40, 33, phase=3).save("style_3.png")
    assert "1 painted, 2 skipped" in batch(".")[1]
    assert Path("gen_2/content_10_style_3.png").exists()


entries = st.builds(
    Entry,
    index=st.integers(0),
    content=st.text(),
    style=st.text(),
    output=st.text(min_size=1),
    content_sha256=st.none() | st.text(),
    style_sha256=st.none() | st.text(),
    status=st.sampled_from(["done", "failed"]),
    settings=st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.floats(0, 1))),
    started=st.text(),
    seconds=st.floats(0, 1e9),
    iterations=st.none() | st.integers(0),
    loss=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    terms=st.none() | st.dictionaries(st.text(), st.floats(0, 1)),
    error=st.none() | st.text(st.characters()),
)


@given(st.lists(entries))
def test_entries_come_back(tmp_path_factory, written):
    kept = Manifest(tmp_path_factory.mktemp("manifest") / "m.jsonl")
    for entry in written:
        kept.append(entry)
    assert kept.latest() == {entry.output: entry for entry in written}


@given(st.lists(entries, min_size=2, max_size=4, unique_by=lambda e: e.output), st.data())
def test_a_line_broken_off_costs_only_itself(tmp_path_factory, written, data):
    kept = Manifest(tmp_path_factory.mktemp("manifest") / "m.jsonl")
    for entry in written[:-1]:
        kept.append(entry)
    whole = kept.path.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])
    kept.path.write_bytes(whole[: len(whole) - data.draw(st.integers(2, last))])
    kept.append(written[-1])
    expected = [*written[:-2], written[-1]]
    assert kept.latest() == {entry.output: entry for entry in expected}


HOSTILE = [
    b"", b"\n\n", b"\x00\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 10_000, b"null",
    b"[]", b"{}", b'{"output": []}', b"\xef\xbb\xbf{}", b'"\\ud800"', b"NaN", b"x" * 3_000_000,
]  # fmt: skip


@pytest.mark.parametrize("line", HOSTILE, ids=lambda line: repr(line[:12]))
def test_hostile_lines_are_passed_over(line, folder, batch):
    batch(".", "-q")
    path = Path("manifest.jsonl")
    whole = path.read_bytes()
    path.write_bytes(line + b"\n" + whole + line)
    assert batch(".", "-q")[0] == 0
    assert path.read_bytes() == line + b"\n" + whole + line


NESTED = json.loads("[" * 900 + "]" * 900)


@pytest.mark.parametrize(
    "forged",
    [
        {"output": "a\0b"}, {"output": "\ud800"}, {"output": []}, {"output": "x" * 5000},
        {"settings": NESTED}, {"terms": NESTED}, {"status": []}, {"content_sha256": 1e308},
        {"error": "\x1b]0;pwned\x07"},
    ],
    ids=str,
)  # fmt: skip
def test_forged_entries_are_harmless(forged, folder, batch):
    batch(".", "-q")
    line = manifest()[0]
    with Path("manifest.jsonl").open("a") as file:
        print(json.dumps({**line, **forged}), file=file)
    code, out, _ = batch(".", "--json")
    assert code == 0
    assert [json.loads(line)["index"] for line in out.splitlines()] == [0, 1]


def test_a_kill_in_the_middle_of_a_line(folder, batch):
    batch(".", "-q")
    path = Path("manifest.jsonl")
    path.write_bytes(path.read_bytes()[:-100])
    code, out, _ = batch(".")
    assert (code, out.split(" failed")[0]) == (0, "1 painted, 1 skipped (done before), 0")
    assert "0 painted, 2 skipped" in batch(".")[1]
    assert path.read_bytes().count(b"\n") == 3


def test_two_batches_do_not_mix_their_lines(tmp_path):
    """Two writers, one of which was broken off once."""
    one, other = (Manifest(tmp_path / "m.jsonl") for _ in range(2))
    entry = Entry(0, "c", "s", "o", None, None, "done", {}, "", 0.0)
    for number in range(50):
        (one if number % 2 else other).append(replace(entry, output=str(number)))
    assert len(one.latest()) == 50


def test_a_manifest_is_a_file(folder, batch):
    Path("manifest.jsonl").mkdir()
    assert "manifest.jsonl: is not a file" in refused(batch(".", "-q"))
    Path("manifest.jsonl").rmdir()
    os.mkfifo("manifest.jsonl")
    assert "manifest.jsonl: is not a file" in refused(batch(".", "-q"))


# What fails


def test_odd_and_broken_pictures(tmp_path, monkeypatch, batch):
    monkeypatch.chdir(tmp_path)
    colours = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)
    picture = Image.fromarray(colours)
    Path("content_1.png").write_text("paint me")
    Image.new("RGB", (1, 1), "red").save("content_2.png")
    picture.save("content_3.jpg")
    Path("content_3.jpg").write_bytes(Path("content_3.jpg").read_bytes()[:-300])
    picture.convert("CMYK").save("content_4.JPG")
    Image.fromarray(colours[..., 0].astype(np.uint16) * 257).save("content_5.png")
    Image.new("RGBA", (40, 30), (200, 80, 20, 99)).save("content_6.png")
    Path("content_7.png").write_bytes(b"")
    picture.resize((300, 200)).save("content_8.png")
    Path("content_9.png").symlink_to("gone.png")
    os.mkfifo("content_10.png")
    picture.save("style_1.png")
    code, out, err = batch(".", "--pairs", "all", "--max-pixels", "50000")
    bad = {0: "not an image", 2: "damaged", 6: "empty", 7: "--max-pixels", 8: "No such", 9: "pipe"}
    assert code == 1
    assert "4 painted, 0 skipped (done before), 6 failed of 10" in out
    told = [line for line in err.splitlines() if line.startswith("failed: ")]
    assert len(told) == 6
    for line, (index, reason) in zip(told, bad.items(), strict=True):
        assert line.startswith(f"failed: gen_{index}/content_{index + 1}_style_1.png: ")
        assert reason in line
    failed = [line for line in manifest() if line["status"] == "failed"]
    assert [line["index"] for line in failed] == list(bad)
    assert all(line["error"] and line["loss"] is None for line in failed)
    assert read("gen_5/content_6_style_1.png").alpha is not None
    assert not Path("gen_0").exists()
    code, out, _ = batch(".", "--pairs", "all", "--max-pixels", "50000")
    assert (code, out[:20]) == (1, "0 painted, 4 skipped")


def test_unicode_and_spaces(folder, batch):
    Path("content_1.jpg").rename("content_naïve café ☕ 日本.jpg")
    Path("style_2.jpg").rename(os.fsdecode(b"style_\xff\n\x1b[31m.jpg"))
    Path("style_1.jpg").write_bytes(b"")
    code, out, err = batch(".", "--json")
    assert code == 1
    assert "\x1b[31m" not in err + out
    assert len(out.splitlines()) == 2
    Path("style_1.jpg").write_bytes(Path("content_2.jpg").read_bytes())
    assert batch(".", "-q") == (0, "", "")
    assert "0 painted, 2 skipped" in batch(".")[1]
    assert len(list(Path().glob("gen_*/*.png"))) == 2


def test_a_place_that_cannot_be_written_is_one_pairs_failure(folder, batch):
    Path("gen_0").write_text("in the way")
    code, _, err = batch(".", "-q")
    assert (code, err.count("\n")) == (1, 1)
    assert statuses() == [(0, "failed"), (1, "done")]


def test_names_too_long_are_one_pairs_failure(folder, batch):
    Path("content_1.jpg").rename(f"content_1{'x' * 240}.jpg")
    code, _, err = batch(".", "-q", "--report", "{stem}.html")
    assert (code, "name too long" in err) == (1, True)
    assert statuses() == [(0, "failed"), (1, "done")]


def test_a_diverging_pair_leaves_its_best_picture(folder, batch):
    code, _, err = batch(
        ".",
        "-q",
        "--learning-rate",
        "1e30",
        "--iterations",
        "5",
        "--encoder",
        "tiny",
        small=QUICK[:2],
    )
    assert (code, err.count("lower --learning-rate")) == (1, 2)
    assert read("gen_1/content_2_style_2.png").size == (32, 26)
    assert statuses() == [(0, "failed"), (1, "failed")]


@pytest.mark.filterwarnings("ignore:the loss is")
def test_a_failure_leaves_no_arrays_behind(folder, monkeypatch):
    runs = weakref.WeakSet()

    class Noted(job.Run):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            runs.add(self)

    monkeypatch.setattr(job, "Run", Noted)
    settings = SETTINGS.replaced(iterations=5, learning_rate=1e30)
    gc.disable()
    try:
        for entry in Batch(pairs_in("."), settings, Layout(Path("out"))):
            assert entry.status == "failed"
            assert not runs
    finally:
        gc.enable()


def interrupted_at(monkeypatch, pair, error=KeyboardInterrupt):
    """Let the run of that pair, counted from 1, be broken off at its last step."""
    paint, begun = job.paint_tuned, []

    def broken(run, request, show, stop):
        begun.append(request)

        def note(step):
            if len(begun) == pair and isinstance(step, Step) and step.done == step.total:
                raise error
            show(step)

        return paint(run, request, note, stop)

    monkeypatch.setattr(job, "paint_tuned", broken)


def test_ctrl_c_stops_the_batch_and_a_rerun_goes_on(folder, batch):
    with pytest.MonkeyPatch.context() as patch:
        interrupted_at(patch, 2)
        code, out, err = batch(".")
    assert code == 130
    assert out.startswith("interrupted; 1 painted")
    assert "Traceback" not in err
    assert statuses() == [(0, "done"), (1, "failed")]
    assert manifest()[1]["error"] == "interrupted"
    assert read("gen_1/content_2_style_2.png").size == (32, 26)
    assert "1 painted, 1 skipped" in batch(".")[1]


def test_what_was_done_and_is_broken_off_is_not_done(folder, batch):
    batch(".", "-q")
    with pytest.MonkeyPatch.context() as patch:
        interrupted_at(patch, 1)
        assert batch(".", "--overwrite", "-q")[0] == 130
    assert "1 painted, 1 skipped" in batch(".")[1]


def test_unknown_errors_are_recorded_and_raised(folder, monkeypatch):
    interrupted_at(monkeypatch, 2, RuntimeError("of another kind"))
    with pytest.raises(RuntimeError, match="of another kind"):
        list(Batch(pairs_in("."), SETTINGS, Layout(Path())))
    assert statuses() == [(0, "done"), (1, "failed")]
    assert manifest()[1]["error"] == "RuntimeError: of another kind"


def test_what_would_befall_all_ends_the_batch(folder, batch):
    assert "'relu9_9'" in refused(batch(".", "--style-layers", "relu9_9", "-q"))
    assert "or a weight file" in refused(batch(".", "-q", small=[*QUICK, "--encoder", "vgg7"]))
    assert not Path("manifest.jsonl").exists()


MISTAKES = {
    "nothing said": ([], "got neither; expected FOLDER"),
    "both forms": ([".", "--contents", "."], "got FOLDER and --contents; expected FOLDER alone"),
    "half a form": (["--styles", "."], "got --styles; expected"),
    "no output": (["--contents", ".", "--styles", "."], "--output is missing"),
    "no folder": (["gone"], "gone: No such file or directory"),
    "a file": (["content_1.jpg"], "Not a directory"),
    "nothing there": (["empty"], "empty: holds no picture whose name begins with content_"),
    "nothing in it": (
        ["--contents", "empty", "--styles", ".", "-o", "o"],
        "empty: holds no picture;",
    ),
    "counts": (["three"], "3 content and 1 style pictures"),
    "pairing": ([".", "--pairs", "some"], "pairs is 'some'; expected one of order, all"),
    "ending": ([".", "--name", "{index}.xyz"], "cannot write .xyz"),
    "no ending": ([".", "--name", "{index}"], "cannot write without ending"),
    "depth": ([".", "--name", "{index}.jpg", "--bits", "16"], "JPEG holds 8 bits"),
    "report": ([".", "--report", "r.txt"], "cannot write .txt"),
    "output is a file": ([".", "-o", "content_1.jpg"], "content_1.jpg: cannot be made"),
    "modes": ([".", "--json"], "exclude each other"),
    "setting": ([".", "--size", "big"], "valid integer"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_line(mistake, folder, batch):
    Path("empty").mkdir()
    Path("three").mkdir()
    touch(folder / "three", "content_1.png", "content_2.png", "content_3.png", "style_1.png")
    before = sorted(folder.rglob("*"))
    arguments, says = MISTAKES[mistake]
    assert says in refused(batch(*arguments, "-q", small=[] if "--size" in arguments else QUICK))
    assert sorted(folder.rglob("*")) == before


# How it is shown


def test_json_prints_a_line_for_each_pair(folder, batch):
    code, out, err = batch(".", "--json")
    assert (code, err) == (0, "")
    pairs = [{"event": "pair", **line} for line in manifest()]
    assert [json.loads(line) for line in out.splitlines()] == pairs
    again = [json.loads(line) for line in batch(".", "--json")[1].splitlines()]
    assert [line["status"] for line in again] == ["skipped", "skipped"]
    assert again[0].keys() == pairs[0].keys()


def test_quiet_is_silent(folder, batch):
    assert batch(".", "--quiet") == (0, "", "")


def test_steps_are_shown(folder):
    seen = []
    entries = Batch(pairs_in("."), SETTINGS, Layout(Path())).entries(seen.append)
    assert next(entries).status == "done"
    assert [step.done for step in seen] == [0, 1]
    assert torch.isfinite(torch.tensor([step.loss for step in seen])).all()


def test_a_missing_library_is_told_once(folder, batch, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, _, err = batch(".", "--recipe", "keras-eager", small=QUICK)
    assert code == 0
    assert err.count("no report: ") == 1
    assert "impasto[report]" in refused(batch(".", "--report", "r.png", "-q"))


# The page

PAGES = {name: (DOCS / f"{name}.md").read_text("utf-8") for name in ("batch", "machines")}
BLOCKS = [
    block for page in PAGES.values() for block in re.findall(r"```(\w+)\n(.*?)```", page, re.DOTALL)
]
COMMANDS = [
    [line.partition("#")[0].strip() for line in block.splitlines()]
    for language, block in BLOCKS
    if language == "sh" and "impasto film" not in block  # which tests/film runs
]


@pytest.fixture
def desk(folder):
    for name, role in (("photos", "content"), ("paintings", "style")):
        Path(name).mkdir()
        for number in (1, 2):
            picture = Path(f"{role}_{number}.jpg").read_bytes()
            Path(name, f"{role[0]}{number}.jpg").write_bytes(picture)
    shutil.copy("style_1.jpg", "wave.jpg")
    return folder


@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_commands_of_the_page(block, desk, batch):
    for command in block:
        program, name, *arguments = shlex.split(command)
        assert (program, name) == ("impasto", "batch")
        small = ["--size", "32", "--iterations", "2", "--encoder", "tiny"]
        code, _, err = batch(*arguments, small=small)
        assert code == 0, err


@pytest.mark.parametrize("block", [text for _, text in BLOCKS if "Batch(" in text])
def test_python_of_the_page(block, desk, capsys, monkeypatch):
    of = Settings.of
    monkeypatch.setattr(Settings, "of", lambda name, **given: of(name, **{**given, **SMALL}))
    exec(compile(block, "batch.md", "exec"), {})
    assert capsys.readouterr().out.count(" done ") == 2


def test_the_page_names_every_field():
    table = set(re.findall(r"`(\w+)`", PAGES["batch"].partition("## The manifest")[2]))
    assert {*Entry.__dataclass_fields__} - {"raised"} <= table


@pytest.mark.parametrize("role", ["init", "encoder", "protect", "content_masks"])
def test_what_every_pair_reads_is_not_overwritten(role, folder):
    layout = Layout(Path("out"), "result.png")
    with pytest.raises(OutputError, match="is also the input"):
        Batch(pairs_in(".")[:1], SETTINGS, layout, sources={role: "out/result.png"})


# A refused batch leaves nothing


HOSTILE_PATHS = ["a\0b.png", "", " ", "x" * 300 + ".png", "y/" * 3000 + "z.png", "folder.png",
                 "dangling.png", "loop.png", "pipe.png", "socket.png", "\udcff.png",
                 "content_1.jpg/x.png"]  # fmt: skip
FOR_ALL = ["--init", "--content-mask", "--style-mask", "--keep", "--protect", "--encoder"]


@pytest.fixture
def hostile(folder):
    with no_pictures_in(folder):
        yield folder


@pytest.mark.parametrize("option", FOR_ALL)
def test_what_every_pair_reads_is_checked_first(option, hostile, batch):
    before = sorted(hostile.rglob("*"))
    for path in [*HOSTILE_PATHS, "gone.png"]:
        refused(batch(".", "-o", "out/of/many", "-q", small=[*QUICK, option, path]))
        assert sorted(hostile.rglob("*")) == before, path


@pytest.mark.parametrize("option", ["-o", "--trace", "--report", "--timelapse", "--name"])
def test_places_that_cannot_be_written_are_refused_first(option, hostile, batch, monkeypatch):
    """Or one pair's failure, where only the pair's own place is wrong."""
    undrawn = replace(REPORTS[".png"], make=lambda *_: b"a sheet takes a second")
    monkeypatch.setitem(REPORTS, ".png", undrawn)
    output = [] if option == "-o" else ["-o", "out/of/many"]
    for other in ("content_2.jpg", "style_2.jpg"):
        Path(other).unlink()  # one pair is enough
    for path in HOSTILE_PATHS:
        before = sorted(hostile.rglob("*"))
        code, out, err = batch(".", *output, option, path, "-q")
        assert (code in (0, 1, 2), out) == (True, ""), path
        assert all(len(line) < 1300 for line in err.splitlines())
        if code == 2:
            assert err.startswith("error: ")
            assert err.count("\n") == 1
            assert sorted(hostile.rglob("*")) == before, path
        shutil.rmtree("out", ignore_errors=True)


@pytest.mark.parametrize("option", ["--contents", "--styles"])
def test_hostile_folders(option, hostile, batch):
    other = {"--contents": "--styles", "--styles": "--contents"}[option]
    for path in HOSTILE_PATHS:
        refused(batch(option, path, other, ".", "-o", "out", "-q"))
        refused(batch(path, "-o", "out", "-q"))
    assert not Path("out").exists()


REFUSED = {
    "layers": ["--style-layers", "relu9_9"],
    "no weight": ["--style-weight=0", "--content-weight=0", "--tv-weight=0"],
    "masks": ["--content-mask", "style_1.jpg", "--content-mask", "style_2.jpg"],
    "weights": ["--style-weights", "1,2,3"],
    "device": ["--device", "mps"],
    "executor": ["--on", "moon"],
    "serial jobs": ["--jobs", "2", "--on", "serial"],
    "jobs": ["--jobs", "0"],
    "checkpoint": ["--checkpoint", "a.checkpoint"],
    "resume": ["--resume"],
    "preview": ["--preview"],
}


def test_help_leaves_out_what_a_batch_refuses(folder, batch):
    code, out, _ = batch("--help-all", small=[])
    assert (code, "--trace" in out) == (0, True)
    for option in ("--checkpoint", "--keep-checkpoint", "--preview", "--resume", "--distributed"):
        assert option not in out
        given = [option, "a.checkpoint"] if option == "--checkpoint" else [option]
        said = refused(batch(".", *given))
        assert said.endswith(f"continues by itself when it is run again; leave out {option}\n")
    assert "leave out --checkpoint-every" in refused(batch(".", "--checkpoint-every", "0"))


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_batch_leaves_nothing(case, folder, batch):
    before = sorted(folder.rglob("*"))
    refused(batch(".", "-o", "out/of/many", *REFUSED[case], "-q"))
    assert sorted(folder.rglob("*")) == before


# What makes a pair done


def test_only_what_changes_pixels_paints_again(folder, batch):
    batch(".", "-q")
    for same in (["--threads", "1"], ["--memory", "3GB"], ["--report", "r.png"], ["--jobs", "2"]):
        assert "0 painted, 2 skipped" in batch(".", *same)[1]
    assert "2 painted, 0 skipped" in batch(".", "--finish", "grain")[1]
    assert "2 painted, 0 skipped" in batch(".", small=[*QUICK, "--iterations", "2"])[1]


def test_files_that_all_pairs_read_are_compared(folder, batch):
    smooth_picture(40, 33, phase=3).save("start.png")
    assert batch(".", "-q", "--init", "start.png")[0] == 0
    assert manifest()[0]["inputs"].keys() == {"init"}
    assert "0 painted, 2 skipped" in batch(".", "--init", "start.png")[1]
    smooth_picture(40, 33, phase=4).save("start.png")
    assert "2 painted, 0 skipped" in batch(".", "--init", "start.png")[1]
    assert "2 painted, 0 skipped" in batch(".")[1]


def test_manifests_of_other_versions_are_read(folder, batch):
    """Of one without a field; of one that had a mask among the settings, which is another run."""
    batch(".", "-q")
    first, second = manifest()
    del first["settings"]["tile"], first["inputs"]
    second["settings"]["keep"] = "face.png"
    lines = [json.dumps(line) for line in (first, second)]
    Path("manifest.jsonl").write_text("\n".join(lines) + "\n")
    assert "1 painted, 1 skipped" in batch(".")[1]


# In several processes


def test_a_job_is_a_function_of_plain_values(folder):
    planned = Batch(pairs_in("."), SETTINGS, Layout(Path("out")))
    first, task = pickle.loads(pickle.dumps((planned.jobs[0], planned.task)))
    entry = pickle.loads(pickle.dumps(paint_job(first, task)))
    assert (entry.status, entry.raised) == ("done", None)
    assert not planned.manifest.path.exists()
    alone = impasto.stylize("content_1.jpg", "style_1.jpg", **SMALL)
    assert np.array_equal(np.asarray(Image.open(first.path)), alone.image.to_pil())


def test_processes_paint_what_one_would(folder, batch):
    small = [*QUICK, "--encoder", "vgg19", "--scales", "1"]
    assert batch(".", "-q", "-o", "one", small=small)[0] == 0
    code, out, err = batch(".", "--jobs", "2", "-o", "two", small=small)
    assert (code, out.split(";")[0]) == (0, "2 painted, 0 skipped (done before), 0 failed of 2")
    assert "2/2" in err
    for result in Path("one").rglob("*.png"):
        same = Path("two") / result.relative_to("one")
        assert np.array_equal(np.asarray(Image.open(same)), np.asarray(Image.open(result)))
    known = ("index", "output", "content_sha256", "style_sha256", "settings", "inputs")
    both = [sorted(([line[k] for k in known] for line in manifest(f)), key=lambda v: v[0])
            for f in ("one", "two")]  # fmt: skip
    assert both[0] == both[1]
    assert "0 painted, 2 skipped" in batch(".", "--jobs", "2", "-o", "two", small=small)[1]


def test_a_worker_that_dies_costs_one_pair(folder, monkeypatch):
    """Its successor paints the rest."""
    seen = []

    def watch(job, event):
        if isinstance(event, Step) and not seen:
            seen.append(job.index)
            os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)

    settings = REAL.replaced(iterations=80)
    planned = Batch(pairs_in("."), settings, Layout(Path("out")), executor=Processes(1))
    ended = list(planned.entries(watch=watch))
    assert [entry.status for entry in ended] == ["failed", "done"]
    assert "killed, perhaps for lack of memory" in ended[0].error
    assert not multiprocessing.active_children()


def test_an_error_in_a_worker_ends_the_batch(folder):
    """It is raised here, once the pairs under way are recorded."""
    planned = Batch(pairs_in("."), REAL, Layout(Path("out")), executor=Processes(2))
    planned.task = replace(planned.task, sources={"strange": "argument"})
    planned._check_shared = planned._rehearse = lambda *_: None
    with pytest.raises(TypeError, match="strange"):
        list(planned)
    assert {line["status"] for line in manifest("out")} == {"failed"}
    assert not multiprocessing.active_children()


def test_ctrl_c_reaches_every_worker(folder):
    """Each saves the picture it is at, and is recorded."""
    settings = REAL.replaced(iterations=100_000)
    planned = Batch(pairs_in("."), settings, Layout(Path("out")), executor=Processes(2))
    begun = set()

    def watch(job, event):
        if isinstance(event, Step) and event.done > 2:
            begun.add(job.index)
        if len(begun) == 2:
            begun.add("told")
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        list(planned.entries(watch=watch))
    assert sorted(statuses("out")) == [(0, "failed"), (1, "failed")]
    assert {line["error"] for line in manifest("out")} == {"interrupted"}
    for each in planned.jobs:
        assert read(each.path).size == (32, 26)
    assert not multiprocessing.active_children()


def test_each_worker_has_its_share(folder):
    settings = SETTINGS.replaced(threads=4, memory="4GB")
    half = Task(settings, share=0.5)._shared_out()
    assert (half.threads, half.memory) == (2, 2_000_000_000)
    auto = Task(SETTINGS, share=0.25)._shared_out()
    assert auto.threads >= 1
    assert auto.memory > 0


def test_notices_are_lines(folder, batch):
    diverging = ["--learning-rate", "1e30", "--encoder", "tiny"]
    _, out, err = batch(".", "--json", *diverging, small=QUICK[:2])
    notices = [line for line in map(json.loads, out.splitlines()) if line["event"] == "notice"]
    assert {line["output"] for line in notices} == {line["output"] for line in manifest()}
    assert "warning" not in err.replace("failed: ", "")
    _, _, err = batch(".", "-q", *diverging, small=QUICK[:2])
    assert "warning: gen_0/content_1_style_1.png: " in err
