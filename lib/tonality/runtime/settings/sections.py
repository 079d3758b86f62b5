"""The settings of a run: one frozen model a section, each key with its type, its default and what it means."""

from datetime import date
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from tonality.runtime.settings.types import Day, DayNames, Delimiter, Folder, Hashtags, Memory, Names, Phrases

__all__ = [
    "ArchiveSettings",
    "Columns",
    "CorpusSettings",
    "DatasetSettings",
    "ForgetSettings",
    "NetworkSettings",
    "PathSettings",
    "PrivacySettings",
    "PromoteSettings",
    "SampleSettings",
    "ScoreSettings",
    "Settings",
    "SparkSettings",
    "SurveySettings",
    "TextSettings",
    "TrainSettings",
    "VocabularySettings",
]


_TOO_LARGE: Final = 2**63
"""Beyond what Spark, Arrow and torch take for a whole number."""


def _reversed(section: str, since: date | None, until: date | None) -> list[str]:
    if since and until and since > until:
        return [f"{section}.since is {since} and {section}.until {until}: since must not be the later"]
    return []


def _refuse(faults: list[str]) -> None:
    if faults:
        raise ValueError("\n".join(faults))


class Section(BaseModel):
    """What all sections share: frozen, and unknown keys refused.

    A value of another type is taken where it can mean one thing only: 2.0 for a whole number, "2" for a number, 2015
    for a name. Whatever might be a slip is refused: 2.5 for a whole number, true for a number.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, coerce_numbers_to_str=True, allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_truth_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation in (int, float):
            raise PydanticCustomError("number", "a number")
        return value

    @field_validator("*")
    @classmethod
    def _refuse_huge_numbers(cls, value: object) -> object:
        if isinstance(value, int) and abs(value) >= _TOO_LARGE:
            raise PydanticCustomError("huge", "a number below 2**63")
        return value


class PathSettings(Section):
    """Where things lie: local paths, or URLs that fsspec knows and, for root, Hadoop too. Inputs may be globs."""

    archive: DayNames = ()
    """Raw tweets: files, folders or globs; a list is allowed. {day} stands for each day from archive.since to
    archive.until, as 2015-12-10 or in another form: {day:%Y/%m/%d}."""
    corpus: Names = ()
    """Labelled tweets to learn from: files, folders or globs; a list is allowed."""
    deletions: Names = ()
    """Lists of tweets and authors that `forget` removes: files, folders or globs; a list is allowed."""
    root: Folder = "out"
    """The folder of every table, the model and the report."""


class SparkSettings(Section):
    """The Spark session where no spark-submit has set it up; under spark-submit its own flags rule."""

    master: str = Field("local[*]", min_length=1)
    """The master's URL."""
    memory: Memory = "4g"
    """The driver's heap, as Java writes it: 4g."""
    progress: bool = True
    """Whether Spark's progress bar shows on a terminal."""
    task_lines: Literal["auto", "on", "off"] = "auto"
    """Whether the tasks that read an archive or score write a line to their executor's log when they begin and when
    they end, spark-submit or not. auto: on a cluster."""


class Columns(Section):
    """Which column of a table holds what; an empty name says that the table has no such column."""

    id: str = ""
    """The tweet's number. Without one it is derived from author, time and text."""
    created_at: str = Field("created_at", min_length=1)
    """The time: ISO 8601 (UTC where no offset is given), Twitter's own form, or seconds since 1970."""
    author: str = ""
    """The author's name or number."""
    text: str = Field("text", min_length=1)
    """The text."""
    lang: str = ""
    """The language, in whatever form the table writes it."""
    retweet: str = ""
    """Whether the row is a retweet: 1, true, yes or t against anything else."""


class ArchiveSettings(Section):
    """How the raw archive is read."""

    format: Literal["auto", "table", "rutweetcorp", "sentiment140", "twarc-csv"] = "auto"
    """auto: JSON of Twitter's API, v1.1 and v2, recognised record by record, and tables of RuTweetCorp, Sentiment140
    and twarc-csv, recognised by their first line; their names ask for one of them. table: CSV, JSON lines or
    Parquet, by `columns`."""
    delimiter: Delimiter = ","
    """The separator of CSV fields, for format = "table"; the word tab means a tab."""
    columns: Columns = Columns()
    """Column names, for format = "table"."""
    languages: Names = ()
    """Values of `lang` to keep; none: all."""
    hashtags: Hashtags = ()
    """Keep only tweets with one of these hashtags or keywords, which mean what they mean in [survey]."""
    keywords: Phrases = ()
    """Words or phrases; a word may end in *. Neither hashtags nor keywords: all tweets."""
    since: Day = None
    """The first day to keep, UTC; empty: no bound."""
    until: Day = None
    """The last day to keep, UTC, itself included; empty: no bound."""
    lookback: int = Field(0, ge=0, le=366)
    """Days before `since` whose files are read too, where paths.archive has {day}: for files cut by a local clock."""
    lookahead: int = Field(0, ge=0, le=366)
    """Days after `until` whose files are read too, where paths.archive has {day}: for tweets that came late."""
    retweets: Literal["keep", "drop"] = "keep"
    """What becomes of retweets."""
    deduplicate: bool = True
    """Whether of several tweets with one id only the first (by file, then offset) is kept."""
    max_record: int = Field(1_048_576, ge=1024)
    """Bytes of the largest record; a longer one is rejected."""
    max_expansion: int = Field(250, ge=2)
    """How many times its size a compressed file may expand; reading stops beyond, for fear of a decompression
    bomb. Tweets expand 5 to 30 times, keep-alives more. The first 64 MiB are always read."""
    task_bytes: int = Field(33_554_432, ge=4096)
    """Bytes of the archive that one task reads: larger files are split where their form allows, smaller ones packed."""
    honour_deletes: bool = False
    """Whether tweets that a delete notice of the same archive withdraws are left out, and counted."""
    strict: bool = False
    """Whether any damaged file or rejected record ends in exit status 3, after the tables are in place."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _refuse(_reversed("archive", self.since, self.until))
        return self


class PrivacySettings(Section):
    """What the tables show of who wrote a tweet. Where anything is hidden, rejects keep their reason alone."""

    authors: Literal["keep", "drop", "hash"] = "keep"
    """hash: a pseudonym, always the same for one author and key; drop: none at all, so that no author has a vote."""
    ids: Literal["keep", "drop", "hash"] = "keep"
    """hash: another number, always the same for one id and key; drop: none."""
    mentions: Literal["keep", "drop"] = "keep"
    """drop: @names in the stored text become a bare @, and links to Twitter lose the name and the tweet's number."""
    key: str = ""
    """The file of the key, 16 bytes or more, for hash: a path or URL that the driver can read. It is never copied."""

    @model_validator(mode="after")
    def _keyed(self) -> Self:
        hashed = [f"privacy.{name}" for name in ("authors", "ids") if getattr(self, name) == "hash"]
        if hashed and not self.key:
            both = " and ".join(hashed)
            raise ValueError(f"{both} = hash needs a key: name its file with privacy.key")
        return self


class TextSettings(Section):
    """The text rules. They travel with every tweet and model; a model scores only tweets of its own rules."""

    language: str = Field("ru", min_length=1)
    """A file of conf/languages/, by name, or the path of another."""
    links: Literal["drop", "keep"] = "drop"
    """Whether URLs are removed before words are cut."""
    mentions: Literal["drop", "keep"] = "drop"
    """Whether @names are removed before words are cut."""


class CorpusSettings(Section):
    """How the labelled corpus is read."""

    format: Literal["rutweetcorp", "sentiment140", "table"] = "rutweetcorp"
    """rutweetcorp and sentiment140: by position, as published. table: CSV or Parquet with a header."""
    delimiter: Delimiter = ","
    """The separator of CSV fields, for format = "table"; the word tab means a tab."""
    text: str = Field("text", min_length=1)
    """The column of the text, for format = "table"."""
    label: str = Field("label", min_length=1)
    """The column of the label, for format = "table"."""
    positive: Names = ("positive", "1")
    """Labels that mean positive, for format = "table"; rows with others are dropped and counted."""
    negative: Names = ("negative", "-1", "0")
    """Labels that mean negative, for format = "table"."""
    labelled: bool = False
    """Whether tweets that `label` labelled by emoticon are learned from too."""

    @model_validator(mode="after")
    def _disjoint(self) -> Self:
        if both := sorted(set(self.positive) & set(self.negative)):
            raise ValueError(f"corpus.positive and corpus.negative both name {', '.join(both)}")
        return self


class VocabularySettings(Section):
    """Which stems get a number."""

    size: int = Field(100_000, ge=3)
    """Rows of the embedding, padding and unknown included."""
    min_count: int = Field(2, ge=1)
    """Occurrences on the training side that earn a stem its number."""
    unknown: Literal["train", "drop"] = "train"
    """Stems without a number: one shared, trained row (train) or left out of the tweet (drop)."""


class DatasetSettings(Section):
    """How labelled tweets become training rows."""

    max_length: int = Field(100, ge=1)
    """Stems of a tweet that are kept, from its start."""
    valid_fraction: float = Field(0.2, gt=0, lt=1)
    """The share of distinct texts held out for validation."""
    seed: int = 2016
    """Decides the split and the order of rows."""
    shard_rows: int = Field(8_192, ge=1)
    """About how many rows a Parquet row group has: what a training process reads at once."""


class NetworkSettings(Section):
    """The network's shape."""

    kind: Literal["lstm"] = "lstm"
    """lstm: embedding, stacked LSTM, dropout, one logit."""
    embedding: int = Field(128, ge=1)
    """Numbers that stand for a stem."""
    hidden: int = Field(64, ge=1)
    """Cells of an LSTM layer."""
    layers: int = Field(2, ge=1)
    """Stacked LSTM layers."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """The share of the last layer's outputs zeroed while training."""
    learned_start: bool = True
    """Whether the state that a tweet finds before its first stem is learned; else it is zero."""
    lead_in: int = Field(0, ge=0, le=1000)
    """Times that a learned padding is read before a tweet's first stem, as padding in front was in 2016."""


class TrainSettings(Section):
    """The training loop."""

    batch_size: int = Field(128, ge=1)
    """Tweets of a step, over all processes, whose number must divide it."""
    epochs: int = Field(2, ge=1)
    """Passes over the training side; the best by validation log loss is kept."""
    learning_rate: float = Field(0.0025, gt=0, le=100)
    """Adam's step size at the start."""
    decay: Literal["none", "linear", "cosine"] = "linear"
    """How the step size falls, to 0 at the end of the last epoch."""
    clip_norm: float = Field(0.5, ge=0)
    """The largest norm of a step's gradient, a longer one is shortened to it; 0: none is."""
    patience: int = Field(2, ge=0)
    """Epochs without a better validation log loss after which training ends; 0: it goes through all epochs."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: the GPU where there is one."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """The numbers that the network computes in, its weights being float32 always. auto: bfloat16 on processors that
    multiply it faster (AVX-512 BF16, AMX), else float32, which newer GPUs multiply as TF32."""
    processes: int = Field(1, ge=1)
    """Processes that train together: on this machine, or one a task slot of the cluster. More than one need Spark."""
    threads: int = Field(0, ge=0, le=256)
    """Threads that share a step of a single process on a processor; 0: one a core, and 16 tweets or more for each."""
    seed: int = 2016
    """Decides initial weights, dropout and the order of batches."""
    shuffle_rows: int = Field(1_000_000, ge=0)
    """Rows of the window that batches are drawn from where the rows do not fit in memory; 0: nothing is shuffled."""
    memory: Memory = "1g"
    """Rows of a side that take no more than this, some 60 bytes each, are read once and kept, in each process.
    Shuffling takes as much again for a while."""
    readers: int = Field(1, ge=1, le=64)
    """Petastorm's threads, each of which reads up to four row groups ahead."""
    batches_ahead: int = Field(8, ge=1)
    """Batches made ready while others are learned."""
    checkpoint_steps: int = Field(5_000, ge=1)
    """Steps between the checkpoints within an epoch; there is one after each epoch too."""
    resume: bool = True
    """Whether a training that was cut off goes on from its checkpoint."""


class PromoteSettings(Section):
    """Which of two models scores: the one that was trained last, or the current one."""

    measure: Literal["log_loss", "accuracy"] = "log_loss"
    """By what the new model has to be better, on the held-out rows of the dataset that it was trained from."""
    surely: bool = False
    """Whether it has to be better by more than chance explains: so that the 95 % interval of the difference excludes
    none at all."""


class ScoreSettings(Section):
    """Scoring of clean tweets."""

    since: Day = None
    """The first day to score; empty: no bound."""
    until: Day = None
    """The last day to score, itself included; empty: no bound."""
    days: Literal["new", "all"] = "new"
    """new: of the asked days those that this model has not scored as they are now, with these thresholds, and in this
    precision on this device where they are not auto; all: all, once more."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a GPU where Spark gives each task one, spark.task.resource.gpu.amount."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """The numbers that the network computes in, on all executors. auto: bfloat16 where the driver's processor has AMX,
    else float32. Probabilities in bfloat16 differ in the third digit."""
    batch_rows: int = Field(100_000, ge=1)
    """Tweets that a Python worker scores at once: the more, the more alike in length are those that it reads
    together."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _refuse(_reversed("score", self.since, self.until))
        return self


class SurveySettings(Section):
    """What the report asks and how it counts."""

    title: str = "Twitter's tone by day"
    """The page's heading."""
    positive: float = Field(0.65, ge=0, le=1)
    """Positive from this probability on."""
    negative: float = Field(0.45, ge=0, le=1)
    """Negative up to this probability; neutral between."""
    since: Day = None
    """The first day to report; empty: no bound."""
    until: Day = None
    """The last day to report, itself included; empty: no bound."""
    hashtags: Hashtags = ()
    """Tweets with one of these hashtags, # or none before them; звёздн* means every tag that begins so."""
    keywords: Phrases = ()
    """Tweets with one of these words or phrases; a word may end in *. Neither hashtags nor keywords: all tweets."""
    retweets: Literal["keep", "drop"] = "keep"
    """Whether retweets count."""
    voting: Literal["tweet", "author"] = "tweet"
    """What a vote is: a tweet, or an author's tone of the day, the commonest of the tweets; ties have no vote."""
    examples: int = Field(10, ge=5, le=1000)
    """Tweets of each tone that are shown, at least 5, spread over the tone's range of probabilities."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        faults = _reversed("survey", self.since, self.until)
        if self.negative >= self.positive:
            faults.append(
                f"survey.negative is {self.negative} and survey.positive {self.positive}: negative must be the lower"
            )
        _refuse(faults)
        return self


class ForgetSettings(Section):
    """How lists of what must be forgotten are read."""

    ids: Literal["tweets", "users"] = "tweets"
    """What ids are of where a list does not say: bare numbers, a column `id`, results of Twitter's batch compliance."""


class SampleSettings(Section):
    """The synthetic archive and corpus."""

    seed: int = 1
    """Decides every tweet and the planted opinion; odd seeds end high, even seeds end low."""
    tweets: int = Field(100_000, ge=1_000)
    """Records of the archive, notices and broken lines included."""
    labelled: int = Field(40_000, ge=100)
    """Tweets of the corpus."""
    wrong_labels: float = Field(0.18, ge=0, lt=0.5)
    """The share of corpus labels that are wrong, as emoticons often are."""


class Settings(Section):
    """All settings of a run, a section each."""

    paths: PathSettings = PathSettings()
    spark: SparkSettings = SparkSettings()
    archive: ArchiveSettings = ArchiveSettings()
    privacy: PrivacySettings = PrivacySettings()
    text: TextSettings = TextSettings()
    corpus: CorpusSettings = CorpusSettings()
    vocabulary: VocabularySettings = VocabularySettings()
    dataset: DatasetSettings = DatasetSettings()
    network: NetworkSettings = NetworkSettings()
    train: TrainSettings = TrainSettings()
    promote: PromoteSettings = PromoteSettings()
    score: ScoreSettings = ScoreSettings()
    survey: SurveySettings = SurveySettings()
    forget: ForgetSettings = ForgetSettings()
    sample: SampleSettings = SampleSettings()
