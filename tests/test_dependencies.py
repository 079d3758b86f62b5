"""Dependencies: the tables of conf/README.md, the pins, and the oldest tested versions."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

REPOSITORY = Path(__file__).parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
DIRECT = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = [Requirement(line) for lines in PROJECT["optional-dependencies"].values() for line in lines]
README = REPOSITORY / "conf" / "README.md"
SECTION = "## Dependencies"
UNTESTED_OLDEST = {"torch"}
"""Packages of gigabytes, whose oldest version is not tested, as conf/README.md states."""


def names(requirements: list[Requirement]) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement in requirements}


def pins(file: str) -> dict[str, Version]:
    """The versions in a file of pins."""
    lines = (REPOSITORY / "conf" / file).read_text().splitlines()
    pinned = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pinned}


def documented() -> list[str]:
    """The packages of the tables in conf/README.md, in order: the names in the first cells of rows."""
    _, found, section = README.read_text().partition(f"{SECTION}\n")
    assert found, f"{README} has no section {SECTION!r}"
    section = re.split(r"^## ", section, flags=re.MULTILINE)[0]
    cells = re.findall(r"^\| (`[^|]*`) \|", section, re.MULTILINE)
    return [canonicalize_name(name) for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def test_the_readme_lists_every_direct_dependency_once_and_no_other():
    assert len(documented()) == len(set(documented()))
    assert set(documented()) == names(DIRECT) | names(EXTRAS) | {"petastorm"}


@pytest.mark.parametrize("requirement", [*DIRECT, *EXTRAS], ids=lambda requirement: requirement.name)
def test_every_direct_dependency_is_pinned_within_its_bounds(requirement):
    assert pins("constraints.txt")[canonicalize_name(requirement.name)] in requirement.specifier


@pytest.mark.parametrize("requirement", DIRECT, ids=lambda requirement: requirement.name)
def test_the_oldest_version_that_is_allowed_is_the_one_that_is_tested(requirement):
    (oldest,) = [Version(part.version) for part in requirement.specifier if part.operator == ">="]
    tested = pins("oldest.txt")[canonicalize_name(requirement.name)]
    assert tested == oldest or (requirement.name in UNTESTED_OLDEST and tested in requirement.specifier)
