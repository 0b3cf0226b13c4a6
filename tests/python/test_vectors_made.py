"""The files of our own vectors are what their scripts make of numpy and others."""

import subprocess
import sys

import pytest

from binary import ROOT

FOLDER = ROOT / "crates/engine/tests/vectors"
SCRIPTS = sorted(path for path in FOLDER.glob("*.py") if path.stem != "encoding")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_makes_its_file(script):
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_file_has_a_script():
    assert {path.stem for path in FOLDER.glob("*.ndjson")} == {path.stem for path in SCRIPTS}
