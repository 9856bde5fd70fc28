"""Files in the places of a batch's results: whose they are, and what is replaced."""

import json
from pathlib import Path

import fsspec
import pytest

from impasto.apps.batch import Batch, Layout, Leases, Manifest, pairs_in
from impasto.apps.batch.stores import Url
from impasto.apps.cli import main
from impasto.errors import OutputError
from impasto.images import read
from impasto.settings import Settings
from support.pictures import save_pairs

SMALL = {"size": 32, "iterations": 1, "precision": "fp32", "style_loss": "gram", "encoder": "tiny"}
SETTINGS = Settings.of("standard", **SMALL)
RESULT = "out/gen_1/content_2_style_2.png"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working folder with two pairs in it."""
    monkeypatch.chdir(tmp_path)
    save_pairs(2, "jpg")
    return tmp_path


@pytest.fixture
def store():
    """The store `memory://`, empty."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    yield files
    files.store.clear()


def batch(home="out", settings=SETTINGS, outputs=None, share=False, **how):
    layout = Layout(Url(home) if "://" in home else Path(home), outputs=outputs)
    return Batch(
        pairs_in("."), settings, layout, leases=Leases(layout.shared) if share else None, **how
    )


def statuses(batch):
    return [entry.status for entry in batch]


def put(name, text="mine"):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)


class KilledError(BaseException):
    """The process ends here."""


def killed(monkeypatch, batch, line):
    """Paint until the line with that number would be added to the manifest."""
    append, lines = Manifest.append, iter(range(9))

    def add(manifest, entry):
        if next(lines) == line:
            raise KilledError
        append(manifest, entry)

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "append", add)
        with pytest.raises(KilledError):
            list(batch)


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        (RESULT, None),
        ("out/gen_0/losses.jsonl", {"trace": "losses.jsonl"}),
        ("out/gen_1/step_1.png", {"intermediate": "step_{iteration}.png", "save_every": 1}),
    ],
)
@pytest.mark.parametrize("share", [False, True])
def test_the_first_batch_into_a_folder_replaces_nothing(folder, name, outputs, share):
    put(name)
    before = sorted(folder.rglob("*"))
    two = SETTINGS.replaced(iterations=2)
    with pytest.raises(OutputError) as refused:
        list(batch(settings=two, outputs=outputs, share=share))
    remedy = "or remove it" if share else "or add --overwrite to replace it"
    said = f"{name}: exists, and no batch has painted it; choose another --output, {remedy}"
    assert str(refused.value) == said
    assert Path(name).read_text() == "mine"
    assert sorted(folder.rglob("*")) == before


def test_it_does_where_that_is_asked_for():
    put(RESULT)
    assert statuses(batch(overwrite=True)) == ["done", "done"]
    assert read(RESULT)


def test_the_command_says_how(capsys):
    put(RESULT)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
    with pytest.raises(SystemExit) as left:
        main(["batch", ".", "-o", "out", *options])
    assert left.value.code == 2
    assert "or add --overwrite to replace it" in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        main(["batch", ".", "-o", "out", "--overwrite", *options])
    assert left.value.code == 0


@pytest.mark.parametrize("line", [0, 1])
def test_a_batch_that_was_killed_before_a_line_goes_on(monkeypatch, line):
    bare = {"metadata": "none", "record": "none"}
    killed(monkeypatch, batch(outputs=bare), line)
    assert statuses(batch(outputs=bare)) == ["skipped"] * line + ["done"] * (2 - line)


def test_new_settings_replace_results():
    assert statuses(batch()) == ["done", "done"]
    assert statuses(batch(settings=SETTINGS.replaced(iterations=2))) == ["done", "done"]


def test_what_workers_that_died_have_painted_is_the_batchs_own():
    entries = iter(batch(share=True))
    assert next(entries).status == "done"
    entries.close()
    Path("out/manifest.jsonl").unlink()
    assert statuses(batch(share=True)) == ["done", "done"]


@pytest.mark.parametrize("share", [False, True])
def test_a_shared_batch_that_was_given_up_may_be_painted_otherwise(share):
    entries = iter(batch(share=True))
    next(entries)
    entries.close()
    shared = Path("out/manifest.shared")
    shared.rename("given-up")
    assert statuses(batch(settings=SETTINGS.replaced(iterations=2), share=share)) == ["done"] * 2


def test_a_worker_sees_what_another_has_just_begun(monkeypatch):
    put(RESULT)
    looks = iter([False, True])
    monkeypatch.setattr(Layout, "_is_begun", lambda _: next(looks))
    assert statuses(batch(share=True)) == ["done", "done"]


def test_the_first_batch_into_a_store_replaces_nothing(store):
    place = "memory://out/gen_1/content_2_style_2.png"
    store.pipe_file(place, b"mine")
    with pytest.raises(OutputError, match=r"2\.png: exists, and no batch"):
        list(batch("memory://out"))
    assert store.cat_file(place) == b"mine"
    assert store.find("/out") == ["/out/gen_1/content_2_style_2.png"]
    assert statuses(batch("memory://out", overwrite=True)) == ["done", "done"]
    assert store.cat_file(place) != b"mine"


def test_a_batch_into_a_store_that_was_killed_before_a_line_goes_on(store, monkeypatch):
    killed(monkeypatch, batch("memory://out"), 0)
    assert len(store.find("/out")) == 2
    assert statuses(batch("memory://out")) == ["done", "done"]
    lines = store.cat_file("/out/manifest.jsonl").splitlines()
    assert [json.loads(line)["index"] for line in lines] == [0, 1]
