import base64
import hashlib
import json
import re
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser

import pandas as pd
import pytest

from tonality.runtime.diagnostics.escaping import printable
from tonality.survey.daily_shares import with_shares
from tonality.survey.examples import COLUMNS
from tonality.survey.page import render
from tonality.survey.plotly_chart import figure
from tonality.survey.view_model import Comparison, Coverage, Question, Survey

COUNTS = ["day", "tweets", "voters", "positive", "neutral", "negative", "none", "ties", "anonymous", "mean_probability"]
PNG = b"\x89PNG\r\n\x1a\n"
OTHER_PNG = PNG + b"models"
HOSTILE = (
    "</title></script></td></table><script>alert(1)</script><!--\"'><img src=x onerror=alert(1)>"
    "{{ 7 * 7 }}{% raw %}&amp;javascript:alert(1)\0\u202e\u2028\u2029"
)
NOON = pd.Timestamp("2015-12-10 12:00", tz="UTC")
COVERAGE = Coverage(
    files=3, records=1000, tweets=800, notices=50, filtered=100, duplicates=30, rejects=20,
    reasons={"not JSON": 15, "no text": 5}, damaged=2, damage={"a.json.gz": "cut off at byte 77"},
)  # fmt: skip
MEASURES = {"accuracy_low": 0.775, "accuracy_high": 0.793, "macro_f1": 0.781, "auc": 0.813, "log_loss": 0.517}
COMPARISON = Comparison(
    rows=7975,
    models={"network": {"accuracy": 0.784, **MEASURES}, "linear": {"accuracy": 0.747, **MEASURES, "auc": float("nan")}},
    plot=OTHER_PNG,
)


class Page(HTMLParser):
    """A page as a browser parses it: elements with their attributes and text."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.texts, self.open = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.texts.append("")
        if tag not in ("meta", "link", "img", "input"):
            self.open.append(len(self.elements) - 1)

    def handle_endtag(self, tag):
        assert self.elements[self.open.pop()][0] == tag

    def handle_data(self, data):
        if self.open:
            self.texts[self.open[-1]] += data

    def attributes(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, tag):
        return [text for (name, _), text in zip(self.elements, self.texts, strict=True) if name == tag]


def shares_of(*offsets, voting="tweet"):
    """Days, as offsets from 10 December 2015, with 8 votes: 4 positive, 1 neutral, 2 negative, 1 of no tone or a tie."""
    row = (8, 8, 4, 1, 2, 1, 0, 0, 0.6) if voting == "tweet" else (20, 8, 4, 1, 2, 0, 1, 3, 0.6)
    rows = [(date(2015, 12, 10) + timedelta(days=offset), *row) for offset in offsets]
    return with_shares(pd.DataFrame(rows, columns=COUNTS))


def examples(*rows):
    return pd.DataFrame([(*row[:2], NOON, *row[2:]) for row in rows], columns=list(COLUMNS))


EXAMPLES = examples(("positive", 0.91, "anna", "Сила с нами"), ("negative", 0.125, None, "скучно"))


def survey(days=None, title="Tone", **changes):
    whole = Survey(
        title=title,
        question=Question(positive=0.65, negative=0.45),
        daily_shares=shares_of(0) if days is None else days,
        examples=EXAMPLES,
        coverage=COVERAGE,
        comparison=COMPARISON,
        facts={},
        chart=PNG,
    )
    return replace(whole, **changes)


def html(*arguments, **changes):
    return render(survey(*arguments, **changes))


def html_of_question(**changes):
    return html(question=Question(positive=0.65, negative=0.45, **changes))


def words(text, element="main"):
    inner = text[text.index(f"<{element}>") : text.index(f"</{element}>")]
    return " ".join(re.sub(r"<[^>]*>", " ", inner).split())


def policy(page):
    return next(
        meta["content"] for meta in page.attributes("meta") if meta.get("http-equiv") == "Content-Security-Policy"
    )


def hostile_survey(text):
    return survey(
        shares_of(0, 1),
        title=text,
        question=Question(positive=0.65, negative=0.45, hashtags=(text,), keywords=(text,)),
        examples=examples(("positive", 0.9, text, text), ("neutral", 0.5, "anna", "w" * 10_000)),
        coverage=replace(COVERAGE, reasons={text: 20}, damage={text: text}),
        comparison=replace(COMPARISON, models={text: {"accuracy": 0.5, **MEASURES}}),
        facts={text: text},
    )


@pytest.fixture(scope="module")
def hostile():
    return Page(render(hostile_survey(HOSTILE)))


def test_the_subject_is_named_as_the_user_wrote_it():
    text = words(html_of_question(hashtags=("starwars", "#сила"), keywords=("звёздн* войны",)), "header")
    assert "Subject Tweets with one of #starwars , #сила , “ звёздн* войны ” Days" in text
    assert "Subject Tweets with #starwars Days" in words(html_of_question(hashtags=("starwars",)), "header")
    assert "Subject All tweets, whatever their subject Days" in words(html_of_question(), "header")


def test_the_page_states_its_days_its_voters_and_if_retweets_count():
    text = words(html_of_question(), "header")
    assert text.endswith("Days 10 December 2015 , UTC Votes One per tweet Retweets Counted")
    text = words(html_of_question(retweets="drop", voting="author"), "header")
    assert text.endswith(
        "Votes One per author and day: the most common tone of that author’s tweets. Ties do not count. Retweets Excluded"
    )


def test_every_day_has_its_row_and_a_missing_day_too():
    page = html(shares_of(0, 2))
    for day in ("2015-12-10", "2015-12-11", "2015-12-12"):
        assert f'<th scope="row"><time>{day}</time></th>' in page
    assert "2015-12-11 – – – 0 0 –" in words(page)


def test_a_row_shows_shares_intervals_and_counts():
    text = words(html())
    assert "Positive Neutral Negative Tweets No tone Mean probability" in text
    assert "2015-12-10 57.1% 25.0–84.2% 14.3% 2.6–51.3% 28.6% 8.2–64.1% 8 1 0.600" in text


def test_the_headline_is_of_the_whole_period():
    text = words(html(shares_of(0, 1, 3)))
    assert "Positive 57.1% 36.5–75.5%" in text
    assert "Tweets 24 3 without a tone Days 4 3 with tweets" in text


def test_where_authors_vote_the_page_counts_authors():
    by_author = Question(positive=0.65, negative=0.45, voting="author")
    text = words(html(shares_of(0, 2, voting="author"), question=by_author))
    assert "Authors’ votes 14 2 ties, 0 without a tone Tweets 40 on 2 of 3 days, 6 without an author" in text
    assert "Authors Ties No tone Tweets Without author Mean probability" in text
    assert "2015-12-10 57.1% 25.0–84.2% 14.3% 2.6–51.3% 28.6% 8.2–64.1% 8 1 0 20 3 0.600" in text
    assert "4 authors" in html(shares_of(0, voting="author"), question=by_author)


def test_facts_stand_in_the_order_given():
    page = Page(html(facts={"Model": "lstm-1", "Archive": "10 lines", "Tonality": "0.1.0"}))
    assert page.text("dt")[-3:] == ["Model", "Archive", "Tonality"]
    assert page.text("dd")[-3:] == ["lstm-1", "10 lines", "0.1.0"]


def test_the_guide_names_the_thresholds():
    assert "positive at a probability of 0.65 or more and as negative at 0.45 or less" in words(html())


def test_an_example_shows_tone_probability_author_day_and_text():
    text = words(html())
    assert "Positive 0.910 anna 2015-12-10 Сила с нами" in text
    assert "Negative 0.125 2015-12-10 скучно" in text


def test_without_script_every_example_shows_and_no_control():
    elements = Page(html()).elements
    assert [a for tag, a in elements if "hidden" in a] == [
        a for _, a in elements if a.get("id") in ("filters", "no-match")
    ]


def test_a_long_tweet_is_shortened_and_its_length_given():
    text = words(html(examples=examples(("neutral", 0.5, "y" * 1000, "w" * 10_000))))
    assert f" {'w' * 600}… shortened, 10,000 characters in all" in text
    assert f" {'y' * 60}… " in text


def test_a_tweet_of_600_characters_is_shown_whole():
    text = words(html(examples=examples(("neutral", 0.5, "anna", "w" * 600))))
    assert "w" * 600 in text and "shortened" not in text


def test_missing_examples_are_mentioned():
    page = html(examples=EXAMPLES[:0])
    assert "No tweet on these days has both a tone and a text to show." in words(page)
    assert len(Page(page).attributes("script")) == 3


def test_nothing_in_a_tweet_becomes_a_link():
    page = Page(html(examples=examples(("positive", 0.9, "anna", "see https://t.co/x @boris #tag"))))
    assert not page.attributes("a")


def test_every_record_of_the_archive_is_accounted_for():
    text = words(html())
    assert "3 files held 1,000 records. 800 of them are tweets" in text
    assert "this one counts 8," in text
    for row in (
        "kept 800 80.0%",
        "100 10.0%",
        "30 3.0%",
        "50 5.0%",
        "20 2.0%",
        "not JSON 15 1.5%",
        "no text 5 0.5%",
    ):
        assert row in text
    assert "All records 1,000 100.0%" in text


def test_damaged_files_are_named_with_what_broke():
    text = words(html())
    assert "2 files were damaged or cut off" in text
    assert "a.json.gz cut off at byte 77 And 1 more." in text


def test_an_archive_without_damage_or_records_is_described_as_such():
    empty = Coverage(1, 0, 0, 0, 0, 0, 0, {}, 0, {})
    text = words(html(coverage=empty))
    assert "No file was damaged." in text and "Damaged files" not in text
    assert "All records 0 –" in text
    assert "Where the records went" not in words(html(coverage=None))


def test_the_models_are_compared_by_their_metrics():
    text = words(html())
    assert (
        "Of 7,975 labelled tweets that it was not trained on, the model of this survey classified 78.4% according to their labels"
        in text
    )
    assert "the other 21.6%" in text
    assert "network scored this survey 78.4% 77.5–79.3% 0.781 0.813 0.517" in text
    assert "linear 74.7% 77.5–79.3% 0.781 – 0.517" in text


def test_a_model_that_was_not_evaluated_is_described_as_such():
    text = words(html(comparison=None))
    assert "was not evaluated, or only in another version" in text
    assert "Accuracy Macro F1" not in text


def test_a_hostile_title_is_text_wherever_it_stands(hostile):
    assert hostile.text("title") == [printable(HOSTILE)]
    assert hostile.text("h1") == [printable(HOSTILE)]


def test_hostile_tweets_authors_tags_and_files_are_text(hostile):
    shown = hostile.text("bdi")
    assert shown.count(printable(HOSTILE)) == 4  # keyword, tweet, file and its damage
    assert sum(text == printable(HOSTILE)[:60].rstrip() + "…" for text in shown) == 1
    assert shown.count("#" + printable(HOSTILE)) == 1


def test_hostile_facts_are_text(hostile):
    assert hostile.text("dt")[-1] == printable(HOSTILE)
    assert hostile.text("dd")[-1] == printable(HOSTILE)


def test_hostile_text_adds_no_element_and_no_handler(hostile):
    tame = Page(render(hostile_survey("tame")))
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in tame.elements]
    assert not [name for _, attributes in hostile.elements for name in attributes if name.startswith("on")]


def test_the_page_holds_no_control_character_and_no_bidi_override():
    page = render(hostile_survey(HOSTILE))
    own = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", own)


def test_the_policy_allows_just_the_scripts_that_are_inlined(hostile):
    kinds = hostile.attributes("script")
    assert kinds == [{"type": "application/json", "id": "figure"}, {}, {}, {}]
    digests = [hashlib.sha256(script.encode()).digest() for script in hostile.text("script")[1:]]
    allowed = re.search(r"script-src ([^;]*)", policy(hostile))[1].split()
    assert allowed == [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


def test_the_policy_forbids_all_else(hostile):
    assert policy(hostile).startswith("default-src 'none'; ")
    assert "unsafe-eval" not in policy(hostile)
    assert re.findall(r"(\S+) 'unsafe-inline'", policy(hostile)) == ["style-src"]


def test_the_policy_comes_before_every_script_and_style(hostile):
    tags = [tag for tag, _ in hostile.elements]
    stands = [attributes.get("http-equiv") for _, attributes in hostile.elements].index("Content-Security-Policy")
    assert stands < min(tags.index("script"), tags.index("style"))


def test_the_page_fetches_nothing(hostile):
    names = {"src", "href", "srcset", "data", "action", "poster", "background"}
    loads = [value for _, attributes in hostile.elements for name, value in attributes.items() if name in names]
    images = [f"data:image/png;base64,{base64.b64encode(png).decode()}" for png in (PNG, OTHER_PNG)]
    assert loads == ["data:,", *images]
    assert not re.search(r"url\(|@import", "".join(hostile.text("style")))


def test_the_data_block_holds_no_markup_and_reads_back(hostile):
    block = hostile.text("script")[0]
    assert block.isascii() and not set("<>&") & set(block)
    assert json.loads(block) == figure(shares_of(0, 1))


def test_markup_in_the_data_block_would_stay_data(monkeypatch):
    monkeypatch.setattr("tonality.survey.page.figure", lambda days, voters: {"text": HOSTILE})
    page = Page(html())
    assert len(page.attributes("script")) == 4
    assert not set("<>&\u2028\u2029") & set(page.text("script")[0])
    assert json.loads(page.text("script")[0]) == {"text": HOSTILE}


def test_a_script_that_would_end_its_element_is_refused(monkeypatch):
    monkeypatch.setattr("tonality.survey.page.get_plotlyjs", lambda: "var s = '</SCRIPT>';")
    with pytest.raises(ValueError, match="cannot be put into a page unchanged"):
        html()


def test_an_empty_period_has_a_message_and_no_script():
    page = html(shares_of(), examples=EXAMPLES[:0], facts={"Model": "lstm-1"})
    assert "No scored tweets were found for this period." in words(page)
    assert "lstm-1" in words(page)
    assert not Page(page).attributes("script")
    assert "script-src 'none'" in policy(Page(page))


def test_days_without_any_tone_have_no_share_in_the_headline():
    silent = with_shares(pd.DataFrame([(date(2015, 12, 10), 3, 3, 0, 0, 0, 3, 0, 0, None)], columns=COUNTS))
    assert "Positive – nothing has a tone" in words(html(silent))
