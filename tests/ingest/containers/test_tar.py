import gzip
import io
import tarfile
import time

import pytest

from tonality.ingest.containers.compression import ExpansionLimit
from tonality.ingest.containers.streams import FileStream
from tonality.ingest.containers.tar import _parse_extended_header, is_tar, read_tar
from tonality.ingest.containers.walk import walk_stream

FORMATS = [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT]


def make_tar(*entries, form=tarfile.PAX_FORMAT):
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


def entries(content):
    return [
        (member.name, member.stream.read(10**6) if member.stream else None, member.skipped or member.damage)
        for member in read_tar(FileStream(io.BytesIO(content)))
    ]


def test_a_tar_is_detected_by_its_first_header():
    assert is_tar(make_tar(("a", b"x")))
    assert not is_tar(b'{"id": 1}\n' * 100)
    assert not is_tar(b"")
    assert not is_tar(bytes(512))


@pytest.mark.parametrize("form", FORMATS)
def test_entries_are_read_in_order_without_directories(form):
    tar = make_tar(
        ("a", b"one"), ("2015/", b"", {"type": tarfile.DIRTYPE}), ("2015/b", b"x" * 600), ("c", b""), form=form
    )
    assert entries(tar) == [("a", b"one", ""), ("2015/b", b"x" * 600, ""), ("c", b"", "")]


@pytest.mark.parametrize("form", FORMATS[:2])
def test_long_names_are_read_whole(form):
    name = "папка/" * 30 + "x.json"
    assert entries(make_tar((name, b"one"), ("short", b"two"), form=form)) == [
        (name, b"one", ""),
        ("short", b"two", ""),
    ]


def test_entries_need_not_be_read():
    tar = make_tar(("a", b"x" * 5000), ("b", b"y"))
    assert [member.name for member in read_tar(FileStream(io.BytesIO(tar)))] == ["a", "b"]


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
def test_an_entry_other_than_a_plain_file_is_named_and_skipped(name, attributes, why):
    tar = make_tar(("a", b"one"), (name, b"", attributes), ("b", b"two"))
    assert entries(tar) == [("a", b"one", ""), (name, None, why), ("b", b"two", "")]


def test_concatenated_tars_are_read():
    assert entries(make_tar(("a", b"one")) + make_tar(("b", b"two"))) == [("a", b"one", ""), ("b", b"two", "")]


def test_after_a_broken_header_reading_resumes_at_the_next_valid_one():
    tar = bytearray(make_tar(("a", b"one"), ("b", b"two"), ("c", b"three")))
    tar[1024 + 3] ^= 1  # b's header
    assert entries(bytes(tar)) == [
        ("a", b"one", ""),
        ("", None, "tar broken at byte 1024: bad checksum"),
        ("c", b"three", ""),
    ]


def test_a_tar_cut_off_between_its_entries_is_damage():
    tar = make_tar(("a", b"one"), ("b", b"two"))
    assert entries(tar[:1024]) == [
        ("a", b"one", ""),
        ("", None, "tar cut off at byte 1024: it has no end-of-archive marker"),
    ]


def test_a_truncated_entry_is_read_up_to_the_cut_then_damage():
    tar = make_tar(("a", b"x" * 2000))[:1000]
    (member, _) = list(read_tar(FileStream(io.BytesIO(tar))))
    member = next(read_tar(FileStream(io.BytesIO(tar))))
    found = list(member.stream.blocks())
    assert (len(b"".join(block.content for block in found)), found[-1].damage) == (488, "cut off at byte 488 of 2000")


def members(content):
    return [
        (member.name, member.stream.read(10**6) if member.stream else None, member.skipped or member.damage)
        for member in walk_stream("x.tar", FileStream(io.BytesIO(content)), ExpansionLimit(250))
    ]


def test_a_member_is_named_after_its_tar():
    tar = make_tar(("2015/a.gz", gzip.compress(b"one")), ("l", b"", {"type": tarfile.SYMTYPE, "linkname": "a"}))
    expected = [("x.tar!2015/a.gz", b"one", ""), ("x.tar!l", None, "a symbolic link to a")]
    assert members(tar) == members(gzip.compress(tar)) == expected


def test_a_tar_inside_a_tar_is_read():
    inner = make_tar(("b", b"two"))
    assert members(make_tar(("a.tar", inner))) == [("x.tar!a.tar!b", b"two", "")]


def test_containers_nested_too_deeply_are_not_opened():
    content = b"one"
    for _ in range(3):
        content = gzip.compress(content)
    assert members(content) == [("x.tar", b"one", "")]
    for _ in range(5):
        content = gzip.compress(content)
    assert members(content) == [("x.tar", None, "more than 4 containers inside one another")]


def test_a_tar_without_entries_is_a_member_itself():
    assert members(make_tar(("2015", b"", {"type": tarfile.DIRTYPE}))) == [("x.tar", None, "")]


def test_a_broken_compressed_tar_yields_the_members_before_the_break_and_its_damage():
    tar = make_tar(*((f"{n}", bytes([n]) * 3000) for n in range(50)))
    found = members(gzip.compress(tar, 0)[:100_000])
    assert [name for name, content, _ in found if content and len(content) == 3000] == [f"x.tar!{n}" for n in range(27)]
    assert [(name, why) for name, _, why in found if why][-1] == (
        "x.tar",
        "gzip stream cut off at compressed byte 100000",
    )


def with_size(content, header, size):
    """The tar with the size in one header replaced, in GNU's binary format for large and negative ones."""
    entry = bytearray(content[header : header + 512])
    entry[124:136] = (b"\x80" if size >= 0 else b"\xff") + (size % 2**88).to_bytes(11, "big")
    entry[148:156] = b" " * 8
    entry[148:156] = b"%06o\0 " % sum(entry)
    return content[:header] + bytes(entry) + content[header + 512 :]


@pytest.mark.parametrize("size", [-1, -512, -1024, 2**60, 2**62, 2**64, 2**80])
def test_an_implausible_size_is_a_broken_header(size):
    tar = with_size(make_tar(("a", b"one"), ("b", b"two"), ("c", b"three")), 1024, size)
    assert entries(tar) == [("a", b"one", ""), ("", None, f"tar broken at byte 1024: size {size}"), ("c", b"three", "")]


@pytest.mark.parametrize("size", ["1" * 30, "1" * 5000, "-1", "x"])
def test_an_implausible_size_in_an_extended_header_is_ignored(size):
    tar = make_tar(("a", b"one", {"pax_headers": {"size": size}}), ("b", b"two"))
    assert entries(tar) == [("a", b"one", ""), ("b", b"two", "")]


def test_an_implausibly_long_record_of_an_extended_header_is_ignored():
    tar = make_tar(("a", b"one", {"pax_headers": {"comment": "x" * 6000}}), ("b", b"two"))
    assert entries(tar.replace(b"6016 comment=", b"1" * 13)) == [("a", b"one", ""), ("b", b"two", "")]
    assert entries(tar.replace(b"6016 comment=" + b"x" * 5000, b"1" * 5013)) == [("a", b"one", ""), ("b", b"two", "")]


def test_the_account_of_a_link_to_a_name_that_is_not_utf_8_is_utf_8(read):
    tar = make_tar(("l", b"", {"type": tarfile.SYMTYPE, "linkname": "\udcff"}), form=tarfile.GNU_FORMAT)
    (account,) = read(tar).accounts
    account["skipped"].encode()
    assert account["skipped"].startswith("a symbolic link to ")


def test_the_damage_of_an_outer_stream_is_reported_if_the_inner_one_is_complete():
    packed_twice = gzip.compress(gzip.compress(b"one\n"))
    (member,) = walk_stream("x", FileStream(io.BytesIO(packed_twice[:-3])), ExpansionLimit(250))
    found = list(member.stream.blocks())
    assert b"".join(block.content for block in found) == b"one\n"
    assert found[-1].damage == f"gzip stream cut off at compressed byte {len(packed_twice) - 3}"


def test_records_of_an_extended_header_are_read_in_linear_time():
    records = {f"k{n}": "" for n in range(5_000)}
    tar = make_tar(("a", b"one", {"pax_headers": {**records, "path": "папка/x"}}))
    assert entries(tar) == [("папка/x", b"one", "")]
    content = b"7 a=bc\n" * 300_000
    entry = tarfile.TarInfo("h")
    entry.type = tarfile.XHDTYPE
    start = time.process_time()
    assert _parse_extended_header(entry, content) == {"a": "bc"}
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("content", "attributes"),
    [
        (b"6 a=b\n", {"a": "b"}),
        (b"6 a=b\n6 c=d\n", {"a": "b", "c": "d"}),
        (b"5 a=\n", {"a": ""}),
        (b"0000000000018 a=b\n", {"a": "b"}),
        (b"00000000000019 a=b\n", {}),
        (b"6 a=b\n7 c=d\n", {"a": "b"}),
        (b" 6 a=b\n", {}),
        (b"2 a=b\n", {}),
        (b"0 a=b\n", {}),
        (b"-6 a=b\n", {}),
        (b"6", {}),
        (b"", {}),
    ],
)  # fmt: skip
def test_records_of_an_extended_header_are_read_up_to_the_first_whose_length_is_invalid(content, attributes):
    info = tarfile.TarInfo("h")
    info.type = tarfile.XHDTYPE
    assert _parse_extended_header(info, content) == attributes


def test_an_entry_begins_at_its_first_header_and_ends_where_the_next_begins():
    name = "папка/" * 30
    tar = make_tar(("a", b"x" * 600), ("2015/", b"", {"type": tarfile.DIRTYPE}), (name, b"y" * 512), ("c", b""))
    found = [(entry.name, entry.begin, entry.end) for entry in read_tar(FileStream(io.BytesIO(tar)))]
    long_name = 3 * 512  # an extended header, its content, the header itself
    assert found == [("a", 0, 1536), (name, 2048, 2048 + long_name + 512), ("c", 2560 + long_name, 3072 + long_name)]


@pytest.mark.parametrize("kind", [tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK])
@pytest.mark.parametrize("size", [1, 511, 512, 513, 1536])
def test_headers_that_concern_no_file_are_skipped_with_their_content(kind, size):
    file = b"x" * 512
    tar = make_tar(("a", file), ("skip", b"y" * size, {"type": kind}), ("b", file), ("skip", b"", {"type": kind}))
    assert entries(tar) == [("a", file, ""), ("b", file, "")]


def test_damage_between_entries_has_no_position_of_its_own():
    tar = bytearray(make_tar(("a", b"one"), ("b", b"two"), ("c", b"three")))
    tar[1024 + 3] ^= 1  # b's header
    found = [(entry.name, entry.begin, entry.end) for entry in read_tar(FileStream(io.BytesIO(bytes(tar))))]
    assert found == [("a", 0, 1024), ("", 0, 0), ("c", 2048, 3072)]


def test_an_extended_header_that_is_too_long_is_ignored():
    tar = make_tar(("a", b"one", {"pax_headers": {"comment": "x" * 70_000, "path": "long"}}), ("b", b"two"))
    assert entries(tar) == [("a", b"one", ""), ("b", b"two", "")]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_tar_cut_inside_a_member_is_cut_off_where_it_ends(pack):
    tar = make_tar(("a", b"x" * 8000))[:2000]
    (_, *damage) = members(pack(tar))
    assert damage == [("x.tar", None, "tar cut off at byte 2000: it has no end-of-archive marker")]


def test_a_tar_cut_inside_a_member_of_a_tar_is_cut_off_where_it_ends():
    inner = make_tar(("a", b"x" * 8000))[:2000]
    assert members(make_tar(("b.tar", inner), ("c", b"two")))[1:] == [
        ("x.tar!b.tar", None, "tar cut off at byte 2000: it has no end-of-archive marker"),
        ("x.tar!c", b"two", ""),
    ]
