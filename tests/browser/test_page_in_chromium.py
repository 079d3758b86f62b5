from collections import Counter

import pytest

pytestmark = pytest.mark.browser

TONES = ("positive", "neutral", "negative")

FAINT = """() => {
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const numbers = (colour) => colour.match(/[0-9.]+/g).map(Number);
  const paper = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour.length === 3) return colour;
    }
    return [255, 255, 255];
  };
  const own = (element) => Array.from(element.childNodes).some((node) => node.nodeType === 3 && node.data.trim());
  return Array.from(document.querySelectorAll("header *, main *:not(#chart *)"))
    .filter((element) => own(element) && element.checkVisibility() && !element.closest("script"))
    .map((element) => {
      const [a, b] = [numbers(getComputedStyle(element).color).slice(0, 3), paper(element)].map(light);
      return [element.tagName + " " + element.textContent.slice(0, 20), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
    })
    .filter(([, contrast]) => contrast < 4.5);
}"""
"""The elements whose text contrast is below WCAG AA, with the contrast."""


def drawn(visit):
    visit.page.wait_for_selector("#chart .main-svg")
    return visit


def tab_to(page, selector):
    """Press Tab until the element has the focus, as a user without a mouse does."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"Tab never reaches {selector}")


def test_the_page_asks_for_nothing_but_itself(visit):
    seen = drawn(visit())
    seen.page.mouse.wheel(0, 20_000)
    seen.page.wait_for_timeout(300)
    assert seen.requests[0] == seen.address
    assert [address[:60] for address in seen.requests[1:] if not address.startswith("data:")] == []


def test_the_browser_reports_no_error_and_no_script_of_a_tweet_runs(visit):
    seen = drawn(visit())
    for row in seen.page.locator("#examples-table tbody tr").all()[:9]:
        row.hover()
    seen.page.wait_for_timeout(300)
    assert seen.errors == []
    assert seen.page.evaluate("window.ran") is None
    assert seen.page.locator("main a, main iframe, main object, main form, main img[src=x]").count() == 0


def test_the_chart_is_drawn_and_shows_its_numbers_under_the_mouse(visit):
    seen = drawn(visit())
    assert not seen.page.locator(".static-chart").is_visible()
    seen.page.locator("#chart").scroll_into_view_if_needed()
    box = seen.page.locator("#chart .nsewdrag").first.bounding_box()
    seen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    seen.page.wait_for_selector("#chart .hoverlayer .legend")
    assert "%" in seen.page.locator("#chart .hoverlayer").text_content()


@pytest.mark.parametrize("tone", TONES)
def test_a_click_on_a_tone_leaves_its_examples(visit, tone):
    seen = visit()
    before = Counter(seen.shown_rows())
    assert before[tone] > 0
    seen.page.click(f"#filters button[data-tone={tone}]")
    assert Counter(seen.shown_rows()) == {tone: before[tone]}
    assert seen.count() == f"{before[tone]} of {before.total()} shown"
    seen.page.click("#filters button[data-tone='']")
    assert Counter(seen.shown_rows()) == before


def test_the_keyboard_alone_filters_by_tone(visit):
    seen = visit()
    before = Counter(seen.shown_rows())
    tab_to(seen.page, "#filters button[data-tone=negative]")
    seen.page.keyboard.press("Space")
    assert Counter(seen.shown_rows()) == {"negative": before["negative"]}
    assert seen.page.get_attribute("#filters button[data-tone=negative]", "aria-pressed") == "true"
    assert seen.page.locator("#filters button[aria-pressed=true]").count() == 1


def test_the_keyboard_alone_filters_by_words(visit):
    seen = visit()
    total = len(seen.shown_rows())
    texts = [text.casefold() for text in seen.page.locator("#examples-table .text bdi").all_inner_texts()]
    word = max(texts[0].split(), key=len)[:12]
    tab_to(seen.page, "#words")
    seen.page.keyboard.type(word.upper())
    found = len(seen.shown_rows())
    assert 0 < found < total
    assert found >= sum(word in text for text in texts)
    assert seen.count() == f"{found} of {total} shown"
    seen.page.fill("#words", "")
    assert seen.count() == f"{total} of {total} shown"


def test_tone_and_words_narrow_each_other(visit):
    seen = visit()
    seen.page.click("#filters button[data-tone=neutral]")
    seen.page.fill("#words", "no tweet says this")
    assert seen.shown_rows() == []
    assert seen.page.locator("#no-match").is_visible()
    seen.page.fill("#words", " ")
    assert set(seen.shown_rows()) == {"neutral"}


@pytest.mark.parametrize(("media", "width"), [("screen", 360), ("screen", 1400), ("print", 688)])  # A4 width in pixels
def test_the_page_never_scrolls_sideways(visit, media, width):
    seen = drawn(visit(width))
    seen.page.emulate_media(media=media)
    seen.page.wait_for_timeout(300)
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_text_contrasts_with_its_background(visit):
    assert drawn(visit()).page.evaluate(FAINT) == []


def test_without_script_all_examples_show_and_no_control(visit):
    seen = visit(java_script_enabled=False)
    rows = seen.page.locator("#examples-table tbody tr")
    assert len(seen.shown_rows()) == rows.count() > 0
    assert not seen.page.locator("#filters").is_visible()
    assert seen.page.locator(".static-chart").is_visible()


def test_print_shows_the_static_chart_and_the_filtered_rows_without_controls(visit):
    seen = drawn(visit())
    seen.page.click("#filters button[data-tone=positive]")
    before = seen.shown_rows()
    seen.page.emulate_media(media="print")
    assert seen.page.locator(".static-chart").is_visible()
    for control in ("#chart", "#filters button >> nth=0", "#words"):
        assert not seen.page.locator(control).is_visible()
    assert seen.shown_rows() == before
    assert seen.count().startswith(f"{len(before)} of ")


def test_the_page_prints(visit):
    assert drawn(visit()).page.pdf(format="A4").startswith(b"%PDF-")
