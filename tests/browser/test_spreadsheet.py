"""examples.csv of a pipeline over hostile tweets, as a spreadsheet would open it."""

import csv

import pytest

pytestmark = pytest.mark.browser


def test_no_cell_of_the_examples_is_a_formula_or_holds_what_cannot_be_shown(surveyed):
    with (surveyed / "examples.csv").open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["tonality", "probability", "created_at", "author", "text"]
    assert len(rows) >= 15
    assert any("cmd|" in cell for row in rows for cell in row)
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t"))]
    assert not set("\0\x1b\u202e\u2066\r\n") & set("".join(cell for row in rows for cell in row))
