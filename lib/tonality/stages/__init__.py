"""The stages, in the order of the pipeline. Each is a module that joins the rooms for one step.

A stage's module has `run(settings, record)`, or `run(settings, record, spark)` where it needs a session; it returns
the summary that people read. It may have `check(settings)`, which raises SettingsError where the settings lack what the
stage needs: the command asks before it starts anything. It may have `plan(settings)`, which returns what people read of
a run that is yet to be; it leaves nothing behind, and is given no session.

`score_text`, `models` and `runs` join the rooms too, for the commands of these names, which are no stages: they write
no table.
"""

from dataclasses import dataclass
from typing import Final

__all__ = ["STAGES", "Stage"]


@dataclass(frozen=True)
class Stage:
    """What the command says of a stage before it is imported."""

    name: str
    summary: str
    reads: str
    writes: str
    inputs: tuple[str, ...] = ()
    """Keys of [paths] that name what it reads: local ones must be there before it starts."""
    spark: bool = True
    """Whether it runs in a Spark session."""
    plan: bool = False
    """Whether it can say what it would do: its command takes --plan."""
    of_stages: bool = False
    """Whether it runs others, each of which begins again by itself where a day was replaced that it was reading."""


_ALL: Final = (
    Stage(
        "sample",
        "Make a synthetic archive and labelled corpus, with the planted opinion beside them.",
        "nothing",
        "paths.archive and paths.corpus (one folder each), truth.csv and truth.json beside the archive",
        spark=False,
    ),
    Stage(
        "clean",
        "Clean the raw archive: a row a tweet with its stems, and an account of every record.",
        "paths.archive",
        "tweets/ by day, rejects/, accounts/",
        inputs=("archive",),
        plan=True,
    ),
    Stage("label", "Label clean tweets by their own emoticons (distant supervision).", "tweets/", "labelled/ by day"),
    Stage(
        "prepare",
        "Number the stems of labelled tweets and split them into training and validation rows.",
        "paths.corpus, and labelled/ where corpus.labelled is true",
        "vocabulary/, dataset/",
        inputs=("corpus",),
    ),
    Stage("train", "Train the network.", "dataset/, vocabulary/", "models/", spark=False),
    Stage(
        "evaluate",
        "Compare the network that was trained last with the current one and with linear models on held-out rows.",
        "dataset/, models/",
        "evaluation/",
    ),
    Stage(
        "promote",
        "Let the network that was trained last score from now on, if it is better than the current one.",
        "evaluation/, models/",
        "models/current.json",
        spark=False,
    ),
    Stage("score", "Give every clean tweet its probability of being positive.", "tweets/, models/", "scored/ by day"),
    Stage("report", "Draw the survey page.", "scored/, tweets/, accounts/, rejects/, evaluation/", "report/"),
    Stage(
        "forget",
        "Remove deleted tweets and authors from every table, and keep them out.",
        "paths.deletions",
        "tweets/, scored/, labelled/, dataset/, accounts/ and rejects/ without them, forgotten/",
        inputs=("deletions",),
        plan=True,
    ),
    Stage(
        "pipeline",
        "Run clean, label (where corpus.labelled is true), prepare, train, evaluate, promote, score and report in one "
        "session.",
        "paths.archive, paths.corpus",
        "everything that these stages write",
        inputs=("archive", "corpus"),
        of_stages=True,
    ),
)

STAGES: Final = {stage.name: stage for stage in _ALL}
