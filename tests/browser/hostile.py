"""Texts that would run in, break or reverse a page or spreadsheet that does not treat them as text, and an archive of
them for the whole pipeline."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

MARKUP = "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'><svg onload='window.ran = 1'></svg>"
HOSTILE = [
    f"</td></tr></table></bdi>{MARKUP}",
    "' onmouseover='alert(1)' \" autofocus onfocus=\"alert(1)\" <a href='javascript:alert(1)'>сила</a>",
    "{{ 7 * 7 }} {% include 'page.css' %} {{ ''.__class__ }} <!-- ]]> &lt;script&gt;",
    "\u202egnp.exe\u202c \u2066\u2067 \0\x1b[31m </script><script>alert(1)</script>",
    "שלום עולם, הערב הולכים לסרט!",
    "w" * 10_000,
    "слово " * 2_000,
    "=cmd|'/C calc'!A0;=cmd|'/C calc'!A0",
    "data:text/html,<script>alert(1)</script> http://127.0.0.1:9/pixel.png",
]

TONES = {"positive": "люблю отлично рад", "negative": "ненавижу ужасно грустно", "neutral": "поезд"}

SETTINGS = """
[archive]
languages = ["ru"]
[corpus]
format = "table"
[vocabulary]
min_count = 1
unknown = "drop"
[network]
embedding = 8
hidden = 8
[train]
batch_size = 16
epochs = 12
learning_rate = 0.02
clip_norm = 0
[survey]
positive = 0.75
negative = 0.25
"""


def run_pipeline(folder: Path) -> Path:
    """Run a pipeline as a user does, with hostile tweets, authors, hashtags and title, and return its root."""
    (folder / "settings.toml").write_text(SETTINGS)
    (folder / "archive.json").write_bytes(b"\n".join(_lines()) + b"\n")
    (folder / "corpus.csv").write_text("\n".join(_corpus()))
    settings = {"paths.archive": folder / "archive.json", "paths.corpus": folder / "corpus.csv", "paths.root": folder}
    settings |= {"survey.title": json.dumps(HOSTILE[0]), "survey.keywords": json.dumps(["сила*", "фильм"])}
    overrides = itertools.chain.from_iterable(("--set", f"{key}={value}") for key, value in settings.items())
    command = [Path(sys.executable).parent / "tonality", "pipeline", "--config", folder / "settings.toml", *overrides]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


def _corpus() -> list[str]:
    """Labelled tweets: each tone's words, singly and in pairs, and the neutral word equally often in both tones."""
    rows = ["text,label"]
    for tone in ("positive", "negative"):
        words = TONES[tone].split()
        texts = [*words, *(" ".join(pair) for pair in itertools.permutations(words, 2)), *[TONES["neutral"]] * 6]
        rows += [f"{text} {other},{tone}" for text in texts for other in ("кино", "дом", "утро", "день", "снег", "чай")]
    return rows


def _lines() -> list[bytes]:
    """A tweet for each hostile text and tone on each of three days, and a broken one, as lines of the stream."""
    tweets = [
        {
            "created_at": f"Thu Dec {day} 08:00:00 +0000 2015",
            "id": number,
            "text": f"{text} фильм {TONES[tone]} {number}",
            "lang": "ru",
            "user": {"screen_name": text[:100]},
            "entities": {"hashtags": [{"text": text[:100]}]},
        }
        for number, (day, tone, text) in enumerate(itertools.product((10, 11, 12), TONES, HOSTILE), start=1)
    ]
    # NUL is a character of the text if JSON escapes it; as a byte it breaks the record
    return [*(json.dumps(tweet, ensure_ascii=False).encode() for tweet in tweets), b'{"id": 1, "text": "\0<script>"}']
