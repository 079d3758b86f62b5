import gzip
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest
from fsspec.registry import known_implementations

from tonality.runtime.diagnostics.errors import InputError, SettingsError
from tonality.runtime.storage.urls import (
    expand,
    filesystem,
    fsspec_url,
    hadoop_url,
    join,
    missing_reason,
    replace_file,
    write_files,
)


@pytest.fixture
def bucket():
    system = fsspec.filesystem("memory")
    yield system
    if system.exists("/bucket"):
        system.rm("/bucket", recursive=True)


def names(found: dict[str, int]) -> list[str]:
    return [url.rsplit("/", 1)[1] for url in found]


@pytest.mark.parametrize(
    ("location", "for_fsspec", "for_hadoop"),
    [
        ("s3://bucket/a", "s3://bucket/a", "s3a://bucket/a"),
        ("s3a://bucket/a", "s3://bucket/a", "s3a://bucket/a"),
        ("hdfs://node:8020/a", "hdfs://node:8020/a", "hdfs://node:8020/a"),
        ("file:///data/a", "file:///data/a", "file:///data/a"),
        ("/data/a", "/data/a", "file:///data/a"),
        ("/data/мои твиты/day=1/50%20#1", "/data/мои твиты/day=1/50%20#1", "file:///data/мои твиты/day=1/50%20#1"),
    ],
)  # fmt: skip
def test_each_world_gets_the_location_in_its_own_words(location, for_fsspec, for_hadoop):
    assert (fsspec_url(location), hadoop_url(location)) == (for_fsspec, for_hadoop)


@pytest.mark.parametrize("location", ["out", "./out", "~/out"])
def test_hadoop_and_fsspec_mean_the_same_folder_by_a_relative_path(location, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert Path(hadoop_url(location).removeprefix("file://")) == Path(filesystem(location)[1])


def test_names_are_joined_by_single_slashes():
    assert join("s3://bucket/", "tweets", "day=1") == "s3://bucket/tweets/day=1"
    assert join("out") == "out"


def test_a_file_is_found_with_its_bytes(tmp_path):
    file = tmp_path / "мои твиты, 1 = 2.json"
    file.write_text("12345")
    assert expand(str(file)) == {f"file://{file}": 5}
    assert expand(f"file://{file}") == {f"file://{file}": 5}


def test_a_folder_means_all_files_below_it_in_order_but_the_hidden(tmp_path):
    for name in ("b.json", "a/z.json", "a/_SUCCESS", "_temporary/x.json", ".git/y.json", ".a.json.crc"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert names(expand(str(tmp_path))) == ["z.json", "b.json"]


def test_a_hidden_name_that_was_asked_for_is_not_hidden(tmp_path):
    (tmp_path / "_dump").mkdir()
    (tmp_path / "_dump" / "a.json").write_text("x")
    (tmp_path / "_dump" / "_b.json").write_text("x")
    assert names(expand(str(tmp_path / "_dump"))) == ["a.json"]
    assert names(expand(str(tmp_path / "_dump" / "_b.json"))) == ["_b.json"]


def test_a_glob_means_files_and_all_below_folders_each_once(tmp_path):
    for name in ("2015-12-1.json", "2015-12-2.json", "2015-11-1.json", "2015-12/x.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert names(expand(f"{tmp_path}/2015-12*")) == ["2015-12-1.json", "2015-12-2.json", "x.json"]
    assert names(expand(f"{tmp_path}/2015-1[0-1]-?.json")) == ["2015-11-1.json"]
    assert names(expand(f"{tmp_path}/**/*.json")).count("x.json") == 1


def test_a_file_whose_name_looks_like_a_glob_is_itself(tmp_path):
    for name in ("tweets[1].json", "tweets1.json"):
        (tmp_path / name).write_text("x")
    assert names(expand(f"{tmp_path}/tweets[1].json")) == ["tweets[1].json"]


@pytest.mark.parametrize(
    ("location", "instead"),
    [
        ("*.json", "; {here} holds a.csv, empty, hidden"),
        ("empty", "; {here}/empty holds nothing"),
        ("hidden", "; {here}/hidden holds _SUCCESS, which are hidden by their . or _"),
        ("*/x.csv", "; {here} holds a.csv, empty, hidden"),
        ("missing", ""),
        ("missing/*.csv", ""),
    ],
)
def test_where_nothing_is_found_what_the_folder_holds_is_named(tmp_path, location, instead):
    for name in ("empty", "hidden"):
        (tmp_path / name).mkdir()
    for name in ("a.csv", "hidden/_SUCCESS"):
        (tmp_path / name).touch()
    with pytest.raises(InputError) as raised:
        expand(f"{tmp_path}/{location}")
    assert str(raised.value) == f"no file found at {tmp_path}/{location}{instead.format(here=tmp_path)}"


@pytest.mark.parametrize("pattern", ["missing", "missing/*.json", "empty"])
def test_nothing_found_names_the_location(pattern, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=f"^no file found at {tmp_path}/{re.escape(pattern)}(;|$)"):
        expand(f"{tmp_path}/{pattern}")


def test_an_object_store_is_listed_like_a_disk(bucket):
    bucket.pipe("/bucket/a/1.json.gz", gzip.compress(b"{}"))
    bucket.pipe("/bucket/a/_SUCCESS", b"")
    assert list(expand("memory://bucket/a")) == ["memory:///bucket/a/1.json.gz"]
    assert list(expand("memory://bucket/*/*.gz")) == ["memory:///bucket/a/1.json.gz"]


def test_an_unknown_scheme_is_a_fault_of_the_settings():
    with pytest.raises(SettingsError, match=r"^s4://bucket/a cannot be opened: .*s4"):
        filesystem("s4://bucket/a")


def test_a_scheme_whose_package_is_not_installed_names_the_package(monkeypatch):
    known = {"class": "not_installed.System", "err": "Install s3fs to access S3"}
    monkeypatch.setitem(known_implementations, "nowhere", known)
    with pytest.raises(SettingsError, match=r"^nowhere://a cannot be opened: Install s3fs to access S3$"):
        filesystem("nowhere://a")


def test_a_glob_passes_by_what_is_hidden_or_half_written(tmp_path: Path) -> None:
    for name in ("a.gz", "d/b.gz", "d/.c.gz", "_temporary/d.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [url.rsplit("/", 1)[1] for url in expand(f"{tmp_path}/*/*.gz")] == ["b.gz"]


def test_a_path_that_no_system_could_hold_is_missing_too(tmp_path):
    assert missing_reason(f"{tmp_path}/{'x' * 300}/tweets.json").endswith(f"the nearest that is there is {tmp_path}")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("tweats.csv", "tweets.csv"),
        ("./tweats.csv", "./tweets.csv"),
        ("data/2015-12.cvs", "data/2015-12.csv"),
        ("data/../tweats.csv", "data/../tweets.csv"),
        ("dota/", "data"),
        ("~/tweats.csv", "~/tweets.csv"),
        ("{here}/tweats.csv", "{here}/tweets.csv"),
        ("file://{here}/tweats.csv", "file://{here}/tweets.csv"),
    ],
)
def test_a_name_that_may_have_been_meant_is_said_in_the_form_that_was_typed(tmp_path, monkeypatch, typed, meant):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "data").mkdir()
    for name in ("tweets.csv", "data/2015-12.csv"):
        (tmp_path / name).touch()
    said = missing_reason(typed.format(here=tmp_path))
    assert said == f"nothing at {typed.format(here=tmp_path)}; did you mean {meant.format(here=tmp_path)}?"


def test_what_is_no_file_is_left_out(tmp_path):
    (tmp_path / "a.json").write_text("x")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to pipe").symlink_to(tmp_path / "pipe")
    assert names(expand(str(tmp_path))) == ["a.json"]
    assert names(expand(f"{tmp_path}/*")) == ["a.json"]
    with pytest.raises(InputError, match=r"^no file found at "):
        expand(str(tmp_path / "pipe"))


def test_a_link_to_a_file_is_that_file_by_its_own_name(tmp_path):
    (tmp_path / "a.json").write_text("12345")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "b.json").symlink_to("../a.json")
    assert expand(str(tmp_path / "d")) == {f"file://{tmp_path}/d/b.json": 5}


@pytest.mark.parametrize("location", ["", "/bad", "/b*", "/*"])
def test_a_link_to_nothing_is_named(tmp_path, location):
    (tmp_path / "a.json").write_text("x")
    (tmp_path / "bad").symlink_to("/no/such.json")
    (tmp_path / ".#hidden").symlink_to("/no/such.json")
    with pytest.raises(InputError, match=rf"^a link to nothing: {tmp_path}/bad -> /no/such.json$"):
        expand(f"{tmp_path}{location}")


def test_a_link_to_a_folder_below_a_folder_is_named_and_followed_where_it_was_asked_for(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.json").write_text("x")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "link").symlink_to("../real")
    with pytest.raises(InputError, match=rf"^a link to a folder, which is not followed: {tmp_path}/d/link -> ../real$"):
        expand(str(tmp_path / "d"))
    assert names(expand(str(tmp_path / "d" / "link"))) == ["a.json"]


def test_of_many_links_to_nothing_a_few_are_named(tmp_path):
    for number in range(8):
        (tmp_path / f"{number}.json").symlink_to("/no/such.json")
    with pytest.raises(InputError) as caught:
        expand(str(tmp_path))
    assert str(caught.value).count("a link to nothing: ") == 5
    assert str(caught.value).endswith("\nand 3 more such links")


def test_a_file_is_replaced_whole_and_its_folder_made(tmp_path):
    place = tmp_path / "new" / "file"
    replace_file(str(place), b"one")
    replace_file(place.as_uri(), b"two")
    assert place.read_bytes() == b"two"
    assert list(place.parent.iterdir()) == [place]


def test_a_failure_while_a_file_is_replaced_leaves_the_one_before_it(tmp_path, monkeypatch):
    place = tmp_path / "file"
    replace_file(str(place), b"one")
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space left"):
        replace_file(str(place), b"two")
    assert place.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [place]


def test_two_who_write_one_file_at_once_both_do_and_a_reader_finds_it_whole(tmp_path):
    place = tmp_path / "current.json"
    contents = [letter * 50_000 for letter in (b"a", b"b")]
    replace_file(str(place), contents[0])
    written = threading.Event()

    def read() -> int:
        reads = 0
        while not written.is_set():
            assert place.read_bytes() in contents
            reads += 1
        return reads

    def write(content: bytes) -> None:
        for _ in range(200):
            replace_file(str(place), content)

    with ThreadPoolExecutor(3) as pool:
        reader = pool.submit(read)
        writers = [pool.submit(write, content) for content in contents]
        try:
            for writer in writers:
                writer.result()
        finally:
            written.set()
        assert reader.result()
    assert list(tmp_path.iterdir()) == [place]


def test_what_a_kill_left_of_a_write_is_hidden_and_goes_with_a_later_one(tmp_path):
    left, coming, hidden = (tmp_path / name for name in (".f.json.1a2b.coming", ".f.json.3c4d.coming", ".notes"))
    for file in (left, coming, hidden):
        file.write_bytes(b"half of i")
    two_hours_ago = time.time() - 7200
    for file in (left, hidden):
        os.utime(file, (two_hours_ago, two_hours_ago))
    replace_file(str(tmp_path / "f.json"), b"it all")
    assert names(expand(str(tmp_path))) == ["f.json"]
    assert not left.exists()
    assert coming.exists(), "whoever writes it may live"
    assert hidden.exists()


def test_a_file_in_an_object_store_is_replaced_too(bucket):
    replace_file("memory://bucket/replaced", b"one")
    replace_file("memory://bucket/replaced", b"two")
    assert bucket.cat_file("/bucket/replaced") == b"two"


@pytest.mark.parametrize("folder", ["report", "memory://bucket/report"])
def test_a_reader_of_files_that_are_written_anew_finds_each_of_them_whole(bucket, tmp_path, folder, monkeypatch):
    """A page that a web server shows while the next one is written."""
    monkeypatch.chdir(tmp_path)
    write_files(folder, {"index.html": b"one", "dynamics.csv": b"1"})
    system, path = filesystem(folder)
    with system.open(join(path, "index.html")) as page:
        write_files(folder, {"index.html": b"two", "dynamics.csv": b"2"})
        assert page.read() == b"one"
    found = {file.rsplit("/", 1)[1]: system.cat_file(file) for file in system.ls(path, detail=False)}
    assert found == {"index.html": b"two", "dynamics.csv": b"2"}
