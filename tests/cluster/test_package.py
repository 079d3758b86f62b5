"""The output of `make package` on nodes with only Python, Java and Spark."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from zipfile import ZipFile

import pytest
from small_survey import Republication, scored
from standalone import SPARK_HOME, Cluster

pytestmark = pytest.mark.cluster

REPOSITORY: Final = Path(__file__).parents[2]
HIDE: Final = 'mount --bind "$0" "$1" && cd / && shift && exec "$@"'
"""Shell commands in a mount namespace: mount an empty folder over another one, then run a command."""
SUBMIT: Final = (
    "cd {dist} && PYSPARK_PYTHON=./tonality.pex exec spark-submit --master {master} --files tonality.pex "
    "--properties-file conf/spark/cluster.properties "
    "--conf spark.executor.cores=1 --conf spark.executor.memory=1g {job}"
)
"""A user's command, except for the two sizes."""
PROBE: Final = """
import json, sys
from pyspark.sql import SparkSession
from tonality.runtime.settings.load import conf_directory

def origins(_):
    import py4j, pyarrow, pyspark, tonality, torch
    from tonality.model.loading import petastorm_compat
    petastorm_compat.adapt()
    import petastorm
    return [[module.__file__ for module in (pyspark, py4j, pyarrow, tonality, torch, petastorm)]]

with SparkSession.builder.getOrCreate() as spark:
    tasks = spark.sparkContext.parallelize(range(4), 4).mapPartitions(origins).collect()
    found = {"driver": origins(None)[0], "tasks": tasks, "conf": str(conf_directory())}
    open(sys.argv[1], "w").write(json.dumps(found))
"""


class Nodes:
    """A cluster and a submitting machine with separate home folders, which share Python, Java and Spark."""

    def __init__(self, place: Path) -> None:
        self.dist, self.spark, self.home, self.nodes_home = (place / name for name in ("dist", "spark", "me", "node"))
        shutil.copytree(REPOSITORY / "dist", self.dist, copy_function=link)
        shutil.copytree(SPARK_HOME, self.spark, copy_function=link)
        java = shutil.which("java")
        assert java
        programs = [Path(sys.base_prefix) / "bin", self.spark / "bin", Path(java).parent, "/usr/bin", "/bin"]
        environment = {"PATH": ":".join(map(str, programs)), "HOME": str(self.nodes_home), "LANG": "C.UTF-8"}
        environment |= {name: os.environ[name] for name in ("JAVA_HOME",) if name in os.environ}
        (place / "nothing").mkdir()
        self.hidden = hidden(place / "nothing")
        self.cluster = Cluster(place / "cluster", spark_home=self.spark, environment=environment, inside=self.hidden)

    def run(self, job: str, root: Path) -> None:
        """Submit a job, from dist/, as a user does."""
        command = SUBMIT.format(dist=self.dist, master=self.cluster.master, job=job)
        with self.cluster.job(["sh", "-c", command], root, HOME=str(self.home)) as submitted:
            assert submitted.status() == 0, submitted.output[-3000:]

    def fails(self, command: str) -> str:
        """Run a command on a node, where it must fail, and return its stderr."""
        whole = [*self.hidden, "sh", "-c", command]
        done = subprocess.run(whole, env=self.cluster.environment, capture_output=True, text=True, check=False)
        assert done.returncode, f"{command} succeeded: {done.stdout}"
        return done.stderr


def link(source: str, target: str) -> None:
    """Link a file, or copy it to another disk: links take no space."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def hidden(nothing: Path) -> list[str]:
    """A command prefix that hides the repository, with its sources and its .venv, behind an empty folder.

    This needs a mount namespace. Without one nothing is hidden, and only the origins of modules are checked.
    """
    for namespace in (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"]):
        inside = [*namespace, "sh", "-c", HIDE, str(nothing), str(REPOSITORY)]
        if shutil.which("unshare") and not subprocess.call([*inside, "true"], stderr=subprocess.DEVNULL):
            return inside
    return []


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    assert (REPOSITORY / "dist" / "tonality.pex").is_file(), "run `make package` first"
    place = tmp_path_factory.mktemp("nodes")
    nodes = Nodes(place)
    with nodes.cluster:
        yield nodes
    shutil.rmtree(place)  # unpacked packages of some gigabytes


def files_below(folder: Path, name: str) -> set[str]:
    files = (file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return {f"{name}/{file.relative_to(folder)}" for file in files}


def test_the_wheel_contains_the_whole_library_its_settings_and_the_marker_of_its_types() -> None:
    (wheel,) = (REPOSITORY / "build" / "wheel").glob("*.whl")
    contained = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert contained == files_below(REPOSITORY / "lib/tonality", "tonality") | files_below(
        REPOSITORY / "conf", "tonality/conf"
    )
    assert "tonality/py.typed" in contained


def test_a_node_has_nothing_of_ours(nodes: Nodes) -> None:
    for name in ("tonality", "torch", "pyarrow", "pyspark"):
        assert f"No module named '{name}'" in nodes.fails(f"python3 -c 'import {name}'")
    if nodes.hidden:
        assert "not found" in nodes.fails(f"{REPOSITORY}/.venv/bin/python -c ''")
        assert "No such file" in nodes.fails(f"ls {REPOSITORY}/lib")


def test_the_packaged_job_scores_what_the_sources_score(
    nodes: Nodes, republication: Republication, tmp_path: Path
) -> None:
    root = shutil.copytree(republication.published, tmp_path / "root")
    nodes.run(f"jobs/score.py --set paths.root={root}", root)
    assert scored(root).equals(republication.scored)


def test_everything_comes_from_the_package_but_pyspark_which_is_the_cluster_s_own(nodes: Nodes, tmp_path: Path) -> None:
    (tmp_path / "probe.py").write_text(PROBE)
    nodes.run(f"{tmp_path}/probe.py {tmp_path}/found.json", tmp_path / "root")
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["conf"].startswith(str(nodes.home))
    for home, files in [(nodes.home, found["driver"]), *((nodes.nodes_home, files) for files in found["tasks"])]:
        pyspark, py4j, *others = files
        assert pyspark.startswith(str(nodes.spark))
        assert py4j.startswith(str(nodes.spark))
        assert {Path(file).relative_to(home).parts[1] for file in others} == {"pex"}
