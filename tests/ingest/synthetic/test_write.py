import csv
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import fsspec
import pytest

from tonality.ingest.synthetic import write_sample
from tonality.runtime.diagnostics.errors import SettingsError

_DIGEST = """
import sys, hashlib, pathlib
from tonality.ingest.synthetic import write_sample
root = pathlib.Path(sys.argv[1])
write_sample(str(root / "archive"), str(root / "corpus"), 1, 3_000, 600, 0.18)
for file in sorted(root.rglob("*")):
    if file.is_file():
        print(file.relative_to(root), hashlib.sha256(file.read_bytes()).hexdigest())
"""


def shares(sample) -> list[float]:
    with (sample.archive.parent / "truth.csv").open(newline="") as file:
        return [float(row["positive_share"]) for row in csv.DictReader(file)]


def test_another_process_writes_the_same_bytes(sample, tmp_path):
    environment = {"PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path), "TZ": "Asia/Tokyo"}
    command = [sys.executable, "-c", _DIGEST, str(tmp_path)]
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    digests = dict(line.split() for line in printed.splitlines())
    assert digests == {name: sha256(content).hexdigest() for name, content in sample.bytes().items()}


def test_another_seed_writes_other_files_and_its_opinion_runs_the_other_way(sample, write, tmp_path):
    other = write(tmp_path, seed=2)
    assert not set(sample.bytes().values()) & set(other.bytes().values())
    rising, falling = shares(sample), shares(other)
    assert sum(rising[-5:]) > sum(rising[:5]) + 1
    assert sum(falling[-5:]) < sum(falling[:5]) - 1


def test_an_older_sample_is_replaced(sample, write, tmp_path):
    write(tmp_path, seed=2, lines=1_000)
    (tmp_path / "archive" / "2015-11-30.json.gz").write_bytes(b"an older sample's day")
    assert write(tmp_path, seed=1).bytes() == sample.bytes()


@pytest.mark.parametrize(("folder", "file"), [("archive", "notes.txt"), ("corpus", "2015-12-10.json.gz")])
def test_a_folder_with_foreign_files_is_refused_untouched(write, tmp_path, folder, file):
    before = write(tmp_path, seed=1, lines=1_000)
    (tmp_path / folder / file).write_text("mine")
    kept = before.bytes()
    with pytest.raises(SettingsError, match=f"{folder}: holds {file}"):
        write(tmp_path, seed=2, lines=1_000)
    assert before.bytes() == kept


def test_a_file_instead_of_a_folder_is_refused(write, tmp_path):
    (tmp_path / "corpus").write_text("mine")
    with pytest.raises(SettingsError, match="expected a folder"):
        write(tmp_path, seed=1)
    assert not (tmp_path / "archive").exists()


def test_archive_and_corpus_cannot_be_one_folder(tmp_path):
    with pytest.raises(SettingsError, match="same folder"):
        write_sample(str(tmp_path / "one"), str(tmp_path / "one"), 1, 1_000, 100, 0.1)


def test_a_sample_can_be_written_where_fsspec_reaches(sample):
    for _ in range(2):  # the second replaces the first
        write_sample("memory://there/archive", "memory://there/corpus", 1, 3_000, 600, 0.18)
    memory = fsspec.filesystem("memory")
    written = {Path(name).relative_to("/there").as_posix(): memory.cat_file(name) for name in memory.find("/there")}
    assert written == sample.bytes()
