"""Rows per second of each step on one core, with the synthetic sample, as a table and, with --json FILE, as JSON.

    python tests/benchmarks/steps.py [--tweets N] [--json FILE]

Only ratios within one run are comparable; the figures themselves depend on the machine.
"""

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import torch

from tonality.ingest.options import ReadOptions
from tonality.ingest.planning.files import ArchiveFile, find_files
from tonality.ingest.planning.splits import Split
from tonality.ingest.reading.task import read_splits
from tonality.ingest.synthetic.write import write_sample
from tonality.model.inference.packed_model import PackedModel
from tonality.model.inference.scorer import Scorer
from tonality.model.network.lstm import LSTMConfig, build
from tonality.model.registry.artifact import Artifact
from tonality.runtime.settings.load import text_rules
from tonality.runtime.settings.sections import Settings, TextSettings
from tonality.runtime.storage.schema import FIRST_STEM_ID, VOCABULARY
from tonality.text.preprocess import TextPreprocessor
from tonality.text.rules import Rules


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tweets", type=int, default=20_000, help="records of the sample (20000)")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        figures = dict(measure(folder, options.tweets))
    report = {
        "machine": platform.processor() or platform.machine(),
        "tweets": options.tweets,
        "rows_per_second": figures,
    }
    for name, speed in figures.items():
        print(f"{name:<50} {speed:>12,.0f} rows/s")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


def measure(folder: str, tweets: int) -> Iterator[tuple[str, float]]:
    """Each step's name and speed."""
    archive, corpus = f"{folder}/archive", f"{folder}/corpus"
    yield "sample: write the archive", speed(tweets, lambda: write_sample(archive, corpus, 1, tweets, 100, 0.18))
    rules = text_rules(TextSettings())
    options = ReadOptions(paths=(archive,), rules=rules)
    files = find_files(options.paths)
    for ending in (".gz", ".bz2"):
        chosen = [file for file in files if file.url.endswith(ending)]
        yield (
            f"clean: read, parse and stem {ending}",
            speed(count(chosen, options), lambda chosen=chosen: drain(chosen, options)),
        )
    texts, stems = read_columns(files, options)
    yield "text: stems one by one (the definition)", speed(len(texts), lambda: one_by_one(texts, rules))
    yield "text: stems by batch", speed(len(texts), lambda: TextPreprocessor(rules).stem_array(texts))
    scorer = Scorer(PackedModel.of(artifact(stems, rules)))
    yield "score: float32, the batch's distinct texts once", speed(len(stems), lambda: scorer.probabilities(stems))


def speed(rows: int, work: Callable[[], object]) -> float:
    """Rows per second of the best of three runs."""
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return rows / min(seconds)


def read(files: list[ArchiveFile], options: ReadOptions) -> Iterator[pa.RecordBatch]:
    return read_splits([Split(*file) for file in files], options)


def count(files: list[ArchiveFile], options: ReadOptions) -> int:
    return sum(batch.num_rows for batch in read(files, options))


def drain(files: list[ArchiveFile], options: ReadOptions) -> None:
    for _ in read(files, options):
        pass


def read_columns(files: list[ArchiveFile], options: ReadOptions) -> tuple[pa.Array, pa.Array]:
    """The texts and stems of the kept tweets."""
    table = pa.Table.from_batches(read(files, options))
    kept = table.filter(pa.compute.equal(table["kind"], "tweet"))
    return kept["text"].combine_chunks(), kept["stems"].combine_chunks()


def one_by_one(texts: pa.Array, rules: Rules) -> None:
    cleaner = TextPreprocessor(rules)
    for text in texts.to_pylist():
        cleaner.stems(text)


def artifact(stems: pa.Array, rules: Rules) -> Artifact:
    """An untrained model with the default config: training does not change its speed."""
    distinct = pa.compute.unique(pa.compute.split_pattern(stems, " ").flatten()).to_pylist()
    vocabulary_columns = {
        "id": range(FIRST_STEM_ID, FIRST_STEM_ID + len(distinct)),
        "stem": distinct,
        "count": [1] * len(distinct),
    }
    config = LSTMConfig(len(distinct) + FIRST_STEM_ID, **Settings().network.model_dump())
    return Artifact(
        network_config=config,
        weights=build(config).state_dict(),
        vocabulary=pa.table({name: list(values) for name, values in vocabulary_columns.items()}, schema=VOCABULARY),
        rules=rules.model_dump(mode="json"),
        rules_fingerprint=rules.fingerprint,
        language=rules.name,
        max_length=100,
        unknown="train",
        metrics={},
    )


if __name__ == "__main__":
    main()
