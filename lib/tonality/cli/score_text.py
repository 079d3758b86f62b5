"""score-text: score texts from a file or stdin as they arrive and write them to stdout. No tables, no record, no Spark.

A text gets the score that `score` gives a tweet with that text: same text rules, network and thresholds.
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

from tonality.ingest.containers.compression import ExpansionLimit, decompress, detect_compression
from tonality.ingest.containers.streams import READ_BYTES, Block, FileStream
from tonality.ingest.formats.lines import Lines
from tonality.ingest.formats.text_files import TEXT_COLUMN, TextFormat, TextRow, format_from_name, text_format
from tonality.model.inference.packed_model import choose_precision
from tonality.model.inference.text_scorer import TextScorer, tones
from tonality.model.network.lstm_inference import Precision
from tonality.model.registry.artifact_store import read as read_model
from tonality.model.registry.registry import ModelRegistry
from tonality.runtime.diagnostics.errors import InputError, SettingsError, UserError
from tonality.runtime.settings.sections import Settings, SurveySettings
from tonality.runtime.storage.inputs import missing_reason
from tonality.runtime.storage.schema import TONES
from tonality.runtime.storage.urls import filesystem

STDIN: Final = "-"

_LONGEST_LINE: Final = 2**26
"""Bytes of a line, or of a row of several lines; longer ones are an error."""
_BATCH_TEXTS: Final = 4096
_BATCH_BYTES: Final = 2**23
_PEEK_BYTES: Final = 512


def run(settings: Settings, file: str, form: str | None, column: str | None, model: str | None) -> str:
    """Score every text of a file, or of stdin if it is `-`; write each to stdout in its format with its score.

    Returns a summary, which is empty if the reader of stdout has exited; that is no error. Raises UserError if the
    input, the model or stdout cannot be used, after writing all texts before that, and KeyboardInterrupt with the
    summary.
    """
    form = form or format_from_name(file)
    _check(file, form, column, model)
    scorer = _text_scorer(model or _production_model(settings.paths.root), choose_precision(settings.score.precision))
    scoring = _StreamScorer(scorer, settings.survey, text_format(form, column or TEXT_COLUMN))
    blocks = _undamaged(_blocks(file, settings.archive.max_expansion, scoring.flush))
    try:
        scoring.score(Lines(blocks, _LONGEST_LINE))
    except _ReaderClosed:
        return ""
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file; expected the full name of one file") from error
    except InputError as error:
        raise InputError(f"{'stdin' if file == STDIN else file}: {error}") from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(scoring.summary) from None
    return scoring.summary


def _check(file: str, form: str, column: str | None, model: str | None) -> None:
    """Raise SettingsError with everything that is wrong with the command line."""
    found = (_stream_error(file), _column_error(form, column), _model_error(model))
    if errors := [error for error in found if error]:
        raise SettingsError(*errors)


def _stream_error(file: str) -> str | None:
    if sys.stdout is None:
        return "stdout is closed: send it to a file, or to a program that reads it"
    if file == STDIN:
        return "stdin is closed: name a file of texts" if sys.stdin is None else None
    if Path(file).is_dir():
        return f"{file} is a folder, expected a file of texts"
    return missing_reason(file)


def _column_error(form: str, column: str | None) -> str | None:
    if column is None or form != "lines":
        return None
    return f"--text {column} names a column, but lines have none: use --format csv, tsv or jsonl"


def _model_error(model: str | None) -> str | None:
    missing = missing_reason(model) if model is not None else None
    return f"--model: {missing}" if missing else None


def _production_model(root: str) -> str:
    """The folder of the production model."""
    registry = ModelRegistry(root)
    try:
        return registry.location(registry.production())
    except InputError as error:
        raise InputError(f"{error}; or name a model's folder with --model") from error


def _text_scorer(model: str, precision: Precision) -> TextScorer:
    artifact = read_model(model)
    try:
        return TextScorer(artifact, precision)
    except InputError as error:
        raise InputError(f"{model}: {error}") from error


def _blocks(file: str, max_expansion: int, before_blocking: Callable[[], None]) -> Iterator[Block]:
    """The content of a file, decompressed if need be, or of a pipe as it arrives."""
    if file == STDIN:
        yield from _arriving(FileIO(sys.stdin.fileno(), closefd=False), before_blocking)
        return
    system, path = filesystem(file)
    if isinstance(system, LocalFileSystem) and not Path(path).is_file():
        with FileIO(path) as pipe:
            yield from _arriving(pipe, before_blocking)
        return
    with system.open(path, "rb") as opened:
        stream = FileStream(opened)
        compression = detect_compression(stream.peek(_PEEK_BYTES))
        yield from decompress(stream, compression, ExpansionLimit(max_expansion)) if compression else stream.blocks()


def _arriving(pipe: FileIO, before_blocking: Callable[[], None]) -> Iterator[Block]:
    """Input from a pipe or a terminal, as soon as it arrives. Calls `before_blocking` before waiting for more."""
    is_start = True
    while True:
        if not select([pipe], [], [], 0)[0]:
            before_blocking()
            select([pipe], [], [])
        if not (content := pipe.read(READ_BYTES)):
            return
        if is_start and (compression := detect_compression(content)):
            raise InputError(f"compressed by {compression}: only files are decompressed, so name the file")
        yield Block(content)
        is_start = False


def _undamaged(blocks: Iterator[Block]) -> Iterator[Block]:
    """The blocks, raising InputError at a damaged one: no line may be missing from the output."""
    for block in blocks:
        if block.damage:
            raise InputError(block.damage)
        yield block


class _ReaderClosed(Exception):
    """The reader of stdout has exited."""


class _StreamScorer:
    """Scores texts in batches, which are smaller if the next text has not arrived yet, and writes them to stdout."""

    def __init__(self, scorer: TextScorer, survey: SurveySettings, form: TextFormat) -> None:
        self._scorer = scorer
        self._tones = partial(tones, positive=survey.positive, negative=survey.negative)
        self._form = form
        self._buffer: list[TextRow] = []
        self._buffered_bytes = 0
        self._counts: Counter[str] = Counter()

    def score(self, lines: Lines) -> None:
        """Score the texts of all lines. At an error, the texts before it are scored first."""
        try:
            head, rows = self._form.read(lines)
            _write(head)
            for row in rows:
                self._buffer.append(row)
                self._buffered_bytes += len(row.content)
                if len(self._buffer) == _BATCH_TEXTS or self._buffered_bytes >= _BATCH_BYTES:
                    self.flush()
        except InputError:
            self.flush()
            raise
        self.flush()

    def flush(self) -> None:
        """Score and write the buffered texts."""
        rows, self._buffer, self._buffered_bytes = self._buffer, [], 0
        if not rows:
            return
        probabilities = self._scorer.probabilities(row.text for row in rows)
        tones_of_rows = self._tones(probabilities).to_pylist()
        shortest = probabilities.cast(pa.string()).fill_null("").to_pylist()  # digits that parse to the float32
        self._counts.update(tones_of_rows)  # before writing: a text that was seen before an interruption is counted
        _write(b"".join(map(self._form.render, rows, shortest, tones_of_rows)))

    @property
    def summary(self) -> str:
        """The number of scored texts by tone. After an interruption the last of them may not have been written."""
        counts = ", ".join(f"{self._counts[tone]:,} {tone}" for tone in TONES)
        return f"{self._counts.total():,} texts scored by model {self._scorer.model}: {counts}"


def _write(content: bytes) -> None:
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise _ReaderClosed from None
    except OSError as error:
        raise UserError(f"stdout cannot be written to: {error.strerror}") from error
