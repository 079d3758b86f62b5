"""The first README's picture is of the page as it is now, and `make run` gives the shares that it shows."""

import re
import shutil
from pathlib import Path

import picture
import pytest

HEADER = "day,tweets,voters,positive,neutral,negative"
SHOWN = r"!\[([^\]]*)\]\(\.images/report\.png\)"


def quoted_figures(readme: str) -> list[str]:
    """The figures that a README's words on the picture quote."""
    return [figure for text in re.findall(SHOWN, readme) for figure in re.findall(r"\d+(?:\.\d+)?", text)]


@pytest.fixture
def copy(tmp_path) -> Path:
    """A copy of the files that determine the look of the page."""
    for folder in ("lib/tonality/survey", "conf"):
        shutil.copytree(picture.REPOSITORY / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_note_describes_this_picture():
    assert picture.read_note()["picture"] == picture.digest_of_picture(picture.PICTURE), picture.AGAIN


def test_the_page_has_not_changed_since_the_picture_was_drawn():
    assert picture.read_note()["page"] == picture.digest_of_page(picture.REPOSITORY), picture.AGAIN


def test_the_note_holds_the_three_shares_of_a_page():
    shares = picture.read_note()["shares"]
    assert set(shares) == set(picture.TONES)
    assert sum(shares.values()) == pytest.approx(100, abs=0.2)


def test_the_first_readme_shows_the_picture_and_quotes_no_other_figures_of_it():
    readme = (picture.REPOSITORY / "README.md").read_text()
    assert len(re.findall(SHOWN, readme)) == 1
    assert set(quoted_figures(readme)) <= {str(share) for share in picture.read_note()["shares"].values()}


def test_figures_that_a_readme_quotes_of_the_picture_are_found():
    assert quoted_figures("![47.8 % positive, 35 % negative](.images/report.png) 12 %") == ["47.8", "35"]


@pytest.mark.parametrize(
    "changed",
    [
        "conf/sample.toml",
        "lib/tonality/survey/chart_style.py",
        "lib/tonality/survey/page.py",
        "lib/tonality/survey/plotly_chart.py",
        "lib/tonality/survey/templates/page.css",
        "lib/tonality/survey/templates/headline.html.j2",
    ],
)
def test_a_change_of_the_page_is_noticed(copy, changed):
    before = picture.digest_of_page(copy)
    assert before == picture.digest_of_page(picture.REPOSITORY)
    (copy / changed).write_text((copy / changed).read_text() + "\n")
    assert picture.digest_of_page(copy) != before


def test_shares_of_a_report_are_those_of_all_its_days_together(tmp_path):
    days = tmp_path / "dynamics.csv"
    days.write_text(f"{HEADER}\n2015-12-10,5,5,3,1,0\n2015-12-11,7,7,1,1,4\n")
    assert picture.shares_of(days) == {"positive": 40.0, "neutral": 20.0, "negative": 40.0}


@pytest.mark.parametrize(("points", "found"), [(0.0, False), (1.0, False), (1.2, True), (-1.2, True)])
def test_a_report_that_differs_by_more_than_a_point_is_not_the_one_of_the_picture(points, found):
    expected = {"positive": 45.0, "neutral": 15.0, "negative": 40.0}
    shares = expected | {"positive": 45.0 + points, "negative": 40.0 - points}
    assert picture.different(shares, expected) is found


@pytest.mark.parametrize(("days", "status"), [("16,16,{positive},{neutral},{negative}", 0), ("9,9,900,50,50", 1)])
def test_a_check_fails_with_the_command_that_mends_it(tmp_path, monkeypatch, capsys, days, status):
    counts = {tone: int(share * 10) for tone, share in picture.read_note()["shares"].items()}
    (tmp_path / "dynamics.csv").write_text(f"{HEADER}\n2015-12-10,{days.format(**counts)}\n")
    monkeypatch.setattr("sys.argv", ["picture.py", "--check", str(tmp_path)])
    assert picture.main() == status
    assert ("make picture" in capsys.readouterr().err) is bool(status)


def test_without_a_report_the_command_that_makes_one_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["picture.py", str(tmp_path)])
    assert picture.main() == 1
    assert "make run" in capsys.readouterr().err
