"""Keys, pseudonyms, names in texts and digests: what is hidden, and what can still be told from it."""

import pytest

from tonality.privacy.digests import SaltedDigests
from tonality.privacy.keys import Keys, keys_of_pass, read_key
from tonality.privacy.mentions import without_names
from tonality.privacy.policy import Policy
from tonality.privacy.pseudonyms import Pseudonyms
from tonality.runtime.diagnostics.errors import SettingsError

KEY, OTHER = b"k" * 32, b"o" * 32


def test_one_author_has_one_pseudonym_however_the_name_is_written_and_other_authors_have_others():
    by = Pseudonyms(KEY)
    assert by.author("Anna") == by.author("anna") == Pseudonyms(KEY).author("ANNA")
    assert len({by.author(name) for name in ("anna", "ann", "anna_", "", "анна")}) == 5
    assert len(by.author("anna")) == 32
    assert int(by.author("anna"), 16)


def test_another_key_gives_other_pseudonyms_and_another_check():
    one, other = Pseudonyms(KEY), Pseudonyms(OTHER)
    assert one.author("anna") != other.author("anna")
    assert one.tweet_id(7) != other.tweet_id(7)
    assert one.check == Pseudonyms(KEY).check != other.check


def test_keys_may_be_longer_than_the_hash_takes():
    assert Pseudonyms(b"k" * 1000).author("anna") != Pseudonyms(b"k" * 1001).author("anna")


def test_ids_become_positive_63_bit_numbers_that_differ():
    by = Pseudonyms(KEY)
    numbers = {by.tweet_id(number) for number in range(1, 10_001)}
    assert len(numbers) == 10_000
    assert all(0 < number < 2**63 for number in numbers)
    assert max(numbers) > 2**62


def test_a_key_is_what_the_file_holds(tmp_path):
    file = tmp_path / "key"
    file.write_bytes(KEY)
    assert read_key(str(file)) == read_key(file.as_uri()) == KEY


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"privacy\.key: no file at .*/key\. Make a key"),
        (b"", r"privacy\.key: .*/key has 0 bytes: a key of 16 bytes or more is expected"),
        (b"k" * 15, r"has 15 bytes"),
        (b"k" * 65_537, r"has 65,537 bytes: .* of no more than 65,536"),
    ],
)
def test_a_key_that_is_missing_or_too_short_or_no_key_at_all_is_refused(content, message, tmp_path):
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=message):
        read_key(str(file))


def test_a_folder_is_no_key(tmp_path):
    with pytest.raises(SettingsError, match="no file at"):
        read_key(str(tmp_path))


def test_keys_show_themselves_in_no_message(tmp_path):
    assert "kkk" not in repr(Keys(KEY, KEY)) + str(Keys(KEY, KEY)) + f"{Keys(KEY, KEY)}"


def test_ids_that_are_to_be_dropped_get_a_key_of_their_own_each_time(tmp_path):
    (tmp_path / "key").write_bytes(KEY)
    dropped = Policy(authors="hash", ids="drop")
    first, second = (keys_of_pass(dropped, str(tmp_path / "key")) for _ in range(2))
    assert first.authors == second.authors == KEY
    assert KEY != first.ids != second.ids
    assert keys_of_pass(Policy(ids="hash"), str(tmp_path / "key")).ids == KEY


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("да, @anna и @Борис_7: нет", "да, @ и @: нет"),
        ("RT @anna: кино", "RT @: кино"),
        ("＠anna", "@"),
        ("anna@mail.ru и 5 @ 10", "anna@mail.ru и 5 @ 10"),
        ("см. https://twitter.com/anna/status/123?s=20", "см. https://twitter.com/?s=20"),
        ("http://mobile.twitter.com/anna x.com/i/web/status/99 X.COM/anna", "http://mobile.twitter.com/ x.com/ X.COM/"),
        ("netflix.com/anna, t.co/AbC", "netflix.com/anna, t.co/AbC"),
        ("без имён", "без имён"),
        ("", ""),
    ],
)
def test_names_are_cut_from_mentions_and_links_to_twitter(text, shown):
    assert without_names(text) == shown
    assert without_names(shown) == shown


def test_marks_tell_nothing_without_the_salt_and_kinds_apart():
    one, other = SaltedDigests(b"s" * 32), SaltedDigests(b"t" * 32)
    assert one.tweet(7) == one.tweet(7) != other.tweet(7)
    assert len({one.tweet(7), one.author("7"), one.text("7")}) == 3


def test_a_retweet_has_the_mark_of_what_it_repeats_whoever_it_names():
    digests = SaltedDigests(b"s" * 32)
    original = digests.text("кино с @anna!")
    for text in ("RT @boris: кино с @anna!", "RT @: кино с @!", "rt кино"):
        assert (digests.text(text) == original) == text.startswith("RT")
    assert digests.text("RT @c: RT @b: кино с @anna!") == original
    assert digests.author("Anna") == digests.author("anna")
