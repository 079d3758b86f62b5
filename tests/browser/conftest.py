"""A real Chromium and the pages it opens: one with hostile content, and any that TONALITY_PAGE names."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hostile import HOSTILE, run_pipeline

from tonality.survey.daily_shares import with_shares
from tonality.survey.examples import COLUMNS
from tonality.survey.page import render
from tonality.survey.png_chart import draw_png
from tonality.survey.view_model import Comparison, Coverage, Question, Survey


@dataclass
class Visit:
    """An open page, with its requests, errors and dialogs."""

    page: Any
    address: str
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def shown_rows(self) -> list[str]:
        """The tones of the visible examples, in order."""
        rows = self.page.locator("#examples-table tbody tr").all()
        return [row.get_attribute("data-tone") for row in rows if row.is_visible()]

    def count(self) -> str:
        return self.page.locator("#shown").inner_text()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _skip_or_fail("Playwright is not installed: pip install playwright")
    if program is None:
        _skip_or_fail("neither chromium nor google-chrome is on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def _skip_or_fail(reason: str) -> None:
    if os.environ.get("TONALITY_BROWSER") == "1":
        pytest.fail(f"TONALITY_BROWSER=1 asks for the browser tests: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def surveyed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the whole pipeline on an archive of hostile tweets."""
    return run_pipeline(tmp_path_factory.mktemp("surveyed")) / "report"


@pytest.fixture(scope="session", params=["hostile", "surveyed", "given"])
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "surveyed":
        page: Path = request.getfixturevalue("surveyed") / "index.html"
        return page
    if request.param == "given":
        if "TONALITY_PAGE" not in os.environ:
            pytest.skip("TONALITY_PAGE names no page")
        return Path(os.environ["TONALITY_PAGE"]).resolve()
    path = tmp_path_factory.mktemp("hostile") / "index.html"
    path.write_text(render(_hostile()), encoding="utf-8")
    return path


@pytest.fixture
def visit(chromium: Any, file: Path) -> Iterator[Callable[..., Visit]]:
    contexts = []

    def opened(width: int = 1400, **options: Any) -> Visit:
        contexts.append(chromium.new_context(viewport={"width": width, "height": 900}, **options))
        visit = Visit(contexts[-1].new_page(), file.as_uri())
        visit.page.on("request", lambda request: visit.requests.append(request.url))
        visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
        visit.page.on("console", lambda message: visit.errors.append(f"{message.type}: {message.text}"))
        visit.page.on("dialog", lambda dialog: (visit.errors.append(dialog.message), dialog.dismiss()))
        visit.page.goto(visit.address)
        return visit

    yield opened
    for context in contexts:
        context.close()


def _hostile() -> Survey:
    everything = " ".join(HOSTILE)
    models = {text[:80]: dict.fromkeys(_MEASURES, 0.5) for text in HOSTILE[:3]}
    return Survey(
        title=HOSTILE[0] + "W" * 300,
        question=Question(0.65, 0.45, hashtags=tuple(HOSTILE), keywords=tuple(HOSTILE), voting="author"),
        daily_shares=_daily_shares(),
        examples=_examples(),
        coverage=Coverage(3, 1000, 900, 40, 30, 20, 10, {everything: 10}, 2, {text: text for text in HOSTILE}),
        comparison=Comparison(7975, models, draw_png(_daily_shares(), "models")),
        facts=dict.fromkeys(HOSTILE, everything),
        chart=draw_png(_daily_shares(), HOSTILE[0]),
    )


_MEASURES = ("accuracy", "accuracy_low", "accuracy_high", "macro_f1", "auc", "log_loss")


def _daily_shares() -> pd.DataFrame:
    days = pd.DataFrame({"day": pd.date_range("2015-12-10", periods=20)})
    counts = {"tweets": 1_234_567, "voters": 400_000, "positive": 200_000, "neutral": 50_000, "negative": 120_000}
    others = {"none": 20_000, "ties": 10_000, "anonymous": 7, "mean_probability": 0.6}
    return with_shares(days.assign(**counts, **others))


def _examples() -> pd.DataFrame:
    noon = pd.Timestamp("2015-12-10 12:00", tz="UTC")
    rows = [
        (tone, probability, noon, author, text)
        for tone, probability in (("positive", 0.9), ("neutral", 0.5), ("negative", 0.1))
        for author, text in zip([None, *HOSTILE[1:]], HOSTILE, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
