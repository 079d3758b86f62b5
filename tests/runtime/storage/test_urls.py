from pathlib import Path

import pytest
from fsspec.registry import known_implementations

from tonality.runtime.diagnostics.errors import SettingsError
from tonality.runtime.storage.urls import filesystem, fsspec_url, hadoop_url, join


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
def test_fsspec_and_hadoop_get_a_location_in_their_own_notation(location, for_fsspec, for_hadoop):
    assert (fsspec_url(location), hadoop_url(location)) == (for_fsspec, for_hadoop)


@pytest.mark.parametrize("location", ["out", "./out", "~/out"])
def test_hadoop_and_fsspec_mean_the_same_folder_by_a_relative_path(location, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert Path(hadoop_url(location).removeprefix("file://")) == Path(filesystem(location)[1])


def test_names_are_joined_by_single_slashes():
    assert join("s3://bucket/", "tweets", "day=1") == "s3://bucket/tweets/day=1"
    assert join("out") == "out"


def test_an_unknown_scheme_is_an_error_in_the_settings():
    with pytest.raises(SettingsError, match=r"^s4://bucket/a cannot be opened: .*s4"):
        filesystem("s4://bucket/a")


def test_a_scheme_whose_package_is_not_installed_names_the_package(monkeypatch):
    known = {"class": "not_installed.System", "err": "Install s3fs to access S3"}
    monkeypatch.setitem(known_implementations, "nowhere", known)
    with pytest.raises(SettingsError, match=r"^nowhere://a cannot be opened: Install s3fs to access S3$"):
        filesystem("nowhere://a")
