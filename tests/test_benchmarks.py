"""All benchmarks in turn: what is done is kept, what fails is tried again, one table of all."""

import importlib.util
import sys
from pathlib import Path

import httpx
import psutil
import pytest

ROOT = Path(__file__).parent.parent
FAKE = """\
import sys
from pathlib import Path

calls = Path(sys.argv[1])
calls.write_text(calls.read_text() + "x" if calls.exists() else "x")
if "fail" in sys.argv:
    sys.exit(3)
print("## A title", "", "|     | min | ratio |", "| :- | -: | -: |", sep="\\n")
print("| one | 1.5 | 1.00 |", "| two | 3 | |", sep="\\n")
"""


@pytest.fixture
def load(monkeypatch):
    """A benchmark as a module, by its name."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))

    def loaded(name):
        spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)  # dataclasses look there
        spec.loader.exec_module(module)
        return module

    return loaded


@pytest.fixture
def everything(load, monkeypatch):
    """The module, of a commit without changes."""
    module = load("all")
    monkeypatch.setattr(module, "commit_of", lambda folder: "abc")
    return module


@pytest.fixture
def fake(everything, tmp_path):
    """A benchmark that counts its calls, and that count."""
    program, calls = tmp_path / "fake.py", tmp_path / "calls"
    program.write_text(FAKE, "utf-8")
    return everything.Benchmark(str(program), f"{calls} fail", str(calls)), calls


def test_what_is_done_for_a_commit_is_not_run_again(everything, fake, tmp_path, monkeypatch):
    benchmark, calls = fake
    for _ in range(2):
        (outcome,) = everything.run([benchmark], tmp_path / "out", quick=True)
        assert outcome.returncode == 0
    assert calls.read_text() == "x"
    everything.run([benchmark], tmp_path / "out", quick=True, again=True)
    monkeypatch.setattr(everything, "commit_of", lambda folder: "abc-dirty")
    everything.run([benchmark], tmp_path / "out", quick=True)
    assert calls.read_text() == "xxx"
    rows = (tmp_path / "out" / "table.md").read_text("utf-8").splitlines()
    cells = [[cell.strip() for cell in row.strip("| ").split("|")] for row in rows]
    assert cells[0] == ["commit", "machine", "command", "of", "figure"]
    assert [row[3:] for row in cells[2:]] == [["one", "min 1.5, ratio 1.00"], ["two", "min 3"]]
    assert cells[2][0] == "abc-dirty"
    assert cells[2][2] == f"`{benchmark.command(quick=True)}`"


def test_one_that_fails_is_told_and_tried_again(everything, fake, tmp_path):
    benchmark, calls = fake
    for _ in range(2):
        first, second = everything.run([benchmark, benchmark], tmp_path / "out")
    assert (first.returncode, second.returncode) == (3, 3)
    assert "failed: exit code 3" in (tmp_path / "out" / "table.md").read_text("utf-8")
    assert calls.read_text() == "xx"


@pytest.mark.parametrize("cut", [b'{"commit": "abc", "mach', b'{"commit": {}', b"\xc3"])
def test_an_interruption_in_the_middle_of_a_line_costs_that_line(everything, fake, tmp_path, cut):
    benchmark, calls = fake
    (tmp_path / "out").mkdir()
    results = tmp_path / "out" / "results.jsonl"
    results.write_bytes(cut)
    for _ in range(2):
        everything.run([benchmark], tmp_path / "out", quick=True)
    assert calls.read_text() == "x"
    assert results.read_bytes().startswith(cut + b"\n{")
    assert results.read_bytes().endswith(b"}\n")


def test_a_job_of_the_studio_that_fails_is_not_waited_for(load):
    module = load("studio")
    client = module.Client("http://studio", None)
    answer = {"state": "failed", "error": "the disk is full", "settling": False}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=answer))
    client.http = httpx.Client(base_url="http://studio", transport=transport)
    with pytest.raises(SystemExit, match="the disk is full"):
        client.until_finished("7")
    client.until("7", load("studio_hour").ended)  # it counts those that fail


def test_one_process_that_fails_ends_the_others(load):
    code = "import os, time; os.environ['RANK'] == '1' and exit(3); time.sleep(1000)"
    before = {*psutil.Process().children()}
    with pytest.raises(SystemExit, match="ended with code 3"):
        load("ranks").painted([sys.executable, "-c", code], 3)
    assert {*psutil.Process().children()} <= before


def test_a_row_that_fails_on_the_gpu_is_a_failure_in_the_end(load, monkeypatch, capsys):
    module = load("gpu")
    rows = [("one", lambda: ["1.0"]), ("two", lambda: 1 / 0)]
    monkeypatch.setattr(module, "all_rows", lambda *_: iter(rows))
    monkeypatch.setattr(module, "paint", lambda *_: ["2.0", ""])
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device", "cpu", "--quick"])
    with pytest.raises(SystemExit, match="1 rows failed: two"):
        module.main()
    assert "ZeroDivisionError" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device", "cuda:99"])
    with pytest.raises(SystemExit, match="nothing was measured"):
        module.main()


def test_every_benchmark_is_among_them(everything):
    programs = {Path(each.program).stem for each in everything.BENCHMARKS}
    helpers = {"all", "judge", "measuring", "peer", "peer_worker", "scene", "quantisation"}
    helpers |= {f"film_{part}" for part in ("clips", "measures", "painting", "scenes")}
    assert programs == {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - helpers
    commands = [each.command(quick=True) for each in everything.BENCHMARKS]
    assert len(set(commands)) == len(commands)
