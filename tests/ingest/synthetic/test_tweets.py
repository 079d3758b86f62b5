import re
from collections import Counter
from itertools import pairwise
from random import Random

import pytest

from tonality.ingest.synthetic.grammar import sentences
from tonality.ingest.synthetic.inflection import CASES, Adjective, Noun, Phrase, Verb
from tonality.ingest.synthetic.lexicon import lexicon
from tonality.ingest.synthetic.random_streams import ZipfSampler, pick, random_stream
from tonality.ingest.synthetic.timeline import DAYS, lines_by_day, midnight, positive_share, time_of_day, twitter_time
from tonality.ingest.synthetic.typos import add_typos


@pytest.mark.parametrize(
    ("entry", "forms"),
    [
        ("фильм", "фильм фильма фильму фильм фильмом фильме"),
        ("режиссёр:a", "режиссёр режиссёра режиссёру режиссёра режиссёром режиссёре"),
        ("сценарий", "сценарий сценария сценарию сценарий сценарием сценарии"),
        ("день/дн:m", "день дня дню день днём дне"),
        ("сага", "сага саги саге сагу сагой саге"),
        ("премьера", "премьера премьеры премьере премьеру премьерой премьере"),
        ("история", "история истории истории историю историей истории"),
        ("связь:f", "связь связи связи связь связью связи"),
        ("настроение", "настроение настроения настроению настроение настроением настроении"),
        ("кино:n0", "кино кино кино кино кино кино"),
        ("актёры/актёров:pa", "актёры актёров актёрам актёров актёрами актёрах"),
        ("шутки/шуток:p", "шутки шуток шуткам шутки шутками шутках"),
        ("герои/героев:pa", "герои героев героям героев героями героях"),
    ],
)
def test_nouns_decline(entry, forms):
    # Stress is not known, so ё of endings is written as е.
    assert [form.replace("ё", "е") for form in Noun.parse(entry).forms] == forms.replace("ё", "е").split()


@pytest.mark.parametrize(
    ("adjective", "agreeing"),
    [
        ("скучный", "скучный фильм, скучная сага, скучное кино, скучные актёры"),
        ("плохой", "плохой фильм, плохая сага, плохое кино, плохие актёры"),
        ("хороший", "хороший фильм, хорошая сага, хорошее кино, хорошие актёры"),
        ("тоскливый", "тоскливый фильм, тоскливая сага, тоскливое кино, тоскливые актёры"),
        ("зимний", "зимний фильм, зимняя сага, зимнее кино, зимние актёры"),
        ("лёгкий", "лёгкий фильм, лёгкая сага, лёгкое кино, лёгкие актёры"),
    ],
)
def test_adjectives_agree_with_their_noun(adjective, agreeing):
    nouns = [Noun.parse(entry) for entry in ("фильм", "сага", "кино:n0", "актёры/актёров:pa")]
    nominative = CASES.index("nom")
    phrases = [f"{Adjective.parse(adjective).form(nominative, noun, False)} {noun.forms[nominative]}" for noun in nouns]
    assert ", ".join(phrases) == agreeing


def test_an_adjective_of_somebody_alive_has_the_genitive_for_the_accusative():
    accusative = CASES.index("acc")
    assert Adjective.parse("тупой").form(accusative, Noun.parse("злодей:a"), False) == "тупого"
    assert Adjective.parse("тупой").form(accusative, Noun.parse("сюжет"), False) == "тупой"


def test_past_tenses_agree_with_their_subject():
    subjects = [Noun.parse(entry) for entry in ("фильм", "сага", "кино:n0", "герои/героев:pa")]
    verbs = [Verb.parse(entry) for entry in ("понравился", "подвёл/подвел")]
    assert [[verb.form(0, subject, False) for subject in subjects] for verb in verbs] == [
        ["понравился", "понравилась", "понравилось", "понравились"],
        ["подвёл", "подвела", "подвело", "подвели"],
    ]


def test_a_phrase_depends_on_the_authors_gender():
    phrase = Phrase.parse("доволен|довольна")
    assert (phrase.form(0, Noun.parse("фильм"), False), phrase.form(0, Noun.parse("фильм"), True)) == (
        "доволен",
        "довольна",
    )


def test_every_slot_of_every_sentence_can_be_filled():
    random = random_stream(1, "slots")
    texts = [
        " ".join(sentences(random, tone, "film")) for tone in ("positive", "neutral", "negative") for _ in range(3_000)
    ]
    assert not any(sign in text for text in texts for sign in "{}|")


def test_the_words_of_one_tone_occur_in_the_other_too_but_less():
    def share(tone: str) -> float:
        random = random_stream(1, "overlap")
        texts = [" ".join(sentences(random, tone, "film")) for _ in range(4_000)]
        return sum("скучн" in text or "плох" in text or "отстой" in text for text in texts) / len(texts)

    assert share("positive") < share("negative") / 2
    assert share("positive") > share("negative") / 20
    assert share("neutral") < share("negative") / 5


def test_negated_words_are_of_the_other_tone():
    random = random_stream(1, "denied")
    denied = re.compile("не (разочаров|расстро|утом|взбес|усып)")
    texts = {
        tone: [" ".join(sentences(random, tone, "film")) for _ in range(4_000)] for tone in ("positive", "negative")
    }
    assert any(map(denied.search, texts["positive"]))
    assert not any(map(denied.search, texts["negative"]))


def test_the_lexicon_has_thousands_of_forms_and_no_word_twice_in_one_of_its_opinions():
    words = lexicon().words
    assert len(words["thing"].items) + len(words["surname"].items) > 3_000
    for name in ("adjective", "verb", "noun", "adverb"):
        both = [
            word.form(0, Noun.parse("фильм"), False)
            for tone in ("positive", "negative")
            for word in words[f"{name}_{tone}"].items
        ]
        assert len(set(both)) == len(both)


def test_typos_leave_nearly_all_words_intact():
    random = random_stream(1, "rough")
    texts = [add_typos(random, ["сегодня показали интересный фильм", "музыка отличная"]).lower() for _ in range(2_000)]
    intact = sum("интересный" in text for text in texts) / len(texts)
    assert 0.95 < intact < 0.99
    assert len({text for text in texts if "\n" in text}) > 10


def test_sampled_items_fall_in_frequency_and_all_occur():
    random = Random(1)
    sampler = ZipfSampler("абвгд")
    drawn = Counter(sampler.draw(random) for _ in range(5_000))
    assert [item for item, _ in drawn.most_common()] == list("абвгд")


def test_random_streams_with_different_names_differ():
    numbers = {random_stream(*names).random() for names in [(1, "a"), (1, "b"), (2, "a"), (1, "a", 1)]}
    assert len(numbers) == 4
    assert random_stream(1, "a").random() == random_stream(1, "a").random()
    assert pick(random_stream(1, "a"), "x") == "x"


@pytest.mark.parametrize("lines", [0, 7, 1_000, 99_999])
def test_the_days_share_all_lines_and_the_premiere_has_most(lines):
    quotas = lines_by_day(lines)
    assert len(quotas) == len(DAYS)
    assert sum(quotas) == lines
    assert max(quotas) == quotas[7]


@pytest.mark.parametrize("seed", range(1, 9))
def test_odd_seeds_rise_and_even_seeds_fall_between_a_third_and_three_quarters(seed):
    shares = [positive_share(seed, number) for number in range(len(DAYS))]
    first, last = (shares[0], shares[-1]) if seed % 2 else (shares[-1], shares[0])
    assert first == pytest.approx(0.35, abs=0.03)
    assert last == pytest.approx(0.75, abs=0.03)
    assert max(abs(b - a) for a, b in pairwise(shares)) < 0.09


def test_evenings_have_more_tweets_than_nights():
    assert time_of_day(0.0) == 0
    hours = Counter(time_of_day(n / 1_000) // 3_600_000 for n in range(1_000))
    assert set(hours) == set(range(24))
    assert max(hours, key=hours.__getitem__) in (18, 19)
    assert min(hours, key=hours.__getitem__) in (1, 2, 3)


def test_times_are_written_as_twitter_wrote_them():
    assert twitter_time(midnight(DAYS[0]) + 28_862_999) == "Thu Dec 10 08:01:02 +0000 2015"
