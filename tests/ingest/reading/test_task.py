import bz2
import gzip
import io
from datetime import date
from itertools import accumulate

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tonality.ingest.planning.splits import Split
from tonality.ingest.reading import task

WHEN = "Thu Dec 10 08:01:02 +0000 2015"


def status(number, **fields):
    fields = {"id": number, "created_at": WHEN, "text": "Кошки и дома", "lang": "ru"} | fields
    return orjson.dumps({key: value for key, value in fields.items() if value is not None})


def archive(*records):
    return b"".join(record + b"\n" for record in records)


def test_a_kept_tweet_is_a_row_with_its_stems_and_its_place(read_paths, tmp_path):
    file = tmp_path / "a.json"
    file.write_bytes(archive(b"", status(7, user={"screen_name": "vasya"}, entities={"hashtags": [{"text": "Да"}]})))
    (tweet,) = read_paths(file).tweets
    values = {key: value for key, value in tweet.items() if value is not None}
    assert str(values.pop("created_at")) == "2015-12-10 08:01:02+00:00"
    assert values == {
        "kind": "tweet",
        "tweet_id": 7,
        "author": "vasya",
        "lang": "ru",
        "text": "Кошки и дома",
        "hashtags": ["да"],
        "is_retweet": False,
        "stems": "кошк и дом",
        "source": file.as_uri(),
        "split": 0,
        "entry": 0,
        "offset": 1,
        "line": 2,
    }


def test_a_reject_is_a_row_with_its_reason_and_its_start(read):
    raw = b'{"id": "' + b"x" * 10_000
    (reject,) = read(archive(status(1), raw)).rejects
    assert (reject["kind"], reject["reason"], reject["line"]) == ("reject", "malformed-json", 2)
    assert reject["offset"] == len(status(1)) + 1
    assert reject["raw"] == raw[:4096]


def test_every_file_has_an_account_even_an_empty_one(read_paths, tmp_path):
    (tmp_path / "a.json").write_bytes(archive(status(1), b"", b"x"))
    (tmp_path / "b.json").write_bytes(b"")
    accounts = read_paths(tmp_path).accounts
    assert [(row["source"].rsplit("/")[-1], row["lines"], row["kept"], row["notices"], row["rejects"]) for row in accounts] == [
        ("a.json", 3, 1, 1, 1),
        ("b.json", 0, 0, 0, 0),
    ]  # fmt: skip
    assert all(row["damage"] == "" for row in accounts)


@pytest.mark.parametrize(("size", "kept"), [(2000, 1), (2001, 0)])
def test_a_record_may_have_the_largest_size_and_no_more(read, size, kept):
    short = len(status(1, text=""))
    got = read(archive(status(1, text="x" * (size - short)), status(2)), max_record=2000)
    assert got.counts["kept"] == kept + 1
    assert got.reasons == ["too-long"] * (1 - kept)


def test_a_record_longer_than_many_reads_is_rejected_and_the_next_one_kept(read):
    got = read(gzip.compress(archive(status(1, text="x" * 3_000_000), status(2))))
    assert (got.ids, got.reasons) == ([2], ["too-long"])
    assert got.tweets[0]["offset"] == len(status(1, text="")) + 3_000_000 + 1
    assert len(got.rejects[0]["raw"]) == 4096


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_a_format_is_detected_by_content_and_not_by_name(read_paths, tmp_path, pack):
    for name in ("a.json", "a.gz", "a.bz2"):
        (tmp_path / name).write_bytes(pack(archive(status(1), status(2))))
        assert read_paths(tmp_path / name).ids == [1, 2]


def test_windows_line_breaks_and_a_last_line_without_any_lose_nothing(read):
    content = status(1) + b"\r\n\r\n" + status(2)
    got = read(content)
    assert (got.ids, got.counts["notices"], got.rejects) == ([1, 2], 1, [])
    assert got.tweets[1]["offset"] == len(status(1)) + 4


def test_a_truncated_file_keeps_its_whole_records_and_rejects_the_cut_one(read):
    cut = gzip.compress(archive(status(1), status(2)) + status(3)[:20]) + gzip.compress(b"x" * 1000)[:9]
    got = read(cut)
    assert (got.ids, got.reasons) == ([1, 2], ["cut-off"])
    assert got.damage == f"gzip stream cut off at compressed byte {len(cut)}"
    assert (got.rejects[0]["line"], got.rejects[0]["raw"], got.rejects[0]["detail"]) == (3, status(3)[:20], got.damage)
    assert got.counts == {"lines": 3, "kept": 2, "notices": 0, "filtered": 0, "rejects": 1}


def test_languages_are_kept_whatever_their_case(read):
    content = archive(status(1, lang="RU"), status(2, lang="en"), status(3, lang="Uk"), status(4, lang=None))
    got = read(content, languages=("ru", "UK"))
    assert (got.ids, got.counts["filtered"]) == ([1, 3], 2)


def test_without_languages_every_one_is_kept(read):
    assert read(archive(status(1, lang="xx"), status(2, lang=None))).ids == [1, 2]


EDGES = archive(
    status(1, created_at="Wed Dec 09 23:59:59 +0000 2015"),
    status(2, created_at="Thu Dec 10 00:00:00 +0000 2015"),
    status(3, created_at="Thu Dec 10 02:59:59 +0300 2015"),
    status(4, created_at="Fri Dec 11 23:59:59 +0000 2015"),
    status(5, created_at="2015-12-11T23:59:59.999999"),
    status(6, created_at="Sat Dec 12 00:00:00 +0000 2015"),
)


@pytest.mark.parametrize(
    ("window", "ids"),
    [
        ({"since": date(2015, 12, 10)}, [2, 4, 5, 6]),
        ({"until": date(2015, 12, 11)}, [1, 2, 3, 4, 5]),
        ({"since": date(2015, 12, 10), "until": date(2015, 12, 11)}, [2, 4, 5]),
        ({"since": date(2015, 12, 10), "until": date(2015, 12, 10)}, [2]),
        ({"since": date.min, "until": date.max}, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_days_begin_and_end_at_midnight_utc(read, window, ids):
    got = read(EDGES, **window)
    assert (got.ids, got.counts["filtered"]) == (ids, 6 - len(ids))


def test_retweets_are_kept_or_dropped_as_set(read):
    content = archive(status(1), status(2, retweeted_status={"text": "да"}))
    assert read(content).ids == [1, 2]
    got = read(content, retweets="drop")
    assert (got.ids, got.counts["filtered"]) == ([1], 1)


def test_rows_come_in_batches_that_lose_none(read, monkeypatch):
    monkeypatch.setattr(task, "_BATCH_ROWS", 3)
    got = read(archive(*(status(n) for n in range(1, 11)), *[b"x"] * 7))
    assert (got.ids, len(got.rejects)) == (list(range(1, 11)), 7)
    assert [tweet["stems"] for tweet in got.tweets] == ["кошк и дом"] * 10


def test_a_batch_of_long_texts_ends_early(read_options, tmp_path, monkeypatch):
    monkeypatch.setattr(task, "_BATCH_CHARACTERS", 100)
    (tmp_path / "a").write_bytes(archive(*(status(n, text="кот " * 20) for n in range(1, 6))))
    batches = task.read_splits([Split((tmp_path / "a").as_uri(), 0)], read_options())
    assert [batch.num_rows for batch in batches] == [2, 2, 1, 1]  # five tweets, then the account


PLANTED = {
    "kept": [status, lambda n: status(n, text="x\n\u2028\r\x85y"), lambda n: status(n, lang="RU")],
    "notices": [lambda n: b"", lambda n: b"\r", lambda n: b'{"delete": {}}', lambda n: b'{"limit": {"track": 7}}'],
    "filtered": [
        lambda n: status(n, lang="en"),
        lambda n: status(n, created_at="2015-12-09"),
        lambda n: status(n, retweeted_status={"text": "да"}),
    ],
    "rejects": [
        lambda n: b"{",
        lambda n: b"\xff\xfe",
        lambda n: b"\0",
        lambda n: status(n, text=None),
        lambda n: status(n, created_at=None),
        lambda n: status(n, text="x" * 3000),
    ],
}
RECORDS = st.lists(st.sampled_from([(kind, form) for kind, forms in PLANTED.items() for form in range(len(forms))]))


@settings(max_examples=150, deadline=None)
@given(RECORDS, st.sampled_from([bytes, gzip.compress, bz2.compress]), st.booleans())
def test_every_record_is_counted_where_it_was_planted(read, planted, pack, ends_in_a_line_break):
    lines = [PLANTED[kind][form](number) for number, (kind, form) in enumerate(planted, 1)]
    content = archive(*lines)
    if lines and lines[-1] and not ends_in_a_line_break:
        content = content[:-1]
    got = read(pack(content), languages=("ru",), since=date(2015, 12, 10), retweets="drop", max_record=2000)
    counts = {kind: sum(1 for one, _ in planted if one == kind) for kind in PLANTED}
    assert got.counts == {"lines": len(planted), **counts}
    assert got.damage == ""
    numbers = [number for number, (kind, _) in enumerate(planted, 1) if kind == "kept"]
    assert got.ids == numbers == [tweet["line"] for tweet in got.tweets]
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    for row in (*got.tweets, *got.rejects):
        assert row["offset"] == starts[row["line"] - 1]
    assert [row["raw"] for row in got.rejects] == [
        lines[number][:4096] for number, (kind, _) in enumerate(planted) if kind == "rejects"
    ]


def test_a_source_is_named_without_the_secrets_in_its_url(read_options):
    url = "https://anna:geheim@host/a.json?part=1&token=geheim"
    file = io.BytesIO(b'{"id":1}\n')
    rows = [row for batch in task.read_split(Split(url, 9), file, read_options()) for row in batch.to_pylist()]
    assert {row["source"] for row in rows} == {"https://***@host/a.json?part=1&token=***"}
    assert {row["kind"] for row in rows} == {"account", "reject"}


def test_no_label_holds_a_control_character(read_paths, tmp_path):
    name = "a\nforged\x1b[2J\x07\u202e\x9b"
    shown = r"a\u000aforged\u001b[2J\u0007\u202e\u009b"
    (tmp_path / f"{name}.csv").write_text(f'id,"{name}",text\n1,2,3\n')
    columns = {"id": "id", "created_at": "created_at", "text": "text"}
    (account,) = read_paths(tmp_path, columns=columns).accounts
    assert account["source"] == f"file://{tmp_path}/{shown}.csv"
    assert account["damage"] == f"no column created_at; there are id, {shown}, text"
