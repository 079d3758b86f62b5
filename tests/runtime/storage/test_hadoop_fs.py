from pathlib import Path

import pytest

from tonality.runtime.diagnostics.errors import UserError
from tonality.runtime.storage.hadoop_fs import HadoopRoot


class Killed(BaseException):
    """The simulated end of the process."""


def names(root: Path) -> list[str]:
    return sorted(file.name for file in root.iterdir())


def test_a_rename_onto_an_existing_folder_does_not_move_into_it(spark, tmp_path):
    root = HadoopRoot(spark, str(tmp_path))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
    with pytest.raises(UserError, match="could not rename"):
        root.rename("a", "b")
    assert names(tmp_path / "b") == ["b"]


def test_two_folders_are_swapped_or_stay_as_they_are(spark, tmp_path):
    root = HadoopRoot(spark, str(tmp_path))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
    assert root.exchange("a", "b")
    assert (names(tmp_path / "a"), names(tmp_path / "b")) == (["b"], ["a"])
    assert not root.exchange("a", "missing")
    assert (names(tmp_path / "a"), (tmp_path / "missing").exists()) == (["b"], False)


def test_a_small_file_is_complete_or_missing_and_leaves_no_checksum_when_it_is_deleted(spark, tmp_path, monkeypatch):
    root = HadoopRoot(spark, str(tmp_path))
    root.write_text("_journal/a.json", "день")
    assert root.read_text("_journal/a.json") == "день"
    assert names(tmp_path / "_journal") == ["a.json"]
    root.delete("_journal/a.json")
    assert names(tmp_path / "_journal") == []
    monkeypatch.setattr(HadoopRoot, "rename", lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        root.write_text("_journal/b.json", "half")
    assert root.names("_journal") == ["b.json.part"]


def test_a_file_is_created_once(spark, tmp_path):
    root = HadoopRoot(spark, str(tmp_path))
    assert root.create("a", "first")
    assert not root.create("a", "second")
    assert root.read_text("a") == "first"


def test_a_missing_folder_has_no_names(spark, tmp_path):
    assert HadoopRoot(spark, str(tmp_path)).names("missing") == []


def test_deleting_a_missing_file_is_no_error_and_deletes_nothing_else(spark, tmp_path):
    (tmp_path / "a").touch()
    HadoopRoot(spark, str(tmp_path)).delete("missing")
    assert names(tmp_path) == ["a"]
