"""Names that others chose, with line feeds and terminal codes in them, through the stages and commands that show them."""

import csv
import io
import json
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final

import pyarrow.dataset as ds
import pytest
from plotly.offline import get_plotlyjs
from pyspark.sql import SparkSession

from tonality.cli.main import main
from tonality.runtime.runs.record import PART_OF
from tonality.runtime.settings.load import conf_directory
from tonality.runtime.spark import session
from tonality.stages import evaluate

HOSTILE: Final = "\nforged\x1b[2J\x07\u202e\x9b"
ESCAPED: Final = r"\u000aforged\u001b[2J\u0007\u202e\u009b"
RAW: Final = re.compile(r"^forged|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", re.MULTILINE)
TEXTS: Final = {1: "хорошее доброе кино", 0: "плохой злой фильм"}
WORDS: Final = ["снег", "лес", "чай", "дом", "день", "море", "река", "гора", "утро", "зима"]
DELETED: Final = f"vasya{HOSTILE}1"
SETTINGS: Final = {
    "archive": {"languages": ["ru"]},
    "corpus": {"format": "table", "text": "text", "label": "label", "positive": ["1"], "negative": ["0"]},
    "vocabulary": {"min_count": 1},
    "dataset": {"valid_fraction": 0.4},
    "network": {"embedding": 4, "hidden": 4},
    "train": {"batch_size": 8, "epochs": 1},
    "survey": {"title": f"Кино{HOSTILE}", "examples": 5},
}
STAGES: Final = ("clean", "prepare", "train", "evaluate", "score", "report")


def status(number: int) -> bytes:
    whole = {
        "created_at": f"Thu Dec 10 08:01:{number:02} +0000 2015",
        "id": number + 1,
        "text": f"{TEXTS[number % 2]} {number}{HOSTILE}",
        "lang": "ru",
        "user": {"screen_name": f"vasya{HOSTILE}{number}"},
        "entities": {"hashtags": [{"text": f"кино{HOSTILE}"}]},
    }
    return json.dumps(whole).encode() + b"\n"


def write_archive(folder: Path) -> None:
    """A file, and a tar with a member, a link and no end, all of them with hostile names; two records are rejects."""
    folder.mkdir()
    (folder / f"a{HOSTILE}.json").write_bytes(b"".join(map(status, range(20))) + b'{"id": "\x1b[2J\n"}\n')
    content = b"".join(map(status, range(20, 40))) + b"{" + HOSTILE.encode().strip() + b"\n"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        member = tarfile.TarInfo(f"b{HOSTILE}.json")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo(f"c{HOSTILE}")
        link.type, link.linkname = tarfile.SYMTYPE, f"d{HOSTILE}"
        tar.addfile(link)
        end = tar.offset
    (folder / f"b{HOSTILE}.tar").write_bytes(packed.getvalue()[:end])


def write_corpus(folder: Path) -> None:
    """A labelled corpus in a file with a hostile name, with a hostile label and a row that is no row."""
    folder.mkdir()
    rows = [(f"{TEXTS[number % 2]} {WORDS[number // 2]}", str(number % 2)) for number in range(2 * len(WORDS))]
    with (folder / f"corpus{HOSTILE}.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows, ("кино", f"1{HOSTILE}"), (f"one{HOSTILE}",)])


def write_settings(folder: Path) -> Path:
    """Settings whose paths, title and language have hostile names."""
    language = folder / f"ru{HOSTILE}.toml"
    language.write_text((conf_directory() / "languages" / "ru.toml").read_text())
    archive, corpus = folder / f"archive{HOSTILE}", folder / f"corpus{HOSTILE}"
    write_archive(archive)
    write_corpus(corpus)
    paths = {"root": str(folder / "root"), "archive": [str(archive)], "corpus": [str(corpus)]}
    lines = [
        line
        for section, table in {**SETTINGS, "paths": paths, "text": {"language": str(language)}}.items()
        for line in (f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items()))
    ]
    file = folder / "settings.toml"
    file.write_text("\n".join(lines))
    return file


class Survey:
    """A survey of hostile names, and what its commands print."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "root"
        self._settings = write_settings(folder)

    def run(self, *arguments: str, status: int = 0) -> str:
        """The output of a command: stdout, then stderr."""
        stdout, stderr = io.StringIO(), io.StringIO()
        with redirect_stdout(stdout), redirect_stderr(stderr):
            ended = main([*arguments, "--config", str(self._settings)])
        output = stdout.getvalue() + stderr.getvalue()
        assert ended == status, output
        return output

    def text(self, name: str) -> str:
        return (self.root / name).read_text("utf-8-sig")

    def rows(self, table: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ds.dataset(self.root / table, format="parquet").to_table().to_pylist()
        return found


@pytest.fixture(scope="module")
def survey(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Survey]:
    """A survey from archive to page in the tests' session, without the slow linear models."""

    @contextmanager
    def shared(*_: object) -> Iterator[SparkSession]:
        yield spark

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "spark_session", shared)
        patch.setattr(evaluate, "_linear", lambda *_: {})
        patch.setenv("LOGNAME", f"user{HOSTILE}")
        patch.setenv(PART_OF, f"night{HOSTILE}")
        yield Survey(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def outputs(survey: Survey) -> dict[str, str]:
    """The output of each stage, every second time with a log in JSON."""
    return {
        stage: survey.run(stage, "--log-format", ("text", "json")[number % 2]) for number, stage in enumerate(STAGES)
    }


def test_no_stage_prints_one_raw(outputs: dict[str, str]) -> None:
    assert {stage: found for stage, output in outputs.items() if (found := RAW.findall(output))} == {}
    for stage in ("clean", "prepare", "report"):
        assert ESCAPED in outputs[stage], "the name is shown, but escaped"


@pytest.mark.usefixtures("outputs")
def test_no_column_of_accounts_and_rejects_but_the_record_itself_holds_one_raw(survey: Survey) -> None:
    labels = [
        str(row[name])
        for table, names in (("accounts", ("source", "damage", "skipped")), ("rejects", ("source", "reason", "detail")))
        for row in survey.rows(table)
        for name in names
    ]
    assert not RAW.findall("\n".join(labels))
    shown = "\n".join(labels)
    assert f"/a{ESCAPED}.json" in shown
    assert f"/b{ESCAPED}.tar!b{ESCAPED}.json" in shown
    assert f"a symbolic link to d{ESCAPED}" in shown


@pytest.mark.usefixtures("outputs")
def test_no_record_page_table_or_card_holds_one_raw(survey: Survey) -> None:
    files = [file for file in survey.root.rglob("*") if file.suffix in {".json", ".csv", ".html", ".md"}]
    assert {file.name for file in files} >= {
        "index.html", "examples.csv", "dynamics.csv", "evaluation.json", "evaluation.md", "README.md", "config.json",
        "_dataset.json",
    }  # fmt: skip
    contents = {file.name: file.read_text("utf-8-sig").replace(get_plotlyjs(), "") for file in files}
    assert {name: found for name, content in contents.items() if (found := RAW.findall(content))} == {}
    assert f"ru{ESCAPED}" in contents["README.md"], "the model's card"
    page = contents["index.html"]
    assert "<title>Кино forged[2J</title>" in page
    assert "<bdi>vasya forged[2J" in page
    assert f"<bdi>{survey.folder.as_uri()}/archive{ESCAPED}/b{ESCAPED}.tar</bdi>" in page, "a damaged file"
    assert "vasya forged[2J" in contents["examples.csv"]


@pytest.mark.usefixtures("outputs")
def test_no_list_of_runs_or_models_and_no_plan_prints_one_raw(survey: Survey) -> None:
    records = survey.root / "runs"
    run = next(records.glob("clean-*.json"))
    hostile = {"host": f"host{HOSTILE}", "asked": {f"x{HOSTILE}": 1}, "counts": {f"x{HOSTILE}": 1}}
    changed = json.loads(run.read_text()) | hostile | {f"other{HOSTILE}": f"x{HOSTILE}", "writes": {f"x{HOSTILE}": {}}}
    (records / f"clean-20991231T000000Z-{HOSTILE}.json").write_text(json.dumps(changed))
    commands = (
        ["clean", "--plan"],
        ["models"],
        *(["runs", *options] for options in ([], ["20991231"], ["--json"], ["--logfmt"])),
    )
    for command in commands:
        output = survey.run(*command)
        assert not RAW.findall(output), command
    assert len(survey.run("runs", "--logfmt").splitlines()) == len(STAGES) + 1, "a line is a run"
    assert ESCAPED in survey.run("runs", "no-such-run", status=2)


def test_a_table_with_hostile_columns_is_refused_on_one_line(survey: Survey) -> None:
    table = survey.folder / f"table{HOSTILE}.csv"
    table.write_text(f'id,"text{HOSTILE}",created_at\n1,кино,2015-12-10\n')
    options = ["--set", f"paths.archive={json.dumps([str(table)])}", "--set", "archive.format=table"]
    options += ["--set", 'archive.columns={id="id", text="text", created_at="created_at"}']
    (line,) = survey.run("clean", "--plan", *options, status=3).splitlines()
    assert f"table{ESCAPED}.csv has no such column" in line
    assert f"it has id, text{ESCAPED}, created_at" in line
    assert not RAW.findall(line)


@pytest.mark.usefixtures("outputs")
def test_forget_prints_no_name_of_a_list_a_column_or_an_author_raw(survey: Survey) -> None:
    ambiguous, authors = survey.folder / f"other{HOSTILE}.csv", survey.folder / f"authors{HOSTILE}.csv"
    for file, rows in ((ambiguous, [("author", f"x{HOSTILE}")]), (authors, [("author",), (DELETED,)])):
        with file.open("w", newline="") as opened:
            csv.writer(opened).writerows(rows)
    outputs = [
        survey.run("forget", "--set", f"paths.deletions={json.dumps([str(file)])}", status=status)
        for file, status in ((ambiguous, 3), (authors, 0))
    ]
    assert f"other{ESCAPED}.csv has author columns beside others (author, x{ESCAPED})" in outputs[0]
    assert "1 rows of tweets/" in outputs[1]
    assert not RAW.findall("".join(outputs))
