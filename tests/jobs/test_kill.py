"""`kill -9` of `tonality clean`, at random moments: what readers see meanwhile, and what one more run leaves.

Three kills, or as many as TONALITY_KILLS says, at the moments of TONALITY_KILL_SEED: `make kill-test` takes twenty.
"""

import os
import random
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from kills import Job, Reader, Rows, rows, write_archive
from pyspark.sql import SparkSession

from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load
from tonality.stages import clean

pytestmark = pytest.mark.slow

KILLS: Final = int(os.environ.get("TONALITY_KILLS", "3"))
SEED: Final = os.environ.get("TONALITY_KILL_SEED") or str(secrets.randbelow(10**6))
TABLES: Final = ("tweets", "rejects", "accounts")
KILLED: Final = -9

DRIVER: Final = {
    "the driver": Job.kill_driver,
    "the driver's Python": Job.kill_python,
    "the driver's Java": Job.kill_java,
}
MOMENTS: Final[dict[str, Callable[[Job], bool]]] = {
    "Java started": Job.has_java,
    "a run began": lambda job: job.stands("_staging/*.alive"),
    "a first folder was staged": lambda job: job.stands("_staging/*/*"),
    "a first day was written": lambda job: job.stands("_staging/*/temporary/days/*"),
    "tweets were staged": lambda job: job.stands("_staging/*/tweets/day=*"),
}
WORKERS: Final[dict[str, Callable[[Job], bool]]] = {
    "a first worker started": Job.has_worker,
    "a worker began to read": Job.reads,
    "a first day was written": lambda job: job.stands("_staging/*/temporary/days/*"),
}
PUBLISHING: Final[dict[str, Callable[[Job], bool]]] = {
    "a journal stood": lambda job: job.stands("_journal/*.json"),
    "a first day was replaced": lambda job: job.stands("_staging/*/tweets/*/.replaced-by-*"),
}
"""From here on the run will be finished; what was replaced is the last thing that is cleared away."""


@dataclass
class Kill:
    """A process to kill, this many seconds after a condition is met."""

    who: str
    strike: Callable[[Job], bool]
    after: str
    seen: Callable[[Job], bool]
    seconds: float

    def hits(self, job: Job) -> bool:
        """Wait for the moment and kill; False where that came too late."""
        if not job.wait_for(lambda: self.seen(job)) or not job.lasts(self.seconds):
            return False
        return self.strike(job) and (self.after not in PUBLISHING or any(seen(job) for seen in PUBLISHING.values()))

    def __str__(self) -> str:
        """As a line for people, who can have it again by the seed."""
        return f"{self.who} was killed {self.seconds:.3f} s after {self.after} (TONALITY_KILL_SEED={SEED})"


def drawn(number: int) -> Kill:
    """By turns the driver at any moment, a worker, and the driver in the middle of publishing."""
    chance = random.Random(f"{SEED}-{number}")
    who, strike = list(DRIVER.items())[(number // 3 + chance.randrange(3)) % 3]
    match number % 3:
        case 0:
            after, seen = chance.choice(list(MOMENTS.items()))
            return Kill(who, strike, after, seen, chance.uniform(0, 4))
        case 1:
            after, seen = chance.choice(list(WORKERS.items()))
            return Kill("a worker", Job.kill_worker, after, seen, chance.uniform(0, 2))
        case _:
            after, seen = chance.choice(list(PUBLISHING.items()))
            return Kill(who, strike, after, seen, chance.uniform(0, 0.04))


class Story(NamedTuple):
    """A table of the archive as it was; the archive as it is now, and the tables of an undisturbed run over it."""

    published: Path
    archive: Path
    undisturbed: Path
    old: Mapping[str, Rows]
    new: Mapping[str, Rows]


def clean_undisturbed(spark: SparkSession, archive: Path, root: Path) -> Path:
    settings = load(overrides=[f"paths.archive={archive}", f"paths.root={root}"])
    with Run("clean", settings) as record:
        clean.run(settings, record, spark)
    return root


@pytest.fixture(scope="module")
def story(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Story:
    place = tmp_path_factory.mktemp("story")
    old, new = (write_archive(place / f"archive-{version}", version) for version in (1, 2))
    published = clean_undisturbed(spark, place / "archive-1", place / "published")
    undisturbed = clean_undisturbed(spark, place / "archive-2", place / "undisturbed")
    return Story(published, place / "archive-2", undisturbed, old, new)


def test_the_two_versions_of_the_archive_differ_on_every_day(story: Story) -> None:
    assert Reader(story.published / "tweets", set()).look() == story.old
    assert Reader(story.undisturbed / "tweets", set()).look() == story.new
    assert all(story.old.get(day) != content for day, content in story.new.items())
    assert all(rows(story.undisturbed, table) for table in TABLES)


@pytest.mark.parametrize("number", range(KILLS))
def test_after_a_kill_every_day_is_old_or_new_and_one_more_run_leaves_what_an_undisturbed_one_does(
    number: int, story: Story, spark: SparkSession, tmp_path: Path
) -> None:
    kill = drawn(number)
    for attempt in range(5):
        root = tmp_path / str(attempt) / "root"
        shutil.copytree(story.published, root)
        with Reader(root / "tweets", {*story.old, *story.new}) as reader:
            hit = killed(kill, story.archive, root)
            left = replaced_days(reader, story)
            clean_undisturbed(spark, story.archive, root)
        print(f"{kill}{'' if hit else ', too late'}: {left}; {reader.looks:,} looks")
        refuse_mixtures(reader, story)
        assert reader.look() == story.new
        for table in TABLES:
            assert rows(root, table) == rows(story.undisturbed, table)
        assert [*(root / "_staging").iterdir(), *(root / "_journal").iterdir()] == []
        if hit:
            return
        kill.seconds /= 2
    pytest.fail("five times too late")


def killed(kill: Kill, archive: Path, root: Path) -> bool:
    """Run `tonality clean` and kill one of its processes; the rest finishes or fails with a message. False if too late."""
    with Job.clean(archive, root) as job:
        hit = kill.hits(job)
        status = job.status()
    if not hit:
        return False
    output = f"{kill}: {job.output}"
    assert status in {"a worker": (0, 1), "the driver's Java": (1,)}.get(kill.who, (KILLED,)), output
    assert status != 1 or job.output.splitlines()[-1].startswith("tonality clean: "), output
    assert "Traceback" not in job.output, output
    return True


def replaced_days(reader: Reader, story: Story) -> str:
    new = sum(content == story.new[day] for day, content in reader.look().items())
    return f"{new} of {len(story.new)} days were new"


def refuse_mixtures(reader: Reader, story: Story) -> None:
    """A day was the old one or the new one, whenever it was looked at."""
    for day, contents in reader.found.items():
        for content in contents - {story.old.get(day), story.new[day]}:
            kind = "missing" if content is None else f"neither old nor new: {len(content)} tweets"
            pytest.fail(f"a reader found {day} {kind}")
