#!/usr/bin/env bash
# PyStemmer's own version number does not tell releases with different stems apart.
#
# Versions: PyStemmer 2.2.0.3, 3.0.0 and 3.1.0.
# Behaviour: under 2.2.0.3 and under 3.0.0, Stemmer.version() is 2.0.1, yet the two stem English differently. 3.1.0,
# which stems differently again, is the first to report its own number.
# One would have guessed: releases that give different stems report different numbers, so that a number stored beside a
# vocabulary or an index shows when both are out of date.
# Why it matters: a network reads the stems that it was trained on. "organization", learned as "organ" and read as
# "organiz", is an unknown word, and nothing fails.
# Tonality: the number is part of the fingerprint of the text rules, which separates tables and models of different
# rules. PyStemmer below 3 is not allowed, which leaves no two of these releases with the same number.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --target 2.2.0.3 PyStemmer==2.2.0.3
venv/bin/pip install -qq --target 3.0.0 PyStemmer==3.0.0
venv/bin/pip install -qq --target 3.1.0 PyStemmer==3.1.0

cat >stems.py <<'PYTHON'
import sys

import Stemmer

stems = Stemmer.Stemmer("english").stemWords(["organization", "universal", "evening", "international"])
print(f"PyStemmer {sys.argv[1]} reports {Stemmer.version()}: {' '.join(stems)}")
PYTHON
for version in 2.2.0.3 3.0.0 3.1.0; do
    PYTHONPATH=$version venv/bin/python stems.py $version
done | tee seen

cat >expected <<'TEXT'
PyStemmer 2.2.0.3 reports 2.0.1: organ univers even intern
PyStemmer 3.0.0 reports 2.0.1: organiz universal evening intern
PyStemmer 3.1.0 reports 3.1.0: organiz universal evening internat
TEXT
diff expected seen
