import base64
import hashlib
import json
import re
from datetime import date, timedelta
from html.parser import HTMLParser

import pandas as pd
import pytest

from tonality.survey.dynamics import with_shares
from tonality.survey.figure import figure
from tonality.survey.page import render

COUNTS = ["day", "tweets", "positive", "neutral", "negative", "none", "mean_probability"]
PNG = b"\x89PNG\r\n\x1a\n"
HOSTILE = "</title></script><script>alert(1)</script><!--\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}&amp;\u2028\u2029"


class Page(HTMLParser):
    """What a browser would find: elements with their attributes, and the text inside scripts and headings."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.texts, self.open = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.texts.append("")
        if tag not in ("meta", "link", "img"):
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


def dynamics(*offsets):
    """Days after 10 December 2015 on which 8 tweets were found: 4 positive, 1 neutral, 2 negative, 1 without a tone."""
    rows = [(date(2015, 12, 10) + timedelta(days=offset), 8, 4, 1, 2, 1, 0.6) for offset in offsets]
    return with_shares(pd.DataFrame(rows, columns=COUNTS))


def html(days, title="Tone", facts=None):
    return render(days, title, facts or {}, positive=0.65, negative=0.45, png=PNG)


def words(text):
    return " ".join(re.sub(r"<[^>]*>", " ", text[text.index("<main>") : text.index("</main>")]).split())


def policy(page):
    return next(
        meta["content"] for meta in page.attributes("meta") if meta.get("http-equiv") == "Content-Security-Policy"
    )


@pytest.fixture(scope="module")
def hostile():
    return Page(html(dynamics(0, 1), HOSTILE, {HOSTILE: HOSTILE}))


def test_every_day_has_its_row_and_a_missing_day_too():
    page = html(dynamics(0, 2))
    for day in ("2015-12-10", "2015-12-11", "2015-12-12"):
        assert f'<th scope="row"><time>{day}</time></th>' in page
    assert "2015-12-11 – – – 0 0 –" in words(page)


def test_a_row_tells_shares_intervals_and_counts():
    assert "2015-12-10 57.1% 25.0–84.2% 14.3% 2.6–51.3% 28.6% 8.2–64.1% 8 1 0.600" in words(html(dynamics(0)))


def test_the_headline_is_of_the_whole_period():
    text = words(html(dynamics(0, 1, 3)))
    assert "Positive 57.1% 36.5–75.5%" in text
    assert "Tweets 24 3 without a tone Days 4 3 with tweets" in text


def test_facts_stand_in_the_order_given():
    page = Page(html(dynamics(0), facts={"Model": "lstm-1", "Archive": "10 lines", "Tonality": "0.1.0"}))
    assert page.text("dt")[-3:] == ["Model", "Archive", "Tonality"]
    assert page.text("dd")[-3:] == ["lstm-1", "10 lines", "0.1.0"]


def test_the_guide_names_the_thresholds():
    text = words(html(dynamics(0)))
    assert "positive from a probability of 0.65 on and as negative up to 0.45" in text


def test_a_hostile_title_is_text_wherever_it_stands(hostile):
    assert hostile.text("title") == [HOSTILE]
    assert hostile.text("h1") == [HOSTILE]


def test_hostile_facts_are_text(hostile):
    assert hostile.text("dt")[-1] == HOSTILE
    assert hostile.text("dd")[-1] == HOSTILE


def test_hostile_text_adds_no_element_and_no_handler(hostile):
    tame = Page(html(dynamics(0, 1), "Tone", {"Model": "lstm-1"}))
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in tame.elements]
    assert not [name for _, attributes in hostile.elements for name in attributes if name.startswith("on")]


def test_the_policy_allows_just_the_scripts_that_are_inlined(hostile):
    kinds = hostile.attributes("script")
    assert kinds == [{"type": "application/json", "id": "figure"}, {}, {}]
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
    assert loads == ["data:,", f"data:image/png;base64,{base64.b64encode(PNG).decode()}"]
    assert not re.search(r"url\(|@import", "".join(hostile.text("style")))


def test_the_data_block_holds_no_markup_and_reads_back(hostile):
    block = hostile.text("script")[0]
    assert block.isascii() and not set("<>&") & set(block)
    assert json.loads(block) == figure(dynamics(0, 1))


def test_markup_in_the_data_block_would_stay_data(monkeypatch):
    monkeypatch.setattr("tonality.survey.page.figure", lambda days: {"text": HOSTILE})
    page = Page(html(dynamics(0)))
    assert len(page.attributes("script")) == 3
    assert not set("<>&\u2028\u2029") & set(page.text("script")[0])
    assert json.loads(page.text("script")[0]) == {"text": HOSTILE}


def test_a_script_that_would_end_its_element_is_refused(monkeypatch):
    monkeypatch.setattr("tonality.survey.page.get_plotlyjs", lambda: "var s = '</SCRIPT>';")
    with pytest.raises(ValueError, match="cannot be put into a page unchanged"):
        html(dynamics(0))


def test_an_empty_period_says_so_and_runs_nothing():
    page = html(dynamics(), facts={"Model": "lstm-1"})
    assert "No scored tweets were found for this period." in words(page)
    assert "lstm-1" in words(page)
    assert not Page(page).attributes("script")
    assert "script-src 'none'" in policy(Page(page))


def test_days_without_any_tone_have_no_share_in_the_headline():
    silent = with_shares(pd.DataFrame([(date(2015, 12, 10), 3, 0, 0, 0, 3, None)], columns=COUNTS))
    assert "Positive – no tweet has a tone" in words(html(silent))
