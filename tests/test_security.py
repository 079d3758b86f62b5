"""Protection against files that run code: the linter refuses such calls in lib/ and jobs/."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
REFUSED = [
    "import pickle",
    "from pickle import loads",
    "import cloudpickle",
    "import dill",
    "import joblib",
    "import marshal",
    "import shelve",
    "import runpy",
    "import yaml",
    "import code",
    "import xml.etree.ElementTree",
    "from xml.dom import minidom",
    "import torch\ntorch.load('file')",
    "import torch\ntorch.load('file', weights_only=True)",
    "import torch\ntorch.jit.load('file')",
    "import numpy as np\nnp.load('file', allow_pickle=True)",
    "import pandas as pd\npd.read_pickle('file')",
    "import pandas as pd\npd.eval('1')",
    "eval('1')",
    "exec('1')",
    "import os\nos.system('ls')",
    "import os\nos.popen('ls')",
    "import subprocess\nsubprocess.run('ls', shell=True)",
    "import subprocess\nsubprocess.Popen('ls', shell=True)",
    "import tempfile\ntempfile.mktemp()",
    "from jinja2 import Environment\nEnvironment(autoescape=False)",
    "from markupsafe import Markup\n\n\ndef mark(text):\n    return Markup(text)",
    "import requests\nrequests.get('https://example.org', verify=False, timeout=1)",
]
EXCUSED = {
    ("lib/tonality/ingest/synthetic/random_streams.py", "S311"),  # random numbers of the synthetic sample
    ("lib/tonality/runtime/spark/session.py", "S603"),  # java -version, as a list of arguments
    ("lib/tonality/survey/page.py", "S704"),  # our own scripts, and JSON without < > &
}
"""Exceptions to the linter's security rules, each with its reason."""


def found_lines(place: str, code: str) -> set[int]:
    """The lines with security findings of the linter, configured as in this repository, if the file were at `place`."""
    command = [sys.executable, "-m", "ruff", "check", "--output-format", "concise", "--stdin-filename", place, "-"]
    done = subprocess.run(command, input=code, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return {int(line) for line in re.findall(r":(\d+):\d+: (?:S\d+|TID251) ", done.stdout)}


@pytest.mark.parametrize("place", ["lib/tonality/survey/another.py", "jobs/another.py"])
def test_code_that_runs_the_content_of_a_file_is_refused(place: str) -> None:
    found = found_lines(place, "\n".join(REFUSED))
    line, passed = 1, []
    for code in REFUSED:
        after = line + len(code.splitlines())
        if not found & set(range(line, after)):
            passed.append(code)
        line = after
    assert not passed


def test_code_that_reads_data_is_not_refused() -> None:
    code = "import json\nimport safetensors.torch\n\njson.loads('1')\nsafetensors.torch.load(b'')\n"
    assert not found_lines("lib/tonality/survey/another.py", code)


def test_only_the_lines_named_here_are_excused() -> None:
    files = [file for folder in ("lib", "jobs") for file in (REPOSITORY / folder).rglob("*.py")]
    lines = [
        (file.relative_to(REPOSITORY).as_posix(), line) for file in files for line in file.read_text().splitlines()
    ]
    excused = [(place, re.findall(r"\b(?:S\d+|TID251)\b", line), line) for place, line in lines if "noqa" in line]
    assert {(place, rule) for place, rules, _ in excused for rule in rules} == EXCUSED
    assert not [line for _, _, line in excused if not re.search(r"# noqa: [A-Z]+\d+", line)]
