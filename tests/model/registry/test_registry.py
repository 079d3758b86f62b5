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
from tonality.model.registry.registry import ModelRegistry
from tonality.runtime.diagnostics.errors import InputError
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
def registry(root):
    return ModelRegistry(root)


@pytest.fixture
def models(artifact):
    """Four that differ."""
    return [dataclasses.replace(artifact, max_length=length) for length in (100, 50, 40, 30)]


def test_the_first_model_scores_at_once_and_a_later_one_only_when_it_is_told_to(registry, models):
    first, second = models[0].fingerprint, models[1].fingerprint
    assert registry.add(models[0])
    assert not registry.add(models[1])
    assert (registry.production(), registry.candidate()) == (first, second)
    assert registry.read_production().max_length == 100
    registry.use(second)
    assert registry.read_production().max_length == 50
    assert {release.model for release in registry.listed()} == {first, second}, "both stand side by side"


def test_rolling_back_goes_from_model_to_model_the_way_it_came(registry, models):
    names = [model.fingerprint for model in models[:3]]
    for model in models[:3]:
        registry.add(model)
        registry.use(model.fingerprint)
    assert registry.former() == [names[1], names[0]]
    assert [registry.roll_back(), registry.roll_back()] == [names[1], names[0]]
    assert (registry.production(), registry.former()) == (names[0], [])
    with pytest.raises(InputError, match=f"no model was current before {names[0]}"):
        registry.roll_back()


def test_using_the_current_model_once_more_changes_nothing(registry, models):
    for model in models[:2]:
        registry.add(model)
        registry.use(model.fingerprint)
    since = registry.since()
    registry.use(models[1].fingerprint)
    assert (registry.former(), registry.since()) == ([models[0].fingerprint], since)


def test_a_model_that_is_trained_again_stands_there_once_and_as_it_was(registry, models, root):
    registry.add(models[0])
    system, path = filesystem(registry.location(models[0].fingerprint))
    before = system.modified(f"{path}/config.json")
    registry.add(dataclasses.replace(models[0], metrics={"other": 1}))
    assert len(registry.listed()) == 1
    assert system.modified(f"{path}/config.json") == before


def test_a_release_of_which_a_kill_left_a_part_is_written_again(registry, models):
    location = registry.location(models[0].fingerprint)
    system, path = filesystem(location)
    artifact_store.write(models[0], location)
    system.rm_file(f"{path}/{WEIGHTS}")
    registry.add(models[0])
    assert registry.read_production().fingerprint == models[0].fingerprint


def test_a_folder_that_holds_another_model_than_it_is_named_by_is_refused(registry, models):
    artifact_store.write(models[1], registry.location(models[0].fingerprint))
    with pytest.raises(InputError, match=f"{models[0].fingerprint} holds model {models[1].fingerprint}"):
        registry.use(models[0].fingerprint)
    assert registry.production_if_any() is None


def test_the_current_model_cannot_be_removed_and_others_can(registry, models):
    for model in models[:2]:
        registry.add(model)
    with pytest.raises(InputError, match="is the current one"):
        registry.remove(models[0].fingerprint)
    registry.remove(models[1].fingerprint)
    assert [release.model for release in registry.listed()] == [models[0].fingerprint]


def test_rolling_back_to_a_model_that_is_gone_is_refused_and_the_current_one_stays(registry, models):
    for model in models[:2]:
        registry.add(model)
        registry.use(model.fingerprint)
    registry.remove(models[0].fingerprint)
    with pytest.raises(InputError, match="no such folder"):
        registry.roll_back()
    assert registry.production() == models[1].fingerprint


def test_the_beginning_of_a_name_will_do_where_it_names_one(registry, models):
    for model in models:
        registry.add(model)
    names = [model.fingerprint for model in models]
    assert registry.resolve(names[2][:8]) == names[2]
    for beginning in ("", "zz"):
        with pytest.raises(InputError, match=f"names 0 models under .*expected one of: .*{names[0]}"):
            registry.resolve(beginning)


def test_without_a_model_it_says_where_one_comes_from(registry, root):
    for ask in (registry.current, registry.latest):
        with pytest.raises(InputError, match="Run `train` first, or take a model over with `tonality models add"):
            ask()


def test_a_model_of_a_version_without_releases_is_told_how_to_be_taken_over(registry, models, root):
    artifact_store.write(models[0], f"{root}/model")
    with pytest.raises(InputError) as raised:
        registry.production()
    assert f"take it over with `tonality models add {root}/model`" in str(raised.value)
    assert registry.add(artifact_store.read(f"{root}/model"))
    assert registry.production() == models[0].fingerprint


def damage(root: str, pointer: str = "current.json", content: str = "") -> None:
    system, path = filesystem(f"{root}/models/{pointer}")
    system.pipe_file(path, content.encode())


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model": "../../etc"}', '{"model": 3}'])
def test_a_pointer_that_is_damaged_is_named_and_never_followed(registry, models, root, content):
    registry.add(models[0])
    damage(root, content=content)
    with pytest.raises(
        InputError, match=r"models/current.json names no model: let one score with `tonality models use"
    ):
        registry.production()


def test_a_damaged_pointer_is_mended_by_letting_a_model_score(registry, models, root):
    for model in models[:2]:
        registry.add(model)
    damage(root)
    assert registry.use(models[1].fingerprint) is None
    assert (registry.production(), registry.former()) == (models[1].fingerprint, [])


def test_a_damaged_pointer_is_mended_by_a_model_that_is_added(registry, models, root):
    registry.add(models[0])
    damage(root)
    damage(root, "latest.json", "{")
    assert registry.add(models[1])
    assert registry.production() == registry.candidate() == models[1].fingerprint


def test_while_nobody_knows_which_model_scores_none_is_removed_nor_rolled_back_to_nor_trained(registry, models, root):
    for model in models[:2]:
        registry.add(model)
    damage(root)
    for refused in (lambda: registry.remove(models[1].fingerprint), registry.roll_back, registry.check_place):
        with pytest.raises(InputError, match=r"models/current.json names no model"):
            refused()
    assert len(registry.listed()) == 2


def test_a_past_that_is_damaged_counts_as_none(registry, models, root):
    name = models[0].fingerprint
    registry.add(models[0])
    damage(root, content=json.dumps({"model": name, "former": 3, "rejected": "abc"}))
    assert (registry.production(), registry.former(), registry.rejected()) == (name, [], [])


def test_a_pointer_to_the_latest_that_is_gone_or_damaged_is_set_by_adding_what_is_there(registry, models, root):
    for model in models[:2]:
        registry.add(model)
    system, path = filesystem(f"{root}/models/latest.json")
    system.rm_file(path)
    way = f"`tonality models add {root}/models/MODEL`"
    with pytest.raises(InputError, match=f"no model to evaluate: .*{models[1].fingerprint}.*{way}"):
        registry.candidate()
    damage(root, "latest.json")
    with pytest.raises(InputError, match=f"models/latest.json names no model: .*{way}"):
        registry.candidate()
    assert not registry.add(artifact_store.read(registry.location(models[0].fingerprint)))
    assert registry.candidate() == models[0].fingerprint


def test_models_that_were_rolled_back_from_are_remembered_until_they_are_used_again(registry, models):
    one, two, three = (model.fingerprint for model in models[:3])
    for model in models[:3]:
        registry.add(model)
        registry.use(model.fingerprint)
    assert registry.rejected() == []
    registry.roll_back()
    registry.roll_back()
    assert registry.rejected() == [two, three]
    registry.add(models[2])
    assert registry.rejected() == [two, three], "being trained again is no pardon"
    registry.use(three)
    assert (registry.rejected(), registry.former()) == ([two], [one])


def test_a_model_that_is_rolled_back_to_is_none_that_was_rolled_back_from(registry, models):
    one, two = (model.fingerprint for model in models[:2])
    for model in models[:2]:
        registry.add(model)
        registry.use(model.fingerprint)
    registry.use(one)
    assert [registry.roll_back(), registry.roll_back()] == [two, one]
    assert registry.rejected() == [two]


def test_a_pointer_of_a_version_that_remembered_no_rejected_ones_is_read(registry, models, root):
    one, two = (model.fingerprint for model in models[:2])
    for model in models[:2]:
        registry.add(model)
    damage(root, content=json.dumps({"model": two, "since": "2026-01-01T00:00:00Z", "former": [one]}))
    assert registry.rejected() == []
    assert registry.roll_back() == one
    assert registry.rejected() == [two]


def test_of_very_many_changes_the_last_fifty_can_be_undone(registry, models):
    one, two = (model.fingerprint for model in models[:2])
    for model in models[:2]:
        registry.add(model)
    for _ in range(26):
        registry.use(two)
        registry.use(one)
    assert registry.former() == [two, one] * 25


def test_of_two_who_change_the_current_model_at_once_neither_undoes_the_other(tmp_path, models):
    """Neither forgets what the other wrote: every model that was current is a former one afterwards."""
    for model in models:
        ModelRegistry(str(tmp_path)).add(model)

    def change(*pair):
        registry = ModelRegistry(str(tmp_path))
        for _ in range(12):
            for model in pair:
                registry.use(model.fingerprint)

    with ThreadPoolExecutor(2) as pool:
        for changing in [pool.submit(change, models[1], models[0]), pool.submit(change, *models[2:])]:
            changing.result()
    assert len(ModelRegistry(str(tmp_path)).former()) == 48


def test_whoever_has_the_pointers_alone_may_change_them_and_others_wait(tmp_path, models):
    registry = ModelRegistry(str(tmp_path))
    for model in models[:3]:
        registry.add(model)
    other = threading.Thread(target=ModelRegistry(str(tmp_path)).use, args=[models[2].fingerprint])
    with registry.alone():
        other.start()
        registry.use(models[1].fingerprint)
        other.join(0.2)
        assert registry.production() == models[1].fingerprint
    other.join()
    assert registry.production() == models[2].fingerprint


def test_where_there_are_no_models_no_folder_of_them_is_made(tmp_path):
    with pytest.raises(InputError, match="no current model"):
        ModelRegistry(str(tmp_path)).roll_back()
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_place_of_the_models_is_refused_before_anything_is_trained(tmp_path):
    Path(tmp_path, "models").write_text("")
    with pytest.raises(InputError, match="is a file, a folder of models is expected"):
        ModelRegistry(str(tmp_path)).check_place()


def test_what_else_lies_among_the_models_is_none(registry, models, root):
    registry.add(models[0])
    system, path = filesystem(f"{root}/models")
    system.makedirs(f"{path}/notes", exist_ok=True)
    system.pipe_file(f"{path}/notes/README.md", b"")
    assert [release.model for release in registry.listed()] == [models[0].fingerprint]


def test_the_pointer_changes_whole(registry, models, root):
    for model in models[:2]:
        registry.add(model)
    registry.use(models[1].fingerprint)
    system, path = filesystem(f"{root}/models")
    assert json.loads(system.cat_file(f"{path}/current.json"))["former"] == [models[0].fingerprint]
    assert not [name for name in system.ls(path, detail=False) if "coming" in name]
