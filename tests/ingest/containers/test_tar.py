import gzip
import io
import tarfile
import time

import pytest

from tonality.ingest.containers.compression import Expansion
from tonality.ingest.containers.streams import FileStream
from tonality.ingest.containers.tar import _extension, is_tar, read_members
from tonality.ingest.containers.walk import find_members_in

FORMATS = [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT]


def packed(*entries, form=tarfile.PAX_FORMAT):
    """A tar of (name, content) or (name, content, attributes)."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as tar:
        for name, content, *attributes in entries:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            for key, value in (attributes[0] if attributes else {}).items():
                setattr(entry, key, value)
            tar.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def members(content):
    return [
        (member.name, member.stream.read(10**6) if member.stream else None, member.skipped or member.damage)
        for member in read_members(FileStream(io.BytesIO(content)))
    ]


def test_a_tar_is_known_by_its_first_header():
    assert is_tar(packed(("a", b"x")))
    assert not is_tar(b'{"id": 1}\n' * 100)
    assert not is_tar(b"")
    assert not is_tar(bytes(512))


@pytest.mark.parametrize("form", FORMATS)
def test_members_are_read_in_order_and_folders_left_out(form):
    tar = packed(
        ("a", b"one"), ("2015/", b"", {"type": tarfile.DIRTYPE}), ("2015/b", b"x" * 600), ("c", b""), form=form
    )
    assert members(tar) == [("a", b"one", ""), ("2015/b", b"x" * 600, ""), ("c", b"", "")]


@pytest.mark.parametrize("form", FORMATS[:2])
def test_long_names_are_read_whole(form):
    name = "папка/" * 30 + "x.json"
    assert members(packed((name, b"one"), ("short", b"two"), form=form)) == [(name, b"one", ""), ("short", b"two", "")]


def test_members_need_not_be_read():
    tar = packed(("a", b"x" * 5000), ("b", b"y"))
    assert [member.name for member in read_members(FileStream(io.BytesIO(tar)))] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "attributes", "why"),
    [
        ("l", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "a symbolic link to /etc/passwd"),
        ("l", {"type": tarfile.LNKTYPE, "linkname": "a"}, "a link to a"),
        ("d", {"type": tarfile.CHRTYPE}, "a device"),
        ("p", {"type": tarfile.FIFOTYPE}, "a pipe"),
        ("s", {"pax_headers": {"GNU.sparse.major": "1"}}, "a sparse file"),
        ("/etc/passwd", {}, "an absolute name"),
        ("a/../../b", {}, "a name with .."),
        ("2015/._a.json", {}, "hidden by its name's . or _"),
    ],
)
def test_what_is_no_plain_file_of_the_tar_is_named_and_not_read(name, attributes, why):
    tar = packed(("a", b"one"), (name, b"", attributes), ("b", b"two"))
    assert members(tar) == [("a", b"one", ""), (name, None, why), ("b", b"two", "")]


def test_tars_one_after_the_other_are_read():
    assert members(packed(("a", b"one")) + packed(("b", b"two"))) == [("a", b"one", ""), ("b", b"two", "")]


def test_behind_a_broken_header_the_next_sound_one_is_read():
    tar = bytearray(packed(("a", b"one"), ("b", b"two"), ("c", b"three")))
    tar[1024 + 3] ^= 1  # b's header
    assert members(bytes(tar)) == [
        ("a", b"one", ""),
        ("", None, "tar broken at byte 1024: bad checksum"),
        ("c", b"three", ""),
    ]


def test_a_tar_cut_off_between_its_members_is_damage():
    tar = packed(("a", b"one"), ("b", b"two"))
    assert members(tar[:1024]) == [("a", b"one", ""), ("", None, "tar cut off at byte 1024: it has no end mark")]


def test_a_member_cut_off_says_so_behind_what_is_there():
    tar = packed(("a", b"x" * 2000))[:1000]
    (member, _) = list(read_members(FileStream(io.BytesIO(tar))))
    member = next(read_members(FileStream(io.BytesIO(tar))))
    found = list(member.stream.blocks())
    assert (len(b"".join(block.content for block in found)), found[-1].damage) == (488, "cut off at byte 488 of 2000")


def sources(content):
    return [
        (source.name, source.stream.read(10**6) if source.stream else None, source.skipped or source.damage)
        for source in find_members_in("x.tar", FileStream(io.BytesIO(content)), Expansion(250))
    ]


def test_a_members_source_is_named_after_the_tar():
    tar = packed(("2015/a.gz", gzip.compress(b"one")), ("l", b"", {"type": tarfile.SYMTYPE, "linkname": "a"}))
    expected = [("x.tar!2015/a.gz", b"one", ""), ("x.tar!l", None, "a symbolic link to a")]
    assert sources(tar) == sources(gzip.compress(tar)) == expected


def test_a_tar_inside_a_tar_is_read():
    inner = packed(("b", b"two"))
    assert sources(packed(("a.tar", inner))) == [("x.tar!a.tar!b", b"two", "")]


def test_containers_inside_one_another_without_end_are_left():
    content = b"one"
    for _ in range(3):
        content = gzip.compress(content)
    assert sources(content) == [("x.tar", b"one", "")]
    for _ in range(5):
        content = gzip.compress(content)
    assert sources(content) == [("x.tar", None, "more than 4 containers inside one another")]


def test_a_tar_without_a_member_has_a_source_of_its_own():
    assert sources(packed(("2015", b"", {"type": tarfile.DIRTYPE}))) == [("x.tar", None, "")]


def test_a_compressed_tar_that_breaks_gives_the_members_before_and_is_damaged_itself():
    tar = packed(*((f"{n}", bytes([n]) * 3000) for n in range(50)))
    found = sources(gzip.compress(tar, 0)[:100_000])
    assert [name for name, content, _ in found if content and len(content) == 3000] == [f"x.tar!{n}" for n in range(27)]
    assert [(name, why) for name, _, why in found if why][-1] == (
        "x.tar",
        "gzip stream cut off at compressed byte 100000",
    )


def with_size(content, header, size):
    """The tar with the size of one header as GNU writes large ones: 12 bytes, negative ones, too."""
    entry = bytearray(content[header : header + 512])
    entry[124:136] = (b"\x80" if size >= 0 else b"\xff") + (size % 2**88).to_bytes(11, "big")
    entry[148:156] = b" " * 8
    entry[148:156] = b"%06o\0 " % sum(entry)
    return content[:header] + bytes(entry) + content[header + 512 :]


@pytest.mark.parametrize("size", [-1, -512, -1024, 2**60, 2**62, 2**64, 2**80])
def test_a_size_that_no_file_has_is_a_broken_header(size):
    tar = with_size(packed(("a", b"one"), ("b", b"two"), ("c", b"three")), 1024, size)
    assert members(tar) == [("a", b"one", ""), ("", None, f"tar broken at byte 1024: size {size}"), ("c", b"three", "")]


@pytest.mark.parametrize("said", ["1" * 30, "1" * 5000, "-1", "x"])
def test_a_size_in_an_extended_header_that_no_file_has_is_not_believed(said):
    tar = packed(("a", b"one", {"pax_headers": {"size": said}}), ("b", b"two"))
    assert members(tar) == [("a", b"one", ""), ("b", b"two", "")]


def test_a_record_of_an_extended_header_that_is_longer_than_any_is_not_believed():
    tar = packed(("a", b"one", {"pax_headers": {"comment": "x" * 6000}}), ("b", b"two"))
    assert members(tar.replace(b"6016 comment=", b"1" * 13)) == [("a", b"one", ""), ("b", b"two", "")]
    assert members(tar.replace(b"6016 comment=" + b"x" * 5000, b"1" * 5013)) == [("a", b"one", ""), ("b", b"two", "")]


def test_a_link_to_what_is_not_utf_8_is_named_in_utf_8_in_its_account(read):
    tar = packed(("l", b"", {"type": tarfile.SYMTYPE, "linkname": "\udcff"}), form=tarfile.GNU_FORMAT)
    (account,) = read(tar).accounts
    account["skipped"].encode()
    assert account["skipped"].startswith("a symbolic link to ")


def test_the_damage_of_an_outer_stream_is_told_where_the_inner_one_is_whole():
    packed_twice = gzip.compress(gzip.compress(b"one\n"))
    (source,) = find_members_in("x", FileStream(io.BytesIO(packed_twice[:-3])), Expansion(250))
    found = list(source.stream.blocks())
    assert b"".join(block.content for block in found) == b"one\n"
    assert found[-1].damage == f"gzip stream cut off at compressed byte {len(packed_twice) - 3}"


def test_records_of_an_extended_header_are_read_in_linear_time():
    records = {f"k{n}": "" for n in range(5_000)}
    tar = packed(("a", b"one", {"pax_headers": {**records, "path": "папка/x"}}))
    assert members(tar) == [("папка/x", b"one", "")]
    content = b"7 a=bc\n" * 300_000
    entry = tarfile.TarInfo("h")
    entry.type = tarfile.XHDTYPE
    began = time.process_time()
    assert _extension(entry, content) == {"a": "bc"}
    assert time.process_time() - began < 5


def test_nothing_is_believed_of_an_extended_header_that_is_too_long():
    tar = packed(("a", b"one", {"pax_headers": {"comment": "x" * 70_000, "path": "long"}}), ("b", b"two"))
    assert members(tar) == [("a", b"one", ""), ("b", b"two", "")]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_tar_cut_inside_a_member_is_cut_off_where_it_ends(pack):
    tar = packed(("a", b"x" * 8000))[:2000]
    (_, *damage) = sources(pack(tar))
    assert damage == [("x.tar", None, "tar cut off at byte 2000: it has no end mark")]


def test_a_tar_cut_inside_a_member_of_a_tar_is_cut_off_where_it_ends():
    inner = packed(("a", b"x" * 8000))[:2000]
    assert sources(packed(("b.tar", inner), ("c", b"two")))[1:] == [
        ("x.tar!b.tar", None, "tar cut off at byte 2000: it has no end mark"),
        ("x.tar!c", b"two", ""),
    ]
