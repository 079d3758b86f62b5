from tonality.privacy.pseudonyms import Pseudonyms

KEY, OTHER_KEY = b"k" * 32, b"o" * 32


def test_an_author_has_one_pseudonym_in_any_case_and_other_authors_have_others():
    pseudonyms = Pseudonyms(KEY)
    assert pseudonyms.author("Anna") == pseudonyms.author("anna") == Pseudonyms(KEY).author("ANNA")
    assert len({pseudonyms.author(name) for name in ("anna", "ann", "anna_", "", "анна")}) == 5
    assert len(pseudonyms.author("anna")) == 32
    assert int(pseudonyms.author("anna"), 16)


def test_another_key_gives_other_pseudonyms_and_another_check():
    pseudonyms, other = Pseudonyms(KEY), Pseudonyms(OTHER_KEY)
    assert pseudonyms.author("anna") != other.author("anna")
    assert pseudonyms.tweet_id(7) != other.tweet_id(7)
    assert pseudonyms.check == Pseudonyms(KEY).check != other.check


def test_keys_may_be_longer_than_the_hash_takes():
    assert Pseudonyms(b"k" * 1000).author("anna") != Pseudonyms(b"k" * 1001).author("anna")


def test_ids_become_positive_63_bit_numbers_that_differ():
    pseudonyms = Pseudonyms(KEY)
    numbers = {pseudonyms.tweet_id(number) for number in range(1, 10_001)}
    assert len(numbers) == 10_000
    assert all(0 < number < 2**63 for number in numbers)
    assert max(numbers) > 2**62
