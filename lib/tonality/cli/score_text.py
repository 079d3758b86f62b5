"""score-text: texts from a file or stdin, scored as they come and written to stdout. No table, no run record, no Spark.

It gives a text what `score` gives a tweet of that text, by the same rules, network and thresholds.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from io import FileIO
from pathlib import Path
from select import select
from typing import Final

import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

from tonality.ingest.containers.compression import Expansion, compression_of, unpack
from tonality.ingest.containers.streams import READ_BYTES, Block, FileStream
from tonality.ingest.formats.lines import Lines
from tonality.ingest.formats.text_files import TEXT, TextForm, TextRow, form_by_name, text_form
from tonality.model.inference.device import choose_precision
from tonality.model.inference.text_scorer import TextScorer
from tonality.model.inference.tone_arrow import tones
from tonality.model.network.tiled_lstm import Precision
from tonality.model.registry.artifact_store import read as read_model
from tonality.model.registry.registry import ModelRegistry
from tonality.runtime.diagnostics.errors import InputError, SettingsError, UserError
from tonality.runtime.settings.sections import Settings, SurveySettings
from tonality.runtime.storage.schema import TONES
from tonality.runtime.storage.urls import filesystem, missing_reason

STDIN: Final = "-"

_LONGEST_LINE: Final = 2**26
"""Bytes of a line, or of a row of several: one that is longer is a fault."""
_BATCH_TEXTS: Final = 4096
_BATCH_BYTES: Final = 2**23
_PEEK_BYTES: Final = 512


def run(settings: Settings, file: str, form: str | None, column: str | None, model: str | None) -> str:
    """Score every text of a file, or of stdin where it is `-`; write each to stdout in its form with what it was given.

    The summary is empty where whoever read stdout has ended, which is no fault. Raises UserError where the input, the
    model or stdout cannot be used, with what came before written, and KeyboardInterrupt with the summary.
    """
    form = form or form_by_name(file)
    _check(file, form, column, model)
    scorer = _text_scorer(model or _current_model(settings.paths.root), choose_precision(settings.score.precision))
    scoring = _Scoring(scorer, settings.survey, text_form(form, column or TEXT))
    blocks = _sound(_blocks(file, settings.archive.max_expansion, scoring.flush))
    try:
        scoring.score(Lines(blocks, _LONGEST_LINE))
    except _ReaderGone:
        return ""
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file; one file is expected, by its whole name") from error
    except InputError as fault:
        raise InputError(f"{'stdin' if file == STDIN else file}: {fault}") from fault
    except KeyboardInterrupt:
        raise KeyboardInterrupt(scoring.summary) from None
    return scoring.summary


def _check(file: str, form: str, column: str | None, model: str | None) -> None:
    """Raise SettingsError with all that the command line asks for and cannot have."""
    faults = [_fault_of_streams(file), _fault_of_column(form, column), _fault_of_model(model)]
    if said := "\n".join(filter(None, faults)):
        raise SettingsError(said)


def _fault_of_streams(file: str) -> str | None:
    if sys.stdout is None:
        return "stdout is closed: send it to a file, or to a program that reads it"
    if file == STDIN:
        return "stdin is closed: name a file of texts" if sys.stdin is None else None
    if Path(file).is_dir():
        return f"{file} is a folder, a file of texts is expected"
    return missing_reason(file)


def _fault_of_column(form: str, column: str | None) -> str | None:
    if column is None or form != "lines":
        return None
    return f"--text {column} names a column, and lines have none: say --format csv, tsv or jsonl"


def _fault_of_model(model: str | None) -> str | None:
    missing = missing_reason(model) if model is not None else None
    return f"--model: {missing}" if missing else None


def _current_model(root: str) -> str:
    """The folder of the model that scores tweets too."""
    registry = ModelRegistry(root)
    try:
        return registry.location(registry.production())
    except InputError as fault:
        raise InputError(f"{fault}; or name a model's folder with --model") from fault


def _text_scorer(model: str, precision: Precision) -> TextScorer:
    artifact = read_model(model)
    try:
        return TextScorer(artifact, precision)
    except InputError as fault:
        raise InputError(f"{model}: {fault}") from fault


def _blocks(file: str, max_expansion: int, before_waiting: Callable[[], None]) -> Iterator[Block]:
    """What a file holds, unpacked where it is compressed, or what comes through a pipe."""
    if file == STDIN:
        yield from _arriving(FileIO(sys.stdin.fileno(), closefd=False), before_waiting)
        return
    system, path = filesystem(file)
    if isinstance(system, LocalFileSystem) and not Path(path).is_file():
        with FileIO(path) as pipe:
            yield from _arriving(pipe, before_waiting)
        return
    with system.open(path, "rb") as opened:
        stream = FileStream(opened)
        compression = compression_of(stream.peek(_PEEK_BYTES))
        yield from unpack(stream, compression, Expansion(max_expansion)) if compression else stream.blocks()


def _arriving(pipe: FileIO, before_waiting: Callable[[], None]) -> Iterator[Block]:
    """What comes through a pipe or is typed, as soon as it is there."""
    is_start = True
    while True:
        if not select([pipe], [], [], 0)[0]:
            before_waiting()
            select([pipe], [], [])
        if not (content := pipe.read(READ_BYTES)):
            return
        if is_start and (compression := compression_of(content)):
            raise InputError(f"compressed by {compression}, which is unpacked in files alone: name the file")
        yield Block(content)
        is_start = False


def _sound(blocks: Iterator[Block]) -> Iterator[Block]:
    """The blocks up to the first that is damaged, which is a fault here: no line may be missing in the output."""
    for block in blocks:
        if block.damage:
            raise InputError(block.damage)
        yield block


class _ReaderGone(Exception):
    """Nobody reads stdout any more."""


class _Scoring:
    """Texts on their way to stdout, scored some thousands at once, or fewer where the next one is waited for."""

    def __init__(self, scorer: TextScorer, survey: SurveySettings, form: TextForm) -> None:
        self._scorer = scorer
        self._tones = partial(tones, positive=survey.positive, negative=survey.negative)
        self._form = form
        self._waiting: list[TextRow] = []
        self._waiting_bytes = 0
        self._counts: Counter[str] = Counter()

    def score(self, lines: Lines) -> None:
        """Score the texts of all lines; those before a fault, too."""
        try:
            head, rows = self._form.read(lines)
            _write(head)
            for row in rows:
                self._waiting.append(row)
                self._waiting_bytes += len(row.content)
                if len(self._waiting) == _BATCH_TEXTS or self._waiting_bytes >= _BATCH_BYTES:
                    self.flush()
        except InputError:
            self.flush()
            raise
        self.flush()

    def flush(self) -> None:
        """Score and write what waits."""
        rows, self._waiting, self._waiting_bytes = self._waiting, [], 0
        if not rows:
            return
        probabilities = self._scorer.probabilities(row.text for row in rows)
        called = self._tones(probabilities).to_pylist()
        shortest = probabilities.cast(pa.string()).fill_null("").to_pylist()  # digits that give the float32 back
        self._counts.update(called)  # first: whoever has read an answer and interrupts finds it counted
        _write(b"".join(map(self._form.written, rows, shortest, called)))

    @property
    def summary(self) -> str:
        """How many texts were scored, by tone; an interruption can keep the last of them from being written."""
        counts = ", ".join(f"{self._counts[tone]:,} {tone}" for tone in TONES)
        return f"{self._counts.total():,} texts scored by model {self._scorer.model}: {counts}"


def _write(content: bytes) -> None:
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise _ReaderGone from None
    except OSError as error:
        raise UserError(f"stdout cannot be written to: {error.strerror}") from error
