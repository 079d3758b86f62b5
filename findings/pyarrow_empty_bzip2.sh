#!/usr/bin/env bash
# pyarrow reads no bzip2 file in which an empty stream lies between two others.
#
# Versions: pyarrow 26.0.1, and bz2 of any supported Python.
# Behaviour: an empty stream among several concatenated bzip2 streams ends the reading with an internal error. A single
# one at the very beginning or end does no harm. The same parts in gzip or Zstandard are read.
# One would have guessed: an empty stream adds nothing, wherever it lies; Python's bz2 reads the file.
# Why it matters: collectors of tweets write a bzip2 file per minute or hour, and people concatenate them to days. An
# hour without tweets is a stream of 14 bytes; whether the day can be read depends on which hour it was.
# Tonality: decompresses bzip2 itself and takes an empty stream as neither content nor damage.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq pyarrow==26.0.1

venv/bin/python - <<'PYTHON' | tee seen
import bz2
import gzip
from pathlib import Path

import pyarrow as pa


def zstd(content):
    return pa.compress(content, codec="zstd", asbytes=True)


def read(file):
    try:
        return pa.input_stream(file).read()
    except pa.ArrowException as error:
        assert bz2.open(file).read() == b"one\ntwo\n", "Python reads it"
        return error


hours = {
    "empty hour first": [b"", b"one\n", b"two\n"],
    "empty hour between": [b"one\n", b"", b"two\n"],
    "empty hour last": [b"one\n", b"two\n", b""],
}
for name, parts in hours.items():
    for suffix, compress in (("gz", gzip.compress), ("zst", zstd), ("bz2", bz2.compress)):
        Path(f"day.{suffix}").write_bytes(b"".join(map(compress, parts)))
        print(f"{name}, {suffix}: {read(f'day.{suffix}')}")
PYTHON

cat >expected <<'TEXT'
empty hour first, gz: b'one\ntwo\n'
empty hour first, zst: b'one\ntwo\n'
empty hour first, bz2: b'one\ntwo\n'
empty hour between, gz: b'one\ntwo\n'
empty hour between, zst: b'one\ntwo\n'
empty hour between, bz2: Unknown error: bz2 decompress failed: wrong sequence of calls to bz2 library (internal error)
empty hour last, gz: b'one\ntwo\n'
empty hour last, zst: b'one\ntwo\n'
empty hour last, bz2: b'one\ntwo\n'
TEXT
diff expected seen
