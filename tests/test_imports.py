"""A small door: importing the package, listing its methods and asking for help load nothing heavy."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

HEAVY = ("torch", "faiss", "sklearn", "scipy", "cv2", "onnxruntime", "transformers", "tokenizers", "huggingface_hub")
MOST_MODULES = 350
"""That `diptych --help` may load, the standard library's included; 257 when this was written."""
EVERY_SHELF = "from diptych.encoders import shelf; [model.here for model in shelf.models()]"
EVERY_METHOD = "from diptych.catalogue import *; [MethodFacts.of(name) for name in methods()]"
EVERY_DATASET = "from diptych.catalogue import *; [dataset(name).card.facts() for name in datasets()]"


def loaded(code: str) -> list[str]:
    """The heavy packages that a new process holds after running this code."""
    told = "print('\\n' + json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    code = f"import json, sys\n{code}\n{told}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [name for name in json.loads(done.stdout.splitlines()[-1]) if name in HEAVY]


def test_the_check_sees_what_is_loaded():
    assert loaded("import scipy.linalg") == ["scipy"]


@pytest.mark.parametrize(
    "code",
    [
        "import diptych",
        "import diptych; dir(diptych)",
        "from diptych import BadInput, cosine",
        "import diptych.kinds",
        EVERY_SHELF,
        EVERY_METHOD,
        EVERY_DATASET,
    ],
)
def test_nothing_heavy_is_loaded(code):
    assert loaded(code) == []


def test_no_library_notes_who_uses_it(tmp_path):
    """onnxruntime reports to its makers, and keeps an id of the machine for it, unless it is told not to."""
    pytest.importorskip("onnxruntime")
    asked = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    for code, leaves in (("import onnxruntime", None), ("import diptych, onnxruntime", [])):
        subprocess.run([sys.executable, "-c", code], env=asked, check=True)
        left = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert leaves is None or left == leaves
        for path in left:  # a version that leaves nothing anyway is as well
            path.unlink()


def test_kinds_need_numpy_alone():
    ours = "{name for name in sys.modules if name.startswith('diptych')}"
    assert loaded(f"import diptych.kinds\nassert {ours} == {{'diptych', 'diptych.kinds'}}") == []


needs_cli = pytest.mark.skipif(not importlib.util.find_spec("diptych.app.cli"), reason="there is no command line yet")
HELP = "import contextlib, runpy; sys.argv = ['diptych', '--help']\n"
HELP += "with contextlib.suppress(SystemExit): runpy.run_module('diptych.app.cli', run_name='__main__')"


@needs_cli
def test_help_loads_nothing_heavy():
    assert loaded(HELP) == []


@needs_cli
def test_help_loads_few_modules_of_any_kind():
    """Most of what a command costs before it does anything is reading modules."""
    code = f"import sys\n{HELP}\nprint('\\n' + str(len(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "evaluate" in done.stdout
    assert int(done.stdout.splitlines()[-1]) < MOST_MODULES
