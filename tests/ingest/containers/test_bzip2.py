import bz2
import io
import random
import time
from itertools import pairwise
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tonality.ingest.containers import bzip2
from tonality.ingest.containers.bzip2 import decompress_bzip2
from tonality.ingest.containers.streams import FileStream
from tonality.ingest.formats.lines import Lines

NUMBERS = random.Random(3)
LINES = [b"%d %x" % (n, NUMBERS.getrandbits(240)) for n in range(12_000)]
CONTENT = b"\n".join(LINES) + b"\n"
PACKED = bz2.compress(CONTENT, 1)
"""Level 1 has blocks of 100 kB, so there are eight or nine."""
MAGIC = f"{0x314159265359:048b}"


def decompressed(packed, start=0, end=None):
    return list(decompress_bzip2(FileStream(io.BytesIO(packed)), start, end))


def block_bits(packed):
    """Positions of the blocks in bits, found the slow way."""
    bits = "".join(f"{byte:08b}" for byte in packed)
    found, at = [], -1
    while (at := bits.find(MAGIC, at + 1)) >= 0:
        found.append(at)
    return found


STARTS = block_bits(PACKED)


def test_blocks_begin_at_any_bit():
    assert len({start % 8 for start in STARTS}) > 2
    assert b"".join(block.content for block in decompressed(PACKED)) == CONTENT


def flipped(bit):
    broken = bytearray(PACKED)
    broken[bit // 8] ^= 0x80 >> bit % 8
    return bytes(broken)


@pytest.mark.parametrize("number", [0, 3, len(STARTS) - 1])
def test_a_broken_block_costs_no_other(number):
    expected = [block.content for block in decompressed(PACKED)]
    found = decompressed(flipped(STARTS[number] + 5_000))
    assert [block.damage for block in found if block.damage] == [
        f"bzip2 block broken at compressed byte {STARTS[number] // 8}"
    ]
    assert [block.content for block in found if block.content] == expected[:number] + expected[number + 1 :]


@pytest.mark.parametrize("number", [1, 4])
def test_a_block_whose_successor_has_lost_its_magic_is_kept(number):
    expected = [block.content for block in decompressed(PACKED)]
    found = decompressed(flipped(STARTS[number] + 7))
    assert [block.content for block in found if block.content] == expected[:number] + expected[number + 1 :]
    assert len([block for block in found if block.damage]) == 1


def test_a_first_block_without_its_magic_is_damage():
    found = decompressed(flipped(STARTS[0] + 7))
    assert found[0].damage == "bzip2 stream broken at compressed byte 4"
    assert CONTENT.endswith(b"".join(block.content for block in found))


def test_a_stream_without_blocks_is_damage():
    (block,) = decompressed(b"BZh9" + bytes(100))
    assert block.damage == "bzip2 stream cut off at compressed byte 104"


@pytest.mark.parametrize("left", range(1, 15))
def test_a_cut_in_the_end_of_stream_is_damage_and_costs_no_block(left):
    found = decompressed(PACKED[:-left])
    assert "cut off at compressed byte" in found[-1].damage
    if left < 10:
        assert b"".join(block.content for block in found) == CONTENT


def test_garbage_longer_than_any_block_is_not_buffered():
    garbage = random.Random(1).randbytes(5_000_000)
    found = decompressed(PACKED + garbage + PACKED)
    assert b"".join(block.content for block in found) == CONTENT * 2
    assert [block.damage for block in found if block.damage] == [
        f"bzip2 stream followed by something else at compressed byte {len(PACKED)}"
    ]


def read_in_ranges(packed, cuts, max_record=2**20):
    """The lines of the ranges between the cuts, with their offsets in the whole stream."""
    lines, before = [], 0
    edges = [0, *sorted(set(cuts)), len(packed)]
    for start, end in pairwise(edges):
        blocks = decompress_bzip2(FileStream(io.BytesIO(packed)), start, None if end == len(packed) else end)
        part = Lines(blocks, max_record, begins_file=start == 0)
        lines += [(before + line.offset, line.content) for line in part]
        before += part.span
    return lines


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, len(PACKED) - 1), max_size=6))
def test_every_line_belongs_to_exactly_one_range(cuts):
    expected, offset = [], 0
    for line in LINES:
        expected.append((offset, line))
        offset += len(line) + 1
    assert read_in_ranges(PACKED, cuts) == expected


def test_ranges_smaller_than_a_block_and_streams_joined_lose_nothing():
    joined = (
        bz2.compress(CONTENT[:50_001], 1) + bz2.compress(CONTENT[50_001:400_000], 1) + bz2.compress(CONTENT[400_000:])
    )
    found = read_in_ranges(joined, range(1000, len(joined), 9973))
    assert [content for _, content in found] == LINES


def test_a_line_longer_than_ranges_belongs_to_the_first_of_them():
    content = b"one\n" + NUMBERS.randbytes(600_000).replace(b"\n", b"-") + b"\ntwo\n"
    packed = bz2.compress(content, 1)
    found = read_in_ranges(packed, range(100_000, len(packed), 100_000))
    assert [content for _, content in found] == content.split(b"\n")[:-1]


@pytest.mark.parametrize("size", range(4, 18))
def test_a_cut_in_the_header_of_a_block_is_damage(size):
    (damage,) = (block.damage for block in decompressed(bz2.compress(b"one")[:size]) if block.damage)
    assert damage.startswith(f"bzip2 stream cut off at compressed byte {size}")


def test_a_cut_just_where_a_block_ends_costs_nothing():
    """Blocks end at any bit. After a cut behind one that ends with a byte, only the end of stream is missing."""
    found = 0
    for size in range(1, 100):
        packed = bz2.compress(b"x" * size)
        end = "".join(f"{byte:08b}" for byte in packed).find(f"{0x177245385090:048b}")
        if end % 8 == 0:
            content, damage = decompressed(packed[: end // 8])
            assert (content.content, damage.damage[:28]) == (b"x" * size, "bzip2 stream cut off at comp")
            found += 1
    assert found


def test_after_a_broken_block_no_more_is_buffered_than_the_longest_block():
    broken = bytearray(PACKED)
    broken[STARTS[-1] // 8 + 500] ^= 1
    # the last magics are far from the next ones, as in a file that is overwritten after them
    garbage = random.Random(1).randbytes(12_000_000)
    content = bytes(broken) + garbage
    buffered = []
    read_more = bzip2._MagicScanner._read_more

    def spy(magics):
        read_more(magics)
        buffered.append(len(magics._buffer))

    with mock.patch.object(bzip2._MagicScanner, "_read_more", spy):
        found = decompressed(content)
    assert max(buffered) < 3 * 2**20
    assert next(block.damage for block in found if block.damage).startswith("bzip2 block broken at compressed")


def test_thousands_of_magics_close_together_are_read_quickly():
    magic = bytes.fromhex("314159265359") + bytes(20)
    start = time.process_time()
    found = decompressed(b"BZh9" + magic * 5_000)
    assert len([block for block in found if block.damage]) == 5_000
    assert time.process_time() - start < 20
