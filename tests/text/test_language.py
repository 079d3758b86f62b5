import pytest

from tonality.runtime.settings.load import conf_directory
from tonality.text.language import load_language
from tonality.text.preprocess import TextPreprocessor
from tonality.text.rules import Rules

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


def written(tmp_path, text, name="eo"):
    (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    return name


def test_russian_english_and_spanish_are_shipped():
    assert {"ru", "en", "es"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_language_loads_and_cleans(name):
    language = load_language(name, conf_directory() / "languages")
    first = language.letters[0]
    assert (
        TextPreprocessor(Rules(name=name, language=language, links="drop", mentions="drop")).stems(f"{first} :)")
        == first
    )


def test_a_language_is_found_by_name_or_by_path(tmp_path):
    written(tmp_path, ESPERANTO)
    by_name = load_language("eo", tmp_path)
    assert by_name == load_language(str(tmp_path / "eo.toml"), conf_directory())
    assert by_name.letters == "a-zĉĝĥĵŝŭ"


def test_an_unknown_language_names_those_there_are(tmp_path):
    written(tmp_path, ESPERANTO)
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
        ('letters = "a-zĉĝĥĵŝŭ"', 'letters = "A-Z"', "letters: .*capitals are never found"),
        ('letters = "a-zĉĝĥĵŝŭ"', 'letters = "a-z "', "letters: .*white space parts words"),
        ('letters = "a-zĉĝĥĵŝŭ"', "letters = 'a-z\\s'", "letters: .*white space parts words"),
        ('"english"', '"engelsk"', "stemmer: .*no stemmer of PyStemmer, which has .*english"),
        ('["\'"]', '["ab"]', r"ignored\.0: .*must be one character"),
        ('["\'"]', '[""]', r"ignored\.0: .*must be one character"),
        ('["\'"]', '["\\n"]', r"ignored\.0: .*no white space"),
        ('"İ" = "i"', '"IJ" = "ij"', r"lower\.IJ.*must be one character"),
        ('"İ" = "i"', '"İ" = "\\n"', r"lower\.İ: .*must not hold a line break"),
        ('[":)"]', '[""]', r"emoticons\.positive\.0: .*must be one character or more"),
        ('[":("]', '[": ("]', r"emoticons\.negative\.0: .*no white space"),
        ('[":("]', '":("', r"emoticons\.negative: "),
        ("negative =", "negativ =", r"emoticons\.negative: Field required"),
    ],
)
def test_a_mistake_in_a_language_file_is_refused_by_file_and_key(tmp_path, good, typo, message):
    assert good in ESPERANTO
    name = written(tmp_path, ESPERANTO.replace(good, typo))
    with pytest.raises(ValueError, match=rf"text\.language: .*eo\.toml: {message}"):
        load_language(name, tmp_path)


def test_all_mistakes_are_told_together(tmp_path):
    name = written(tmp_path, ESPERANTO.replace("english", "engelsk").replace('["\'"]', '["ab"]'))
    with pytest.raises(ValueError) as fault:
        load_language(name, tmp_path)
    assert len(str(fault.value).splitlines()) == 2


@pytest.mark.parametrize("content", [b"letters = ", b'letters = "\xff"'])
def test_a_file_that_is_no_toml_is_refused_by_name(tmp_path, content):
    (tmp_path / "eo.toml").write_bytes(content)
    with pytest.raises(ValueError, match=r"eo\.toml cannot be read"):
        load_language("eo", tmp_path)


def test_letters_may_begin_or_end_with_a_hyphen(tmp_path):
    for letters in ("-a-z", "a-z-", "a-z'-"):
        language = load_language(written(tmp_path, ESPERANTO.replace("a-zĉĝĥĵŝŭ", letters)), tmp_path)
        cleaner = TextPreprocessor(Rules(name="eo", language=language, links="drop", mentions="drop"))
        assert cleaner.stems("ab-12 (c)") == "ab-12 c"
