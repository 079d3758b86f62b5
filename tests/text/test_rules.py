import re

import pytest
import Stemmer

from tonality.text import rules as rules_module

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
