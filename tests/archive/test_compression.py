import bz2
import gzip
import io
import random
import zlib

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from tonality.archive import compression
from tonality.archive.compression import compression_of, unpack
from tonality.archive.streams import FileStream

# Text that compresses badly, so that a break in the compressed file falls anywhere in it.
NUMBERS = random.Random(7)
CONTENT = b"".join(b"%d %x\n" % (n, NUMBERS.getrandbits(200)) for n in range(20_000))

PACKERS = {"gzip": lambda content: gzip.compress(content, 5), "bzip2": bz2.compress, "zstd": zstd.compress}


@pytest.fixture(params=list(PACKERS))
def packing(request):
    return request.param


def pack(packing, *parts):
    return b"".join(PACKERS[packing](part) for part in parts)


def blocks(packed, max_expansion=10_000, **part):
    stream = FileStream(io.BytesIO(packed))
    return list(unpack(stream, compression_of(stream.peek(4)), max_expansion, **part))


def content(found):
    return b"".join(block.content for block in found)


def damage(found):
    return [block.damage for block in found if block.damage]


def until_broken(found):
    """What was given before the first damage."""
    sound = bytearray()
    for block in found:
        if block.damage:
            break
        sound += block.content
    return bytes(sound)


def test_a_stream_is_known_by_its_first_bytes():
    assert [compression_of(pack(packing, b"x")) for packing in PACKERS] == list(PACKERS)
    assert compression_of(b'{"id": 1}') is None
    assert compression_of(b"") is None


def test_a_compressed_stream_gives_what_it_holds(packing):
    found = blocks(pack(packing, CONTENT))
    assert (content(found), damage(found)) == (CONTENT, [])


def test_members_are_read_one_after_the_other_even_in_the_middle_of_a_line(packing):
    assert content(blocks(pack(packing, b"one\ntw", b"", b"o\nthree\n"))) == b"one\ntwo\nthree\n"


def test_many_members_longer_than_a_read_are_all_read(packing, monkeypatch):
    monkeypatch.setattr(compression, "READ_BYTES", 7)
    assert content(blocks(pack(packing, *(b"%d\n" % n for n in range(50))))) == b"".join(b"%d\n" % n for n in range(50))


@pytest.mark.parametrize("padding", [1, 512, 2**19])
def test_zeros_between_and_after_members_are_padding(packing, padding):
    zeros = bytes(padding)
    found = blocks(pack(packing, b"one\n") + zeros + pack(packing, b"two\n") + zeros)
    assert (content(found), damage(found)) == (b"one\ntwo\n", [])


@pytest.mark.parametrize("padding", [0, 2**19])
def test_what_stands_behind_a_member_and_is_none_is_damage(packing, padding):
    found = blocks(pack(packing, b"one\ntwo\n") + bytes(padding) + b"this is no member at all" * 100)
    assert until_broken(found) == b"one\ntwo\n"
    assert len(damage(found)) == 1


@pytest.mark.parametrize("packed", [b"", gzip.compress(b""), bz2.compress(b""), zstd.compress(b"")])
def test_an_empty_stream_holds_nothing_and_is_not_damaged(packed):
    stream = FileStream(io.BytesIO(packed))
    name = compression_of(stream.peek(4))
    assert [
        block for block in (unpack(stream, name, 10) if name else stream.blocks()) if block.content or block.damage
    ] == []


@pytest.mark.parametrize("packed", [b"\x1f\x8b", b"BZh", b"BZh9", b"BZh91AY", zstd.compress(b"one")[:5]])
def test_a_stream_cut_off_in_its_first_bytes_is_damaged(packed):
    found = blocks(packed)
    assert (content(found), len(damage(found))) == (b"", 1)
    assert f"cut off at compressed byte {len(packed)}" in damage(found)[0]


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.99999])
def test_a_stream_cut_off_gives_what_stands_before_the_cut(packing, share):
    whole = pack(packing, CONTENT)
    kept = whole[: int(len(whole) * share)]
    found = blocks(kept)
    assert f"{packing} stream cut off at compressed byte {len(kept)}" in damage(found)[0]
    if packing == "bzip2":  # the blocks that are there as a whole
        assert CONTENT.startswith(content(found))
        assert len(content(found)) >= int(len(CONTENT) * share) // 850_000 * 850_000
    else:
        patient = zlib.decompressobj(31) if packing == "gzip" else zstd.ZstdDecompressor()
        assert content(found) == patient.decompress(kept)


def every_byte_before_the_error(packed):
    """What zlib makes of a gzip stream fed to it byte by byte."""
    patient, given = zlib.decompressobj(31), bytearray()
    try:
        for byte in packed:
            given += patient.decompress(bytes([byte]))
    except zlib.error:
        pass
    return bytes(given)


@settings(max_examples=30, deadline=None)
@given(st.integers(20, 2**20), st.integers(0, 7))
def test_of_a_gzip_stream_with_a_flipped_bit_no_byte_before_the_break_is_lost(place, bit):
    broken = bytearray(gzip.compress(CONTENT[:100_000], 5))
    broken[place % len(broken)] ^= 1 << bit
    found = blocks(bytes(broken))
    assert until_broken(found) == every_byte_before_the_error(broken)
    assert len(damage(found)) <= 1


def test_a_gzip_member_that_fails_its_checksum_is_given_and_the_next_one_too():
    first = bytearray(gzip.compress(b"one\n"))
    first[-6] ^= 1
    found = blocks(bytes(first) + gzip.compress(b"two\n"))
    assert content(found) == b"one\ntwo\n"
    assert damage(found) == [f"gzip stream broken at compressed byte {len(first) - 5}: incorrect data check"]


def test_a_gzip_member_that_fails_its_length_is_given_and_the_next_one_too():
    first = bytearray(gzip.compress(b"one\n"))
    first[-1] ^= 1
    found = blocks(bytes(first) + gzip.compress(b"two\n"))
    assert content(found) == b"one\ntwo\n"
    assert damage(found) == [f"gzip stream broken at compressed byte {len(first) - 1}: incorrect length check"]


def test_a_zstandard_frame_that_fails_its_checksum_is_given():
    packed = bytearray(zstd.compress(CONTENT, options={zstd.CompressionParameter.checksum_flag: 1}))
    packed[-1] ^= 1
    found = blocks(bytes(packed))
    assert (until_broken(found), len(damage(found))) == (CONTENT, 1)


def test_a_broken_zstandard_frame_gives_the_blocks_before_the_break():
    packed = zstd.compress(CONTENT)
    found = blocks(packed[: len(packed) // 2] + b"\xff" * 1000)
    assert CONTENT.startswith(until_broken(found))
    assert len(until_broken(found)) > len(CONTENT) // 2 - 2**17
    assert damage(found)[0].startswith("zstd stream ")


def test_a_zstandard_frame_without_content_may_come_first():
    skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"\x01\x02\x03\x04"
    found = blocks(skippable + zstd.compress(b"one\n") + skippable + zstd.compress(b"two\n"))
    assert (content(found), damage(found)) == (b"one\ntwo\n", [])


def test_what_expands_beyond_the_bound_is_left(packing, monkeypatch):
    monkeypatch.setattr(compression, "_FREE_EXPANSION", 2**20)
    packed = pack(packing, bytes(20_000_000))
    found = blocks(packed, max_expansion=100)
    assert len(content(found)) < 2**20 + 2**26
    assert damage(found)[0].startswith(f"{packing} stream expands more than 100 times")


def test_what_expands_much_but_is_small_is_read(packing):
    found = blocks(pack(packing, bytes(20_000_000)), max_expansion=10)
    assert (len(content(found)), damage(found)) == (20_000_000, [])
