"""The vocabulary of the code: standard terms in identifiers and messages, docstrings that begin with a noun or a verb."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

REPOSITORY: Final = Path(__file__).parents[1]
MODULES: Final = sorted([*(REPOSITORY / "lib").rglob("*.py"), *(REPOSITORY / "jobs").rglob("*.py")])

WORDS: Final = {
    **dict.fromkeys(("room", "rooms"), "package, space"),
    **dict.fromkeys(("mishap", "mishaps", "explained"), "error translation"),
    **dict.fromkeys(("fault", "faults"), "error"),
    **dict.fromkeys(("say", "says", "said", "tell", "tells", "told"), "print, log, report"),
    **dict.fromkeys(("begun", "anew"), "retried, again"),
    "accounting": "reconciliation",
    **dict.fromkeys(("piece", "pieces"), "split"),
    **dict.fromkeys(("note", "notes", "noted"), "task manifest, metadata"),
    "waiting": "buffered",
    "protection": "pseudonymisation",
    **dict.fromkeys(("mark", "marks"), "digest, marker"),
    "forgetting": "erasure",
    **dict.fromkeys(("claim", "claims"), "write lock"),
    **dict.fromkeys(("publication", "adopt", "scratch"), "transaction, add files, temporary folder"),
    **dict.fromkeys(("numbering", "numbered"), "token ids, encoding"),
    **dict.fromkeys(("recipe", "recipes"), "hyperparameters"),
    "standing": "training state, status",
    **dict.fromkeys(("lane", "lanes"), "thread-parallel workers"),
    **dict.fromkeys(("touch", "settle"), "gather, flush"),
    **dict.fromkeys(("release", "releases"), "model registry"),
    **dict.fromkeys(("prepared", "recent"), "packed model, score cache"),
    **dict.fromkeys(("measured", "picture", "pictures"), "results, plot"),
    "dynamics": "daily shares",
    "surely": "require significance",
    **dict.fromkeys(("wanted", "asked", "gone"), "expected, requested, removed"),
}
"""House words of earlier versions, and the standard terms in their place."""

PHRASES: Final = re.compile(
    r"\b(?:mishaps?|faults?|beg[iu]ns? again|accounting|pieces?|waiting file|left out|protection|forgetting"
    r"|left behind|publication|adopt(?:s|ed)?|scratch|numbering|recipes?|standing|lanes?|settles?|releases?"
    r"|pictures?|dynamics|surely|wanted|anew|in one stroke|goes on from|gone on|goes on scoring|rooms?|marks?|claims?"
    r"|current model|current one)\b",
    re.IGNORECASE,
)

DATA: Final = {
    "_BYTE_ORDER_MARKS",  # Unicode's own term
    "BYTE_ORDER_MARK",
    "surely",  # a setting of [promote]
    "tell",  # a method of streams
    "note_tweet",  # a field of Twitter's API
    "pieces",  # an attribute that petastorm reads
}
"""Names that files, formats, settings or libraries prescribe."""

DATA_TEXTS: Final = {
    "dynamics.csv",
    "dynamics.png",
    "Fault",  # an error class in run records of earlier versions
    "fault",  # a key of run records
    "mark",  # a column of forgotten/
}
"""Strings that files, formats, settings or libraries prescribe."""

ADVERBS: Final = re.compile(r"(?:What|Where|How|Who|Whether|Which|Whoever|Whatever)\b")


def words_of(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def defined_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every name that the module defines: functions, classes, parameters, variables, attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name):
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name


def bare_strings(tree: ast.AST) -> Iterator[ast.Constant]:
    """Strings that are statements: docstrings of modules, classes and functions, and those behind attributes."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else []:
            match statement:
                case ast.Expr(value=ast.Constant(value=str()) as constant):
                    yield constant


def messages(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every other string, with the fixed parts of f-strings."""
    documentation = set(map(id, bare_strings(tree)))
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in documentation:
                yield node.lineno, text


def house_words(tree: ast.AST) -> list[str]:
    """Identifiers that hold a house word, each with its line and the standard term."""
    return [
        f"{line}: {name}: {word} -> {WORDS[word]}"
        for line, name in defined_names(tree)
        for word in words_of(name)
        if word in WORDS and name not in DATA
    ]


def house_phrases(tree: ast.AST) -> list[str]:
    """Messages that hold a house term, each with its line."""
    return [
        f"{line}: {found[0]!r} in {text[:80]!r}"
        for line, text in messages(tree)
        if text not in DATA_TEXTS and (found := PHRASES.search(text))
    ]


def adverbial_docstrings(tree: ast.AST) -> list[str]:
    """Docstrings that begin with neither a noun nor a verb, each with its line."""
    return [
        f"{string.lineno}: {string.value[:60]!r}"
        for string in bare_strings(tree)
        if ADVERBS.match(str(string.value).strip())
    ]


@pytest.mark.parametrize("check", [house_words, house_phrases, adverbial_docstrings])
def test_the_code_speaks_the_fields_language(check):
    found = [
        f"{module.relative_to(REPOSITORY)}:{one}" for module in MODULES for one in check(ast.parse(module.read_text()))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("check", "code"),
    [
        (house_words, "def touch(self): ..."),
        (house_words, "class Releases: ..."),
        (house_words, "def run(recipe): ..."),
        (house_words, "self._lanes = 2"),
        (house_phrases, 'raise ValueError(f"{file}: found {n}, wanted 3")'),
        (adverbial_docstrings, '"""What a table holds."""'),
        (adverbial_docstrings, 'class A:\n    x: int\n    """Whether it holds."""'),
    ],
)
def test_a_house_word_is_found(check, code):
    assert len(check(ast.parse(code))) == 1
