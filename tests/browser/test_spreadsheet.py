"""examples.csv of a pipeline on hostile tweets, as opened by a spreadsheet."""

import csv

import pytest

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_no_cell_is_a_formula_whatever_the_delimiter(surveyed, delimiter):
    with (surveyed / "examples.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file, delimiter=delimiter) for cell in row]
    assert any("cmd|" in cell for cell in cells)
    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@"))]


def test_the_examples_hold_only_printable_characters(surveyed):
    with (surveyed / "examples.csv").open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["tonality", "probability", "created_at", "author", "text"]
    assert len(rows) >= 15
    assert not set("\0\x1b\u202e\u2066\r\n") & set("".join(cell for row in rows for cell in row))
