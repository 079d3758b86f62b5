"""What a commit checks is what `make lint` checks, with the same tools; the names of test modules."""

import re
from collections import Counter
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).parents[1]


def linted() -> set[str]:
    """The commands of `make lint`, without their options: ruff check, mypy."""
    (recipe,) = re.findall(r"^lint:.*\n((?:\t.*\n)+)", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    return set(re.findall(r"\$\(BIN\)/(\S+(?: [a-z]+)?)", recipe))


def hooked() -> set[str]:
    """The commands of the hooks, without their options."""
    text = (REPOSITORY / ".pre-commit-config.yaml").read_text()
    return set(re.findall(r"entry: \.venv/bin/(\S+(?: [a-z]+)?)", text))


def test_a_commit_checks_what_make_lint_checks_except_imports():
    assert hooked() == linted() - {"lint-imports"} == {"ruff check", "ruff format", "codespell", "mypy"}


def test_every_hook_uses_the_environment_so_that_each_tool_has_one_version():
    text = (REPOSITORY / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"repo: (.*)", text) == ["local"]
    assert set(re.findall(r"language: (.*)", text)) == {"system"}


def test_no_two_modules_of_the_tests_share_a_name_since_all_are_imported_by_it_alone():
    names = Counter(path.name for path in (REPOSITORY / "tests").rglob("*.py") if path.name != "conftest.py")
    assert [name for name, files in names.items() if files > 1] == []
