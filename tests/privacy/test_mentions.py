import pytest

from tonality.privacy.mentions import remove_usernames


@pytest.mark.parametrize(
    ("text", "expected"),
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
def test_user_names_are_removed_from_mentions_and_links_to_twitter(text, expected):
    assert remove_usernames(text) == expected
    assert remove_usernames(expected) == expected
