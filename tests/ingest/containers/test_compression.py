import bz2
import gzip
import io
import random
import tarfile
import time
import zlib

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from tonality.ingest.containers import compression
from tonality.ingest.containers.compression import ExpansionLimit, decompress, detect_compression
from tonality.ingest.containers.streams import Block, DecompressedStream, FileStream
from tonality.ingest.containers.walk import walk_stream

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
    return list(decompress(stream, detect_compression(stream.peek(4)), ExpansionLimit(max_expansion), **part))


def content(found):
    return b"".join(block.content for block in found)


def damage(found):
    return [block.damage for block in found if block.damage]


def before_damage(found):
    """The content before the first damage."""
    sound = bytearray()
    for block in found:
        if block.damage:
            break
        sound += block.content
    return bytes(sound)


def test_compression_is_detected_by_the_first_bytes():
    assert [detect_compression(pack(packing, b"x")) for packing in PACKERS] == list(PACKERS)
    assert detect_compression(b'{"id": 1}') is None
    assert detect_compression(b"") is None


def test_a_compressed_stream_is_decompressed(packing):
    found = blocks(pack(packing, CONTENT))
    assert (content(found), damage(found)) == (CONTENT, [])


def test_members_are_concatenated_even_within_a_line(packing):
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
def test_data_after_a_member_that_is_no_member_is_damage(packing, padding):
    found = blocks(pack(packing, b"one\ntwo\n") + bytes(padding) + b"this is no member at all" * 100)
    assert before_damage(found) == b"one\ntwo\n"
    assert len(damage(found)) == 1


@pytest.mark.parametrize("packed", [b"", gzip.compress(b""), bz2.compress(b""), zstd.compress(b"")])
def test_an_empty_stream_is_empty_and_not_damaged(packed):
    stream = FileStream(io.BytesIO(packed))
    name = detect_compression(stream.peek(4))
    assert [
        block
        for block in (decompress(stream, name, ExpansionLimit(10)) if name else stream.blocks())
        if block.content or block.damage
    ] == []


@pytest.mark.parametrize("packed", [b"\x1f\x8b", b"BZh", b"BZh9", b"BZh91AY", zstd.compress(b"one")[:5]])
def test_a_stream_cut_off_in_its_first_bytes_is_damaged(packed):
    found = blocks(packed)
    assert (content(found), len(damage(found))) == (b"", 1)
    assert f"cut off at compressed byte {len(packed)}" in damage(found)[0]


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.99999])
def test_a_truncated_stream_is_read_up_to_the_cut(packing, share):
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
    """The output of zlib for a gzip stream fed to it byte by byte."""
    patient, given = zlib.decompressobj(31), bytearray()
    try:
        for byte in packed:
            given += patient.decompress(bytes([byte]))
    except zlib.error:
        pass
    return bytes(given)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.integers(20, 2**20), st.integers(0, 7))
def test_of_a_gzip_stream_with_a_flipped_bit_no_byte_before_the_break_is_lost(place, bit):
    broken = bytearray(gzip.compress(CONTENT[:100_000], 5))
    broken[place % len(broken)] ^= 1 << bit
    found = blocks(bytes(broken))
    assert before_damage(found) == every_byte_before_the_error(broken)
    assert len(damage(found)) <= 1


def test_a_gzip_member_that_fails_its_checksum_is_returned_and_so_is_the_next():
    first = bytearray(gzip.compress(b"one\n"))
    first[-6] ^= 1
    found = blocks(bytes(first) + gzip.compress(b"two\n"))
    assert content(found) == b"one\ntwo\n"
    assert damage(found) == [f"gzip stream broken at compressed byte {len(first) - 5}: incorrect data check"]


def test_a_gzip_member_that_fails_its_length_check_is_returned_and_so_is_the_next():
    first = bytearray(gzip.compress(b"one\n"))
    first[-1] ^= 1
    found = blocks(bytes(first) + gzip.compress(b"two\n"))
    assert content(found) == b"one\ntwo\n"
    assert damage(found) == [f"gzip stream broken at compressed byte {len(first) - 1}: incorrect length check"]


def test_a_zstandard_frame_that_fails_its_checksum_is_returned():
    packed = bytearray(zstd.compress(CONTENT, options={zstd.CompressionParameter.checksum_flag: 1}))
    packed[-1] ^= 1
    found = blocks(bytes(packed))
    assert (before_damage(found), len(damage(found))) == (CONTENT, 1)


def test_a_broken_zstandard_frame_is_read_up_to_the_broken_block():
    packed = zstd.compress(CONTENT)
    found = blocks(packed[: len(packed) // 2] + b"\xff" * 1000)
    assert CONTENT.startswith(before_damage(found))
    assert len(before_damage(found)) > len(CONTENT) // 2 - 2**17
    assert damage(found)[0].startswith("zstd stream ")


def test_a_zstandard_frame_without_content_may_come_first():
    skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"\x01\x02\x03\x04"
    found = blocks(skippable + zstd.compress(b"one\n") + skippable + zstd.compress(b"two\n"))
    assert (content(found), damage(found)) == (b"one\ntwo\n", [])


def test_reading_stops_at_the_expansion_limit(packing, monkeypatch):
    monkeypatch.setattr(compression, "FREE_EXPANSION", 2**20)
    packed = pack(packing, bytes(20_000_000))
    found = blocks(packed, max_expansion=100)
    assert len(content(found)) < 2**20 + 2**26
    assert damage(found)[0].startswith(f"{packing} stream expands more than 100 times")


def test_a_small_stream_may_expand_beyond_the_limit(packing):
    found = blocks(pack(packing, bytes(20_000_000)), max_expansion=10)
    assert (len(content(found)), damage(found)) == (20_000_000, [])


class Counted(FileStream):
    """A file that records backward seeks and the number of bytes read."""

    def __init__(self, content):
        super().__init__(io.BytesIO(content))
        self.back, self.taken = [], 0

    def seek(self, position):
        if position < self.tell():
            self.back.append(position)
        super().seek(position)

    def read(self, size):
        content = super().read(size)
        self.taken += len(content)
        return content


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
@pytest.mark.parametrize("padding", [0, 3, 2**19])
def test_valid_members_are_read_once_without_seeking_back(packing, padding):
    members = [b"%d\n" % n for n in range(20)] + [CONTENT, b"last\n"]
    packed = b"".join(pack(packing, member) + bytes(padding) for member in members)
    stream = Counted(packed)
    found = list(decompress(stream, packing, ExpansionLimit(10_000)))
    assert (content(found), damage(found)) == (b"".join(members), [])
    assert (stream.back, stream.taken) == ([], len(packed))


@pytest.mark.parametrize("inner", ["gzip", "zstd"])
def test_members_inside_a_compressed_tar_are_decompressed_once(inner):
    members = pack(inner, *(b"%d\n" % n for n in range(2000)))
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name in ("a", "b"):
            entry = tarfile.TarInfo(name)
            entry.size = len(members)
            tar.addfile(entry, io.BytesIO(members))
    outer_blocks = []

    def outer():
        stream = FileStream(io.BytesIO(gzip.compress(file.getvalue())))
        for block in decompress(stream, "gzip", ExpansionLimit(250)):
            outer_blocks.append(len(block.content))
            yield block

    lines = [
        content(member.stream.blocks()) for member in walk_stream("x", DecompressedStream(outer), ExpansionLimit(250))
    ]
    assert lines == [b"".join(b"%d\n" % n for n in range(2000))] * 2
    assert sum(outer_blocks) == len(file.getvalue())


def test_the_time_for_many_small_members_is_linear():
    packed = pack("gzip", *[b"x\n"] * 50_000)
    start = time.process_time()
    assert content(blocks(packed)) == b"x\n" * 50_000
    assert time.process_time() - start < 4


def test_decompressed_bytes_are_not_copied_at_every_read():
    held = bytes(40_000_000)
    stream = DecompressedStream(lambda: iter([Block(held)]))
    start = time.process_time()
    while stream.read(512):
        pass
    assert (stream.tell(), time.process_time() - start < 5) == (len(held), True)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.binary(max_size=9), max_size=9),
    st.lists(st.tuples(st.sampled_from(["peek", "read", "seek"]), st.integers(0, 40)), max_size=20),
)
def test_a_decompressed_stream_reads_like_a_file(parts, calls):
    stream = DecompressedStream(lambda: iter([*map(Block, parts), Block(b"", "torn")]))
    whole, at = b"".join(parts), 0
    for call, number in calls:
        if call == "seek":
            at = min(number, len(whole))
            stream.seek(number)
        else:
            assert getattr(stream, call)(number) == whole[at : at + number]
            at = min(at + number, len(whole)) if call == "read" else at
        assert stream.tell() == at
    assert content(stream.blocks()) == whole[at:]


def nested(packing, content):
    """The blocks of a file that is compressed twice."""
    (member,) = walk_stream("x", FileStream(io.BytesIO(pack("gzip", pack(packing, content)))), ExpansionLimit(100))
    return list(member.stream.blocks())


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_the_expansion_limit_applies_to_the_file_not_to_each_layer(packing, monkeypatch):
    monkeypatch.setattr(compression, "FREE_EXPANSION", 2**20)
    noise = NUMBERS.randbytes(20_000)
    # each layer by itself is within the limit: the inner one expands 50 times, the outer one even more
    many = b"".join(pack(packing, noise + bytes(10**6)) for _ in range(50))
    found = nested(packing, b"one\n")
    assert (content(found), damage(found)) == (b"one\n", [])
    (member,) = walk_stream("x", FileStream(io.BytesIO(pack("zstd", many))), ExpansionLimit(100))
    found = list(member.stream.blocks())
    assert len(content(found)) < len(many) + 50 * 10**6
    assert "expands more than 100 times" in damage(found)[0]


def test_the_free_expansion_is_shared_by_all_members_of_a_tar(monkeypatch):
    monkeypatch.setattr(compression, "FREE_EXPANSION", 2**20)
    bomb = zstd.compress(bytes(900_000))
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for n in range(10):
            entry = tarfile.TarInfo(f"{n}")
            entry.size = len(bomb)
            tar.addfile(entry, io.BytesIO(bomb))
    file.seek(0)
    found = [list(member.stream.blocks()) for member in walk_stream("x", FileStream(file), ExpansionLimit(10))]
    assert content(found[0]) == bytes(900_000)
    assert sum(len(content(blocks)) for blocks in found) < 2 * 2**20
    assert all("expands more than 10 times" in damage(blocks)[0] for blocks in found[2:])


def test_the_damage_of_a_zstandard_frame_with_too_large_a_window_names_a_remedy():
    packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 28})
    found = blocks(packer.compress(b"one\n") + packer.flush())
    assert content(found) == b""
    assert damage(found)[0].endswith("its window is larger than 128 MiB: decompress it first")


def test_no_step_returns_more_than_a_block_even_if_a_zstandard_frame_is_cut_off():
    found = blocks(zstd.compress(bytes(50_000_000))[:-3], max_expansion=10**6)
    assert len(content(found)) > 40_000_000
    assert max(len(block.content) for block in found) <= 2**18
    assert "cut off" in damage(found)[-1]
