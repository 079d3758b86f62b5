"""Models side by side, one of them current: on a disk and in a store that cannot rename."""

import dataclasses
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest

from tonality.model.registry import artifact_store
from tonality.model.registry.artifact import WEIGHTS
from tonality.model.registry.registry import Releases
from tonality.runtime.diagnostics.errors import InputFault
from tonality.runtime.storage.urls import filesystem


@pytest.fixture(params=["disk", "store"])
def root(request, tmp_path):
    if request.param == "disk":
        yield str(tmp_path)
        return
    yield "memory://bucket/tonality"
    system = fsspec.filesystem("memory")
    if system.exists("/bucket"):
        system.rm("/bucket", recursive=True)


@pytest.fixture
def releases(root):
    return Releases(root)


@pytest.fixture
def models(artifact):
    """Four that differ."""
    return [dataclasses.replace(artifact, max_length=length) for length in (100, 50, 40, 30)]


def test_the_first_model_scores_at_once_and_a_later_one_only_when_it_is_told_to(releases, models):
    first, second = models[0].fingerprint, models[1].fingerprint
    assert releases.add(models[0])
    assert not releases.add(models[1])
    assert (releases.current(), releases.latest()) == (first, second)
    assert releases.read_current().max_length == 100
    releases.use(second)
    assert releases.read_current().max_length == 50
    assert {release.model for release in releases.listed()} == {first, second}, "both stand side by side"


def test_rolling_back_goes_from_model_to_model_the_way_it_came(releases, models):
    names = [model.fingerprint for model in models[:3]]
    for model in models[:3]:
        releases.add(model)
        releases.use(model.fingerprint)
    assert releases.former() == [names[1], names[0]]
    assert [releases.roll_back(), releases.roll_back()] == [names[1], names[0]]
    assert (releases.current(), releases.former()) == (names[0], [])
    with pytest.raises(InputFault, match=f"no model was current before {names[0]}"):
        releases.roll_back()


def test_using_the_current_model_once_more_changes_nothing(releases, models):
    for model in models[:2]:
        releases.add(model)
        releases.use(model.fingerprint)
    since = releases.since()
    releases.use(models[1].fingerprint)
    assert (releases.former(), releases.since()) == ([models[0].fingerprint], since)


def test_a_model_that_is_trained_again_stands_there_once_and_as_it_was(releases, models, root):
    releases.add(models[0])
    system, path = filesystem(releases.location(models[0].fingerprint))
    before = system.modified(f"{path}/config.json")
    releases.add(dataclasses.replace(models[0], metrics={"other": 1}))
    assert len(releases.listed()) == 1
    assert system.modified(f"{path}/config.json") == before


def test_a_release_of_which_a_kill_left_a_part_is_written_again(releases, models):
    location = releases.location(models[0].fingerprint)
    system, path = filesystem(location)
    artifact_store.write(models[0], location)
    system.rm_file(f"{path}/{WEIGHTS}")
    releases.add(models[0])
    assert releases.read_current().fingerprint == models[0].fingerprint


def test_a_folder_that_holds_another_model_than_it_is_named_by_is_refused(releases, models):
    artifact_store.write(models[1], releases.location(models[0].fingerprint))
    with pytest.raises(InputFault, match=f"{models[0].fingerprint} holds model {models[1].fingerprint}"):
        releases.use(models[0].fingerprint)
    assert releases.current_if_any() is None


def test_the_current_model_cannot_be_removed_and_others_can(releases, models):
    for model in models[:2]:
        releases.add(model)
    with pytest.raises(InputFault, match="is the current one"):
        releases.remove(models[0].fingerprint)
    releases.remove(models[1].fingerprint)
    assert [release.model for release in releases.listed()] == [models[0].fingerprint]


def test_rolling_back_to_a_model_that_is_gone_is_refused_and_the_current_one_stays(releases, models):
    for model in models[:2]:
        releases.add(model)
        releases.use(model.fingerprint)
    releases.remove(models[0].fingerprint)
    with pytest.raises(InputFault, match="no such folder"):
        releases.roll_back()
    assert releases.current() == models[1].fingerprint


def test_the_beginning_of_a_name_will_do_where_it_names_one(releases, models):
    for model in models:
        releases.add(model)
    names = [model.fingerprint for model in models]
    assert releases.resolve(names[2][:8]) == names[2]
    for beginning in ("", "zz"):
        with pytest.raises(InputFault, match=f"names 0 models under .*wanted one of: .*{names[0]}"):
            releases.resolve(beginning)


def test_without_a_model_it_says_where_one_comes_from(releases, root):
    for ask in (releases.current, releases.latest):
        with pytest.raises(InputFault, match="Run `train` first, or take a model over with `tonality models add"):
            ask()


def test_a_model_of_a_version_without_releases_is_told_how_to_be_taken_over(releases, models, root):
    artifact_store.write(models[0], f"{root}/model")
    with pytest.raises(InputFault) as raised:
        releases.current()
    assert f"take it over with `tonality models add {root}/model`" in str(raised.value)
    assert releases.add(artifact_store.read(f"{root}/model"))
    assert releases.current() == models[0].fingerprint


def damage(root: str, pointer: str = "current.json", content: str = "") -> None:
    system, path = filesystem(f"{root}/models/{pointer}")
    system.pipe_file(path, content.encode())


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model": "../../etc"}', '{"model": 3}'])
def test_a_pointer_that_is_damaged_is_named_and_never_followed(releases, models, root, content):
    releases.add(models[0])
    damage(root, content=content)
    with pytest.raises(
        InputFault, match=r"models/current.json names no model: let one score with `tonality models use"
    ):
        releases.current()


def test_a_damaged_pointer_is_mended_by_letting_a_model_score(releases, models, root):
    for model in models[:2]:
        releases.add(model)
    damage(root)
    assert releases.use(models[1].fingerprint) is None
    assert (releases.current(), releases.former()) == (models[1].fingerprint, [])


def test_a_damaged_pointer_is_mended_by_a_model_that_is_added(releases, models, root):
    releases.add(models[0])
    damage(root)
    damage(root, "latest.json", "{")
    assert releases.add(models[1])
    assert releases.current() == releases.latest() == models[1].fingerprint


def test_while_nobody_knows_which_model_scores_none_is_removed_nor_rolled_back_to_nor_trained(releases, models, root):
    for model in models[:2]:
        releases.add(model)
    damage(root)
    for refused in (lambda: releases.remove(models[1].fingerprint), releases.roll_back, releases.check_place):
        with pytest.raises(InputFault, match=r"models/current.json names no model"):
            refused()
    assert len(releases.listed()) == 2


def test_a_past_that_is_damaged_counts_as_none(releases, models, root):
    name = models[0].fingerprint
    releases.add(models[0])
    damage(root, content=json.dumps({"model": name, "former": 3, "rejected": "abc"}))
    assert (releases.current(), releases.former(), releases.rejected()) == (name, [], [])


def test_a_pointer_to_the_latest_that_is_gone_or_damaged_is_set_by_adding_what_is_there(releases, models, root):
    for model in models[:2]:
        releases.add(model)
    system, path = filesystem(f"{root}/models/latest.json")
    system.rm_file(path)
    way = f"`tonality models add {root}/models/MODEL`"
    with pytest.raises(InputFault, match=f"no model to evaluate: .*{models[1].fingerprint}.*{way}"):
        releases.latest()
    damage(root, "latest.json")
    with pytest.raises(InputFault, match=f"models/latest.json names no model: .*{way}"):
        releases.latest()
    assert not releases.add(artifact_store.read(releases.location(models[0].fingerprint)))
    assert releases.latest() == models[0].fingerprint


def test_models_that_were_rolled_back_from_are_remembered_until_they_are_used_again(releases, models):
    one, two, three = (model.fingerprint for model in models[:3])
    for model in models[:3]:
        releases.add(model)
        releases.use(model.fingerprint)
    assert releases.rejected() == []
    releases.roll_back()
    releases.roll_back()
    assert releases.rejected() == [two, three]
    releases.add(models[2])
    assert releases.rejected() == [two, three], "being trained again is no pardon"
    releases.use(three)
    assert (releases.rejected(), releases.former()) == ([two], [one])


def test_a_model_that_is_rolled_back_to_is_none_that_was_rolled_back_from(releases, models):
    one, two = (model.fingerprint for model in models[:2])
    for model in models[:2]:
        releases.add(model)
        releases.use(model.fingerprint)
    releases.use(one)
    assert [releases.roll_back(), releases.roll_back()] == [two, one]
    assert releases.rejected() == [two]


def test_a_pointer_of_a_version_that_remembered_no_rejected_ones_is_read(releases, models, root):
    one, two = (model.fingerprint for model in models[:2])
    for model in models[:2]:
        releases.add(model)
    damage(root, content=json.dumps({"model": two, "since": "2026-01-01T00:00:00Z", "former": [one]}))
    assert releases.rejected() == []
    assert releases.roll_back() == one
    assert releases.rejected() == [two]


def test_of_very_many_changes_the_last_fifty_can_be_undone(releases, models):
    one, two = (model.fingerprint for model in models[:2])
    for model in models[:2]:
        releases.add(model)
    for _ in range(26):
        releases.use(two)
        releases.use(one)
    assert releases.former() == [two, one] * 25


def test_of_two_who_change_the_current_model_at_once_neither_undoes_the_other(tmp_path, models):
    """Neither forgets what the other wrote: every model that was current is a former one afterwards."""
    for model in models:
        Releases(str(tmp_path)).add(model)

    def change(*pair):
        releases = Releases(str(tmp_path))
        for _ in range(12):
            for model in pair:
                releases.use(model.fingerprint)

    with ThreadPoolExecutor(2) as pool:
        for changing in [pool.submit(change, models[1], models[0]), pool.submit(change, *models[2:])]:
            changing.result()
    assert len(Releases(str(tmp_path)).former()) == 48


def test_whoever_has_the_pointers_alone_may_change_them_and_others_wait(tmp_path, models):
    releases = Releases(str(tmp_path))
    for model in models[:3]:
        releases.add(model)
    other = threading.Thread(target=Releases(str(tmp_path)).use, args=[models[2].fingerprint])
    with releases.alone():
        other.start()
        releases.use(models[1].fingerprint)
        other.join(0.2)
        assert releases.current() == models[1].fingerprint
    other.join()
    assert releases.current() == models[2].fingerprint


def test_where_there_are_no_models_no_folder_of_them_is_made(tmp_path):
    with pytest.raises(InputFault, match="no current model"):
        Releases(str(tmp_path)).roll_back()
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_place_of_the_models_is_refused_before_anything_is_trained(tmp_path):
    Path(tmp_path, "models").write_text("")
    with pytest.raises(InputFault, match="is a file, a folder of models is wanted"):
        Releases(str(tmp_path)).check_place()


def test_what_else_lies_among_the_models_is_none(releases, models, root):
    releases.add(models[0])
    system, path = filesystem(f"{root}/models")
    system.makedirs(f"{path}/notes", exist_ok=True)
    system.pipe_file(f"{path}/notes/README.md", b"")
    assert [release.model for release in releases.listed()] == [models[0].fingerprint]


def test_the_pointer_changes_whole(releases, models, root):
    for model in models[:2]:
        releases.add(model)
    releases.use(models[1].fingerprint)
    system, path = filesystem(f"{root}/models")
    assert json.loads(system.cat_file(f"{path}/current.json"))["former"] == [models[0].fingerprint]
    assert not [name for name in system.ls(path, detail=False) if "coming" in name]
