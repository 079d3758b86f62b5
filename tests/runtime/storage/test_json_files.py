"""JSON files, for people and for fingerprints."""

import json

from tonality.runtime.storage.json_files import canonical_json, to_json

HOSTILE = {"b": "\x1b\x9b\u202e\u200f", "a\x85": float("nan")}


def test_a_file_holds_no_control_character_raw_and_reads_back_as_it_was():
    text = to_json(HOSTILE)
    assert text == '{\n  "b": "\\u001b\\u009b\\u202e\\u200f",\n  "a\\u0085": null\n}\n'
    assert json.loads(text) == HOSTILE | {"a\x85": None}


def test_the_form_of_fingerprints_does_not_change_with_what_files_escape():
    assert canonical_json(HOSTILE) == '{\n "a\x85": null,\n "b": "\\u001b\x9b\u202e\u200f"\n}\n'.encode()
    assert canonical_json("\udcff") == b'"\xed\xb3\xbf"\n'
