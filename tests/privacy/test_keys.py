import pytest

from tonality.privacy.keys import Keys, load_keys, read_key
from tonality.privacy.policy import Policy
from tonality.runtime.diagnostics.errors import SettingsError

KEY = b"k" * 32


def test_a_key_is_the_content_of_its_file(tmp_path):
    file = tmp_path / "key"
    file.write_bytes(KEY)
    assert read_key(str(file)) == read_key(file.as_uri()) == KEY


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"privacy\.key: no file at .*/key\. Make a key"),
        (b"", r"privacy\.key: .*/key has 0 bytes: expected a key of 16 to 65,536 bytes"),
        (b"k" * 15, r"has 15 bytes"),
        (b"k" * 65_537, r"has 65,537 bytes: expected a key of 16 to 65,536 bytes"),
    ],
)
def test_a_key_that_is_missing_too_short_or_too_long_is_refused(content, message, tmp_path):
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=message):
        read_key(str(file))


def test_a_folder_is_not_a_key(tmp_path):
    with pytest.raises(SettingsError, match="no file at"):
        read_key(str(tmp_path))


def test_keys_appear_in_no_message():
    assert "kkk" not in repr(Keys(KEY, KEY)) + str(Keys(KEY, KEY)) + f"{Keys(KEY, KEY)}"


def test_ids_that_are_to_be_dropped_get_another_key_each_time(tmp_path):
    (tmp_path / "key").write_bytes(KEY)
    dropped = Policy(authors="hash", ids="drop")
    first, second = (load_keys(dropped, str(tmp_path / "key")) for _ in range(2))
    assert first.authors == second.authors == KEY
    assert KEY != first.ids != second.ids
    assert load_keys(Policy(ids="hash"), str(tmp_path / "key")).ids == KEY
