"""Pseudonymisation of rows as soon as they are read, before any of them is written."""

import orjson
import pytest

from tonality.ingest.planning.splits import Split
from tonality.ingest.reading.task import read_splits
from tonality.privacy.digests import SaltedDigests
from tonality.privacy.keys import Keys
from tonality.privacy.policy import Policy
from tonality.privacy.pseudonyms import Pseudonyms

KEYS = Keys(authors=b"k" * 32, ids=b"k" * 32)
SALT = "5a" * 32


def status(number, text="@boris, смотрели кино", name="Anna", **fields):
    whole = {"id": number, "created_at": "Thu Dec 10 08:01:02 +0000 2015", "text": text, "lang": "ru"}
    return orjson.dumps({**whole, "user": {"screen_name": name}, **fields})


DELETE = b'{"delete":{"status":{"id":1,"user_id":2}}}'


@pytest.fixture
def rows(read_options, tmp_path):
    """The rows of these lines by kind, without the columns that are null in all of them."""

    def read(*lines, keys=KEYS, **fields):
        (tmp_path / "a.json").write_bytes(b"\n".join(lines) + b"\n")
        options = read_options(tmp_path / "a.json", honour_deletes=True, **fields)
        batches = read_splits([Split((tmp_path / "a.json").as_uri(), 0)], options, keys)
        found = {}
        for row in (row for batch in batches for row in batch.to_pylist()):
            found.setdefault(row["kind"], []).append(row)
        return found

    return read


def test_a_hashed_tweet_has_pseudonyms_that_its_delete_notice_names_too(rows):
    found = rows(status(1), DELETE, status(2, name="anna"), privacy=Policy(authors="hash", ids="hash"))
    by = Pseudonyms(b"k" * 32)
    assert [row["author"] for row in found["tweet"]] == [by.author("anna")] * 2
    assert [row["tweet_id"] for row in found["tweet"]] == [by.tweet_id(1), by.tweet_id(2)]
    assert [row["tweet_id"] for row in found["delete"]] == [by.tweet_id(1)]
    assert found["tweet"][0]["text"] == "@boris, смотрели кино"


def test_a_tweet_without_an_author_stays_without_one(rows):
    found = rows(status(1, user=None), privacy=Policy(authors="hash"))
    assert found["tweet"][0]["author"] is None


def test_a_dropped_author_is_removed_and_a_dropped_id_is_another_number_until_copies_are_found(rows):
    found = rows(status(1), status(1), DELETE, privacy=Policy(authors="drop", ids="drop"))
    numbers = {row["tweet_id"] for row in (*found["tweet"], *found["delete"])}
    assert [row["author"] for row in found["tweet"]] == [None, None]
    assert len(numbers) == 1
    assert numbers != {1}


def test_names_leave_the_text_and_the_stems_stay(rows):
    lines = [status(1, "@boris, смотрели кино https://x.com/boris/status/5")]
    kept, dropped = (rows(*lines, privacy=Policy(mentions=choice))["tweet"][0] for choice in ("keep", "drop"))
    assert dropped["text"] == "@, смотрели кино https://x.com/"
    assert dropped["stems"] == kept["stems"]


@pytest.mark.parametrize("policy", [Policy(authors="hash"), Policy(ids="drop"), Policy(mentions="drop")])
def test_rejects_show_no_more_than_their_reason_and_place(rows, policy):
    found = rows(status(1), b'{"id":"anna","created_at":1,"text":"x"}', b"{broken by anna", privacy=policy)
    assert [(row["raw"], row["detail"]) for row in found["reject"]] == [(b"", "")] * 2
    assert [(row["reason"], row["line"]) for row in found["reject"]] == [("wrong-type", 2), ("malformed-json", 3)]


def test_a_table_without_a_header_shows_no_row_in_its_damage(read_options, tmp_path):
    (tmp_path / "a.csv").write_text("1,Anna,2015-12-10,тайна\n2,Boris,2015-12-10,нет\n")
    columns = {"text": "text", "created_at": "time"}
    damages = []
    for policy in (Policy(), Policy(mentions="drop")):
        options = read_options(tmp_path / "a.csv", columns=columns, privacy=policy)
        (batch,) = read_splits([Split((tmp_path / "a.csv").as_uri(), 0)], options, KEYS)
        damages.append(batch["damage"][0].as_py())
    assert damages == [
        "no column time, text; there are 1, Anna, 2015-12-10, тайна",
        "no column time, text; there are 4 others",
    ]


def test_digests_are_of_the_archives_own_data_under_any_policy(rows):
    retweet = status(2, "RT @x: @boris, кино", retweeted_status={"text": "@boris, кино"})
    digests = SaltedDigests(bytes.fromhex(SALT))
    for policy in (Policy(), Policy(authors="hash", ids="drop", mentions="drop")):
        first, second = rows(status(1), retweet, privacy=policy, erasure_salt=SALT)["tweet"]
        assert first["digests"] == [digests.tweet(1), digests.author("anna")]
        assert second["digests"] == [
            digests.tweet(2),
            digests.author("anna"),
            digests.text("@кто-то, кино".replace("кто-то", "c")),
        ]


def test_without_erased_tweets_no_tweet_has_digests(rows):
    assert rows(status(1), keys=None)["tweet"][0]["digests"] is None
