import pytest
from hypothesis import given
from hypothesis import strategies as st

from tonality.ingest.planning.files import ArchiveFile, find_files
from tonality.ingest.planning.splits import plan_tasks
from tonality.runtime.diagnostics.errors import InputError


@pytest.fixture
def folder(tmp_path):
    for name in (
        "2015/b.gz",
        "2015/a.gz",
        "2016/c.json",
        "_temporary/d.gz",
        "2015/.e.gz",
        "2015/_SUCCESS",
        "2015/.f/g.gz",
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
    return tmp_path


def names(folder, *locations):
    found = find_files(f"{folder}/{location}" for location in locations)
    return [file.url.removeprefix(f"{folder.as_uri()}/") for file in found]


def test_a_file_is_found_with_its_size(folder):
    assert find_files([f"{folder}/2015/a.gz"]) == [ArchiveFile((folder / "2015/a.gz").as_uri(), 9)]


def test_a_folder_is_all_its_files_but_the_hidden_in_order(folder):
    assert names(folder, "") == ["2015/a.gz", "2015/b.gz", "2016/c.json"]


def test_a_glob_is_the_files_and_folders_that_it_matches(folder):
    assert names(folder, "2015/[a-z].gz") == ["2015/a.gz", "2015/b.gz"]
    assert names(folder, "20*") == ["2015/a.gz", "2015/b.gz", "2016/c.json"]


def test_a_hidden_file_is_found_by_its_own_name(folder):
    assert names(folder, "2015/_SUCCESS") == ["2015/_SUCCESS"]


def test_a_file_that_several_locations_name_is_found_once(folder):
    assert names(folder, "2015/a.gz", "2015", "*/a.gz") == ["2015/a.gz", "2015/b.gz"]


def test_all_locations_without_files_are_reported_together(folder):
    with pytest.raises(InputError) as error:
        find_files([f"{folder}/2015", f"{folder}/2017", f"{folder}/*.bz2"])
    assert str(error.value).splitlines() == [
        f"no file found at {folder}/2017",
        f"no file found at {folder}/*.bz2; {folder} contains 2015, 2016, _temporary",
    ]


def test_of_many_locations_without_files_the_first_are_named(folder):
    with pytest.raises(InputError) as error:
        find_files([f"{folder}/2015/{day}.gz" for day in range(17)])
    assert len(str(error.value).splitlines()) == 4
    assert str(error.value).endswith("and so on, 17 in all")


def test_optional_locations_may_be_missing(folder):
    found = find_files([f"{folder}/2015"], [f"{folder}/2016", f"{folder}/2017"])
    assert [file.url.rpartition("/")[2] for file in found] == ["a.gz", "b.gz", "c.json"]


def planned(sizes, options):
    return plan_tasks([ArchiveFile(f"f{n:03}", size) for n, size in enumerate(sizes)], options)


def test_no_files_are_no_tasks_and_empty_files_are_packed_too(read_options):
    assert planned([], read_options("a")) == []
    assert [len(task) for task in planned([0, 0], read_options("a"))] == [2]


@given(st.lists(st.integers(0, 30)), st.integers(16, 40))
def test_packing_keeps_every_file_once_and_overfills_no_task(read_options, sizes, task_bytes):
    tasks = planned(sizes, read_options("a", task_bytes=task_bytes))
    assert sorted(split.url for task in tasks for split in task) == [f"f{n:03}" for n in range(len(sizes))]
    assert all(task for task in tasks)
    assert all(len(task) == 1 or sum(split.bytes for split in task) <= task_bytes for task in tasks)
