import gzip
import os
import re
from pathlib import Path

import pytest

from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.storage.inputs import expand, missing_reason


def names(found: dict[str, int]) -> list[str]:
    return [url.rsplit("/", 1)[1] for url in found]


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


def test_a_hidden_name_that_was_requested_is_not_hidden(tmp_path):
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
    ("location", "content"),
    [
        ("*.json", "; {here} contains a.csv, empty, hidden"),
        ("empty", "; {here}/empty contains nothing"),
        ("hidden", "; {here}/hidden contains _SUCCESS, hidden by a leading . or _"),
        ("*/x.csv", "; {here} contains a.csv, empty, hidden"),
        ("missing", ""),
        ("missing/*.csv", ""),
    ],
)
def test_if_nothing_is_found_the_content_of_the_folder_is_named(tmp_path, location, content):
    for name in ("empty", "hidden"):
        (tmp_path / name).mkdir()
    for name in ("a.csv", "hidden/_SUCCESS"):
        (tmp_path / name).touch()
    with pytest.raises(InputError) as raised:
        expand(f"{tmp_path}/{location}")
    assert str(raised.value) == f"no file found at {tmp_path}/{location}{content.format(here=tmp_path)}"


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


def test_a_glob_skips_hidden_and_half_written_files(tmp_path: Path) -> None:
    for name in ("a.gz", "d/b.gz", "d/.c.gz", "_temporary/d.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [url.rsplit("/", 1)[1] for url in expand(f"{tmp_path}/*/*.gz")] == ["b.gz"]


def test_a_path_that_is_too_long_is_missing_too(tmp_path):
    assert missing_reason(f"{tmp_path}/{'x' * 300}/tweets.json").endswith(f"the nearest existing folder is {tmp_path}")


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
def test_a_similar_name_is_suggested_in_the_form_that_was_typed(tmp_path, monkeypatch, typed, meant):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "data").mkdir()
    for name in ("tweets.csv", "data/2015-12.csv"):
        (tmp_path / name).touch()
    message = missing_reason(typed.format(here=tmp_path))
    assert message == f"nothing at {typed.format(here=tmp_path)}; did you mean {meant.format(here=tmp_path)}?"


def test_anything_that_is_not_a_file_is_skipped(tmp_path):
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


def test_a_link_to_a_folder_is_named_below_a_folder_and_followed_if_requested_itself(tmp_path):
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


def test_a_name_in_a_message_is_shown_on_its_line(tmp_path):
    for name in ("_a\nb\x1b[2J", "_c\u202e"):
        (tmp_path / name).touch()
    with pytest.raises(InputError) as raised:
        expand(str(tmp_path))
    assert raised.value.lines == (
        rf"no file found at {tmp_path}; {tmp_path} contains _a\u000ab\u001b[2J, _c\u202e, hidden by a leading . or _",
    )
    (tmp_path / "d\ne").symlink_to("f\ng")
    with pytest.raises(InputError) as raised:
        expand(str(tmp_path))
    assert raised.value.lines == (rf"a link to nothing: {tmp_path}/d\u000ae -> f\u000ag",)
