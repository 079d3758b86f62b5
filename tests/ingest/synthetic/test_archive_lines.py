import csv
import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from tonality.ingest.synthetic.archive_lines import ArchiveGenerator, PlantedCounts
from tonality.ingest.synthetic.timeline import DAYS

_TIME = "%a %b %d %H:%M:%S %z %Y"
_FIELDS = {
    "created_at",
    "id",
    "id_str",
    "truncated",
    "entities",
    "user",
    "lang",
    "retweet_count",
    "favorite_count",
    "source",
}


def kind(line: bytes) -> str:
    """Classify a line as notice, broken or status, independently of Tonality."""
    if not line.strip():
        return "notice"
    try:
        record = json.loads(line)
    except ValueError:
        return "broken"
    if not isinstance(record, dict):
        return "broken"
    if "delete" in record or "limit" in record:
        return "notice"
    try:
        datetime.strptime(record["created_at"], _TIME)
        return "status" if record["id"] and (record.get("text") or record["full_text"]) else "broken"
    except (KeyError, ValueError):
        return "broken"


def statuses(lines: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines if kind(line) == "status"]


@pytest.fixture(scope="module")
def files(sample) -> dict[str, list[bytes]]:
    return sample.lines()


@pytest.fixture(scope="module")
def tweets(files) -> list[dict[str, Any]]:
    return [status for lines in files.values() for status in statuses(lines)]


def test_the_archive_has_a_file_a_day_and_the_requested_number_of_lines(files):
    assert list(files) == [f"2015-12-{day}.json.{'gz' if day % 2 == 0 else 'bz2'}" for day in range(10, 26)]
    assert sum(map(len, files.values())) == 3_000


def test_every_planted_count_is_found(sample, files):
    truth = json.loads((sample.archive.parent / "truth.json").read_text())
    found = {}
    for name, lines in files.items():
        kinds = Counter(map(kind, lines))
        ids = Counter(status["id"] for status in statuses(lines))
        found[name] = {
            "lines": len(lines),
            "notices": kinds["notice"],
            "broken": kinds["broken"],
            "duplicates": kinds["status"] - len(ids),
            "other_languages": len({status["id"] for status in statuses(lines) if status["lang"] != "ru"}),
        }
    assert truth == {"seed": 1, "files": found}
    assert all(sum(file[part] for file in found.values()) > 0 for part in next(iter(found.values())))


def test_the_truth_counts_every_distinct_russian_tweet_on_the_day_it_was_written(sample, tweets):
    days = {t["id"]: datetime.strptime(t["created_at"], _TIME).date().isoformat() for t in tweets if t["lang"] == "ru"}
    with (sample.archive.parent / "truth.csv").open(newline="") as file:
        truth = list(csv.DictReader(file))
    assert {row["day"]: int(row["tweets"]) for row in truth} == Counter(days.values())
    for row in truth:
        positive, neutral, negative = int(row["positive"]), int(row["neutral"]), int(row["negative"])
        assert positive + neutral + negative == int(row["tweets"])
        assert float(row["positive_share"]) == pytest.approx(positive / (positive + negative), abs=0.0001)


def test_the_summary_adds_up(sample, tweets):
    s = sample.summary
    assert s.lines == s.tweets + s.other_languages + s.notices + s.duplicates + s.broken
    assert s.tweets == s.positive + s.neutral + s.negative == len({t["id"] for t in tweets if t["lang"] == "ru"})
    assert (s.files, s.labelled, s.wrong_labels) == (16, 600, 108)


def test_statuses_have_the_fields_of_version_1_1(tweets):
    for tweet in tweets:
        assert tweet.keys() >= _FIELDS
        assert tweet["id_str"] == str(tweet["id"])
        assert tweet["user"]["id_str"] == str(tweet["user"]["id"])
        assert tweet["entities"].keys() == {"hashtags", "urls", "user_mentions", "symbols"}


def test_ids_grow_with_time_and_hold_it(tweets):
    distinct = list(dict.fromkeys(tweet["id"] for tweet in tweets))
    assert distinct == sorted(distinct)
    for tweet in tweets:
        second = ((tweet["id"] >> 22) + 1_288_834_974_657) // 1_000
        assert datetime.strptime(tweet["created_at"], _TIME) == datetime.fromtimestamp(second, UTC)


def test_only_duplicates_share_an_id_and_they_are_equal_byte_by_byte(files):
    copies = Counter(
        (json.loads(line)["id"], line) for lines in files.values() for line in lines if kind(line) == "status"
    )
    assert len({number for number, _ in copies}) == len(copies)
    assert set(copies.values()) == {1, 2}


def test_a_file_ends_with_seconds_of_the_next_day_but_the_last(files):
    for name, lines in files.items():
        late = [s for s in statuses(lines) if datetime.strptime(s["created_at"], _TIME).date().isoformat() != name[:10]]
        assert bool(late) == (name != "2015-12-25.json.bz2")
        assert all(" 00:00:0" in status["created_at"] for status in late)


def test_long_tweets_come_cut_with_the_whole_in_their_extension(tweets):
    long = [tweet for tweet in tweets if tweet["truncated"]]
    assert long
    for tweet in long:
        whole = tweet["extended_tweet"]["full_text"]
        assert "… https://t.co/" in tweet["text"]
        assert whole.startswith(tweet["text"].partition("… https://t.co/")[0].rpartition("&")[0])
        assert len(whole) > 140
    assert any("full_text" in tweet for tweet in tweets)


def test_retweets_hold_the_whole_original_and_begin_it_outside(tweets):
    written = {tweet["id"] for tweet in tweets}
    retweets = [tweet for tweet in tweets if "retweeted_status" in tweet]
    assert 0.2 < len(retweets) / len(tweets) < 0.3
    assert any("extended_tweet" in tweet["retweeted_status"] for tweet in retweets)
    for tweet in retweets:
        original = tweet["retweeted_status"]
        assert original["id"] in written
        assert original["id"] < tweet["id"]
        assert original["lang"] == tweet["lang"]
        extension = original.get("extended_tweet", original)
        whole = f"RT @{original['user']['screen_name']}: {extension.get('full_text') or extension['text']}"
        text = tweet.get("full_text") or tweet["text"]
        assert text == whole or (text.endswith("…") and whole.startswith(text[:-1]))


def test_entities_point_at_what_they_name(tweets):
    for tweet in tweets:
        text = tweet.get("full_text") or tweet["text"]
        for hashtag in tweet["entities"]["hashtags"]:
            assert text[slice(*hashtag["indices"])] == "#" + hashtag["text"]
        for link in tweet["entities"]["urls"]:
            assert text[slice(*link["indices"])] == link["url"]
        for mention in tweet["entities"]["user_mentions"]:
            assert text[slice(*mention["indices"])] == "@" + mention["screen_name"]


def test_texts_are_escaped_as_twitter_escapes_them(tweets):
    texts = " ".join(tweet.get("full_text") or tweet["text"] for tweet in tweets)
    assert "<" not in texts
    assert ">" not in texts
    assert texts.count("&") == sum(texts.count(entity) for entity in ("&amp;", "&lt;", "&gt;"))
    assert "&amp;" in texts


def test_every_way_of_being_broken_occurs(files):
    broken = [line for lines in files.values() for line in lines if kind(line) == "broken"]
    parsed = []
    for line in broken:
        try:
            parsed.append(json.loads(line))
        except ValueError:
            continue
    objects = [record for record in parsed if isinstance(record, dict)]
    assert any(b"\x00" in line for line in broken)
    assert any(b"\xff" in line for line in broken)
    assert any(not line.endswith((b"}", b"]")) for line in broken)
    assert any(isinstance(record, list) for record in parsed)
    assert any("id" not in record for record in objects)
    assert any("text" not in record and "full_text" not in record for record in objects)
    assert any("Dec 32" in record["created_at"] for record in objects)


def test_the_planted_shares_show_in_the_emoticons():
    """Emoticons have the tweet's tone 17 times in 20; corrected for that, their shares are the planted ones."""
    generator = ArchiveGenerator(seed=3, tweets=10_000)
    seen = {0: Counter(), 1: Counter()}
    for number in range(len(DAYS)):
        for tweet in statuses(list(generator.lines(number, PlantedCounts()))):
            text = tweet.get("full_text") or tweet["text"]
            if tweet["lang"] == "ru":
                seen[number // 8]["positive"] += any(sign in text for sign in (":)", "))", ":D", "=)", "😂"))
                seen[number // 8]["negative"] += any(sign in text for sign in (":(", "((", "=(", "😭", "😡"))
    for half, emoticons in seen.items():
        planted = sum((generator.tones[day] for day in DAYS[half * 8 : half * 8 + 8]), Counter())
        opinions, neutral = planted["positive"] + planted["negative"], planted["neutral"]
        honest = 0.85 * planted["positive"] + 0.15 * planted["negative"]
        expected = (0.45 * honest + 0.06 * neutral) / (0.45 * opinions + 0.12 * neutral)
        assert emoticons["positive"] / emoticons.total() == pytest.approx(expected, abs=0.05)
    assert seen[1]["positive"] / seen[1].total() > seen[0]["positive"] / seen[0].total() + 0.08
