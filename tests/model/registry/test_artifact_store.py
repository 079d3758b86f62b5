import dataclasses
from pathlib import Path

import fsspec
import pytest

from tonality.model.registry import artifact_store
from tonality.model.registry.artifact import CONFIG, FILES, WEIGHTS
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.storage import atomic_files


@pytest.fixture
def newer(artifact):
    return dataclasses.replace(artifact, max_length=50)


@pytest.fixture
def bucket():
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/bucket", recursive=True)


def test_a_written_model_is_read_back_and_leaves_nothing_beside_it(artifact, tmp_path):
    folder = tmp_path / "out" / "model"
    artifact_store.write(artifact, str(folder))
    assert artifact_store.read(str(folder)).fingerprint == artifact.fingerprint
    assert sorted(file.name for file in folder.iterdir()) == sorted(FILES)
    assert list(folder.parent.iterdir()) == [folder]


def test_a_model_replaces_the_former_one(artifact, newer, tmp_path):
    folder = tmp_path / "model"
    artifact_store.write(artifact, f"{folder}/")
    artifact_store.write(newer, folder.as_uri())
    assert artifact_store.read(str(folder)).max_length == 50
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("name", FILES)
def test_a_crash_while_writing_leaves_the_former_model_intact(artifact, newer, tmp_path, monkeypatch, name):
    folder = tmp_path / "model"
    artifact_store.write(artifact, str(folder))
    write = atomic_files.write_durably

    def crash(file, content):
        if file.name == name:
            raise OSError("no space left")
        write(file, content)

    monkeypatch.setattr(atomic_files, "write_durably", crash)
    with pytest.raises(OSError, match="no space left"):
        artifact_store.write(newer, str(folder))
    assert artifact_store.read(str(folder)).fingerprint == artifact.fingerprint
    assert list(tmp_path.iterdir()) == [folder]


class PowerCut(BaseException):
    """An end of the process that no handler of errors sees."""


def fail_to_replace(monkeypatch, error):
    """Let the second of a folder's two renames fail."""

    def fail(self, target):
        raise error

    monkeypatch.setattr(Path, "replace", fail)


def test_a_crash_between_the_two_renames_leaves_no_model_rather_than_half_of_one(
    artifact, newer, tmp_path, monkeypatch
):
    folder = tmp_path / "model"
    artifact_store.write(artifact, str(folder))
    fail_to_replace(monkeypatch, PowerCut("power cut"))
    with pytest.raises(PowerCut, match="power cut"):
        artifact_store.write(newer, str(folder))
    with pytest.raises(InputError, match="run `train` first"):
        artifact_store.read(str(folder))
    [former] = tmp_path.glob(".model.*.former")
    assert artifact_store.read(str(former)).fingerprint == artifact.fingerprint


def test_a_rename_that_fails_leaves_the_former_model_in_place(artifact, newer, tmp_path, monkeypatch):
    folder = tmp_path / "model"
    artifact_store.write(artifact, str(folder))
    fail_to_replace(monkeypatch, OSError("no right"))
    with pytest.raises(OSError, match="no right"):
        artifact_store.write(newer, str(folder))
    assert artifact_store.read(str(folder)).fingerprint == artifact.fingerprint
    assert list(tmp_path.iterdir()) == [folder]


def test_an_object_store_holds_models_too(artifact, newer, bucket):
    artifact_store.write(artifact, "memory://bucket/model")
    artifact_store.write(newer, "memory://bucket/model")
    assert artifact_store.read("memory://bucket/model").fingerprint == newer.fingerprint


@pytest.mark.parametrize("name", FILES)
def test_a_crash_in_an_object_store_never_leaves_a_mix_of_two_models(artifact, newer, bucket, monkeypatch, name):
    artifact_store.write(artifact, "memory://bucket/model")
    put = type(bucket).pipe_file

    def crash(self, path, value, **options):
        if path.endswith(name):
            raise OSError("connection lost")
        put(self, path, value, **options)

    monkeypatch.setattr(type(bucket), "pipe_file", crash)
    with pytest.raises(OSError, match="connection lost"):
        artifact_store.write(newer, "memory://bucket/model")
    with pytest.raises(InputError, match=f"{CONFIG} missing"):
        artifact_store.read("memory://bucket/model")


def test_a_folder_with_other_files_is_not_deleted(artifact, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="holds other things than a model"):
        artifact_store.write(artifact, str(tmp_path))
    assert (tmp_path / "thesis.tex").exists()


def test_a_missing_model_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such folder, a model is expected: run `train` first"):
        artifact_store.read(str(tmp_path / "nowhere"))


def test_a_broken_file_is_named_with_its_folder(artifact, tmp_path):
    artifact_store.write(artifact, str(tmp_path / "model"))
    (tmp_path / "model" / WEIGHTS).write_bytes(b"half")
    with pytest.raises(InputError, match=rf"{tmp_path}/model: {WEIGHTS}: sha256"):
        artifact_store.read(str(tmp_path / "model"))
