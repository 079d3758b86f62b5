"""conf/spark/: every name is one that Spark knows, every value one that it understands, as Spark itself says."""

import subprocess
from pathlib import Path

import pytest
from pyspark.errors import IllegalArgumentException

from tonality.runtime.settings.load import conf_directory

FOLDER = conf_directory() / "spark"
FILES = [file for file in sorted(FOLDER.glob("*.properties")) if not file.stem.endswith("log4j2")]
REGISTRIES = (
    "org.apache.spark.internal.config.package$",
    "org.apache.spark.internal.config.Python$",
    "org.apache.spark.sql.internal.SQLConf$",
    "org.apache.spark.sql.internal.StaticSQLConf$",
    "org.apache.spark.deploy.yarn.config.package$",
    "org.apache.spark.deploy.k8s.Config$",
)
"""Where Spark's parts name their properties; those that were not needed yet have not done so."""


def properties(text: str) -> list[tuple[str, str]]:
    """The properties of a file, those in comments too, which are there to be taken up."""
    lines = [line.removeprefix("# ") for line in text.splitlines()]
    return [(name, value.strip()) for name, _, value in (line.partition(" ") for line in lines) if is_name(name)]


def is_name(word: str) -> bool:
    return word.startswith("spark.") and not word.endswith((".", ","))


@pytest.fixture(scope="module")
def unknown(spark):
    """What is wrong with a property; None where nothing is."""
    jvm = spark._jvm
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    for registry in REGISTRIES:
        jvm.java.lang.Class.forName(registry, True, loader)
    secrets = [
        jvm.org.apache.spark.deploy.k8s.Config.KUBERNETES_DRIVER_SECRET_KEY_REF_PREFIX(),
        jvm.org.apache.spark.deploy.k8s.Config.KUBERNETES_EXECUTOR_SECRET_KEY_REF_PREFIX(),
    ]
    gpus = [jvm.org.apache.spark.resource.ResourceID(of, "gpu") for of in ("spark.executor", "spark.task")]
    any_value = {gpu.amountConf() for gpu in gpus} | {gpus[0].discoveryScriptConf(), gpus[0].vendorConf()}
    # read by spark-submit, which has no registry
    any_value |= {"spark.submit.deployMode"}
    free = ("spark.executorEnv.", *secrets)

    def what(name: str, value: str) -> str | None:
        if name in any_value or name.startswith(free):
            return None if value else f"{name} has no value"
        entry = jvm.org.apache.spark.internal.config.ConfigEntry.findEntry(name)
        if entry is None:
            return f"Spark has no property {name}"
        try:
            entry.valueConverter().apply(value)
        except IllegalArgumentException as error:
            return str(error)
        return None

    return what


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_spark_knows_every_property_and_understands_its_value(unknown, file: Path):
    found = properties(file.read_text())
    assert found
    assert [fault for name, value in found if (fault := unknown(name, value))] == []


def test_a_misspelt_property_and_a_value_of_another_kind_are_found(unknown):
    assert unknown("spark.executor.memorry", "6g") == "Spark has no property spark.executor.memorry"
    assert unknown("spark.yarn.qeue", "surveys") == "Spark has no property spark.yarn.qeue"
    assert "6gg" in unknown("spark.executor.memory", "6gg")
    assert "often" in unknown("spark.python.worker.reuse", "often")
    assert unknown("spark.executor.memory", "6g") is None


def test_no_file_names_a_property_twice_or_repeats_what_cluster_properties_says():
    base = properties((FOLDER / "cluster.properties").read_text())
    for file in FILES:
        found = properties(file.read_text())
        names = [name for name, _ in found]
        assert len(names) == len(set(names)), file.name
        assert file.stem == "cluster" or not set(found) & set(base), file.name


def find_gpus(folder: Path, said: str | None, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the script says on a machine whose nvidia-smi says this, or, for None, finds no driver."""
    smi = folder / "nvidia-smi"
    smi.write_text("#!/bin/sh\n" + ("exit 9" if said is None else f"printf '{said}'") + "\n")
    smi.chmod(0o755)
    path = f"{folder}:/usr/bin:/bin"
    command = [FOLDER / "find-gpus"]
    return subprocess.run(command, env={"PATH": path, **environment}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("said", "visible", "addresses"),
    [
        ("GPU-a1\\nGPU-b2\\n", None, ["0", "1"]),
        ("GPU-a1\\n", None, ["0"]),
        ("", None, []),
        ("GPU-a1\\nGPU-b2\\nGPU-c3\\n", "2,1", ["0", "1"]),
        (None, "GPU-b2", ["0"]),
        ("GPU-a1\\n", "", []),
    ],
)
def test_spark_is_told_the_gpus_by_the_numbers_that_torch_gives_them(spark, tmp_path, said, visible, addresses):
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    done = find_gpus(tmp_path, said, **environment)
    assert done.returncode == 0, done.stderr
    told = spark._jvm.org.apache.spark.resource.ResourceInformation.parseJson(done.stdout)
    assert told.name() == "gpu"
    assert list(told.addresses()) == addresses


def test_a_machine_without_a_gpu_s_driver_says_so(tmp_path):
    done = find_gpus(tmp_path, None)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "nvidia-smi does not run here: has this machine a GPU and its driver?" in done.stderr
