"""The model registry, on a disk and in a store that cannot rename."""

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
    """Four different models."""
    return [dataclasses.replace(artifact, max_length=length) for length in (100, 50, 40, 30)]


def test_the_first_model_goes_into_production_and_later_ones_only_on_request(registry, models):
    first, second = models[0].fingerprint, models[1].fingerprint
    assert registry.add(models[0])
    assert not registry.add(models[1])
    assert (registry.production(), registry.candidate()) == (first, second)
    assert registry.read_production().max_length == 100
    registry.set_production(second)
    assert registry.read_production().max_length == 50
    assert {registered.fingerprint for registered in registry.list_models()} == {first, second}, "both stay registered"


def test_rolling_back_undoes_the_changes_of_production_one_by_one(registry, models):
    names = [model.fingerprint for model in models[:3]]
    for model in models[:3]:
        registry.add(model)
        registry.set_production(model.fingerprint)
    assert registry.former() == [names[1], names[0]]
    assert [registry.roll_back(), registry.roll_back()] == [names[1], names[0]]
    assert (registry.production(), registry.former()) == (names[0], [])
    with pytest.raises(InputError, match=f"no model was in production before {names[0]}"):
        registry.roll_back()


def test_putting_the_production_model_into_production_changes_nothing(registry, models):
    for model in models[:2]:
        registry.add(model)
        registry.set_production(model.fingerprint)
    since = registry.production_since()
    registry.set_production(models[1].fingerprint)
    assert (registry.former(), registry.production_since()) == ([models[0].fingerprint], since)


def test_a_model_that_is_trained_again_is_registered_once_and_stays_as_it_was(registry, models, root):
    registry.add(models[0])
    system, path = filesystem(registry.location(models[0].fingerprint))
    before = system.modified(f"{path}/config.json")
    registry.add(dataclasses.replace(models[0], metrics={"other": 1}))
    assert len(registry.list_models()) == 1
    assert system.modified(f"{path}/config.json") == before


def test_a_model_that_was_half_written_when_killed_is_written_again(registry, models):
    location = registry.location(models[0].fingerprint)
    system, path = filesystem(location)
    artifact_store.write(models[0], location)
    system.rm_file(f"{path}/{WEIGHTS}")
    registry.add(models[0])
    assert registry.read_production().fingerprint == models[0].fingerprint


def test_a_folder_that_holds_another_model_than_it_is_named_by_is_refused(registry, models):
    artifact_store.write(models[1], registry.location(models[0].fingerprint))
    with pytest.raises(InputError, match=f"{models[0].fingerprint} holds model {models[1].fingerprint}"):
        registry.set_production(models[0].fingerprint)
    assert registry.production_if_any() is None


def test_the_production_model_cannot_be_removed_and_others_can(registry, models):
    for model in models[:2]:
        registry.add(model)
    with pytest.raises(InputError, match="is in production"):
        registry.remove(models[0].fingerprint)
    registry.remove(models[1].fingerprint)
    assert [registered.fingerprint for registered in registry.list_models()] == [models[0].fingerprint]


def test_rolling_back_to_a_removed_model_is_refused_and_production_stays(registry, models):
    for model in models[:2]:
        registry.add(model)
        registry.set_production(model.fingerprint)
    registry.remove(models[0].fingerprint)
    with pytest.raises(InputError, match="no such folder"):
        registry.roll_back()
    assert registry.production() == models[1].fingerprint


def test_a_unique_prefix_of_a_fingerprint_names_a_model(registry, models):
    for model in models:
        registry.add(model)
    names = [model.fingerprint for model in models]
    assert registry.resolve(names[2][:8]) == names[2]
    for prefix in ("", "zz"):
        with pytest.raises(InputError, match=f"names 0 models under .*expected one of: .*{names[0]}"):
            registry.resolve(prefix)


def test_without_a_model_the_error_explains_how_to_get_one(registry, root):
    for method in (registry.production, registry.candidate):
        with pytest.raises(InputError, match="Run `train` first, or add a model with `tonality models add"):
            method()


def test_the_error_explains_how_to_add_the_single_model_of_an_earlier_version(registry, models, root):
    artifact_store.write(models[0], f"{root}/model")
    with pytest.raises(InputError) as raised:
        registry.production()
    assert f"add it with `tonality models add {root}/model`" in str(raised.value)
    assert registry.add(artifact_store.read(f"{root}/model"))
    assert registry.production() == models[0].fingerprint


def damage(root: str, alias: str = "current.json", content: str = "") -> None:
    system, path = filesystem(f"{root}/models/{alias}")
    system.pipe_file(path, content.encode())


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model": "../../etc"}', '{"model": 3}'])
def test_a_damaged_alias_is_named_and_never_followed(registry, models, root, content):
    registry.add(models[0])
    damage(root, content=content)
    with pytest.raises(
        InputError, match=r"models/current.json names no model: put one into production with `tonality models use"
    ):
        registry.production()


def test_a_damaged_alias_is_repaired_by_putting_a_model_into_production(registry, models, root):
    for model in models[:2]:
        registry.add(model)
    damage(root)
    assert registry.set_production(models[1].fingerprint) is None
    assert (registry.production(), registry.former()) == (models[1].fingerprint, [])


def test_a_damaged_alias_is_repaired_by_adding_a_model(registry, models, root):
    registry.add(models[0])
    damage(root)
    damage(root, "latest.json", "{")
    assert registry.add(models[1])
    assert registry.production() == registry.candidate() == models[1].fingerprint


def test_while_the_production_model_is_unknown_none_is_removed_rolled_back_or_trained(registry, models, root):
    for model in models[:2]:
        registry.add(model)
    damage(root)
    for refused in (lambda: registry.remove(models[1].fingerprint), registry.roll_back, registry.check_usable):
        with pytest.raises(InputError, match=r"models/current.json names no model"):
            refused()
    assert len(registry.list_models()) == 2


def test_a_damaged_history_counts_as_none(registry, models, root):
    name = models[0].fingerprint
    registry.add(models[0])
    damage(root, content=json.dumps({"model": name, "former": 3, "rejected": "abc"}))
    assert (registry.production(), registry.former(), registry.rejected()) == (name, [], [])


def test_a_missing_or_damaged_candidate_alias_is_set_by_adding_a_registered_model(registry, models, root):
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


def test_models_that_were_rolled_back_are_listed_until_they_are_in_production_again(registry, models):
    one, two, three = (model.fingerprint for model in models[:3])
    for model in models[:3]:
        registry.add(model)
        registry.set_production(model.fingerprint)
    assert registry.rejected() == []
    registry.roll_back()
    registry.roll_back()
    assert registry.rejected() == [two, three]
    registry.add(models[2])
    assert registry.rejected() == [two, three], "training them again does not change that"
    registry.set_production(three)
    assert (registry.rejected(), registry.former()) == ([two], [one])


def test_a_model_that_is_back_in_production_is_not_among_those_rolled_back(registry, models):
    one, two = (model.fingerprint for model in models[:2])
    for model in models[:2]:
        registry.add(model)
        registry.set_production(model.fingerprint)
    registry.set_production(one)
    assert [registry.roll_back(), registry.roll_back()] == [two, one]
    assert registry.rejected() == [two]


def test_an_alias_of_a_version_without_rejected_models_is_read(registry, models, root):
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
        registry.set_production(two)
        registry.set_production(one)
    assert registry.former() == [two, one] * 25


def test_concurrent_changes_of_the_production_model_do_not_undo_each_other(tmp_path, models):
    """No change is lost: every model that was in production is a former one afterwards."""
    for model in models:
        ModelRegistry(str(tmp_path)).add(model)

    def change(*pair):
        registry = ModelRegistry(str(tmp_path))
        for _ in range(12):
            for model in pair:
                registry.set_production(model.fingerprint)

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(change, models[1], models[0]), pool.submit(change, *models[2:])]:
            future.result()
    assert len(ModelRegistry(str(tmp_path)).former()) == 48


def test_the_holder_of_the_lock_may_change_production_and_others_wait(tmp_path, models):
    registry = ModelRegistry(str(tmp_path))
    for model in models[:3]:
        registry.add(model)
    other = threading.Thread(target=ModelRegistry(str(tmp_path)).set_production, args=[models[2].fingerprint])
    with registry.lock():
        other.start()
        registry.set_production(models[1].fingerprint)
        other.join(0.2)
        assert registry.production() == models[1].fingerprint
    other.join()
    assert registry.production() == models[2].fingerprint


def test_without_models_no_folder_is_created(tmp_path):
    with pytest.raises(InputError, match="no production model"):
        ModelRegistry(str(tmp_path)).roll_back()
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_place_of_the_models_is_refused_before_anything_is_trained(tmp_path):
    Path(tmp_path, "models").write_text("")
    with pytest.raises(InputError, match="is a file, a folder of models is expected"):
        ModelRegistry(str(tmp_path)).check_usable()


def test_other_folders_among_the_models_are_ignored(registry, models, root):
    registry.add(models[0])
    system, path = filesystem(f"{root}/models")
    system.makedirs(f"{path}/notes", exist_ok=True)
    system.pipe_file(f"{path}/notes/README.md", b"")
    assert [registered.fingerprint for registered in registry.list_models()] == [models[0].fingerprint]


def test_an_alias_changes_atomically(registry, models, root):
    for model in models[:2]:
        registry.add(model)
    registry.set_production(models[1].fingerprint)
    system, path = filesystem(f"{root}/models")
    assert json.loads(system.cat_file(f"{path}/current.json"))["former"] == [models[0].fingerprint]
    assert not [name for name in system.ls(path, detail=False) if "coming" in name]
