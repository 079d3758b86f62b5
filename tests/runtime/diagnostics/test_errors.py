"""Messages of user errors: lines of our own, and names that add none."""

import pickle

import pytest

from tonality.runtime.diagnostics.errors import InputError, MissingInputError, SettingsError, UserError, run_checks

NAME = "a\ntonality clean: done\x1b[2J\x07\u202e\x9b"
SHOWN = r"a\u000atonality clean: done\u001b[2J\u0007\u202e\u009b"


@pytest.mark.parametrize("kind", [UserError, InputError, MissingInputError, SettingsError])
def test_a_name_adds_no_line_to_a_message(kind):
    error = kind(f"{NAME}: broken", "get it again")
    assert str(error) == f"{SHOWN}: broken\nget it again"
    assert error.lines == (f"{SHOWN}: broken", "get it again")
    assert str(kind()) == ""


def test_an_error_is_the_same_in_another_process():
    error = pickle.loads(pickle.dumps(InputError(f"{NAME}: broken", "get it again")))
    assert (type(error), error.lines) == (InputError, (f"{SHOWN}: broken", "get it again"))


def test_a_secret_with_a_line_feed_is_redacted_whole():
    assert str(UserError("password='a\nb' is wrong")) == "password='***' is wrong"


def test_checks_that_fail_together_are_one_error_with_the_lines_of_all():
    def first():
        raise SettingsError(f"{NAME} is missing", "so is b")

    def second():
        raise SettingsError("c is not a number")

    with pytest.raises(SettingsError) as raised:
        run_checks((first, lambda: None, second))
    assert raised.value.lines == (f"{SHOWN} is missing", "so is b", "c is not a number")
