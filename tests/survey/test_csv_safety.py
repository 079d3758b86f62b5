import csv
import io

import pandas as pd
import pytest

from tonality.survey.examples import COLUMNS, to_csv

NOON = pd.Timestamp("2015-12-10 12:00", tz="UTC")


def cells(*authors_and_texts):
    rows = [("positive", 0.9, NOON, author, text) for author, text in authors_and_texts]
    content = to_csv(pd.DataFrame(rows, columns=list(COLUMNS))).decode("utf-8-sig")
    return [tuple(row[3:]) for row in csv.reader(io.StringIO(content))][1:]


@pytest.mark.parametrize(
    "formula",
    [
        "=1+1",
        "+7",
        "-2",
        "@SUM(A1)",
        "＝1+1",
        "＋7",
        "－2",
        "＠x",
        "﹦1",
        "\t=1",
        "\r\n=1",
        "  \u00a0=1",
        "\0=1",
        "\u200b\ufeff=1",
        "\u202e@x",
    ],
)
def test_no_cell_is_a_formula(formula):
    author, text = cells((formula, formula))[0]
    assert author.startswith("'") and text.startswith("'")
    assert text[1:].strip("\u200b\ufeff \u00a0") == formula.strip("\t\r\n\0 \u00a0\u200b\ufeff\u202e")


@pytest.mark.parametrize("text", ["hi;=1+cmd|'/C calc'!A0;bye", "a; @x", 'a";"=1+1', "a;＝1", ";-1"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_no_cell_is_a_formula_where_semicolons_separate_cells(text, delimiter):
    rows = [("positive", 0.9, NOON, text, text)]
    content = to_csv(pd.DataFrame(rows, columns=list(COLUMNS))).decode("utf-8-sig")
    found = [cell.strip() for row in csv.reader(io.StringIO(content), delimiter=delimiter) for cell in row]
    assert not [cell for cell in found if cell.startswith(("=", "+", "-", "@", "＝"))]


@pytest.mark.parametrize("plain", ["1-1=0", "a; b; c", "да;)", "сила", "'quoted'", '"=1"', "", "😀=1"])
def test_plain_cells_stay_as_they_are(plain):
    assert cells(("anna", plain)) == [("anna", plain)]


def test_a_cell_holds_no_line_break_control_or_bidi_override():
    assert cells((None, "one\r\ntwo\u2028three\tfour\0\x1b \u202eevil\u202c \u2066x\u2069")) == [
        ("", "one two three four evil x")
    ]


def test_a_cell_keeps_letters_of_every_script_and_emoji():
    text = "Ёлка 👨\u200d👩\u200d👧 עברית\u200f हिन्दी"
    assert cells((text, text)) == [(text, text)]
