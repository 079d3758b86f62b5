"""Deletion lists in all their formats."""

import bz2
import gzip
import io
import tarfile

import pytest

from tonality.ingest.compliance.lists import DeletionLists
from tonality.runtime.diagnostics.errors import InputError


@pytest.fixture
def lists(tmp_path):
    """Reads a list and returns its tweet ids, its authors and the DeletionLists."""

    def read(content, kind="tweets", name="list"):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        found = DeletionLists([str(tmp_path)], kind)
        events = list(found)
        ids = [event.tweet_id for event in events if event.tweet_id is not None]
        return ids, [event.author for event in events if event.author is not None], found

    return read


def test_plain_text_has_an_id_or_a_name_per_line(lists):
    ids, authors, found = lists("\ufeff123\r\n@Anna\n\n  77 \n@\nкто это\n0\n-5\n99999999999999999999\n1.5\n")
    assert (ids, authors) == ([123, 77], ["Anna"])
    assert (dict(found.events), found.unknown) == ({"tweet": 2, "author": 1}, 6)


def test_bare_numbers_are_users_if_so_configured(lists):
    ids, authors, _ = lists("123\n@Anna\n", kind="users")
    assert (ids, authors) == ([], ["123", "Anna"])


@pytest.mark.parametrize("header", ["tweet_id", "id", '"Tweet_ID",note', "author;id", "x\tstatus_id\ty"])
def test_a_table_with_a_column_of_ids_lists_tweets_and_not_their_authors(lists, header):
    delimiter = next((character for character in ",;\t" if character in header), ",")
    columns = header.count(delimiter) + 1
    place = next(n for n, name in enumerate(header.lower().split(delimiter)) if "id" in name)
    row = delimiter.join("5" if n == place else "anna" for n in range(columns))
    ids, authors, _ = lists(f"{header}\n{row}\n")
    assert (ids, authors) == ([5], [])


@pytest.mark.parametrize(
    "header",
    [
        "tweetid,userid,user_screen_name,tweet_text",
        "Tweet Id,author",
        "status-id,user",
        "id_str,userid",
        '"TweetIDs",x',
    ],
)
def test_a_column_of_ids_is_recognized_in_any_spelling(lists, header):
    row = ",".join(["5", *["anna"] * header.count(",")])
    assert lists(f"{header}\n{row}\n")[:2] == ([5], [])


@pytest.mark.parametrize("header", ["author", "username", "Screen Name", "author_id", "userid", "user-screen-name"])
def test_a_table_with_only_author_columns_lists_authors(lists, header):
    assert lists(f"{header}\n@anna\n5\n")[:2] == ([], ["anna", "5"])


def test_of_several_author_columns_the_names_are_used(lists):
    assert lists("user_id,username\n5,anna\n6,@boris\n")[:2] == ([], ["anna", "boris"])


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("tweet,author", "tweet, author"),
        ("number;user_id;text", "number, user_id, text"),
        ("day,Author", "day, Author"),
        ("author,", "author, "),
    ],
)
def test_authors_are_not_removed_if_another_column_may_list_their_tweets(lists, header, columns):
    with pytest.raises(InputError, match=rf"list has author columns beside others \({columns}\).*tweet_id"):
        lists(f"{header}\n5,anna\n")


def test_an_empty_field_and_a_bare_at_sign_are_counted_as_unknown(lists):
    ids, authors, found = lists('username\n@anna\n@\n@ \n\n \n""\n')
    assert (ids, authors, found.unknown) == ([], ["anna"], 4)
    ids, _, found = lists("tweet_id,note\n5,a\n,b\n ,c\n")
    assert (ids, found.unknown) == ([5], 2)


def test_a_repeated_header_lists_no_author(lists):
    ids, authors, found = lists("Author\nanna\nAuthor\nboris\nauthor_\n")
    assert (ids, authors, found.unknown) == ([], ["anna", "boris", "author_"], 1)


def test_an_invalid_row_is_counted_as_unknown(lists):
    ids, _, found = lists('id,text\n1,"a ""b"""\n2\nx,y\n1.2E+18,z\n3,"two\nlines"\n')
    assert (ids, found.unknown) == ([1, 3], 3)


BATCH = """\
{"id":"1265324480517361664","action":"delete","created_at":"2019-10-29T17:02:47.000Z","redacted_at":"2020-07-29T17:02:47.000Z","reason":"deleted"}
{"id":"1263926741774581761","action":"delete","created_at":"2019-10-29T17:02:47.000Z","redacted_at":"2020-07-29T17:02:47.000Z","reason":"protected"}
{"id":"1265324480517361669","action":"delete","created_at":"2019-10-29T17:02:47.000Z","redacted_at":"2020-07-29T17:02:47.000Z","reason":"suspended"}
{"id":"5","action":"delete","reason":"scrub_geo"}
{"id":"6","action":"tweet_edit"}
"""


def test_results_of_batch_compliance_are_of_tweets_or_of_users_as_configured(lists):
    numbers = [1265324480517361664, 1263926741774581761, 1265324480517361669]
    ids, authors, found = lists(BATCH)
    assert (ids, authors) == (numbers, [])
    assert found.events == {"delete (deleted)": 1, "delete (protected)": 1, "delete (suspended)": 1}
    assert found.no_action == {"delete (scrub_geo)": 1, "tweet_edit": 1}
    assert lists(BATCH, kind="users")[:2] == ([], [str(number) for number in numbers])


@pytest.mark.parametrize(
    ("message", "tweet", "author"),
    [
        ('{"delete":{"status":{"id":601430178305220600,"id_str":"601430178305220608","user_id":3}}}', 601430178305220608, None),
        ('{"data":{"delete":{"tweet":{"id":"601","author_id":"3"},"event_at":"2022-12-23T12:34:56.789Z"}}}', 601, None),
        ('{"drop":{"status":{"id":7,"id_str":"7"},"timestamp_ms":"1"}}', 7, None),
        ('{"data":{"drop":{"tweet":{"id":"7"}}}}', 7, None),
        ('{"user_delete":{"id":771136850,"timestamp_ms":"1432228153548"}}', None, "771136850"),
        ('{"data":{"user_delete":{"user":{"id":"1375036644"},"event_at":"x"}}}', None, "1375036644"),
        ('{"data":{"user_protect":{"user":{"id":"9"}}}}', None, "9"),
        ('{"user_suspend":{"id":9}}', None, "9"),
        ('{"data":{"withheld":{"tweet":{"id":"60"},"withheld_in_countries":["XY"]}}}', 60, None),
        ('{"status_withheld":{"id":60,"user_id":1,"withheld_in_countries":["DE","XX"]}}', 60, None),
        ('{"user_withheld":{"user":{"id":1,"id_str":"1"},"withheld_in_countries":["XX"]}}', None, "1"),
    ],
)  # fmt: skip
def test_messages_that_remove_a_tweet_or_a_user(lists, message, tweet, author):
    ids, authors, found = lists(message)
    assert (ids, authors) == ([tweet] if tweet else [], [author] if author else [])
    assert found.unknown == 0


@pytest.mark.parametrize(
    ("message", "event"),
    [
        ('{"data":{"undrop":{"tweet":{"id":"1"}}}}', "undrop"),
        ('{"user_undelete":{"id":1}}', "user_undelete"),
        ('{"data":{"user_unprotect":{"user":{"id":"1"}}}}', "user_unprotect"),
        ('{"user_unsuspend":{"id":1}}', "user_unsuspend"),
        ('{"scrub_geo":{"user_id":1,"up_to_status_id":2}}', "scrub_geo"),
        ('{"data":{"tweet_edit":{"tweet":{"id":"1"},"edit_tweet_ids":["1"]}}}', "tweet_edit"),
        ('{"data":{"user_profile_modification":{"user":{"id":"1"}}}}', "user_profile_modification"),
        ('{"status_withheld":{"id":1,"withheld_in_countries":["DE"]}}', "status_withheld in some countries"),
        ('{"data":{"user_withheld":{"user":{"id":"1"},"withheld_in_countries":["TR"]}}}', "user_withheld in some countries"),
        ('{"limit":{"track":7}}', "limit"),
    ],
)  # fmt: skip
def test_messages_that_require_no_removal_are_counted_by_name(lists, message, event):
    ids, authors, found = lists(message)
    assert (ids, authors, found.unknown) == ([], [], 0)
    assert found.no_action == {event: 1}


@pytest.mark.parametrize(
    "line",
    [
        '{"id":1,"id_str":"1","text":"delete","created_at":"Thu Dec 10 08:01:02 +0000 2015","user":{"id":3}}',
        '{"data":[{"id":"1","text":"a"}],"meta":{}}',
        '{"id":1}',
        '{"delete":{}}',
        '{"delete":{"status":{"id":"x"}}}',
        '{"delete":{"status":{"id":1.5}}}',
        '{"user_delete":null}',
        '{"id":"x","action":"delete"}',
        '{"id":"1","action":"see https://twitter.com/anna"}',
        "{broken",
        "[1]",
        "{}",
    ],
)
def test_tweets_and_unknown_messages_are_skipped_and_counted(lists, line):
    ids, authors, found = lists(f'{{"user_undelete":{{"id":1}}}}\n{line}\n{{"delete":{{"status":{{"id":5}}}}}}\n')
    assert (ids, authors, found.unknown) == ([5], [], 1)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lambda content: tar_of(tar_of(content))])
def test_lists_may_be_compressed_and_in_tars_as_archives_are(lists, pack):
    assert lists(pack(b"1\n2\n"))[0] == [1, 2]


def tar_of(content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        member = tarfile.TarInfo("list")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def test_a_truncated_list_is_refused_since_the_rest_may_list_more(lists):
    whole = gzip.compress(b"".join(b"%d\n" % number for number in range(1, 50_000)))
    with pytest.raises(InputError, match=r"list cannot be read to its end \(gzip stream cut off .*nothing was removed"):
        lists(whole[:-500])


def test_a_table_whose_header_is_broken_is_refused(lists):
    with pytest.raises(InputError, match="its header is not a CSV row"):
        lists('id,"note\n1,x\n')


def test_a_folder_without_a_list_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no file found"):
        DeletionLists([str(tmp_path)], "tweets")
