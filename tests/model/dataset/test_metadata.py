import json

import pytest

from tonality.model.dataset.metadata import DatasetMetadata, SplitStats, read_metadata
from tonality.runtime.diagnostics.errors import InputError

NOTE = DatasetMetadata(
    vocabulary="c0ffee",
    stems=2,
    rows={
        "train": SplitStats(rows=3, positive=1, content="ab12"),
        "valid": SplitStats(rows=2, positive=1, content="cd34"),
    },
    dropped={"no stems": 1},
    max_length=100,
    unknown="drop",
    seed=1,
    valid_fraction=0.2,
    rules_fingerprint="bada55",
    rules={"name": "ru"},
)


def write(root, text):
    (root / "dataset").mkdir()
    (root / "dataset" / "_dataset.json").write_text(text)


def test_what_was_noted_is_read_back(tmp_path):
    write(tmp_path, json.dumps(NOTE.model_dump(mode="json")))
    assert read_metadata(str(tmp_path)) == NOTE
    assert NOTE.encoding == ("c0ffee", "drop", 100)
    assert NOTE.counts == {"train": {"rows": 3, "positive": 1}, "valid": {"rows": 2, "positive": 1}}


def test_a_note_of_a_version_that_wrote_no_content_is_read(tmp_path):
    note = NOTE.model_dump(mode="json")
    for side in note["rows"].values():
        del side["content"]
    write(tmp_path, json.dumps(note))
    assert {side.content for side in read_metadata(str(tmp_path)).rows.values()} == {""}


def test_metadata_under_the_name_of_earlier_versions_is_read_unless_there_is_newer(tmp_path):
    write(tmp_path, json.dumps(NOTE.model_dump(mode="json")))
    (tmp_path / "dataset" / "_dataset.json").rename(tmp_path / "dataset" / "dataset.json")
    assert read_metadata(str(tmp_path)) == NOTE
    newer = NOTE.model_copy(update={"seed": 2})
    (tmp_path / "dataset" / "_dataset.json").write_text(newer.model_dump_json())
    assert read_metadata(str(tmp_path)) == newer


def test_a_dataset_that_was_never_made_says_what_to_run(tmp_path):
    with pytest.raises(
        InputError, match=rf"^no dataset: {tmp_path}/dataset/_dataset.json is not there. Run `prepare` first"
    ):
        read_metadata(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "where"),
    [("{", "as a whole: Invalid JSON"), ("[]", "as a whole: Input should be"), ("{}", "vocabulary: Field required")],
)
def test_a_note_that_is_not_whole_is_named_with_what_is_wrong(tmp_path, text, where):
    write(tmp_path, text)
    with pytest.raises(InputError, match=rf"_dataset.json is broken \({where}.*\). Run `prepare` again"):
        read_metadata(str(tmp_path))
