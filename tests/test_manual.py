"""The manual page says what the command line says."""

import re
import shutil
import sys
from pathlib import Path

import pytest
import typer

from impasto.apps.cli import app
from support.children import finished

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "impasto.1"
sys.path.insert(0, str(ROOT / "scripts"))
from write_manual import documented, manual  # noqa: E402 (its folder is found only now)


def test_the_page_is_up_to_date():
    expected = manual()
    assert PAGE.read_text("utf-8") == expected, "run scripts/write_manual.py"


def test_it_has_every_command_and_option():
    page = PAGE.read_text("utf-8").replace(r"\-", "-")
    assert page.isascii()
    for name, command in typer.main.get_command(app).commands.items():
        assert re.search(rf'^\.SS "impasto {name}[ "]', page, re.MULTILINE), name
        for parameter in documented(command):
            assert all(rf"\fB{flag}\fR" in page for flag in parameter.opts if flag[0] == "-")


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
def test_groff_has_no_complaint():
    done = finished(["groff", "-man", "-Tutf8", "-ww", "-z", str(PAGE)])
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("impasto sty", ["stylize"]),
        ("impasto stylize --recipe st", ["standard"]),
        ("impasto stylize --padding ", ["zero", "replicate", "replicate-all"]),
        ("impasto stylize --clip n", ["none"]),
        ("impasto stylize --size ", []),
    ],
)
def test_a_shell_completes_names(words, expected, monkeypatch, capsys):
    monkeypatch.setenv("_IMPASTO_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    with pytest.raises(SystemExit):
        app(prog_name="impasto")
    assert capsys.readouterr().out.split() == expected
