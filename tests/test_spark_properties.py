"""conf/spark/: Spark itself knows every property and accepts its value."""

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
"""Classes that register Spark's properties; they have to be loaded first."""


def properties(text: str) -> list[tuple[str, str]]:
    """The properties of a file, including those in comments, which users may enable."""
    lines = [line.removeprefix("# ") for line in text.splitlines()]
    return [(name, value.strip()) for name, _, value in (line.partition(" ") for line in lines) if is_name(name)]


def is_name(word: str) -> bool:
    return word.startswith("spark.") and not word.endswith((".", ","))


@pytest.fixture(scope="module")
def invalid(spark):
    """The error in a property; None if it is valid."""
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

    def error_in(name: str, value: str) -> str | None:
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

    return error_in


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_spark_knows_every_property_and_accepts_its_value(invalid, file: Path):
    found = properties(file.read_text())
    assert found
    assert [error for name, value in found if (error := invalid(name, value))] == []


def test_a_misspelt_property_and_a_value_of_another_kind_are_found(invalid):
    assert invalid("spark.executor.memorry", "6g") == "Spark has no property spark.executor.memorry"
    assert invalid("spark.yarn.qeue", "surveys") == "Spark has no property spark.yarn.qeue"
    assert "6gg" in invalid("spark.executor.memory", "6gg")
    assert "often" in invalid("spark.python.worker.reuse", "often")
    assert invalid("spark.executor.memory", "6g") is None


def test_no_file_names_a_property_twice_or_repeats_cluster_properties():
    base = properties((FOLDER / "cluster.properties").read_text())
    for file in FILES:
        found = properties(file.read_text())
        names = [name for name, _ in found]
        assert len(names) == len(set(names)), file.name
        assert file.stem == "cluster" or not set(found) & set(base), file.name


def find_gpus(folder: Path, output: str | None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script with this output of nvidia-smi, or, for None, without a driver."""
    smi = folder / "nvidia-smi"
    smi.write_text("#!/bin/sh\n" + ("exit 9" if output is None else f"printf '{output}'") + "\n")
    smi.chmod(0o755)
    path = f"{folder}:/usr/bin:/bin"
    command = [FOLDER / "find-gpus"]
    return subprocess.run(command, env={"PATH": path, **environment}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("output", "visible", "addresses"),
    [
        ("GPU-a1\\nGPU-b2\\n", None, ["0", "1"]),
        ("GPU-a1\\n", None, ["0"]),
        ("", None, []),
        ("GPU-a1\\nGPU-b2\\nGPU-c3\\n", "2,1", ["0", "1"]),
        (None, "GPU-b2", ["0"]),
        ("GPU-a1\\n", "", []),
    ],
)
def test_spark_gets_the_gpus_by_the_numbers_that_torch_gives_them(spark, tmp_path, output, visible, addresses):
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    done = find_gpus(tmp_path, output, **environment)
    assert done.returncode == 0, done.stderr
    found = spark._jvm.org.apache.spark.resource.ResourceInformation.parseJson(done.stdout)
    assert found.name() == "gpu"
    assert list(found.addresses()) == addresses


def test_a_missing_gpu_driver_is_reported(tmp_path):
    done = find_gpus(tmp_path, None)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "nvidia-smi does not run here: has this machine a GPU and its driver?" in done.stderr
