import bz2
import gzip
import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tonality.archive import streams
from tonality.archive.streams import Block, Lines, read_blocks

# Lines that compress badly, so that a break in the compressed file falls among them.
NUMBERS = random.Random(7)
LINES = [f"{n} {NUMBERS.getrandbits(200):x}".encode() for n in range(20_000)]
CONTENT = b"\n".join(LINES) + b"\n"


def lines_of(content, max_record=2**20):
    lines = Lines(read_blocks(io.BytesIO(content)), max_record)
    return lines, list(lines)


def contents(content, **options):
    return [line.content for line in lines_of(content, **options)[1]]


@pytest.fixture(params=["gzip", "bzip2"])
def container(request):
    return request.param


def packed(container, content):
    return gzip.compress(content, 5) if container == "gzip" else bz2.compress(content)


def test_a_plain_file_is_read_as_it_is():
    assert contents(b"one\ntwo\n") == [b"one", b"two"]


def test_a_compressed_file_is_read_as_what_it_holds(container):
    lines, read = lines_of(packed(container, CONTENT))
    assert ([line.content for line in read], lines.damage, lines.cut) == (LINES, "", None)


def test_members_are_read_one_after_the_other_even_in_the_middle_of_a_line(container):
    parts = [b"one\ntw", b"", b"o\nthree\n"]
    assert contents(b"".join(packed(container, part) for part in parts)) == [b"one", b"two", b"three"]


def test_many_members_longer_than_a_read_are_all_read(container, monkeypatch):
    monkeypatch.setattr(streams, "_READ_BYTES", 7)
    assert contents(b"".join(packed(container, b"%d\n" % n) for n in range(50))) == [b"%d" % n for n in range(50)]


def test_zeros_after_the_last_member_are_padding(container):
    for padding in (1, 512, 2**19):
        lines, read = lines_of(packed(container, b"one\n") + bytes(padding))
        assert ([line.content for line in read], lines.damage) == ([b"one"], "")


@pytest.mark.parametrize("padding", [512, 2**19])
def test_zeros_between_members_hide_no_member(container, padding):
    content = packed(container, b"one\n") + bytes(padding) + packed(container, b"two\n")
    assert contents(content) == [b"one", b"two"]


@pytest.mark.parametrize("padding", [0, 2**19])
def test_garbage_after_a_member_is_damage_and_what_stands_before_is_kept(container, padding):
    garbage = b"this is no member at all" * 100
    lines, read = lines_of(packed(container, b"one\ntwo\n") + bytes(padding) + garbage + packed(container, b"three\n"))
    assert [line.content for line in read] == [b"one", b"two"]
    assert lines.damage.startswith(f"{container} stream broken near compressed byte ")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.99999])
def test_a_file_cut_off_keeps_every_whole_line_before_the_cut(container, share):
    whole = packed(container, CONTENT)
    kept = whole[: int(len(whole) * share)]
    lines, read = lines_of(kept)
    assert lines.damage == f"{container} stream cut off at compressed byte {len(kept)}"
    stream = bz2.BZ2Decompressor() if container == "bzip2" else gzip.zlib.decompressobj(31)
    there = stream.decompress(kept)
    assert [line.content for line in read] == there.split(b"\n")[:-1]
    if lines.cut:  # decompressors differ in how many of its last bytes they still give out
        assert LINES[len(read)].startswith(lines.cut.content)


def test_the_line_in_which_a_file_breaks_off_is_no_line():
    whole = gzip.compress(b"one\ntwo") + gzip.compress(CONTENT)
    lines, read = lines_of(whole[: len(gzip.compress(b"one\ntwo")) + 5])
    assert [line.content for line in read] == [b"one"]
    assert (lines.cut.offset, lines.cut.number, lines.cut.content) == (4, 2, b"two")


def test_a_flipped_bit_in_the_middle_keeps_the_lines_far_before_it_and_names_the_damage(container):
    broken = bytearray(packed(container, CONTENT * 4))
    broken[len(broken) // 2] ^= 0x10
    lines, read = lines_of(bytes(broken))
    assert lines.damage.startswith(f"{container} stream broken near compressed byte ")
    good = [line.content for line in read][: len(LINES)]
    assert good == LINES[: len(good)]
    assert len(good) > len(LINES) * 0.9


@pytest.mark.parametrize("content", [b"", gzip.compress(b""), bz2.compress(b"")])
def test_an_empty_file_has_no_lines_and_no_damage(content):
    lines, read = lines_of(content)
    assert (read, lines.damage, lines.cut) == ([], "", None)


@pytest.mark.parametrize("content", [b"\x1f\x8b", b"BZh", b"BZh9"])
def test_a_file_cut_off_in_its_first_bytes_is_damaged(content):
    lines, read = lines_of(content)
    assert read == []
    assert lines.damage.endswith(f"cut off at compressed byte {len(content)}")


def test_offsets_and_numbers_count_the_uncompressed_stream():
    _, read = lines_of(gzip.compress("раз\r\n\nдва".encode()))
    assert [(line.offset, line.number, line.bytes) for line in read] == [(0, 1, 7), (8, 2, 0), (9, 3, 6)]
    assert [line.content.decode() for line in read] == ["раз\r", "", "два"]


@given(st.lists(st.binary(max_size=30)), st.integers(1, 12))
def test_lines_are_the_same_however_the_stream_is_cut_into_blocks(pieces, max_record):
    content = b"\n".join(pieces)
    blocks = [Block(content[start : start + 5]) for start in range(0, len(content), 5)]
    expected = content.split(b"\n")
    if not expected[-1]:
        expected.pop()
    read = list(Lines(iter(blocks), max_record))
    assert [line.content for line in read] == [line[:max_record] for line in expected]
    assert [line.bytes for line in read] == [len(line) for line in expected]
    assert [line.number for line in read] == list(range(1, len(expected) + 1))
    assert all(content[line.offset :].startswith(line.content) for line in read)


def test_of_a_line_that_is_too_long_only_the_start_is_held():
    blocks = (Block(b"x" * 1000) for _ in range(100))
    long, after = Lines(iter([*blocks, Block(b"\nend\n")]), 10)
    assert (long.content, long.bytes, long.is_too_long) == (b"x" * 10, 100_000, True)
    assert (after.offset, after.number, after.content, after.is_too_long) == (100_001, 2, b"end", False)


def test_a_small_file_of_much_content_is_read_in_small_blocks():
    blocks = list(read_blocks(io.BytesIO(gzip.compress(bytes(2**23)))))
    assert max(len(block.content) for block in blocks) <= 2**16
    assert sum(len(block.content) for block in blocks) == 2**23
