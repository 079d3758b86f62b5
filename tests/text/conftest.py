import pytest

from tonality.runtime.settings.load import conf_directory
from tonality.text.preprocess import TextPreprocessor
from tonality.text.rules import Rules, load_language


@pytest.fixture(scope="session")
def rules():
    """The rules of a shipped language, links and mentions dropped by default."""

    def make(name="ru", links="drop", mentions="drop"):
        language = load_language(name, conf_directory() / "languages")
        return Rules(name=name, language=language, links=links, mentions=mentions)

    return make


@pytest.fixture(scope="session")
def preprocessor(rules):
    cache = {}

    def get(*options):
        if options not in cache:
            cache[options] = TextPreprocessor(rules(*options))
        return cache[options]

    return get
