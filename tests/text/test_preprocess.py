import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tonality.text import preprocess
from tonality.text.preprocess import TextPreprocessor

LANGUAGES = ["ru", "en", "es"]

# Fragments that have broken batches: characters that change length or neighbours when lower-cased or normalised,
# everything that some function takes for a line break, and the beginnings of links, mentions and emoticons.
FRAGMENTS = [
    *"абёйЖЭяТхХДДxXDDsSaAñÑéÜ019 _-.,:;()<3=^'*PpCс",
    *["ё", "Ё", "İ", "ı", "Σ", "ΑΣ", "ς", "ß", "ﬁ", "K", "\u0301", "\u0306", "\u0308", "\u00ad", "\u200d", "\ufe0f"],
    *["\r", "\n", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\0", "\t", "\u00a0"],
    *["http://", "https://t.co/a", "www.", "HTTP://Я", "@", "＠", "@имя", "RT @a: ", "#тег", "&amp;", "&"],
    *[":)", ":D", "xD", "хД", "хДДД", "Т_Т", "<3", ":3", "12:30", "))", "D:", "😀", "❤️", "👍🏽", "мп3", "don’t"],
]
TEXTS = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
)

TRICKY = [
    "",
    " ",
    "\n",
    "Привет, мир!",
    "ПРИВЕТ!!! КАК ДЕЛА???",
    "Ёлки-палки, ещё одна ёлка",
    "RT @petya: Смотрю «Звёздные войны» http://t.co/aBc123 :D",
    "ссылка:https://t.co/яяя, и дальше",
    "www.kino.ru лучше чем awww.net",
    "почта vasya@mail.ru и @vasya",
    "@раз@два @три",
    "первая\nвторая\r\nтретья\u2028четвёртая\x85пятая",
    "\n\nпустые строки вокруг\n",
    "слово\x0bслово\x0cслово\x1cслово\x1dслово\x1eслово",
    "нуль\0внутри",
    "мои\u0306 дом, твой дом",
    "за\u0301мок и замо\u0301к",
    "пере\u00adнос",
    "хДДД не могу хД",
    "дХД и хДа",
    "привет:D пока:3",
    "встреча в 12:30, счёт 2:3",
    "люблю <3 тебя<3",
    "xDrive за 5000р",
    "ТАК ГРУСТНО Т_Т Т_ТТТ",
    "((скобки)) )))",
    "😀😀мир👍🏽труд❤️май",
    "#ЗвёздныеВойны #1 мп3",
    "İstanbul ΣΊΣΥΦΟΣ ΟΔΟΣ",
    "Can't stop, won’t stop",
    "¡Mañana será otro día! Ñandú",
    "e\u0301l está aquí",
    "а" * 300,
]


def batch_stems(preprocessor, texts):
    return preprocessor.stem_array(pa.array(texts, pa.string())).to_pylist()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("dropped", ["drop", "keep"])
@settings(max_examples=150, deadline=None)
@given(texts=st.lists(TEXTS, max_size=6))
def test_a_batch_has_the_stems_that_each_text_has_alone(preprocessor, language, dropped, texts):
    chosen = preprocessor(language, dropped, dropped)
    assert batch_stems(chosen, texts) == [chosen.stems(text) for text in texts]


@pytest.mark.parametrize("language", LANGUAGES)
def test_tricky_tweets_have_the_same_stems_alone_and_together(preprocessor, language):
    chosen = preprocessor(language)
    assert batch_stems(chosen, TRICKY) == [chosen.stems(text) for text in TRICKY]


@pytest.mark.parametrize("line_break", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028"])
def test_a_line_break_of_any_kind_separates_words_but_not_tweets(preprocessor, line_break):
    assert batch_stems(preprocessor(), [f"кот{line_break}дом", "сон"]) == ["кот дом", "сон"]


def test_a_null_stays_null_and_an_empty_text_has_no_stems(preprocessor):
    assert batch_stems(preprocessor(), [None, "кот", "", None, "!!!"]) == [None, "кот", "", None, ""]


def test_an_empty_batch_has_no_stems(preprocessor):
    assert preprocessor().stem_array(pa.array([], pa.string())).equals(pa.array([], pa.string()))


def test_a_batch_of_only_nulls_stays_null(preprocessor):
    assert batch_stems(preprocessor(), [None, None]) == [None, None]


def test_a_slice_of_a_batch_has_only_its_own_stems(preprocessor):
    texts = pa.array(["кот", None, "дом\nсон", "лес"])
    assert preprocessor().stem_array(texts.slice(1, 2)).to_pylist() == [None, "дом сон"]


def test_a_chunked_column_has_the_stems_of_its_chunks(preprocessor):
    texts = pa.chunked_array([["кот", None], [], ["дом"]], pa.string())
    assert preprocessor().stem_array(texts).to_pylist() == ["кот", None, "дом"]


def test_a_text_of_ten_thousand_characters_has_all_its_stems(preprocessor):
    long = "котик " * 2000 + "щ" * 10_000
    assert batch_stems(preprocessor(), [long, "дом"]) == [preprocessor().stems(long), "дом"]
    assert preprocessor().stems(long).count("котик") == 2000


def test_a_lone_surrogate_separates_words_and_fits_in_no_batch(preprocessor):
    assert preprocessor().stems("кот\ud800дом") == "кот дом"
    with pytest.raises(UnicodeEncodeError):
        pa.array(["кот\ud800дом"], pa.string())


class CountingStemmer:
    def __init__(self, stemmer):
        self.stemmer, self.words = stemmer, []

    def stemWord(self, word):
        self.words.append(word)
        return self.stemmer.stemWord(word)


@pytest.fixture
def counting(rules):
    preprocessor = TextPreprocessor(rules())
    preprocessor._cache._stemmer = CountingStemmer(preprocessor._stemmer)
    return preprocessor


def test_each_distinct_word_is_stemmed_once(counting):
    batch_stems(counting, ["кошки и дома", "Дома КОШКИ", None])
    batch_stems(counting, ["кошки", "лес"])
    assert counting._cache._stemmer.words == ["кошки", "и", "дома", "лес"]


def test_the_cache_is_emptied_once_it_holds_too_many_words(counting, monkeypatch):
    monkeypatch.setattr(preprocess, "_CACHED_WORDS", 3)
    for word in ["один", "два", "три", "четыре", "пять", "шесть", "семь"]:
        assert batch_stems(counting, [f"{word}\nкот"]) == [counting.stems(f"{word} кот")]
        assert len(counting._cache) <= 3 + 2


def test_case_and_word_form_make_no_difference(preprocessor):
    assert preprocessor().stems("КОШКА кошки Кошкой") == "кошк кошк кошк"
    assert preprocessor("en").stems("LIKED likes liking") == "like like like"
    assert preprocessor("es").stems("GATOS gato") == "gat gat"


def test_yo_reads_as_ye(preprocessor):
    assert preprocessor().stems("ёлка") == preprocessor().stems("елка") == "елк"


def test_digits_are_part_of_words(preprocessor):
    assert preprocessor().stems("мп3 и 2015год, 100") == "мп3 и 2015год 100"


def test_words_of_other_alphabets_are_ignored(preprocessor):
    assert preprocessor().stems("кот cat 猫 γάτα") == "кот"


@pytest.mark.parametrize(
    ("text", "dropped", "kept"),
    [
        ("кот http://дом.рф/лес сон", "кот сон", "кот дом рф лес сон"),
        ("кот HTTPS://дом.рф", "кот", "кот дом рф"),
        ("кот www.дом.рф сон", "кот сон", "кот дом рф сон"),
        ("кот:http://дом", "кот", "кот дом"),
    ],
)
def test_links_are_dropped_or_kept_by_the_switch(preprocessor, text, dropped, kept):
    assert preprocessor("ru", "drop", "drop").stems(text) == dropped
    assert preprocessor("ru", "keep", "drop").stems(text) == kept


@pytest.mark.parametrize(
    ("text", "dropped", "kept"),
    [("@дом кот", "кот", "дом кот"), ("(@дом_2): кот", "кот", "дом 2 кот"), ("кот ＠дом", "кот", "кот дом")],
)
def test_mentions_are_dropped_or_kept_by_the_switch(preprocessor, text, dropped, kept):
    assert preprocessor("ru", "drop", "drop").stems(text) == dropped
    assert preprocessor("ru", "drop", "keep").stems(text) == kept


@pytest.mark.parametrize("text", ["кот@дом", "эwww.дом"])
def test_what_only_looks_like_a_link_or_mention_stays(preprocessor, text):
    assert "дом" in preprocessor().stems(text).split()


@pytest.mark.parametrize("emoticon", ["хД", "хДДД", "ХД", "Т_Т", "Т_ТТТ", "<3", ":3", ":333", ":)", ")))", "😀", "❤️"])
def test_emoticons_never_leave_words_in_russian(preprocessor, emoticon):
    assert preprocessor().stems(f"{emoticon} кот {emoticon} дом, ({emoticon})") == "кот дом"


@pytest.mark.parametrize(
    "emoticon", ["xD", "XD", "xDDD", ":D", ":DDD", ":P", ":-P", ":p", "<3", ":3", "T_T", ":c", "=C"]
)
def test_emoticons_never_leave_words_in_english(preprocessor, emoticon):
    assert preprocessor("en").stems(f"cat {emoticon} dog, ({emoticon})") == "cat dog"


def test_an_emoticon_of_punctuation_is_removed_even_next_to_a_word(preprocessor):
    assert preprocessor("en").stems("cat:D dog<3") == "cat dog"
    assert preprocessor().stems("кот:3 <3дом") == "кот 3дом"  # the digit begins a word


@pytest.mark.parametrize(
    ("language", "text", "stems"),
    [
        ("ru", "12:30", "12 30"),
        ("ru", "счёт 2:3", "счет 2 3"),
        ("ru", "5<3", "5 3"),
        ("ru", "хДа", "хда"),
        ("ru", "эхД", "эхд"),
        ("en", "xDrive", "xdrive"),
        ("en", "maxD", "maxd"),
        ("en", "note:Dog", "note dog"),
    ],
)
def test_what_only_looks_like_an_emoticon_stays(preprocessor, language, text, stems):
    assert preprocessor(language).stems(text) == stems


def test_a_letter_and_its_combining_diacritic_are_the_composed_letter(preprocessor):
    assert preprocessor().stems("мои\u0306 дом") == preprocessor().stems("мой дом")
    assert preprocessor("es").stems("man\u0303ana") == preprocessor("es").stems("mañana")


def test_stress_accents_and_soft_hyphens_do_not_split_words(preprocessor):
    assert preprocessor().stems("за\u0301мок пере\u00adнос") == preprocessor().stems("замок перенос")


def test_apostrophes_do_not_split_english_words(preprocessor):
    assert preprocessor("en").stems("don't don’t") == preprocessor("en").stems("dont dont")


def test_a_dotted_capital_i_is_an_i(preprocessor):
    assert preprocessor("en").stems("İstanbul") == preprocessor("en").stems("istanbul") == "istanbul"


def test_a_final_sigma_does_not_depend_on_the_next_tweet(rules):
    greek = rules("en").language.model_copy(update={"letters": "α-ω"})
    chosen = TextPreprocessor(rules("en").model_copy(update={"language": greek}))
    texts = ["ΟΔΟΣ", "ΑΣ", "Σ\u00ad", "Α"]
    assert batch_stems(chosen, texts) == [chosen.stems(text) for text in texts]
    assert chosen.stems("ΟΔΟΣ") == "οδος"
