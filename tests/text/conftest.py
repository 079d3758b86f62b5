import pytest

from tonality.runtime.settings.load import conf_directory
from tonality.text.language import load_language
from tonality.text.preprocess import TextPreprocessor
from tonality.text.rules import Rules


@pytest.fixture(scope="session")
def rules():
    """The rules of a shipped language, links and mentions dropped unless told otherwise."""

    def make(name="ru", links="drop", mentions="drop"):
        language = load_language(name, conf_directory() / "languages")
        return Rules(name=name, language=language, links=links, mentions=mentions)

    return make


@pytest.fixture(scope="session")
def cleaner(rules):
    made = {}

    def get(*options):
        if options not in made:
            made[options] = TextPreprocessor(rules(*options))
        return made[options]

    return get
