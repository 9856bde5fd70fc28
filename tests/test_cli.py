"""The command line as its users meet it: what it prints, writes, refuses, and survives."""

import importlib
import json
import os
import re
import resource
import signal
import sys
import warnings
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from PIL import Image

import impasto as package
from conftest import smooth_picture
from impasto import errors
from impasto.apps.cli import main
from impasto.apps.cli.flags import with_flags
from impasto.apps.cli.parameters import _listed, of_settings
from impasto.images import Picture, read
from impasto.run import provenance
from impasto.settings import Settings
from impasto.settings.variants import COLOUR_MODES, EFFECTS, INITS, OPTIMISERS, STYLE_LOSSES
from support.children import PATIENCE, child, finished, impasto_command, succeeded, wait_until
from support.pictures import no_pictures_in

QUICK = ["--size", "48", "--iterations", "2", "--precision", "fp32", "--style-loss", "gram"]
QUICK += ["--encoder", "tiny"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with photo.png and painting.png in it."""
    monkeypatch.chdir(tmp_path)
    smooth_picture(48, 40).save("photo.png")
    smooth_picture(40, 44, phase=1.0).save("painting.png")
    return tmp_path


@pytest.fixture
def impasto(capsys):
    """Run the command line in this process: (exit code, stdout, stderr)."""

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return left.value.code, out, err

    return run


def refused(result):
    """The one line of an error; checks that it is one, with exit code 2 and nothing on stdout."""
    code, out, err = result
    assert code == 2, (code, out, err)
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def test_threads_sleep_and_are_as_many_as_were_asked_for(impasto, monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv("OMP_DYNAMIC", "true")  # by which results would have holes
    assert impasto("recipes")[0] == 0
    told = [os.environ[name] for name in ("OMP_WAIT_POLICY", "OMP_DYNAMIC")]
    assert told == ["PASSIVE", "false"]
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert impasto("recipes")[0] == 0
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_main_puts_handlers_back(impasto):
    before = signal.getsignal(signal.SIGTERM), warnings.showwarning, list(warnings.filters)
    assert impasto("recipes")[0] == 0
    after = signal.getsignal(signal.SIGTERM), warnings.showwarning, list(warnings.filters)
    assert after == before


def test_stylize_writes_a_picture(folder, impasto):
    code, out, _ = impasto("stylize", "photo.png", "painting.png", "-o", "out.png", *QUICK)
    assert (code, out) == (0, "wrote out.png\n")
    assert read("out.png").size == (48, 40)
    assert not list(folder.glob(".*"))


def test_result_has_a_name_by_default(folder, impasto):
    impasto("stylize", "photo.png", "painting.png", *QUICK, "-q")
    assert (folder / "photo_painting.png").exists()


def test_trace_has_a_line_for_each_iteration(folder, impasto):
    impasto("stylize", "photo.png", "painting.png", *QUICK, "--trace", "t.jsonl", "-q")
    lines = [json.loads(line) for line in Path("t.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines] == [0, 1, 2]
    for line in lines:
        parts = line["content"] + line["style"] + line["variation"]
        assert parts == pytest.approx(line["loss"], rel=1e-5)
        assert line["scale"] == 48
        assert line["seconds"] >= 0


def test_json_mode_prints_lines_only(folder, impasto):
    code, out, err = impasto(
        "stylize", "photo.png", "painting.png", *QUICK, "--json", "-o", "o.png"
    )
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert err == ""
    assert [line["event"] for line in lines] == ["stage", *["step"] * 3, "done", "result"]
    assert [line["iteration"] for line in lines if line["event"] == "step"] == [0, 1, 2]
    for line in lines[1:4]:
        assert (line["done"], line["total"], line["size"]) == (line["iteration"], 2, [48, 40])
        assert {"scale", "loss", "content", "style", "variation", "seconds"} <= line.keys()
    assert lines[-1] == {
        "event": "result", "output": "o.png", "interrupted": False, "iterations": 2
    }  # fmt: skip


def test_quiet_is_silent(folder, impasto):
    assert impasto("stylize", "photo.png", "painting.png", *QUICK, "--quiet") == (0, "", "")


def test_progress_goes_to_stderr(folder, impasto):
    _, out, err = impasto("stylize", "photo.png", "painting.png", *QUICK)
    assert "painting" not in out.replace("photo_painting.png", "")
    assert "2/2" in err


def test_save_every_leaves_pictures_beside(folder, impasto):
    impasto(
        "stylize", "photo.png", "painting.png", "-o", "o.jpg", *QUICK, "--save-every", "1", "-q"
    )
    assert sorted(p.name for p in folder.glob("o*")) == ["o.0001.jpg", "o.jpg"]


def test_reconstruct_names_its_layer_and_its_file(folder, impasto):
    code, out, _ = impasto("reconstruct", "photo.png", "--layer", "relu2_1", *QUICK)
    assert (code, out) == (0, "wrote photo_reconstruction.png\n")
    code, out, _ = impasto("show", "photo_reconstruction.png", "--json")
    record = json.loads(out)
    assert record["settings"]["content_layers"] == {"relu2_1": 1.0}
    assert record["settings"]["recipe"] == "reconstruction"
    assert "style" not in record


def test_a_layer_is_named_once(folder, impasto):
    twice = ["reconstruct", "photo.png", "--layer", "relu2_1", "--content-layers", "relu3_1"]
    assert "exclude each other" in refused(impasto(*twice))


def test_texture_has_any_size(folder, impasto):
    code, out, _ = impasto("texture", "painting.png", *QUICK[2:], "--size", "50x30")
    assert (code, out) == (0, "wrote painting_texture.png\n")
    assert read("painting_texture.png").size == (50, 30)


def test_report_and_timelapse_are_written_and_named(folder, impasto):
    code, out, _ = impasto(
        "stylize", "photo.png", "painting.png", "-o", "o.png", *QUICK,
        "--report", "r.html", "--timelapse", "t.gif",
    )  # fmt: skip
    assert (code, out) == (0, "wrote o.png, r.html, t.gif\n")
    assert "photo.png in the style of painting.png" in Path("r.html").read_text("utf-8")
    assert Path("t.gif").read_bytes()[:6] == b"GIF89a"


SHORT = {"d2l": ["--size", "96x64"], "light-on-math": ["--size", "64x64"]}
FASTAI = {"photo_painting.png", "photo_painting_at_iteration_1.png", "photo_painting.mp4"}
WRITES = {
    "keras-eager": {"photo_painting.png", "photo_painting_report.png"},
    "light-on-math": {"photo_painting.png", "photo_painting.0001.png"},
    "matconvnet-noise": {"final_output.jpg", "temp_output_1.jpg"},
    "fastai-content": FASTAI,
    "fastai-style": FASTAI,
    "fastai-transfer": FASTAI,
    "d2l": {"neural-style.png", "neural-style_report.png"},
    "gatys": {"photo_painting.png"},
    "neural-style": {"photo_painting.png"},
}


@pytest.mark.parametrize("name", WRITES)
def test_a_recipe_writes_what_its_tutorial_writes(name, folder, impasto):
    arguments = ["--recipe", name, "--iterations", "2", *SHORT.get(name, ["--size", "64"])]
    if WRITES[name] & {"photo_painting.0001.png", "temp_output_1.jpg"}:
        arguments += ["--save-every", "1"]  # theirs is longer than this run
    if "fastai" in name:
        arguments += ["--evaluations", "3"]
    code, _, err = impasto("stylize", "photo.png", "painting.png", *arguments)
    assert code == 0, err
    written = {path.name for path in folder.iterdir()} - {"photo.png", "painting.png"}
    assert written == WRITES[name]


def test_recipes_files_can_be_declined(folder, impasto):
    impasto(
        "stylize", "photo.png", "painting.png", "--recipe", "fastai-transfer", "-o", "o.png",
        *QUICK, "--evaluations", "2", "--save-every", "0", "--timelapse", "none",
    )  # fmt: skip
    assert {path.name for path in folder.iterdir()} == {"photo.png", "painting.png", "o.png"}


def test_without_their_libraries_wishes_are_left_out_and_demands_refused(
    folder, impasto, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    pair = ["stylize", "photo.png", "painting.png", "-o", "o.png", *QUICK]
    code, _, err = impasto(*pair, "--recipe", "keras-eager")
    assert code == 0
    assert "no report: " in err
    assert "pip install 'impasto[report]'" in err
    assert "impasto[report]" in refused(impasto(*pair, "--report", "r.png"))


def test_sixteen_bits(folder, impasto):
    impasto("stylize", "photo.png", "painting.png", "-o", "o.png", *QUICK, "--bits", "16", "-q")
    levels = (read("o.png").pixels * 65535).round().long() % 257
    assert levels.unique().numel() > 100  # eight bits would leave multiples of 257


def test_options_reach_the_settings(folder, impasto):
    options = {
        "recipe": "keras-eager",
        "learning-rate": "3.5",
        "style-layers": "relu1_1=0.5,relu2_1",
        "betas": "0.8,0.9",
        "pooling": "avg",
        "clip": "127",
        "content-weight": "7",
    }
    flags = [part for name, value in options.items() for part in (f"--{name}", value)]
    impasto("stylize", "photo.png", "painting.png", "-o", "o.png", *QUICK, *flags, "-q")
    record = json.loads(impasto("show", "o.png", "--json")[1])
    chosen = Settings.checked(record["settings"])
    assert (chosen.recipe, chosen.learning_rate, chosen.pooling) == ("keras-eager", 3.5, "avg")
    assert chosen.style_layers == {"relu1_1": 0.5, "relu2_1": 1.0}
    assert (chosen.betas, chosen.clip, chosen.content_weight) == ((0.8, 0.9), 127.0, 7.0)
    assert chosen.select == "best"  # the recipe's own


def options_in(text):
    """The options that a help lists, each once: the first name of a row."""
    return re.findall(r"^│ +(--[a-z0-9-]+)", text, re.MULTILINE)


@pytest.mark.parametrize("command", ["stylize", "reconstruct", "texture", "batch"])
def test_help_shows_what_people_use_and_help_all_the_rest(command, impasto, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    code, few, _ = impasto(command, "--help")
    assert code == 0
    assert "--help-all shows all options" in few.replace("`", "")
    code, every, _ = impasto(command, "--help-all")
    assert code == 0
    short, full = options_in(few), options_in(every)
    extra = {"--help", "--help-all"}
    own = {"batch": {"--contents", "--styles", "--pairs", "--output", "--name", "--overwrite",
                     "--jobs", "--on"},
           "reconstruct": {"--layer"}, "stylize": {"--style"}}  # fmt: skip
    assert len({*short} - extra - own.get(command, set())) <= 20
    assert {*short} < {*full}
    for names in (short, full):
        assert len(names) == len(set(names))
    assert {f"--{name.replace('_', '-')}" for name in Settings.model_fields} <= {*full}
    for group in ("Files", "Picture", "Styles", "Colour", "Objective", "Network", "Optimiser"):
        assert f"─ {group} ─" in every
    for aliases in ("--protect,--keep", "--select,--take"):
        assert aliases in every
    assert impasto(command, "--help")[1] == few


def test_help_has_choices_from_the_registries(impasto, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    text = " ".join(impasto("stylize", "--help-all")[1].replace("│", " ").split())
    text = text.replace("- ", "-")  # broken there at the end of a line
    for registry in (INITS, COLOUR_MODES, STYLE_LOSSES, OPTIMISERS, EFFECTS):
        assert all(name in text for name in registry.names())
    monkeypatch.setitem(INITS._found, "mine", lambda: None)
    _listed.cache_clear()
    (init,) = (parameter for parameter in of_settings("standard") if parameter.name == "init")
    assert "mine" in init.annotation.__metadata__[0].help
    _listed.cache_clear()


MESSAGES = {
    "size is 'big'; expected a number": "--size is 'big'; expected a number",
    "style_weights are all 0; expected a weight": "--style-weights are all 0; expected a weight",
    "the loss is nan; lower learning_rate": "the loss is nan; lower --learning-rate",
    "lower size to 300, or raise memory": "lower --size to 300, or raise --memory",
    "lower size or style_scale, or raise max_pixels":
        "lower --size or --style-scale, or raise --max-pixels",
    "set device to cpu": "set --device to cpu",
    "content_layers['x'] is -1": "--content-layers['x'] is -1",
    "checkpoint_every is 'x'": "--checkpoint-every is 'x'",
    "content_masks are 2": "--content-mask are 2",
    "init is 'style', but there is no picture; use noise":
        "--init is 'style', but there is no picture; use noise",
    "style_weight.png: No such file": "style_weight.png: No such file",
    "a/style_weight: No such file": "a/style_weight: No such file",
    "'style_weight' is no template": "'style_weight' is no template",
    "the size of the picture is odd": "the size of the picture is odd",
    "choose a smaller picture": "choose a smaller picture",
}  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES)
def test_errors_name_options_in_place_of_fields(message):
    assert with_flags(message) == MESSAGES[message]


def test_show_prints_a_record(folder, impasto):
    impasto("stylize", "photo.png", "painting.png", "-o", "o.png", *QUICK, "-q")
    code, out, _ = impasto("show", "o.png")
    assert code == 0
    assert "photo.png" in out
    assert "style_weight" in out


def test_recipes_are_listed_and_shown(impasto):
    _, listed, _ = impasto("recipes")
    assert all(name in listed for name in ("standard", "neural-style", "keras-eager"))
    _, shown, _ = impasto("recipes", "keras-eager")
    assert "tf.keras" in shown
    assert "learning_rate" in shown


def test_info_says_what_was_chosen_and_why(impasto):
    facts = json.loads(impasto("info", "--json")[1])
    assert {
        "impasto",
        "torch",
        "device",
        "precision",
        "threads",
        "weights of vgg19",
    } <= facts.keys()
    assert "(" in facts["precision"]
    assert "sha256" in impasto("info")[1]


def test_info_plans_from_the_first_scale_that_is_asked_for(impasto):
    plan = json.loads(impasto("info", "--size=4096", "--smallest=512", "--json")[1])
    sizes = [stage["size"] for stage in plan]
    assert (sizes[0], sizes[-1]) == ("512x384", "4096x3072")
    asked = refused(impasto("info", "--size", "0"))
    assert "--size is 0, the content picture's; expected a number or WxH to plan for" in asked


def test_demo_paints(folder, impasto):
    code, out, _ = impasto("demo", "--size", "32", "-o", "d.png", "--style", "waves", "-q")
    assert (code, out) == (0, "")
    assert read("d.png").size == (32, 32)


def test_version_is_the_projects(impasto):
    project = (Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8")
    (version,) = re.findall(r'^version = "(.+)"$', project, re.MULTILINE)
    assert impasto("--version") == (0, f"{version}\n", "")


def test_a_package_without_metadata_has_an_unknown_version(monkeypatch):
    """Such as one that is only on the path; a finished picture is not lost for that."""

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(errors, "version", missing)
    assert importlib.reload(provenance).versions()["torch"] == "unknown"
    assert package.__version__ == "unknown"
    monkeypatch.undo()
    assert importlib.reload(provenance).versions()["torch"] != "unknown"


MISTAKES = {
    "no file": (["gone.png", "painting.png"], "gone.png: No such file"),
    "folder": ([".", "painting.png"], "a folder; expected an image"),
    "not an image": (["photo.png", "notes.txt"], "notes.txt: not an image"),
    "truncated": (["cut.png", "painting.png"], "cut.png: truncated"),
    "no sample": (["sample:x", "painting.png"], "no such sample; expected one of astronaut"),
    "layer": (
        ["photo.png", "painting.png", "--style-layers", "relu9_9"],
        "'relu9_9'; vgg19 has conv1_1",
    ),
    "recipe": (
        ["photo.png", "painting.png", "--recipe", "x"],
        "recipe is 'x'; expected one of standard",
    ),
    "choice": (["photo.png", "painting.png", "--pooling", "min"], "'max', 'avg' or 'l2'"),
    "number": (["photo.png", "painting.png", "--size", "big"], "valid integer"),
    "range": (["photo.png", "painting.png", "--iterations", "-1"], "greater than or equal to 0"),
    "betas": (["photo.png", "painting.png", "--betas", "0.9"], "betas"),
    "option": (["photo.png", "painting.png", "--pixels", "3"], "No such option"),
    "one picture": (["photo.png"], "STYLE is missing"),
    "too small": (["photo.png", "painting.png", "--size", "12"], "the content image is 12x10 px"),
    "too large": (["photo.png", "painting.png", "--max-pixels", "99"], "--max-pixels"),
    "too large a result": (["photo.png", "painting.png", "--size", "1000000"], "lower --size"),
    "extension": (["photo.png", "painting.png", "-o", "out.xyz"], "out.xyz"),
    "no parent": (["photo.png", "painting.png", "-o", "no/such/out.png"], "no/such"),
    "output folder": (["photo.png", "painting.png", "-o", "folder.png"], "folder.png"),
    "depth": (["photo.png", "painting.png", "-o", "o.jpg", "--bits", "16"], "16"),
    "odd depth": (["photo.png", "painting.png", "--bits", "12"], "bits"),
    "trace": (
        ["photo.png", "painting.png", "--trace", "no/t.jsonl"],
        "does not exist; create it first",
    ),
    "both modes": (["photo.png", "painting.png", "--json", "--quiet"], "exclude each other"),
    "init": (["photo.png", "painting.png", "--init", "gone.png"], "gone.png: No such file"),
    "heavy": (
        ["photo.png", "painting.png", "--recipe", "neural-style", "--style-weight", "1e300"],
        "lower the weights",
    ),
    "endless": (["photo.png", "painting.png", "--iterations", "9" * 19], "iterations is '999"),
    "huge": (["photo.png", "painting.png", "--size", "1" + "0" * 400], "size"),
    "trace is a photo": (["photo.png", "painting.png", "--trace", "photo.png"], "expected a name"),
    "trace is a picture": (
        ["photo.png", "painting.png", "--trace", "o.png"],
        "expected a name ending in .jsonl",
    ),
    "report is output": (
        ["photo.png", "painting.png", "-o", "o.png", "--report", "o.png"],
        "also another file of this run",
    ),
    "an intermediate is an input": (
        ["o.0001.png", "painting.png", "-o", "o.png", "--save-every", "1"],
        "o.0001.png: is also the input",
    ),
    "no weight at all": (
        ["photo.png", "painting.png", "--style-weight=0", "--content-weight=0", "--tv-weight=0"],
        "every term has weight 0",
    ),
    "unknown encoder": (["photo.png", "painting.png", "--encoder", "vgg7"], "or a weight file"),
    "long init": (["photo.png", "painting.png", "--init", "x" * 300 + ".png"], "too long"),
    "one beta": (["photo.png", "painting.png", "--betas", "0.9"], "betas is '0.9'"),
    "output is input": (["photo.png", "painting.png", "-o", "./photo.png"], "also the input"),
    "output is init": (
        ["photo.png", "painting.png", "--init", "painting.png", "-o", "painting.png"],
        "also the input",
    ),
    "trace with a bad layer": (
        ["photo.png", "painting.png", "--trace", "t.jsonl", "--style-layers", "relu0_1"],
        "'relu0_1'",
    ),
    "intermediate is a folder": (
        ["photo.png", "painting.png", "-o", "o" * 245 + ".png", "--save-every", "1"],
        "name too long",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_line(mistake, folder, impasto):
    (folder / "notes.txt").write_text("paint me")
    (folder / "folder.png").mkdir()
    (folder / "o.0001.png").write_bytes((folder / "photo.png").read_bytes())
    (folder / "cut.png").write_bytes((folder / "photo.png").read_bytes()[:-500])
    arguments, says = MISTAKES[mistake]
    before = {p.name for p in folder.iterdir()}
    quick = [] if "--size" in arguments or "--iterations" in arguments else QUICK
    quick = quick[:-2] if "--encoder" in arguments else quick
    line = refused(
        impasto("stylize", *arguments, *quick, *([] if "--json" in arguments else ["-q"]))
    )
    assert says in line
    assert {p.name for p in folder.iterdir()} == before, "something was written"


PLACES = ["-o", "--trace", "--report", "--timelapse", "--checkpoint"]
SOURCES = ["--init", "--content-mask", "--style-mask", "--keep", "--protect", "--encoder"]
HOSTILE_PATHS = ["a\0b.png", "", " ", "x" * 300 + ".png", "y/" * 3000 + "z.png", "folder.png",
                 "loop.png", "socket.png", "photo.png/x.png"]  # fmt: skip
NO_INPUTS = ["dangling.png", "pipe.png", "\udcff.png", "/dev/null", "/dev/zero"]


@pytest.fixture
def hostile(folder):
    with no_pictures_in(folder):
        yield folder


@pytest.mark.parametrize("option", [*PLACES, *SOURCES, "CONTENT", "STYLE", "demo -o", "show"])
def test_no_path_ends_in_a_traceback(option, hostile, impasto):
    before = {path.name for path in hostile.iterdir()}
    for path in [*HOSTILE_PATHS, *(NO_INPUTS if option in SOURCES else [])]:
        arguments = {
            "CONTENT": ["stylize", path, "painting.png", *QUICK],
            "STYLE": ["stylize", "photo.png", path, *QUICK],
            "demo -o": ["demo", "--size", "32", "-q", "-o", path],
            "show": ["show", path],
        }.get(option, ["stylize", "photo.png", "painting.png", *QUICK, "-q", option, path])
        code, out, err = impasto(*arguments)
        if (option, path) == ("STYLE", "folder.png"):
            assert "picture" in err  # a folder is a style; this one is empty
        assert (code, out) == (2, ""), (path, err)
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert {path.name for path in hostile.iterdir()} == before


def test_a_finished_picture_is_not_painted_again(folder, impasto):
    again = ["stylize", "photo.png", "painting.png", *QUICK, "-o", "o.png", "--resume"]
    code, _, err = impasto(*again, "-q")
    assert (code, err) == (0, "no checkpoint o.checkpoint yet; painting from the beginning\n")
    written = (folder / "o.png").stat().st_mtime_ns
    assert impasto(*again) == (0, "o.png is finished, with these settings and 2 iterations\n", "")
    assert (folder / "o.png").stat().st_mtime_ns == written
    line = json.loads(impasto(*again, "--json")[1])
    assert line == {"event": "result", "output": "o.png", "interrupted": False, "iterations": 2}
    code, _, err = impasto(*again, "--iterations", "3", "-q")
    assert code == 0
    assert err == (
        "o.png has 2 iterations, and its checkpoint was not kept; painting from the beginning\n"
    )
    assert (folder / "o.png").stat().st_mtime_ns > written


def test_a_folder_is_no_name_to_resume(folder, impasto):
    for place in (".", "/"):
        refused(impasto("stylize", "photo.png", "painting.png", *QUICK, "-o", place, "--resume"))


def test_a_kept_checkpoint_continues_a_finished_picture(folder, impasto):
    """More iterations give the pixels of a run that had planned them."""
    both = ["stylize", "photo.png", "painting.png", *QUICK]
    assert impasto(*both, "-o", "o.png", "--keep-checkpoint", "-q") == (0, "", "")
    assert (folder / "o.checkpoint").exists()
    again = [*both, "-o", "o.png", "--resume"]
    assert impasto(*again) == (0, "o.png is finished, with these settings and 2 iterations\n", "")
    assert (folder / "o.checkpoint").exists()
    trace = ["--trace", "o.jsonl"]
    assert impasto(*again, "--iterations", "5", *trace, "-q") == (0, "", "")
    assert not (folder / "o.checkpoint").exists()
    steps = [json.loads(line)["done"] for line in (folder / "o.jsonl").read_text().splitlines()]
    assert steps == [0, 1, 2, 3, 4, 5]
    assert impasto(*both, "-o", "whole.png", "--iterations", "5", "-q") == (0, "", "")
    found, whole = (read(folder / name).pixels for name in ("o.png", "whole.png"))
    assert found.equal(whole)


@pytest.mark.parametrize(
    "arguments", [["show", "photo.png"], ["show", "gone.png"], ["recipes", "x"], ["x"]]
)
def test_other_commands_refuse_in_one_line_too(arguments, folder, impasto):
    refused(impasto(*arguments))


def test_a_device_that_is_not_here(folder, impasto):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    line = refused(impasto("stylize", "photo.png", "painting.png", "--device", "cuda", *QUICK))
    assert "use auto or cpu" in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder(folder, impasto):
    locked = folder / "locked"
    locked.mkdir(mode=0o500)
    assert "locked" in refused(
        impasto("stylize", "photo.png", "painting.png", "-o", locked / "o.png")
    )


def test_a_diverging_run_leaves_its_best_picture(folder, impasto):
    """The first steps are good, then the rate blows up: exit code 2, and a picture all the same."""
    code, _, err = impasto(
        "stylize", "photo.png", "painting.png", "-o", "o.png", "-q", *QUICK[:2],
        "--iterations", "5", "--precision", "fp32", "--learning-rate", "1e30",
    )  # fmt: skip
    assert code == 2
    *tried, line = err.splitlines()
    assert len(tried) == 3
    assert all(warning.startswith("warning: ") for warning in tried)
    assert line.startswith("error: ")
    assert "lower --learning-rate" in line
    assert read("o.png").size == (48, 40)


def test_a_full_disk_under_the_trace_is_a_warning(folder, impasto):
    """The picture is what counts: the run goes on."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    options = (*QUICK, "-q", "-o", "o.png", "--trace", "/dev/full")
    code, _, err = impasto("stylize", "photo.png", "painting.png", *options)
    assert code == 0
    assert err.startswith("warning: /dev/full: cannot be written")
    assert err.count("\n") == 1
    assert read("o.png").size == (48, 40)


def test_intermediate_pictures_are_whole_pictures(folder, impasto):
    Image.new("RGBA", (48, 40), (200, 80, 20, 99)).save("glass.png")
    impasto(
        "stylize", "glass.png", "painting.png", "-o", "o.png", *QUICK, "--save-every", "1", "-q"
    )
    assert read("o.0001.png").alpha is not None
    assert json.loads(impasto("show", "o.0001.png", "--json")[1])["result"]["iteration"] == 1


def test_a_run_that_cannot_descend_says_so(folder, impasto):
    _, out, _ = impasto(
        "stylize", "photo.png", "photo.png", *QUICK, "--init", "content",
        "--tv-weight", "0", "-o", "o.png",
    )  # fmt: skip
    assert out == "stopped after 0 of 2 iterations, no step descends; wrote o.png\n"


def test_init_may_be_a_sample_or_a_bare_name(folder, impasto):
    (folder / "start").write_bytes((folder / "painting.png").read_bytes())
    for init in ("start", "sample:swirl"):
        code, *_ = impasto("stylize", "photo.png", "painting.png", *QUICK, "--init", init, "-q")
        assert code == 0


@pytest.mark.parametrize(
    "record",
    [
        '{"impasto": {"[/x]": {"[bold": "[/]"}}}',
        '{"impasto": {"a": ' + "[" * 400 + "]" * 400 + "}}",
        '{"impasto": {"a": "\\ud800", "b": "\\u001b]0;pwned\\u0007"}}',
    ],
)
def test_hostile_records_are_shown_harmlessly(record, folder, impasto):
    read("photo.png")
    Picture(read("photo.png").pixels, record=record).save("h.png")
    code, out, _ = impasto("show", "h.png")
    assert code == 0
    assert "\x1b" not in out


def test_numbers_that_json_lacks_are_shown_as_null(folder, impasto):
    record = '{"impasto": {"loss": NaN, "a": [Infinity, -Infinity, 1e999, 0.5]}}'
    Picture(read("photo.png").pixels, record=record).save("h.png")
    _, out, _ = impasto("show", "h.png", "--json")
    assert "NaN" not in out
    assert json.loads(out) == {"loss": None, "a": [None, None, None, 0.5]}


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_deep_records_end_in_no_traceback(options, folder, impasto):
    for depth in (400, 950, 2000, 90_000):
        record = '{"impasto": {"a": ' + "[" * depth + "]" * depth + "}}"
        Picture(read("photo.png").pixels, record=record).save("h.png")
        code, out, err = impasto("show", "h.png", *options)
        assert code in (0, 2)
        assert out if code == 0 else err.count("\n") == 1


def test_what_is_shown_is_bounded(folder, impasto):
    parts = {f"p{number}": {"a": "x" * 2500} for number in range(90)}
    parts["p0"] = {f"k{number}": number for number in range(5000)}
    Picture(read("photo.png").pixels, record=json.dumps({"impasto": parts})).save("h.png")
    code, out, _ = impasto("show", "h.png")
    assert code == 0
    assert len(out) < 120_000
    assert "and 4800 more; --json prints all" in out
    assert "and 40 more; --json prints all" in out
    assert json.loads(impasto("show", "h.png", "--json")[1]) == parts


@pytest.mark.parametrize(
    "option",
    ["--recipe", "--size", "--style-layers", "--pooling", "--report", "--init", "--encoder",
     "--betas", "--trace", "-o", "--nonsense", "--style-loss"],
)  # fmt: skip
@pytest.mark.parametrize(
    "value", ["y" * 9000, "y/" * 4000, "y " * 4000, "\x1b" * 3000, "1," * 4500]
)
def test_error_lines_do_not_repeat_whole_values(option, value, folder, impasto):
    line = refused(impasto("stylize", "photo.png", "painting.png", option, value, "-q"))
    assert len(line) < 1300


def test_json_to_a_closed_pipe_still_saves(folder):
    command = ["stylize", "photo.png", "painting.png", "-o", "o.png", "--json", *QUICK[:2],
               "--iterations", "40"]  # fmt: skip
    with (folder / "err").open("w+") as err:
        with child(impasto_command(*command), stderr=err) as process:
            process.stdout.readline()
            process.stdout.close()
            assert process.wait(timeout=PATIENCE) == 2
            process.stdout = None
        err.seek(0)
        assert err.read() == "error: standard output was closed by its reader\n"
    assert (folder / "o.png").exists()


def test_what_has_no_weight_asks_for_no_size(folder, impasto):
    small = ("--size", "12", "--content-layers", "relu4_2", "--style-weight", "0", "-q")
    code, *_ = impasto("stylize", "photo.png", "painting.png", *QUICK, *small)
    assert code == 0


def test_bare_command_shows_help(impasto):
    code, out, err = impasto()
    assert "stylize" in out
    assert (code, err) == (2, "")


def lines_in(path):
    return path.read_text().count("\n") if path.exists() else 0


def endless(*options):
    """A run that goes on until it is told to end."""
    return impasto_command(
        "stylize", "photo.png", "painting.png", "-o", "o.png", "--size", "64", "--encoder", "tiny",
        "--scales", "1", "--iterations", "100000", "--trace", "t.jsonl", *options,
    )  # fmt: skip


def test_ctrl_c_saves_what_there_is(folder):
    with child(endless()) as process:
        wait_until(lambda: lines_in(folder / "t.jsonl") >= 3, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    said = r"interrupted after \d+ of 100000 iterations, at 64x53 px; wrote o\.png\n"
    assert re.fullmatch(said, out)
    assert read(folder / "o.png").size == (64, 53)


def test_kill_leaves_no_half_picture(folder):
    with child(endless("--save-every", "1")) as process:
        wait_until(lambda: lines_in(folder / "t.jsonl") >= 5, process)
        process.kill()
        process.communicate()
    saved = list(folder.glob("o.*.png"))
    assert len(saved) >= 2
    for picture in saved:
        Image.open(picture).load()


def in_little_memory(*options):
    """What a run at 4000 px without scales says in 3 GiB of address space; checks the exit code."""
    limit = 3 * 2**30

    def small():
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    done = finished(
        impasto_command(
            "stylize", "photo.png", "painting.png", "--size", "4000", "--scales", "1", "-q",
            "--threads", "1", *options,
        ),
        preexec_fn=small,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    return done.stderr.splitlines()


def test_too_little_memory_is_one_line_that_says_what_would_fit(folder):
    (line,) = in_little_memory()
    assert line.startswith("error: 4000x3333 px take at least")
    assert "size to" in line


def test_memory_that_runs_out_is_one_line(folder):
    """Whoever claims more memory than there is is taken at their word, as far as it goes."""
    *warnings, line = in_little_memory("--memory", "999GB", "--tile", "off")
    assert line.startswith("error: not enough memory for 4000x3333 px")
    assert not [w for w in warnings if not w.startswith("warning: not enough memory; going on in")]


def test_help_is_quick_and_needs_no_torch():
    probe = (
        "import sys\n"
        "sys.argv = ['impasto', '--help']\n"
        "from impasto.apps.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = succeeded([sys.executable, "-c", probe])
    assert "stylize" in done.stdout
