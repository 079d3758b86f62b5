"""Every test can fail: it asserts something, itself or through a function or fixture of the tests that it uses."""

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).parent
EXPECTATIONS: Final = {"pytest.raises", "pytest.warns", "pytest.fail"}

Functions = dict[str, ast.FunctionDef]


def functions_of(tree: ast.AST) -> Functions:
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def expects(called: str) -> bool:
    """True for pytest.raises, torch.testing.assert_close and the like."""
    return called in EXPECTATIONS or called.rpartition(".")[2].startswith("assert")


@cache
def asserts(function: ast.FunctionDef) -> bool:
    return any(
        isinstance(node, ast.Assert) or (isinstance(node, ast.Call) and expects(ast.unparse(node.func)))
        for node in ast.walk(function)
    )


@cache
def used_names(function: ast.FunctionDef) -> set[str]:
    """Names of what a function calls or requests as fixtures."""
    decorators = {id(node) for decorator in function.decorator_list for node in ast.walk(decorator)}
    names = set()
    for node in ast.walk(function):
        match node:
            case ast.arg(arg=name) | ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
                names.add(name)
            case ast.Constant(value=str(name)) if id(node) in decorators:  # usefixtures
                names.add(name)
    return names


def visible_functions(file: Path, trees: Mapping[Path, ast.Module]) -> Functions:
    """Functions of a file, of the helper modules that it imports, and of every conftest.py above it."""
    imported = {
        name
        for node in ast.walk(trees[file])
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [])
        + ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [])
    }
    shared = [
        tree
        for other, tree in trees.items()
        if other.stem in imported or (other.name == "conftest.py" and file.is_relative_to(other.parent))
    ]
    found: Functions = {}
    for tree in [*shared, trees[file]]:
        found |= functions_of(tree)
    return found


def reaches_assertion(name: str, visible: Functions, seen: frozenset[str] = frozenset()) -> bool:
    if name not in visible or name in seen:
        return False
    function = visible[name]
    return asserts(function) or any(reaches_assertion(used, visible, seen | {name}) for used in used_names(function))


def without_assertion(trees: Mapping[Path, ast.Module]) -> list[str]:
    """The tests that fail only if the code raises."""
    return [
        f"{file.name}: {name}"
        for file in trees
        if file.name.startswith("test_") and (visible := visible_functions(file, trees))
        for name in functions_of(trees[file])
        if name.startswith("test_") and not reaches_assertion(name, visible)
    ]


def test_every_test_asserts_something():
    assert without_assertion({file: ast.parse(file.read_text()) for file in sorted(TESTS.rglob("*.py"))}) == []


def written(**files):
    return {Path("tests", f"{name}.py"): ast.parse(code) for name, code in files.items()}


@pytest.mark.parametrize(
    "files",
    [
        {"test_a": "def test_a(): assert run() == 0"},
        {"test_a": "def test_a():\n with pytest.raises(ValueError): run()"},
        {"test_a": "def test_a(): torch.testing.assert_close(run(), 0)"},
        {"test_a": "def test_a(): check(run())\ndef check(status): assert status == 0"},
        {"test_a": "def test_a(): check(run())\ndef check(one): compare(one)\ndef compare(one): assert one == 0"},
        {"test_a": "from checks import check\ndef test_a(): check(run())", "checks": "def check(one): assert one == 0"},
        {"test_a": "import checks\ndef test_a(): checks.check(run())", "checks": "def check(one): assert one == 0"},
        {"test_a": "def test_a(run): run()", "conftest": "def run():\n yield main\n assert not errors"},
        {
            "test_a": "@pytest.mark.usefixtures('silent')\ndef test_a(): run()",
            "conftest": "def silent():\n yield\n assert not errors",
        },
    ],
)
def test_an_assertion_is_found_in_a_test_and_in_what_it_uses(files):
    assert without_assertion(written(**files)) == []


@pytest.mark.parametrize(
    "files",
    [
        {"test_a": "def test_a(): run()"},
        {"test_a": "def test_a():\n '''It runs.'''\n run() == 0"},
        {"test_a": "def test_a(): run()\ndef check(): assert True"},
        {"test_a": "from tonality import load\ndef test_a(): load()", "checks": "def load(): assert True"},
        {"test_a": "def test_a(): a()\ndef a(): b()\ndef b(): a()"},
    ],
)
def test_a_test_that_only_runs_is_found(files):
    assert without_assertion(written(**files)) == ["test_a.py: test_a"]
