"""Control characters in names and texts never reach a terminal or a log."""

import pytest

from tonality.runtime.diagnostics.escaping import escaped, escaped_name, printable

HOSTILE = "a\x1b[31mb\x07c\u202ed\x9be\u2028f\udcff\rg"
SHOWN = r"a\u001b[31mb\u0007c\u202ed\u009be\u2028f\udcff\u000dg"


@pytest.mark.parametrize("escape", [escaped, escaped_name])
def test_terminal_codes_bells_and_reordering_are_shown_as_their_numbers(escape):
    assert escape(HOSTILE) == SHOWN


def test_a_message_keeps_its_lines_and_a_name_is_one_line():
    assert escaped("a\tb\nc") == "a\tb\nc"
    assert escaped_name("a\tb\nc") == r"a\u0009b\u000ac"


def test_a_text_to_display_is_one_line_without_them():
    assert printable(HOSTILE) == "a[31mbcde f g"
    assert printable("a\tb\r\nc\vd\x85e\u2029f") == "a b c d e f"
    assert printable("a\u202b\u2067b\u2069\u202cc") == "abc"
    assert printable(None) == ""


def test_hints_of_direction_are_shown_in_names_and_stay_in_texts():
    assert escaped("א\u200fב") == escaped_name("א\u200fב") == r"א\u200fב"
    assert printable("א\u200fב \u200e \u061c") == "א\u200fב \u200e \u061c"


@pytest.mark.parametrize("text", ["", "звёзды, 星, نجوم", "👩\u200d🚀", "soft\u00adhyphen", r"C:\new"])
def test_words_of_all_scripts_emoji_and_backslashes_stay(text):
    assert escaped(text) == escaped_name(text) == text
