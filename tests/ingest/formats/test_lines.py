from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tonality.ingest.containers.streams import Block
from tonality.ingest.formats.lines import Lines


def lines_of(*blocks, max_record=2**20, **options):
    lines = Lines(
        iter([block if isinstance(block, Block) else Block(block) for block in blocks]), max_record, **options
    )
    return lines, [(line.offset, line.number, line.content) for line in lines]


def contents(*blocks, **options):
    return [content for _, _, content in lines_of(*blocks, **options)[1]]


def test_a_line_break_ends_a_line_and_the_last_may_lack_it():
    assert contents(b"one\ntwo\n") == contents(b"one\ntwo") == [b"one", b"two"]
    assert contents(b"") == contents() == []
    assert contents(b"\n\n") == [b"", b""]


def test_offsets_and_numbers_count_the_stream():
    assert lines_of("раз\r\n\nдва".encode())[1] == [(0, 1, "раз\r".encode()), (8, 2, b""), (9, 3, "два".encode())]


@given(
    st.lists(st.binary(max_size=6).map(lambda content: content.replace(b"x", b"\n")), max_size=12), st.integers(1, 9)
)
def test_lines_are_the_same_however_the_stream_is_cut_into_blocks(blocks, max_record):
    whole = b"".join(blocks)
    expected = whole.split(b"\n")[:-1] + ([whole.rpartition(b"\n")[2]] if not whole.endswith(b"\n") and whole else [])
    lines = list(Lines(iter(map(Block, blocks)), max_record))
    assert [line.content for line in lines] == [line[:max_record] for line in expected]
    assert [line.bytes for line in lines] == [len(line) for line in expected]
    assert [whole[line.offset :][: line.bytes] for line in lines] == expected


def test_a_line_that_is_too_long_is_truncated():
    lines = list(Lines(iter([Block(b"x" * 10), Block(b"y" * 10 + b"\nnext")]), 4))
    assert [(line.content, line.bytes, line.is_too_long) for line in lines] == [
        (b"xxxx", 20, True),
        (b"next", 4, False),
    ]


def test_the_line_in_which_a_stream_breaks_has_the_damage_and_reading_resumes_with_the_next():
    lines = Lines(iter([Block(b"one\ntw"), Block(b"", "torn"), Block(b"ee\nfour\n"), Block(b"", "cut")]), 100)
    found = [(line.offset, line.number, line.content, line.bytes, line.damage) for line in lines]
    assert found == [(0, 1, b"one", 3, ""), (4, 2, b"tw", 2, "torn"), (9, 3, b"four", 4, "")]
    assert lines.damage == "torn; cut"


def test_a_line_that_is_too_long_and_broken_counts_whole_in_the_offsets_behind_it():
    blocks = [Block(b"x" * 10), Block(b"y" * 10), Block(b"", "torn"), Block(b"zz\nnext\n" + b"w" * 6)]
    found = [(line.offset, line.number, line.content, line.bytes) for line in Lines(iter(blocks), 4)]
    assert found == [(0, 1, b"xxxx", 20), (23, 2, b"next", 4), (28, 3, b"wwww", 6)]


def test_damage_that_follows_damage_or_a_line_break_cuts_no_line_off():
    blocks = [Block(b"", "a"), Block(b"one\ntwo\n"), Block(b"", "b"), Block(b"", "c"), Block(b"r\nlast")]
    found = [(line.offset, line.number, line.content, line.damage) for line in Lines(iter(blocks), 100)]
    assert found == [(4, 2, b"two", ""), (10, 4, b"last", "")]


def ranges(content, cuts, block=3):
    """The lines of each range of the content."""
    edges = [0, *sorted(cuts), len(content)]
    found = []
    for start, end in pairwise(edges):
        inside = [Block(content[at : min(at + block, end)]) for at in range(start, end, block)]
        after = [Block(content[at : at + block], in_range=False) for at in range(end, len(content), block)]
        lines = Lines(iter(inside + after), 100, begins_file=start == 0)
        found.append([(start + line.offset, line.content) for line in lines])
        assert (lines.span, lines.breaks) == (end - start, content[start:end].count(b"\n"))
    return found


@given(st.lists(st.sampled_from([b"\n", b"a", b"bc", b"\n\n"]), max_size=15).map(b"".join), st.data())
def test_every_line_belongs_to_exactly_one_range(content, data):
    cuts = data.draw(st.lists(st.integers(1, max(1, len(content) - 1)), max_size=4)) if len(content) > 1 else []
    together = [line for lines in ranges(content, set(cuts)) for line in lines]
    assert together == [(offset, line) for offset, _, line in lines_of(content)[1]]


def test_line_numbers_of_a_range_start_at_one_and_continue_by_its_breaks():
    content = b"one\ntwo\nthree\nfour\n"
    first = Lines(iter([Block(content[:6]), Block(content[6:], in_range=False)]), 100)
    second = Lines(iter([Block(content[6:])]), 100, begins_file=False)
    assert [(line.number, line.content) for line in first] == [(1, b"one"), (2, b"two")]
    assert [(first.breaks + line.number, line.content) for line in second] == [(3, b"three"), (4, b"four")]


def test_a_line_that_begins_where_a_range_ends_belongs_to_it():
    assert ranges(b"one\ntwo\n", {4}) == [[(0, b"one"), (4, b"two")], []]


def test_a_range_without_a_line_break_has_no_line():
    assert ranges(b"one long line\n", {4, 8}) == [[(0, b"one long line")], [], []]


def test_of_thousands_of_breaks_the_first_are_listed_and_the_others_counted():
    lines = Lines(iter([Block(b"", f"block {n}") for n in range(20_000)]), 100)
    assert list(lines) == []
    assert lines.damage.startswith("block 0; block 1; ")
    assert lines.damage.endswith("block 19; and 19,980 more")


def test_damage_after_a_range_is_reported_by_the_range_that_owns_it():
    lines = Lines(iter([Block(b"one\ntw"), Block(b"", "torn", in_range=False), Block(b"o\n", in_range=False)]), 100)
    assert [(line.content, line.damage) for line in lines] == [(b"one", ""), (b"tw", "torn")]
    assert lines.damage == ""
