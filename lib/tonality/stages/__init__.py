"""The stages, in the order of the pipeline. Each is a module that connects the packages below for one step.

A stage's module defines:

    run(settings, record)   do the work and return the summary; run(settings, record, spark) if it needs Spark
    check(settings)         optional: raise SettingsError if the settings lack something; called before anything starts
    plan(settings)          optional: describe what a run would do, without a session and leaving nothing behind

The commands `score-text`, `models` and `runs` are no stages: they write no table.
"""

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Final

__all__ = ["STAGES", "Stage"]


@dataclass(frozen=True)
class Stage:
    """A stage's name, help texts and needs, known without importing its module."""

    name: str
    summary: str
    reads: str
    writes: str
    inputs: tuple[str, ...] = ()
    """Keys of [paths] that name its inputs: local ones must exist before the stage starts."""
    spark: bool = True
    """True if it runs in a Spark session."""
    plan: bool = False
    """True if its module has `plan`: the command takes --plan."""
    in_pipeline: bool = False
    """True if `pipeline` runs it, in the order of STAGES."""
    condition: str = ""
    """A boolean setting; `pipeline` skips the stage if it is false."""
    composite: bool = False
    """True if it runs other stages, each of which is retried by itself when another run replaces a day under it."""

    def load(self) -> ModuleType:
        """Import the stage's module."""
        return importlib.import_module(f"{__name__}.{self.name}")


_STEPS: Final = (
    Stage(
        "sample",
        "Make a synthetic archive and labelled corpus, with the planted opinion beside them.",
        "nothing",
        "paths.archive and paths.corpus (one folder each), truth.csv and truth.json beside the archive",
        spark=False,
    ),
    Stage(
        "clean",
        "Clean the raw archive: one row per tweet with its stems, and an account of every record.",
        "paths.archive",
        "tweets/ by day, rejects/, accounts/",
        inputs=("archive",),
        plan=True,
        in_pipeline=True,
    ),
    Stage(
        "label",
        "Label clean tweets by their own emoticons (distant supervision).",
        "tweets/",
        "labelled/ by day",
        in_pipeline=True,
        condition="corpus.labelled",
    ),
    Stage(
        "prepare",
        "Encode the stems of labelled tweets as token ids and split the tweets into training and validation rows.",
        "paths.corpus, and labelled/ if corpus.labelled is true",
        "vocabulary/, dataset/",
        inputs=("corpus",),
        in_pipeline=True,
    ),
    Stage("train", "Train the network.", "dataset/, vocabulary/", "models/", spark=False, in_pipeline=True),
    Stage(
        "evaluate",
        "Compare the candidate, the newest model, with the production model and linear models on held-out rows.",
        "dataset/, models/",
        "evaluation/",
        in_pipeline=True,
    ),
    Stage(
        "promote",
        "Put the candidate, the newest model, into production if it is better than the production model.",
        "evaluation/, models/",
        "models/current.json",
        spark=False,
        in_pipeline=True,
    ),
    Stage(
        "score",
        "Score every clean tweet with its probability of being positive.",
        "tweets/, models/",
        "scored/ by day",
        in_pipeline=True,
    ),
    Stage(
        "report",
        "Draw the survey page.",
        "scored/, tweets/, accounts/, rejects/, evaluation/",
        "report/",
        in_pipeline=True,
    ),
    Stage(
        "forget",
        "Erase deleted tweets and authors from every table, and keep them out.",
        "paths.deletions",
        "tweets/, scored/, labelled/, dataset/, accounts/ and rejects/ without them, forgotten/",
        inputs=("deletions",),
        plan=True,
    ),
)


def _pipeline() -> Stage:
    stages = [stage for stage in _STEPS if stage.in_pipeline]
    names = [f"{stage.name} (if {stage.condition} is true)" if stage.condition else stage.name for stage in stages]
    inputs = tuple(key for stage in stages for key in stage.inputs)
    return Stage(
        "pipeline",
        f"Run {', '.join(names[:-1])} and {names[-1]} in one session.",
        ", ".join(f"paths.{key}" for key in inputs),
        "everything that these stages write",
        inputs=inputs,
        composite=True,
    )


STAGES: Final = {stage.name: stage for stage in (*_STEPS, _pipeline())}
"""Every stage by name."""
