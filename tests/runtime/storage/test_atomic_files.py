import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tonality.runtime.storage.atomic_files import replace_file, replacing, write_durably, write_files
from tonality.runtime.storage.inputs import expand
from tonality.runtime.storage.urls import filesystem, join


def test_a_file_is_replaced_and_its_folder_created(tmp_path):
    file = tmp_path / "new" / "file"
    replace_file(str(file), b"one")
    replace_file(file.as_uri(), b"two")
    assert file.read_bytes() == b"two"
    assert list(file.parent.iterdir()) == [file]


def test_a_failure_while_a_file_is_replaced_leaves_the_old_one(tmp_path, monkeypatch):
    file = tmp_path / "file"
    replace_file(str(file), b"one")
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space left"):
        replace_file(str(file), b"two")
    assert file.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_does_not_replace_a_folder(tmp_path):
    folder = tmp_path / "report"
    replace_file(str(folder / "page"), b"one")
    with pytest.raises(IsADirectoryError):
        replace_file(str(folder), b"two")
    assert list(folder.iterdir()) == [folder / "page"]
    assert list(tmp_path.iterdir()) == [folder]


def test_of_two_concurrent_writers_both_succeed_and_a_reader_finds_a_complete_file(tmp_path):
    file = tmp_path / "current.json"
    contents = [letter * 50_000 for letter in (b"a", b"b")]
    replace_file(str(file), contents[0])
    written = threading.Event()

    def read() -> int:
        reads = 0
        while not written.is_set():
            assert file.read_bytes() in contents
            reads += 1
        return reads

    def write(content: bytes) -> None:
        for _ in range(200):
            replace_file(str(file), content)

    with ThreadPoolExecutor(3) as pool:
        reader = pool.submit(read)
        writers = [pool.submit(write, content) for content in contents]
        try:
            for writer in writers:
                writer.result()
        finally:
            written.set()
        assert reader.result()
    assert list(tmp_path.iterdir()) == [file]


def test_a_killed_writers_temporary_file_is_hidden_and_removed_by_a_later_write(tmp_path):
    old, new, other = (tmp_path / name for name in (".f.json.1a2b.coming", ".f.json.3c4d.coming", ".notes"))
    for file in (old, new, other):
        file.write_bytes(b"half of i")
    two_hours_ago = time.time() - 7200
    for file in (old, other):
        os.utime(file, (two_hours_ago, two_hours_ago))
    replace_file(str(tmp_path / "f.json"), b"it all")
    assert list(expand(str(tmp_path))) == [f"file://{tmp_path}/f.json"]
    assert not old.exists()
    assert new.exists(), "its writer may be alive"
    assert other.exists()


def test_a_file_in_an_object_store_is_replaced_too(bucket):
    replace_file("memory://bucket/replaced", b"one")
    replace_file("memory://bucket/replaced", b"two")
    assert bucket.cat_file("/bucket/replaced") == b"two"


@pytest.mark.parametrize("folder", ["report", "memory://bucket/report"])
def test_a_reader_of_files_that_are_rewritten_finds_each_of_them_complete(bucket, tmp_path, folder, monkeypatch):
    """Like a page that a web server delivers while it is replaced."""
    monkeypatch.chdir(tmp_path)
    write_files(folder, {"index.html": b"one", "dynamics.csv": b"1"})
    system, path = filesystem(folder)
    with system.open(join(path, "index.html")) as page:
        write_files(folder, {"index.html": b"two", "dynamics.csv": b"2"})
        assert page.read() == b"one"
    found = {file.rsplit("/", 1)[1]: system.cat_file(file) for file in system.ls(path, detail=False)}
    assert found == {"index.html": b"two", "dynamics.csv": b"2"}


def write_folder(folder, names):
    with replacing(folder) as temporary:
        temporary.mkdir()
        for name in names:
            write_durably(temporary / name, name.encode())


def test_a_folder_is_replaced_with_all_its_files(tmp_path):
    write_folder(tmp_path / "model", ["a", "b"])
    write_folder(tmp_path / "model", ["b", "c"])
    assert sorted(file.name for file in (tmp_path / "model").iterdir()) == ["b", "c"]
    assert list(tmp_path.iterdir()) == [tmp_path / "model"]


def test_a_failure_while_a_folder_is_written_leaves_the_old_one(tmp_path):
    write_folder(tmp_path / "model", ["a"])
    with pytest.raises(TypeError):
        write_folder(tmp_path / "model", ["b", 3])
    assert [file.name for file in (tmp_path / "model").iterdir()] == ["a"]
    assert list(tmp_path.iterdir()) == [tmp_path / "model"]
