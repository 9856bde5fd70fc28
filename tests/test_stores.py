"""Batches of pictures in object stores: by addresses, read and written whole."""

import json
import pickle
import time
from pathlib import Path

import fsspec
import numpy as np
import pytest
from PIL import Image

from impasto.apps.batch import Batch, Gallery, Layout, Pair, job, pair_up
from impasto.apps.batch.stores import StoredLines, Url, place_of
from impasto.apps.cli import main
from impasto.errors import ExtraMissing, ImageError, OutputError, SettingsError
from impasto.settings import Settings
from support.pictures import save_pairs

SMALL = {"size": 32, "iterations": 1, "precision": "fp32", "style_loss": "gram", "encoder": "tiny"}
QUICK = [
    part for name, value in SMALL.items() for part in (f"--{name.replace('_', '-')}", str(value))
]
SETTINGS = Settings.of("standard", **SMALL)


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The store `memory://`, with two pairs in `memory://in`; the working folder is empty."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    (pictures := tmp_path / "pictures").mkdir()
    monkeypatch.chdir(pictures)
    save_pairs(2, "jpg")
    for path in pictures.iterdir():
        files.pipe_file(f"/in/{path.name}", path.read_bytes())
    (here := tmp_path / "here").mkdir()
    monkeypatch.chdir(here)
    yield files
    assert not [*here.glob("memory*")]
    files.store.clear()


def painted(*arguments):
    with pytest.raises(SystemExit) as left:
        main(["batch", *map(str, arguments), *QUICK, "--quiet"])
    return left.value.code


def manifest(store, folder="/out"):
    return [json.loads(line) for line in store.cat_file(f"{folder}/manifest.jsonl").splitlines()]


def test_a_batch_from_a_store_to_a_store(store):
    """Results are those of the same files here; the second time nothing is painted."""
    assert painted("memory://in", "-o", "memory://out", "--trace", "losses.jsonl") == 0
    names = set(store.find("/out"))
    expected = [f"/out/gen_{n}/content_{n + 1}_style_{n + 1}.png" for n in range(2)]
    assert names == {
        *expected,
        *(f"/out/gen_{n}/losses.jsonl" for n in range(2)),
        "/out/manifest.jsonl",
    }
    assert painted("../pictures", "-o", "local") == 0
    for name in expected:
        with store.open(name) as file, Image.open(f"local/{name.removeprefix('/out/')}") as same:
            assert np.array_equal(np.asarray(Image.open(file)), np.asarray(same))
    first, second = manifest(store)
    assert (first["status"], first["content"]) == ("done", "memory://in/content_1.jpg")
    assert first["content_sha256"] is None
    assert first["inputs"].keys() == {"content", "style"}
    made = store.created(expected[0])
    assert painted("memory://in", "-o", "memory://out", "--trace", "losses.jsonl") == 0
    assert store.created(expected[0]) == made
    assert manifest(store) == [first, second]


def test_what_changed_or_is_gone_is_painted_again(store):
    assert painted("memory://in", "-o", "memory://out") == 0
    store.pipe_file("/in/style_2.jpg", store.cat_file("/in/style_1.jpg"))
    store.rm_file("/out/gen_0/content_1_style_1.png")
    assert painted("memory://in", "-o", "memory://out") == 0
    assert [line["index"] for line in manifest(store)] == [0, 1, 0, 1]


def test_one_address_for_all_and_a_folder_here(store):
    contents, styles = "memory://in/content_1.jpg", "../pictures/style_1.jpg"
    assert painted("--contents", contents, "--styles", styles, "-o", "painted") == 0
    assert Path("painted/gen_0/content_1_style_1.png").exists()
    assert (
        painted(
            "--contents",
            "../pictures/content_1.jpg",
            "--styles",
            "memory://in/style_2.jpg",
            "-o",
            "memory://out",
            "--name",
            "{content}.jpg",
        )
        == 0
    )
    assert store.exists("/out/content_1.jpg")


def test_a_file_address_is_a_folder_here(store, tmp_path):
    home = (tmp_path / "with space").as_uri()
    assert painted((tmp_path / "pictures").as_uri(), "-o", home) == 0
    assert (tmp_path / "with space" / "gen_1" / "content_2_style_2.png").exists()
    assert place_of(home) == tmp_path / "with space"


def test_a_failure_is_the_pairs_own(store):
    store.pipe_file("/in/content_1.jpg", b"no picture")
    assert painted("memory://in", "-o", "memory://out") == 1
    assert [line["status"] for line in manifest(store)] == ["failed", "done"]


def test_results_are_no_inputs_the_next_time(store):
    arguments = ["--contents", "memory://in", "--styles", "memory://in/style_1.jpg"]
    arguments += ["-o", "memory://in", "--name", "painted_{content}.png"]
    assert painted(*arguments) == 0
    assert painted(*arguments) == 0
    assert len(manifest(store, "/in")) == 4
    code = painted(*arguments[:-1], "{content}.jpg", "--overwrite")
    assert code == 2  # would overwrite an input


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["memory://in", "-o", "memory://out", "--share"],
            "in memory:// no file is created by only",
        ),
        (["https://example.com/in", "-o", "out"], "a batch reads no pages of the web"),
        (["nowhere://in", "-o", "out"], "Protocol not known"),
        (["memory://", "-o", "out"], "expected a scheme, then one path"),
        (["memory://in::zip://a", "-o", "out"], "expected a scheme, then one path"),
        (["memory://none", "-o", "out"], "memory://none: FileNotFoundError"),
        (["memory://in", "-o", "out", "--init", "memory://in/style_1.jpg"], "is no file"),
    ],
    ids=str,
)
def test_what_is_refused(store, arguments, says, capsys):
    assert painted(*arguments) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1
    assert not Path("out").exists()


def test_without_fsspec_one_line_says_what_to_install(store, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    assert painted("memory://in", "-o", "out") == 2
    assert "pip install 'impasto[remote]'" in capsys.readouterr().err


def test_a_library_of_a_store_that_is_missing(monkeypatch):
    def missing(address):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    with pytest.raises(ExtraMissing, match="s3://a/b: Install s3fs to access S3"):
        place_of("s3://a/b")


def test_a_store_that_refuses_ends_the_batch_before_it_begins(store, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError("read only")

    monkeypatch.setattr(type(store), "pipe_file", refuse)
    pairs = [Pair(Url("memory://in/content_1.jpg"), Url("memory://in/style_1.jpg"))]
    with pytest.raises(OutputError, match="PermissionError: read only"):
        list(Batch(pairs, SETTINGS, Layout(Url("memory://out"))))


def test_pictures_are_bounded_and_leave_nothing(store, tmp_path):
    url = Url("memory://in/content_1.jpg")
    assert url.fetch(tmp_path / "copy").read_bytes() == store.cat_file("/in/content_1.jpg")
    with pytest.raises(ImageError, match="over 10 bytes"):
        url.fetch(tmp_path / "other", longest=10)


def test_an_interrupted_pair_is_saved_and_painted_again(store, monkeypatch):
    """A job is plain values, which any process can paint."""
    pairs = pair_up(*(Gallery(Url("memory://in"), n).pictures() for n in ("content_", "style_")))
    batch = Batch(pairs, SETTINGS.replaced(iterations=50), Layout(Url("memory://out")))
    sent, task = pickle.loads(pickle.dumps((batch.jobs[0], batch.task)))

    class Stopped:
        def is_set(self):
            return True

    entry = job.paint_job(sent, task, stop=Stopped())
    assert (entry.status, entry.error) == ("failed", "interrupted")
    assert store.exists("/out/gen_0/content_1_style_1.png") or entry.iterations is None
    assert sent.checkpoint is None


def test_lines_that_were_broken_off_stay_apart(store):
    lines = StoredLines(Url("memory://out/lines"))
    assert list(lines) == []
    store.pipe_file("/out/lines", b'{"a": 1}\n{"b"')
    lines.append({"c": 3})
    assert list(lines) == [{"a": 1}, {"c": 3}]
    lines.rewrite([{"d": 4}])
    assert list(lines) == [{"d": 4}]


def test_many_lines_are_written_in_few_pieces(store, monkeypatch):
    now, writes, url = [100.0], [], Url("memory://out/many")
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    write = Url.write

    def slowly(url, data):
        now[0] += 0.1
        writes.append(len(data))
        write(url, data)

    monkeypatch.setattr(Url, "write", slowly)
    lines, count = StoredLines(url), 200
    for number in range(count):
        lines.append({"number": number})
        now[0] += 0.05
    assert len(writes) <= count * 0.05 / 2 + 2
    assert writes[0] < 20  # the first one at once
    lines.flush()
    lines.flush()
    assert [each["number"] for each in StoredLines(url)] == [*range(count)]


def test_lines_that_cannot_be_written_wait(store, monkeypatch):
    lines = StoredLines(Url("memory://out/lines"))
    with monkeypatch.context() as broken:
        broken.setattr(Url, "write", lambda *_: raised(OutputError("no room")))
        with pytest.raises(OutputError):
            lines.append({"a": 1})
    assert list(lines) == [{"a": 1}]


def raised(error):
    raise error


def test_addresses_are_like_paths():
    url = Url("s3://bucket/a/photo 1.tar.jpg")
    assert (url.name, url.stem, url.suffix) == ("photo 1.tar.jpg", "photo 1.tar", ".jpg")
    assert (url.scheme, str(url.parent)) == ("s3", "s3://bucket/a")
    assert str(url.parent / "b") == "s3://bucket/a/b"


def test_pairs_of_a_store_in_natural_order(store):
    for number in (10, 3):
        store.pipe_file(f"/in/content_{number}.jpg", b"")
    store.pipe_file("/in/.content_0.jpg", b"")
    names = [url.name for url in Gallery(Url("memory://in"), "content_").pictures()]
    assert names == ["content_1.jpg", "content_2.jpg", "content_3.jpg", "content_10.jpg"]
    with pytest.raises(SettingsError):
        pair_up(Gallery(Url("memory://in"), "content_").pictures(), [])
