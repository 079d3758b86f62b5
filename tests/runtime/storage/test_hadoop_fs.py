from pathlib import Path

import pytest

from tonality.runtime.diagnostics.errors import UserError
from tonality.runtime.storage.hadoop_fs import HadoopRoot


class Killed(BaseException):
    """Stands for the end of the process."""


def names(root: Path) -> list[str]:
    return sorted(file.name for file in root.iterdir())


def test_a_rename_onto_a_name_that_is_taken_does_not_move_into_it(spark, tmp_path):
    folders = HadoopRoot(spark, str(tmp_path))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
    with pytest.raises(UserError, match="could not rename"):
        folders.rename("a", "b")
    assert names(tmp_path / "b") == ["b"]


def test_two_folders_change_places_or_stay_as_they_are(spark, tmp_path):
    folders = HadoopRoot(spark, str(tmp_path))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
    assert folders.exchange("a", "b")
    assert (names(tmp_path / "a"), names(tmp_path / "b")) == (["b"], ["a"])
    assert not folders.exchange("a", "missing")
    assert (names(tmp_path / "a"), (tmp_path / "missing").exists()) == (["b"], False)


def test_a_small_file_is_whole_or_not_there_and_leaves_no_checksum_behind_when_it_goes(spark, tmp_path, monkeypatch):
    folders = HadoopRoot(spark, str(tmp_path))
    folders.write_text("_journal/a.json", "день")
    assert folders.read_text("_journal/a.json") == "день"
    assert names(tmp_path / "_journal") == ["a.json"]
    folders.delete("_journal/a.json")
    assert names(tmp_path / "_journal") == []
    monkeypatch.setattr(HadoopRoot, "rename", lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        folders.write_text("_journal/b.json", "half")
    assert folders.names("_journal") == ["b.json.part"]


def test_a_file_is_created_once(spark, tmp_path):
    folders = HadoopRoot(spark, str(tmp_path))
    assert folders.create("a", "first")
    assert not folders.create("a", "second")
    assert folders.read_text("a") == "first"


def test_names_of_a_folder_that_is_not_there_are_none(spark, tmp_path):
    assert HadoopRoot(spark, str(tmp_path)).names("missing") == []


def test_deleting_what_is_not_there_is_no_fault(spark, tmp_path):
    HadoopRoot(spark, str(tmp_path)).delete("missing")
