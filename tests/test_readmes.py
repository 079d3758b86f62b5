"""The READMEs: their links, commands, settings and files exist, and each figure stands in one place."""

import contextlib
import io
import re
import shlex
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from pydantic import BaseModel

from tonality.cli.arguments import command_parser, job_parser
from tonality.runtime.diagnostics.errors import SettingsError
from tonality.runtime.settings.load import load
from tonality.runtime.settings.sections import Settings
from tonality.stages import STAGES

REPOSITORY: Final = Path(__file__).parents[1]
LONGEST_ROOT: Final = 200
"""Lines of the README that a newcomer reads first."""
LONGEST_WITHOUT_CONTENTS: Final = 60
"""Lines of a README above which it begins with a table of contents."""

REPEATED: Final = {
    "100,000": "a setting, not a result: vocabulary.size, sample.tweets and the vocabularies of 2016 and of a benchmark",
    "40,000": "a setting, not a result: sample.labelled",
}
"""Figures that may stand in several places, with the reason."""

OTHER_PROGRAMS: Final = {"airflow", "cat", "cd", "docker", "export", "git", "grep", "pip", "tail"}
"""Programs in the READMEs' commands that are not Tonality's."""

SPARKS_OWN: Final = {"spark.authenticate"}
"""Properties of Spark that look like settings of [spark]."""

FILES: Final = (".py", ".parquet")
"""Suffixes of files whose names look like settings."""

FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK: Final = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE: Final = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
HEADING: Final = re.compile(r"^(#{1,6}) (.+)$", re.MULTILINE)
FIGURE: Final = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,]*\d)")
REPOSITORY_PATH: Final = re.compile(r"(?<![\w.-])(?:conf|jobs|lib|tests|\.ci)/[\w./{},-]*")
OPERATORS: Final = re.compile(r"\|\|?|&&?|;")
DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Document:
    """A Markdown file of the repository."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        return str(self.path.relative_to(REPOSITORY))

    def blocks(self, language: str) -> list[str]:
        """The contents of the code blocks in a language; those without one hold output."""
        return [code for found, code in FENCE.findall(self.text) if found == language]

    @property
    def prose(self) -> str:
        return FENCE.sub("", self.text)

    @property
    def spans(self) -> list[str]:
        """The code within the prose."""
        return CODE.findall(self.prose)

    @property
    def links(self) -> list[str]:
        """The relative links of the prose, images included."""
        return [link for link in LINK.findall(CODE.sub("", self.prose)) if ":" not in link]

    def headings(self, level: int | None = None) -> list[str]:
        found = HEADING.findall(self.prose)
        return [title for signs, title in found if level is None or len(signs) == level]

    @property
    def slugs(self) -> list[str]:
        """The anchors of all headings, as GitHub makes them."""
        seen: dict[str, int] = defaultdict(int)
        anchors = []
        for title in self.headings():
            base = slug(title)
            anchors.append(f"{base}-{seen[base]}" if seen[base] else base)
            seen[base] += 1
        return anchors


def slug(title: str) -> str:
    """The anchor of a heading on GitHub, for its first occurrence."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def documents() -> list[Document]:
    """The READMEs, and the texts of .github."""
    paths = [
        REPOSITORY / "README.md",
        *sorted(REPOSITORY.glob("[!.]*/README.md")),
        *sorted(REPOSITORY.glob(".github/*.md")),
    ]
    return [Document(path, path.read_text(encoding="utf-8")) for path in paths]


def commands(document: Document) -> Iterator[list[str]]:
    """The commands of a document, as words: of sh blocks, behind a prompt in output, and in the prose."""
    prompts = [
        line.removeprefix("$ ") for block in document.blocks("") for line in block.splitlines() if line[:2] == "$ "
    ]
    spans = [
        span
        for span in document.spans
        if re.match(r"(?:(?:\.venv/bin/)?tonality|make|jobs/daily\.sh) [\w-]+(?!.*:)", span)
    ]
    for block in [*document.blocks("sh"), *prompts, *spans]:
        for words in statements(block):
            yield from simple_commands(words)


def statements(block: str) -> Iterator[list[str]]:
    """The lines of a block as words; a line with an open quotation or a \\ at its end continues in the next."""
    pending = ""
    for line in block.replace("\\\n", " ").splitlines():
        pending += line
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:
            pending += "\n"
            continue
        pending = ""
        if words:
            yield words
    assert not pending, f"an unfinished command: {pending}"


def simple_commands(words: list[str]) -> Iterator[list[str]]:
    """The commands of a line, without operators, redirections, assignments and the time of a crontab."""
    command: list[str] = []
    for word in [*words, ";"]:
        if OPERATORS.fullmatch(word):
            while command and re.match(r"[A-Za-z_]\w*=|[\d*]+$", command[0]):
                command.pop(0)
            if command:
                yield command
            command = []
        else:
            command.append(word)


def without_redirections(words: list[str]) -> list[str]:
    kept = []
    for before, word in zip(["", *words], words, strict=False):
        if not re.match(r"\d?[<>]", word) and not re.fullmatch(r"\d?[<>]+", before):
            kept.append(word)
    return kept


def options_of(words: list[str]) -> list[str]:
    """Parse a command with the parser that it meets, and return its settings. Raises ValueError if it is refused."""
    job = next((n for n, word in enumerate(words) if re.search(r"(?:^|/)jobs/\w+\.py$", word)), None)
    if job is not None:
        return _settings_of_job(Path(words[job]).stem, without_redirections(words[job + 1 :]))
    program, *arguments = without_redirections(words)
    name = Path(program).name
    if name == "tonality":
        return _settings(command_parser(), arguments)
    if program == "jobs/daily.sh":
        return [] if arguments == ["--help"] else _settings_of_job("report", _without_days(arguments))
    if name == "make":
        _check_targets(arguments)
    elif name == "python":
        _check_script(*arguments)
    elif name not in OTHER_PROGRAMS and not (program.endswith(".sh") and (REPOSITORY / program).is_file()):
        raise ValueError("an unknown program")
    return re.findall(r'"(\w+\.\w+=[^"]*)"', " ".join(arguments))  # settings in JSON, for Airflow


def _settings_of_job(stage: str, arguments: list[str]) -> list[str]:
    if stage not in STAGES:
        raise ValueError(f"no stage {stage}")
    return _settings(job_parser(STAGES[stage]), arguments)


def _settings(parser, arguments: list[str]) -> list[str]:
    message = io.StringIO()
    with contextlib.redirect_stderr(message):
        try:
            return parser.parse_args(arguments).set
        except SystemExit:
            raise ValueError(message.getvalue().strip().splitlines()[-1]) from None


def _without_days(arguments: list[str]) -> list[str]:
    days = sum(1 for word in arguments[:2] if DAY.fullmatch(word))
    return arguments[days:]


def _check_targets(arguments: list[str]) -> None:
    known = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    if missing := [word for word in arguments if "=" not in word and word not in known]:
        raise ValueError(f"no target {missing[0]}")


def _check_script(script: str, *arguments: str) -> None:
    source = (REPOSITORY / script).read_text()
    if missing := [word for word in arguments if word.startswith("-") and f'"{word}"' not in source]:
        raise ValueError(f"no option {missing[0]}")


def setting_keys(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    """The dotted names of all sections and settings."""
    for name, field in model.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from setting_keys(field.annotation, f"{prefix}{name}.")


def named_settings(document: Document) -> list[str]:
    """The settings in the prose, with their values if they have any: `train.epochs`, `train.epochs = 2`."""
    sections = "|".join(Settings.model_fields)
    pattern = re.compile(rf"(?:{sections})(?:\.[a-z_]+)+(?: = .+)?")
    candidates = [span for span in document.spans if pattern.fullmatch(span)]
    sparks = re.compile(r"spark(?:\.\w+){2,}(?:=.*)?")
    return [s for s in candidates if s not in SPARKS_OWN and not sparks.fullmatch(s) and not s.endswith(FILES)]


def wrong_settings(settings: list[str]) -> list[str]:
    """The errors of settings, each as `section.key` or with a value behind =."""
    errors = []
    for setting in settings:
        if "=" not in setting:
            errors += [] if setting in set(setting_keys()) else [f"no setting {setting}"]
            continue
        try:
            load(overrides=[setting])
        except SettingsError as error:
            errors.append(str(error))
    return errors


def broken_links(document: Document) -> list[str]:
    broken = []
    for link in document.links:
        place, _, anchor = link.partition("#")
        target = (document.path.parent / place).resolve() if place else document.path
        if not target.exists():
            broken.append(f"{document.name}: {link}: no such file")
        elif anchor and anchor not in _anchors(target, document):
            broken.append(f"{document.name}: {link}: no such heading")
    return broken


def _anchors(target: Path, document: Document) -> list[str]:
    same = target == document.path
    return document.slugs if same else Document(target, target.read_text(encoding="utf-8")).slugs


def missing_contents(document: Document) -> list[str]:
    """Headings that the table of contents before the first of them lacks, or entries that are no headings in order."""
    if len(document.text.splitlines()) <= LONGEST_WITHOUT_CONTENTS:
        return []
    head = document.text.partition("\n## ")[0]
    lines = [line for line in head.splitlines() if not line.startswith("|")]
    listed = [link.removeprefix("#") for link in LINK.findall("\n".join(lines)) if link.startswith("#")]
    chapters = [slug(title) for title in document.headings(2)]
    missing = [f"{document.name}: {chapter} is not in the contents" for chapter in chapters if chapter not in listed]
    in_order = [anchor for anchor in document.slugs if anchor in listed]
    return missing or ([] if listed == in_order else [f"{document.name}: the contents have another order"])


def wrong_commands(document: Document) -> list[str]:
    errors = []
    for words in commands(document):
        try:
            wrong = wrong_settings(options_of(words))
        except (ValueError, OSError) as error:
            wrong = [str(error)]
        errors += [f"{document.name}: {shlex.join(words)}: {message}" for message in wrong]
    return errors


def wrong_toml(document: Document, folder: Path) -> list[str]:
    errors = []
    for number, block in enumerate(document.blocks("toml")):
        file = folder / f"{number}.toml"
        file.write_text(block, encoding="utf-8")
        try:
            load([file])
        except SettingsError as error:
            errors.append(f"{document.name}: {error}")
    return errors


def named_files(document: Document) -> list[str]:
    """The files and folders of the repository that the document names, code included."""
    found = [path.rstrip(".,/") for path in REPOSITORY_PATH.findall(document.text)]
    return [path for name in found for path in _expanded(name)]


def _expanded(path: str) -> list[str]:
    before, brace, rest = path.partition("{")
    inside, _, after = rest.partition("}")
    return [f"{before}{choice}{after}" for choice in inside.split(",")] if brace else [path]


def missing_files(document: Document) -> list[str]:
    missing = [name for name in named_files(document) if not (REPOSITORY / name).exists()]
    properties = [span for span in document.spans if re.fullmatch(r"[\w-]+\.properties", span)]
    missing += [name for name in properties if not (REPOSITORY / "conf/spark" / name).exists()]
    return [f"{document.name}: {name}" for name in missing]


def places_of_figures(texts: list[Document]) -> dict[str, set[str]]:
    """The paragraphs and tables in which each figure with a thousands comma stands, by the figure."""
    places: dict[str, set[str]] = defaultdict(set)
    for document in texts:
        for number, block in enumerate(re.split(r"\n\s*\n", document.prose)):
            for figure in FIGURE.findall(block):
                places[figure].add(f"{document.name}, block {number}")
    return places


def repeated_figures(texts: list[Document]) -> list[str]:
    places = places_of_figures(texts)
    return [
        f"{figure}: {sorted(found)}" for figure, found in places.items() if len(found) > 1 and figure not in REPEATED
    ]


DOCUMENTS: Final = documents()
READMES: Final = [document for document in DOCUMENTS if document.path.name == "README.md"]


def each(check) -> list[str]:
    return [error for document in DOCUMENTS for error in check(document)]


def total(count) -> int:
    return sum(len(list(count(document))) for document in DOCUMENTS)


def test_the_first_readme_is_short():
    assert 100 < len(READMES[0].text.splitlines()) <= LONGEST_ROOT
    assert READMES[0].name == "README.md"


def test_there_is_a_readme_beside_everything_that_it_describes():
    assert {"README.md", "conf/README.md", "jobs/README.md", "lib/README.md", "tests/README.md"} <= {
        document.name for document in READMES
    }


def test_a_long_readme_begins_with_its_contents():
    assert [error for document in READMES for error in missing_contents(document)] == []


def test_every_relative_link_leads_to_a_file_and_every_anchor_to_a_heading():
    assert total(lambda document: document.links) > 100
    assert each(broken_links) == []


def test_every_block_of_settings_loads(tmp_path):
    assert total(lambda document: document.blocks("toml")) >= 5
    assert each(lambda document: wrong_toml(document, tmp_path)) == []


def test_every_command_is_accepted_by_its_parser_with_settings_that_exist():
    found = [words for document in DOCUMENTS for words in commands(document)]
    for program, least in (("tonality", 15), ("make", 15), ("spark-submit", 5), ("daily.sh", 3), ("python", 2)):
        assert sum(Path(word).name == program for words in found for word in words[:1]) >= least
    assert sum("--set" in words for words in found) >= 5
    assert each(wrong_commands) == []


def test_every_setting_and_section_that_is_named_exists():
    named = [setting for document in DOCUMENTS for setting in named_settings(document)]
    assert len(named) > 40
    assert wrong_settings(named) == []
    sections = [
        found[1] for document in DOCUMENTS for span in document.spans if (found := re.fullmatch(r"\[([a-z.]+)\]", span))
    ]
    assert set(sections) >= {"text", "train", "privacy"}
    assert set(sections) <= set(setting_keys())


def test_settings_of_single_airflow_runs_exist():
    found = [s for document in DOCUMENTS for s in re.findall(r'"set": \[([^\]]*)\]', document.text)]
    settings = [setting for group in found for setting in re.findall(r'"([^"]+)"', group)]
    assert len(settings) >= 3
    assert wrong_settings(settings) == []


def test_every_file_of_the_repository_that_is_named_exists():
    assert total(named_files) > 60
    assert each(missing_files) == []


def test_every_file_of_a_cluster_is_explained():
    text = (REPOSITORY / "jobs/README.md").read_text()
    files = [path.name for path in (REPOSITORY / "conf/spark").iterdir()]
    assert len(files) >= 5
    assert [name for name in files if name not in text] == []


def test_a_figure_stands_once():
    places = places_of_figures(DOCUMENTS)
    assert len(places) > 30
    assert repeated_figures(DOCUMENTS) == []
    assert [figure for figure in REPEATED if len(places[figure]) < 2] == []


@pytest.mark.parametrize(
    ("title", "anchor"),
    [
        ("Two commands", "two-commands"),
        ("YARN, GPUs, Kubernetes", "yarn-gpus-kubernetes"),
        ("The `clean` stage: what's read", "the-clean-stage-whats-read"),
        ("A [link](x.md) of 2016_17", "a-link-of-2016_17"),
        ("Звёздные войны", "звёздные-войны"),
    ],
)
def test_anchors_are_those_of_github(title, anchor):
    assert slug(title) == anchor


def test_a_second_heading_with_the_same_words_has_an_anchor_of_its_own():
    assert Document(REPOSITORY / "README.md", "## Runs\n\n## Runs\n").slugs == ["runs", "runs-1"]


LONG: Final = "# A\n\n- [B](#b)\n\n## B\n\n## C\n" + "\n" * LONGEST_WITHOUT_CONTENTS


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (broken_links, "[a](conf/no-such-file.toml)"),
        (broken_links, "![a](.images/no-such-picture.png)"),
        (broken_links, "## A\n\n[a](#b)"),
        (broken_links, "[a](conf/README.md#no-such-heading)"),
        (missing_contents, LONG),
        (missing_contents, LONG.replace("- [B](#b)\n", "- [C](#c)\n- [B](#b)\n")),
        (wrong_commands, "```sh\n.venv/bin/tonality claen --config mine.toml\n```\n"),
        (wrong_commands, "```sh\ntonality score --set score.since=yesterday\n```\n"),
        (wrong_commands, "```sh\ntonality score \\\n    --set score.no_such_key=1    # a comment's apostrophe\n```\n"),
        (wrong_commands, "```sh\nspark-submit --master yarn jobs/clean.py --no-such-option\n```\n"),
        (wrong_commands, "```sh\ncat a | spark-submit jobs/no_such_job.py\n```\n"),
        (
            wrong_commands,
            "```sh\n15 1 * * *  cd /srv && jobs/daily.sh 2015-12-01 --cnofig mine.toml >>nights.log\n```\n",
        ),
        (wrong_commands, "```sh\nmake no-such-target\n```\n"),
        (wrong_commands, "```sh\nsudo make run\n```\n"),
        (wrong_commands, "```sh\njobs/no-such-script.sh\n```\n"),
        (wrong_commands, "```sh\npython tests/benchmarks/epoch.py --no-such-option\n```\n"),
        (wrong_commands, "```\n$ tonality no-such-command\noutput\n```\n"),
        (wrong_commands, "As `make no-such-target` shows."),
        (wrong_commands, "As `tonality clean --no-such-option` shows."),
        (wrong_commands, '```sh\nairflow dags trigger a --conf \'{\n"set": ["train.epohcs=4"]}\'\n```\n'),
        (missing_files, "See conf/spark/no-such.properties."),
        (missing_files, "```sh\ncat /opt/tonality/conf/spark/{cluster,no-such}.properties\n```\n"),
        (missing_files, "See `no-such.properties`."),
        (lambda document: wrong_settings(named_settings(document)), "See `train.epohcs`."),
        (lambda document: wrong_settings(named_settings(document)), "See `train.epochs = -1`."),
        (lambda document: repeated_figures([document]), "It takes 69,923 s.\n\n| 69,923 | rows |"),
    ],
)
def test_a_mistake_is_found(check, text):
    assert len(check(Document(REPOSITORY / "README.md", text))) == 1


@pytest.mark.parametrize("block", ["[train]\nepohcs = 2\n", "[no_such_section]\n", "[train\n"])
def test_a_mistake_in_a_block_of_settings_is_found(block, tmp_path):
    assert len(wrong_toml(Document(REPOSITORY / "README.md", f"```toml\n{block}```\n"), tmp_path)) == 1


def test_a_figure_may_stand_again_in_its_own_table_and_in_code():
    text = "| 69,923 | 1 |\n| 69,923 | 2 |\n\n```\n69,923\n```\n"
    assert repeated_figures([Document(REPOSITORY / "README.md", text)]) == []
