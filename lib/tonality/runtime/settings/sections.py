"""The settings of a run: a frozen model per section, each key with its type, default and meaning."""

from datetime import date
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from tonality.runtime.settings.types import Day, DayNames, Delimiter, Folder, Hashtags, Memory, Names, Phrases

__all__ = [
    "ArchiveSettings",
    "ColumnNames",
    "CorpusSettings",
    "DatasetSettings",
    "ForgetSettings",
    "NetworkSettings",
    "PathSettings",
    "PrivacyChoices",
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
"""The first number beyond the 64-bit integers of Spark, Arrow and torch."""


def _range_errors(section: str, since: date | None, until: date | None) -> list[str]:
    if since and until and since > until:
        return [f"{section}.since is {since} and {section}.until {until}: since must not be the later"]
    return []


def _raise_all(errors: list[str]) -> None:
    if errors:
        raise ValueError(*errors)


class Section(BaseModel):
    """The base of all sections: frozen, unknown keys refused.

    A value of another type is accepted if its meaning is unambiguous: 2.0 for a whole number, "2" for a number, 2015
    for a name. A probable mistake is refused: 2.5 for a whole number, true for a number.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, coerce_numbers_to_str=True, allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_bool_as_number(cls, value: object, info: ValidationInfo) -> object:
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
    """Locations: local paths, or URLs supported by fsspec (root: by Hadoop too). Inputs may be globs."""

    archive: DayNames = ()
    """Raw tweets: files, folders or globs, one or a list. {day} stands for each day from archive.since to
    archive.until, as 2015-12-10 or in another format: {day:%Y/%m/%d}."""
    corpus: Names = ()
    """Labelled tweets for training: files, folders or globs, one or a list."""
    deletions: Names = ()
    """Lists of tweets and authors for `forget` to remove: files, folders or globs, one or a list."""
    root: Folder = "out"
    """The folder of all tables, models and reports."""


class SparkSettings(Section):
    """The local Spark session; under spark-submit its flags apply instead."""

    master: str = Field("local[*]", min_length=1)
    """The URL of Spark's master."""
    memory: Memory = "4g"
    """The driver's heap in Java's notation: 4g."""
    progress: bool = True
    """Report how many tasks of Spark's jobs are done, every two seconds on a terminal and every minute in a log."""
    task_lines: Literal["auto", "on", "off"] = "auto"
    """Log a line to the executor's log at the start and end of each task that reads an archive or scores, under
    spark-submit too. auto: on a cluster."""


class ColumnNames(Section):
    """Names of a table's columns; empty if the table has no such column."""

    id: str = ""
    """The tweet's numeric id. Without this column ids are derived from author, time and text."""
    created_at: str = Field("created_at", min_length=1)
    """The time: ISO 8601 (UTC if it has no offset), Twitter's own format, or seconds since 1970."""
    author: str = ""
    """The author's name or numeric id."""
    text: str = Field("text", min_length=1)
    """The text."""
    lang: str = ""
    """The language, in the table's own codes."""
    retweet: str = ""
    """The retweet flag: true, t, yes, y, retweet or a number above 0, such as the original's id, mean a retweet."""

    def named(self) -> dict[str, str]:
        """The columns that the table has, by the field of the tweet that they hold."""
        return {field: name for field, name in self.model_dump().items() if name}


class ArchiveSettings(Section):
    """Reading of the raw archive."""

    format: Literal["auto", "table", "rutweetcorp", "sentiment140", "twarc-csv"] = "auto"
    """auto: JSON of Twitter's API, v1.1 and v2, detected record by record, and tables of RuTweetCorp, Sentiment140
    and twarc-csv, detected by their first line; a format's name forces it. table: CSV, JSON lines or Parquet with
    `columns`."""
    delimiter: Delimiter = ","
    """The separator of CSV fields, for format = "table"; the word tab means a tab."""
    columns: ColumnNames = ColumnNames()
    """The column names, for format = "table"."""
    languages: Names = ()
    """Languages (values of `lang`) to keep; none: all."""
    hashtags: Hashtags = ()
    """Keep only tweets with one of these hashtags or keywords, matched as in [survey]."""
    keywords: Phrases = ()
    """Words or phrases; a word may end in *. Neither hashtags nor keywords: all tweets."""
    since: Day = None
    """The first day to keep (UTC); empty: no bound."""
    until: Day = None
    """The last day to keep (UTC, inclusive); empty: no bound."""
    lookback: int = Field(0, ge=0, le=366)
    """Extra days of files to read before `since`, if paths.archive has {day}: for files split by local time."""
    lookahead: int = Field(0, ge=0, le=366)
    """Extra days of files to read after `until`, if paths.archive has {day}: for tweets that arrived late."""
    retweets: Literal["keep", "drop"] = "keep"
    """Keep or drop retweets."""
    deduplicate: bool = True
    """Keep only the first (by file, then offset) of several tweets with the same id."""
    max_record: int = Field(1_048_576, ge=1024)
    """The largest record in bytes; longer ones are rejected."""
    max_expansion: int = Field(250, ge=2)
    """The largest expansion of a compressed file, as a multiple of its size; reading stops beyond it, against
    decompression bombs. Tweets expand 5 to 30 times, keep-alives more. The first 64 MiB are always read."""
    task_bytes: int = Field(33_554_432, ge=4096)
    """Bytes of the archive per task: larger files are split if their format allows it, smaller ones grouped."""
    honour_deletes: bool = False
    """Drop, and count, tweets that a delete notice in the same archive withdraws."""
    strict: bool = False
    """Exit with status 3 on any damaged file or rejected record, after the tables have been committed."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _raise_all(_range_errors("archive", self.since, self.until))
        return self


class PrivacyChoices(Section):
    """The treatment of authors, ids and mentions: the part of [privacy] that is stored with the tables."""

    authors: Literal["keep", "drop", "hash"] = "keep"
    """hash: a pseudonym, the same for the same author and key; drop: no authors, hence no votes by author."""
    ids: Literal["keep", "drop", "hash"] = "keep"
    """hash: another number, the same for the same id and key; drop: no ids."""
    mentions: Literal["keep", "drop"] = "keep"
    """drop: @names in the stored text become a bare @, and links to Twitter lose the name and the tweet's id."""


class PrivacySettings(PrivacyChoices):
    """Personal data in the tables. If anything is hidden, rejects keep only their reason."""

    key: str = ""
    """The file of the key for hash, at least 16 bytes: a path or URL readable by the driver. It is never copied."""

    @model_validator(mode="after")
    def _keyed(self) -> Self:
        hashed = [f"privacy.{name}" for name in ("authors", "ids") if getattr(self, name) == "hash"]
        if hashed and not self.key:
            both = " and ".join(hashed)
            raise ValueError(f"{both} = hash needs a key: name its file with privacy.key")
        return self


class TextSettings(Section):
    """The text rules. They are stored with every tweet and model; a model scores only tweets with its own rules."""

    language: str = Field("ru", min_length=1)
    """The name of a file in conf/languages/, or the path of another file."""
    links: Literal["drop", "keep"] = "drop"
    """Keep or drop URLs before tokenization."""
    mentions: Literal["drop", "keep"] = "drop"
    """Keep or drop @names before tokenization."""


class CorpusSettings(Section):
    """Reading of the labelled corpus."""

    format: Literal["rutweetcorp", "sentiment140", "table"] = "rutweetcorp"
    """rutweetcorp, sentiment140: columns by position, as published. table: CSV with header, JSON lines or Parquet."""
    delimiter: Delimiter = ","
    """The separator of CSV fields, for format = "table"; the word tab means a tab."""
    text: str = Field("text", min_length=1)
    """The column of the text, for format = "table"."""
    label: str = Field("label", min_length=1)
    """The column of the label, for format = "table"."""
    positive: Names = ("positive", "1")
    """Labels that mean positive, for format = "table"; rows with other labels are dropped and counted."""
    negative: Names = ("negative", "-1", "0")
    """Labels that mean negative, for format = "table"."""
    labelled: bool = False
    """Also train on the tweets that `label` has labelled by emoticon."""

    @model_validator(mode="after")
    def _disjoint(self) -> Self:
        if both := sorted(set(self.positive) & set(self.negative)):
            raise ValueError(f"corpus.positive and corpus.negative both name {', '.join(both)}")
        return self


class VocabularySettings(Section):
    """The vocabulary of stems."""

    size: int = Field(100_000, ge=3)
    """The number of rows of the embedding, padding and the unknown stem included."""
    min_count: int = Field(2, ge=1)
    """The fewest occurrences in the training split that put a stem into the vocabulary."""
    unknown: Literal["train", "drop"] = "train"
    """Stems outside the vocabulary: represented by one shared, trained row (train) or dropped (drop)."""


class DatasetSettings(Section):
    """Training rows from labelled tweets."""

    max_length: int = Field(100, ge=1)
    """The number of stems kept from the start of a tweet."""
    valid_fraction: float = Field(0.2, gt=0, lt=1)
    """The share of distinct texts held out for validation."""
    seed: int = 2016
    """The seed of the split and the order of rows."""
    shard_rows: int = Field(8_192, ge=1)
    """The approximate number of rows per Parquet row group, the unit that training reads."""


class NetworkSettings(Section):
    """The network's architecture."""

    kind: Literal["lstm"] = "lstm"
    """lstm: embedding, stacked LSTM, dropout, one logit."""
    embedding: int = Field(128, ge=1)
    """The dimension of a stem's embedding."""
    hidden: int = Field(64, ge=1)
    """The number of cells per LSTM layer."""
    layers: int = Field(2, ge=1)
    """The number of stacked LSTM layers."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """The share of the last layer's outputs zeroed in training."""
    learned_start: bool = True
    """Learn the LSTM's initial state; otherwise it is zero."""
    lead_in: int = Field(0, ge=0, le=1000)
    """The number of learned padding tokens before a tweet's first stem, like the left padding of 2016."""


class TrainSettings(Section):
    """The training loop."""

    batch_size: int = Field(128, ge=1)
    """Tweets per step over all processes; a multiple of their number."""
    epochs: int = Field(2, ge=1)
    """Passes over the training split; the best by validation log loss is kept."""
    learning_rate: float = Field(0.0025, gt=0, le=100)
    """Adam's initial step size."""
    decay: Literal["none", "linear", "cosine"] = "linear"
    """The step size's decay, to 0 at the end of the last epoch."""
    clip_norm: float = Field(0.5, ge=0)
    """The norm to which a step's gradient is clipped; 0: no clipping."""
    patience: int = Field(2, ge=0)
    """Epochs without a better validation log loss before training stops early; 0: it runs all epochs."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: the GPU if there is one."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """The precision of the network's computations; its weights are always float32. auto: bfloat16 on CPUs with
    hardware support (AVX-512 BF16, AMX), else float32, which newer GPUs multiply as TF32."""
    processes: int = Field(1, ge=1)
    """Processes of data-parallel training: on this machine, or one per task slot of the cluster. More than one needs
    Spark."""
    threads: int = Field(0, ge=0, le=256)
    """Threads that share each step of a single process on a CPU; 0: one per core with at least 16 tweets each."""
    seed: int = 2016
    """The seed of initial weights, dropout and the order of batches."""
    shuffle_rows: int = Field(1_000_000, ge=0)
    """Rows of the shuffle buffer for data that does not fit in memory; 0: no shuffling."""
    memory: Memory = "1g"
    """The largest split that each process reads once and keeps in memory, at about 60 bytes per row. Shuffling
    temporarily takes as much again."""
    readers: int = Field(1, ge=1, le=64)
    """Petastorm's reader threads; each reads up to four row groups ahead."""
    batches_ahead: int = Field(8, ge=1)
    """Batches prefetched during training."""
    checkpoint_steps: int = Field(5_000, ge=1)
    """Steps between checkpoints within an epoch; each epoch also ends with one."""
    resume: bool = True
    """Resume interrupted training from its checkpoint."""


class PromoteSettings(Section):
    """The choice between the last trained model and the production model."""

    measure: Literal["log_loss", "accuracy"] = "log_loss"
    """The metric in which the new model must be better, on the held-out rows of its own dataset."""
    surely: bool = False
    """Require significance: the 95 % interval of the difference must exclude zero."""


class ScoreSettings(Section):
    """Scoring of clean tweets."""

    since: Day = None
    """The first day to score; empty: no bound."""
    until: Day = None
    """The last day to score (inclusive); empty: no bound."""
    days: Literal["new", "all"] = "new"
    """new: of the requested days, those whose present tweets this model has not yet scored with these thresholds (and
    this precision and device, unless auto); all: all of them, again."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a GPU if Spark gives each task one (spark.task.resource.gpu.amount)."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """The precision of the network's computations on all executors. auto: bfloat16 if the driver's CPU has AMX, else
    float32. Probabilities in bfloat16 differ in the third digit."""
    batch_rows: int = Field(100_000, ge=1)
    """Tweets that a Python worker scores together: the more there are, the more similar the lengths within its
    batches."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _raise_all(_range_errors("score", self.since, self.until))
        return self


class SurveySettings(Section):
    """The report's query and its counting rules."""

    title: str = "Twitter's tone by day"
    """The heading of the page."""
    positive: float = Field(0.65, ge=0, le=1)
    """The lowest probability of a positive tweet."""
    negative: float = Field(0.45, ge=0, le=1)
    """The highest probability of a negative tweet; those between are neutral."""
    since: Day = None
    """The first day to report; empty: no bound."""
    until: Day = None
    """The last day to report (inclusive); empty: no bound."""
    hashtags: Hashtags = ()
    """Hashtags of the tweets to count, with or without #; звёздн* matches every tag with that prefix."""
    keywords: Phrases = ()
    """Words or phrases of the tweets to count; a word may end in *. Neither hashtags nor keywords: all tweets."""
    retweets: Literal["keep", "drop"] = "keep"
    """Count retweets (keep) or not (drop)."""
    voting: Literal["tweet", "author"] = "tweet"
    """The unit of a vote: a tweet, or an author's most frequent tone of the day; ties have no vote."""
    examples: int = Field(10, ge=5, le=1000)
    """Example tweets per tone, at least 5, spread over the tone's range of probabilities."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        errors = _range_errors("survey", self.since, self.until)
        if self.negative >= self.positive:
            errors.append(
                f"survey.negative is {self.negative} and survey.positive {self.positive}: negative must be the lower"
            )
        _raise_all(errors)
        return self


class ForgetSettings(Section):
    """Reading of erasure lists."""

    ids: Literal["tweets", "users"] = "tweets"
    """The kind of ids if a list does not state it: bare numbers, a column `id`, Twitter's batch compliance results."""


class SampleSettings(Section):
    """The synthetic archive and corpus."""

    seed: int = 1
    """The seed of all tweets and the planted opinion; odd seeds end high, even seeds end low."""
    tweets: int = Field(100_000, ge=1_000)
    """Records in the archive, notices and broken lines included."""
    labelled: int = Field(40_000, ge=100)
    """Tweets in the corpus."""
    wrong_labels: float = Field(0.18, ge=0, lt=0.5)
    """The share of wrong labels in the corpus, as emoticons are often wrong."""


class Settings(Section):
    """All settings of a run, by section."""

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
