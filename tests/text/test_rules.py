import re

import pytest
import Stemmer

from tonality.runtime.settings.load import conf_directory
from tonality.text import rules as rules_module
from tonality.text.preprocess import TextPreprocessor
from tonality.text.rules import Rules, load_language

SHIPPED = sorted(path.stem for path in (conf_directory() / "languages").glob("*.toml"))

ESPERANTO = """
letters = "a-zĉĝĥĵŝŭ"
stemmer = "english"
ignored = ["'"]
[lower]
"İ" = "i"
[emoticons]
positive = [":)"]
negative = [":("]
"""


def write_language(tmp_path, text, name="eo"):
    (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    return name


def test_russian_english_and_spanish_are_shipped():
    assert {"ru", "en", "es"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_language_loads_and_preprocesses(name):
    language = load_language(name, conf_directory() / "languages")
    first = language.letters[0]
    preprocessor = TextPreprocessor(Rules(name=name, language=language, links="drop", mentions="drop"))
    assert preprocessor.stems(f"{first} :)") == first


def test_a_language_is_found_by_name_or_by_path(tmp_path):
    write_language(tmp_path, ESPERANTO)
    by_name = load_language("eo", tmp_path)
    assert by_name == load_language(str(tmp_path / "eo.toml"), conf_directory())
    assert by_name.letters == "a-zĉĝĥĵŝŭ"


def test_an_unknown_language_names_those_there_are(tmp_path):
    write_language(tmp_path, ESPERANTO)
    with pytest.raises(ValueError, match=r"text.language: no file .*rus\.toml; there are eo$"):
        load_language("rus", tmp_path)


@pytest.mark.parametrize(
    ("good", "typo", "message"),
    [
        ("letters =", "leters =", "letters: Field required"),
        ("letters =", "leters =", "leters: Extra inputs are not permitted"),
        ('letters = "a-zĉĝĥĵŝŭ"', 'letters = ""', "letters: String should have at least 1 character"),
        ('letters = "a-zĉĝĥĵŝŭ"', 'letters = "z-a"', "letters: .*not the inside of a regular expression's"),
        ('letters = "a-zĉĝĥĵŝŭ"', 'letters = "^a"', "letters: .*it holds one of"),
        ('letters = "a-zĉĝĥĵŝŭ"', 'letters = "a]|[b"', "letters: .*it holds one of"),
        ('letters = "a-zĉĝĥĵŝŭ"', 'letters = "A-Z"', "letters: .*capital letters never match"),
        ('letters = "a-zĉĝĥĵŝŭ"', 'letters = "a-z "', "letters: .*white space separates words"),
        ('letters = "a-zĉĝĥĵŝŭ"', "letters = 'a-z\\s'", "letters: .*white space separates words"),
        ('"english"', '"engelsk"', "stemmer: .*not a stemmer of PyStemmer, which has .*english"),
        ('["\'"]', '["ab"]', r"ignored\.0: .*must be one character"),
        ('["\'"]', '[""]', r"ignored\.0: .*must be one character"),
        ('["\'"]', '["\\n"]', r"ignored\.0: .*no white space"),
        ('"İ" = "i"', '"IJ" = "ij"', r"lower\.IJ.*must be one character"),
        ('"İ" = "i"', '"İ" = "\\n"', r"lower\.İ: .*must not contain a line break"),
        ('[":)"]', '[""]', r"emoticons\.positive\.0: .*must be one character or more"),
        ('[":("]', '[": ("]', r"emoticons\.negative\.0: .*no white space"),
        ('[":("]', '":("', r"emoticons\.negative: "),
        ("negative =", "negativ =", r"emoticons\.negative: Field required"),
    ],
)
def test_a_mistake_in_a_language_file_is_refused_by_file_and_key(tmp_path, good, typo, message):
    assert good in ESPERANTO
    name = write_language(tmp_path, ESPERANTO.replace(good, typo))
    with pytest.raises(ValueError, match=rf"text\.language: .*eo\.toml: {message}"):
        load_language(name, tmp_path)


def test_all_mistakes_are_reported_together(tmp_path):
    name = write_language(tmp_path, ESPERANTO.replace("english", "engelsk").replace('["\'"]', '["ab"]'))
    with pytest.raises(ValueError) as raised:
        load_language(name, tmp_path)
    assert len(raised.value.args) == 2


@pytest.mark.parametrize("content", [b"letters = ", b'letters = "\xff"'])
def test_a_file_that_is_no_toml_is_refused_by_name(tmp_path, content):
    (tmp_path / "eo.toml").write_bytes(content)
    with pytest.raises(ValueError, match=r"eo\.toml cannot be read"):
        load_language("eo", tmp_path)


def test_letters_may_begin_or_end_with_a_hyphen(tmp_path):
    for letters in ("-a-z", "a-z-", "a-z'-"):
        language = load_language(write_language(tmp_path, ESPERANTO.replace("a-zĉĝĥĵŝŭ", letters)), tmp_path)
        preprocessor = TextPreprocessor(Rules(name="eo", language=language, links="drop", mentions="drop"))
        assert preprocessor.stems("ab-12 (c)") == "ab-12 c"


CHANGES = {
    "letters": "а-я",
    "stemmer": "english",
    "ignored": ("\u0301",),
    "lower": {"İ": "i"},
}


def changed(rules, **language):
    return rules.model_copy(update={"language": rules.language.model_copy(update=language)})


def test_a_fingerprint_is_twelve_hex_digits_and_stays(rules):
    assert re.fullmatch(r"[0-9a-f]{12}", rules().fingerprint)
    assert rules().fingerprint == rules().fingerprint


def test_the_name_is_no_rule(rules):
    assert rules().model_copy(update={"name": "russian"}).fingerprint == rules().fingerprint


@pytest.mark.parametrize("key", CHANGES)
def test_another_language_rule_is_another_fingerprint(rules, key):
    assert changed(rules(), **{key: CHANGES[key]}).fingerprint != rules().fingerprint


@pytest.mark.parametrize("tone", ["positive", "negative"])
def test_other_emoticons_are_another_fingerprint(rules, tone):
    emoticons = rules().language.emoticons
    fewer = emoticons.model_copy(update={tone: getattr(emoticons, tone)[1:]})
    assert changed(rules(), emoticons=fewer).fingerprint != rules().fingerprint


def test_every_key_of_a_language_is_tried_here(rules):
    assert {*CHANGES, "emoticons"} == set(type(rules().language).model_fields)


def test_the_switches_are_part_of_the_fingerprint(rules):
    prints = {rules("ru", links, mentions).fingerprint for links in ("drop", "keep") for mentions in ("drop", "keep")}
    assert len(prints) == 4


def test_another_stemmer_or_algorithm_is_another_fingerprint(rules, monkeypatch):
    before = rules().fingerprint
    monkeypatch.setattr(Stemmer, "version", lambda: "99")
    other_stemmer = rules().fingerprint
    monkeypatch.setattr(rules_module, "_ALGORITHM", 99)
    assert len({before, other_stemmer, rules().fingerprint}) == 3
