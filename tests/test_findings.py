"""The scripts in findings/: complete headers, pinned packages, and a row each in the README. None is run here."""

import os
import re
from pathlib import Path

import pytest

FINDINGS = Path(__file__).parents[1] / "findings"
SCRIPTS = sorted(FINDINGS.glob("*.sh"))
PARTS = ["Versions", "Behaviour", "One would have guessed", "Why it matters", "Tonality"]

each_script = pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)


def header(script):
    """The comment at the beginning, without the first line, which names the interpreter."""
    first, *lines = script.read_text().splitlines()
    assert first == "#!/usr/bin/env bash"
    end = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[:end])


def requirements(script):
    """The packages that the script installs, as given to pip."""
    commands = script.read_text().replace("\\\n", " ")
    installs = re.findall(r"pip install (.*)", commands)
    words = [word for install in installs for word in re.sub(r"--target \S+", "", install).split()]
    return [word for word in words if not word.startswith("-")]


def table():
    """The rows of the README's table of findings: file, link and versions of each."""
    text = (FINDINGS / "README.md").read_text()
    return re.findall(r"^\| \[(\S+?)\]\((\S+?)\) \| .+ \| (.+) \|$", text, re.MULTILINE)


def test_there_are_findings():
    assert SCRIPTS


@each_script
def test_a_finding_is_executable(script):
    assert os.access(script, os.X_OK)


@each_script
def test_a_finding_begins_with_what_was_seen_expected_and_done(script):
    sentence, empty, *rest = header(script).split("\n")
    assert sentence.endswith(".")
    assert empty == ""
    assert re.findall(r"^([A-Z][\w ]+):", "\n".join(rest), re.MULTILINE) == PARTS


@each_script
def test_a_finding_installs_pinned_versions_and_names_them(script):
    assert [requirement for requirement in requirements(script) if "==" not in requirement] == []
    pinned = [requirement.split("==") for requirement in requirements(script)]
    versions = re.search(r"^Versions: (.*?)^Behaviour:", header(script), re.MULTILINE | re.DOTALL)[1]
    assert any(f"{name} {version}" in versions for name, version in pinned)


@each_script
def test_a_finding_works_in_a_temporary_folder_and_fails_if_its_output_changes(script):
    lines = script.read_text().splitlines()
    assert "set -euo pipefail" in lines
    assert "folder=$(mktemp -d)" in lines
    assert "trap 'rm -rf \"$folder\"' EXIT" in lines
    assert lines[-1] == "diff expected seen"


def test_the_readme_lists_every_finding_in_order_and_no_other():
    assert [file for file, _, _ in table()] == [script.name for script in SCRIPTS]


def test_the_readmes_links_lead_to_the_files_that_they_name():
    assert all(link == file and (FINDINGS / link).is_file() for file, link, _ in table())


@pytest.mark.parametrize(("file", "versions"), [(file, versions) for file, _, versions in table()])
def test_the_readme_gives_a_findings_versions_as_its_header_does(file, versions):
    named = re.findall(r"\d+(?:\.\d+)+", versions)
    assert named
    assert all(version in header(FINDINGS / file) for version in named)
