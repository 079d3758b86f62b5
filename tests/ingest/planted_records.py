"""Random streams of records with the expected outcome of each, determined independently of Tonality."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple

__all__ = ["ANY", "COLUMNS", "FILTERED", "KEPT", "NOTICE", "REJECT", "Filters", "Planter", "Row", "Stream"]

KEPT, NOTICE, FILTERED, REJECT = "kept", "notices", "filtered", "rejects"
ANY: Final = "any"
"""Any outcome: a record nested about as deep as Python's stack may be kept or rejected."""

COLUMNS: Final = {
    "id": "id",
    "created_at": "when",
    "author": "who",
    "text": "what",
    "lang": "tongue",
    "retweet": "again",
}
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
WORDS: Final = (
    *("кошки", "и", "дома", "снег", "Ёлка", "в", "МОСКВЕ", "kino", "лучшее", "утро", "#кино", "@vasya", ":)", ":("),
    *(
        "😀",
        "🏳️‍🌈",
        "&amp;",
        "&lt;3",
        "http://t.co/x1",
        "\u2028",
        "é",
        "日本語",
        "a\\b",
        "x/y",
        "\n",
        "\t",
        "%",
        "’",
        "Į̷̡",
    ),
)
BAD_UTF8: Final = (
    b"\xff",
    b"\xc3",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf5\x80\x80\x80",
    b"caf\xe9",
    b"\xe2\x82",
    b"\x80",
)


class Row(NamedTuple):
    """A record in its stream, with its expected outcome."""

    where: str
    what: Any
    """The id of a tweet, the reason of a reject, the id that a delete notice names."""
    offset: int
    line: int
    raw: bytes
    begin: int
    """The start of its line."""
    end: int
    """The start of the next line."""


@dataclass
class Stream:
    """A stream of lines and the records in them."""

    content: bytes
    rows: list[Row]
    is_table: bool = False
    header_end: int = 0


class _Outcome(NamedTuple):
    where: str
    what: Any = None
    at: int = 0
    """The start of the record in its line."""
    raw: bytes | None = None
    """The record, if it is not the whole line."""


_Line = tuple[bytes, list[_Outcome]]


@dataclass(frozen=True)
class Filters:
    """The filters and limits of a run."""

    languages: tuple[str, ...]
    since: date | None
    until: date | None
    retweets: str
    max_record: int = 4000
    pages: int = 16
    """The largest size of a page, as a multiple of a record's."""

    @classmethod
    def drawn(cls, random: Random) -> "Filters":
        """Draw a mixture of filters, or none."""
        return cls(
            random.choice([(), ("ru",), ("RU", "uk")]),
            random.choice([None, date(2015, 12, 5)]),
            random.choice([None, date(2015, 12, 20)]),
            random.choice(["keep", "drop"]),
        )

    def fields(self) -> dict[str, Any]:
        """The filters as fields of ReadOptions."""
        return {name: getattr(self, name) for name in ("languages", "since", "until", "retweets", "max_record")}


class Planter:
    """A generator of records of many kinds, each with its expected outcome."""

    def __init__(self, random: Random, expected: Filters) -> None:
        self.random = random
        self.expected = expected

    # Streams

    def stream(self, size: int) -> Stream:
        """Generate `size` lines of JSON."""
        random = self.random
        windows = random.random() < 0.3
        lines = [self._line() for _ in range(size)]
        broken = [(raw, outcomes, b"\r\n" if windows and random.random() < 0.9 else b"\n") for raw, outcomes in lines]
        return _joined(broken, random.random() < 0.3)

    def table(self, size: int, delimiter: str) -> Stream:
        """Generate `size` rows of CSV below a header."""
        random = self.random
        columns = list(COLUMNS.values())
        random.shuffle(columns)
        header = delimiter.join(columns).encode()
        end = b"\r\n" if random.random() < 0.3 else b"\n"
        lines: list[tuple[bytes, list[_Outcome], bytes]] = [
            (b"", [_Outcome(NOTICE)], end) for _ in range(random.choice([0, 0, 2]))
        ]
        lines.append(((BYTE_ORDER_MARK if random.random() < 0.2 else b"") + header, [], end))
        head = sum(len(raw) + len(end) for raw, _, end in lines)
        lines += [(*self._csv(columns, delimiter, header), end) for _ in range(size)]
        stream = _joined(lines, random.random() < 0.3)
        stream.is_table, stream.header_end = True, head
        stream.rows = [row._replace(raw=row.raw[: self.expected.max_record]) for row in stream.rows]  # more is not held
        return stream

    # Tweets

    def _id(self) -> int:
        return self.random.getrandbits(self.random.choice([20, 50, 60, 62])) * 2 + 1

    def _text(self) -> str:
        return " ".join(self.random.choices(WORDS, k=self.random.randrange(1, 20)))

    def _noise(self) -> str:
        return f"{self.random.getrandbits(400):x}"

    def _moment(self, kept: bool = True) -> datetime:
        """Draw a second of the kept days, or one outside of them."""
        first = self.expected.since or date(2015, 11, 1)
        last = self.expected.until or date(2016, 2, 1)
        seconds = ((last - first).days + 1) * 86400
        begin = datetime(first.year, first.month, first.day, tzinfo=UTC)
        second = self.random.choice([0, seconds - 1, self.random.randrange(seconds)])
        if not kept:
            outside = [-1] * bool(self.expected.since) + [seconds] * bool(self.expected.until)
            second = self.random.choice(outside) * self.random.choice([1, 1, 2])
        return begin + timedelta(seconds=second)

    def _when(self, moment: datetime, v2: bool) -> Any:
        if v2:
            return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        return self.random.choice(
            [
                moment.strftime("%a %b %d %H:%M:%S +0000 %Y"),
                (moment + timedelta(hours=3)).strftime("%a %b %d %H:%M:%S +0300 %Y"),
                moment.isoformat(),
                int(moment.timestamp()),
                str(int(moment.timestamp() * 1000)),
            ]
        )

    def _tweet(self, v2: bool, defect: str = "", retweet: bool | None = None) -> tuple[dict[str, Any], _Outcome]:
        """Generate a tweet that is kept or, if there are filters, possibly filtered."""
        random, expected = self.random, self.expected
        number = self._id()
        filters = ["language"] * bool(expected.languages) + ["day"] * bool(expected.since or expected.until)
        filters += ["retweet"] * (expected.retweets == "drop" and retweet is None)
        filtered = random.choice(filters) if filters and not defect and random.random() < 0.25 else ""
        lang = random.choice([*(expected.languages or ("en", None)), "ru"] if not filtered else ["ru"])
        if filtered == "language":
            lang = random.choice(["en", None, "", "r"])
        elif lang:
            lang = random.choice([lang, lang.upper(), lang.lower()])
        if retweet is None:
            retweet = filtered == "retweet" or (expected.retweets == "keep" and random.random() < 0.2)
        tweet = {
            "created_at": self._when(self._moment(filtered != "day"), v2),
            "text": self._text(),
            **({"lang": lang} if lang is not None or random.random() < 0.5 else {}),
            "favorited": False,
            "noise": self._noise(),
        }
        tweet |= self._of_v2(number, retweet) if v2 else self._of_v1(number, retweet)
        if not defect:
            tweet |= random.choice([{}, {}, {"odd": self._odd()}])
        keys = list(tweet)
        random.shuffle(keys)
        return {key: tweet[key] for key in keys}, _Outcome(FILTERED if filtered else KEPT, number)

    def _odd(self) -> Any:
        """Draw any JSON value, for a field that is not read."""
        deep: Any = []
        for _ in range(self.random.randrange(60)):
            deep = self.random.choice([[deep], {"a": deep}])
        return self.random.choice([deep, 10**40, -1.5e300, {"id": "x", "text": 7, "delete": {}}, "\0\x01\x7f", None])

    def _of_v1(self, number: int, retweet: bool) -> dict[str, Any]:
        random = self.random
        tweet: dict[str, Any] = random.choice(
            [
                {"id": number, "id_str": str(number)},
                {"id_str": str(number)},
                {"id": float(number), "id_str": str(number)},
            ]
        )
        tweet["user"] = random.choice([{"screen_name": "vasya", "id": 5}, None, {}, {"screen_name": None}])
        tags = [{"text": "кино", "indices": [0, 4]}] * random.randrange(3)
        tweet["entities"] = random.choice([{"hashtags": tags, "urls": []}, {}, None, "odd", {"hashtags": [None, 7]}])
        if random.random() < 0.3:
            extended = {"full_text": self._text(), "entities": {"hashtags": tags}}
            tweet |= random.choice(
                [
                    {"extended_tweet": extended, "truncated": True},
                    {"full_text": self._text()},
                    {"extended_tweet": None},
                    {"extended_tweet": {"full_text": 7}},
                ]
            )
        if retweet:
            tweet["retweeted_status"] = {"id": self._id(), "text": self._text(), "entities": {"hashtags": tags}}
        if random.random() < 0.2:
            tweet["quoted_status"] = {"id": self._id(), "text": self._text(), "created_at": "never", "user": 7}
        return tweet

    def _of_v2(self, number: int, retweet: bool) -> dict[str, Any]:
        random = self.random
        tweet: dict[str, Any] = {"id": str(number), "author_id": str(self._id())}
        tweet |= random.choice(
            [{}, {"author": {"username": "vasya", "id": "5"}}, {"note_tweet": {"text": self._text()}}]
        )
        references = [{"type": random.choice(["quoted", "replied_to"]), "id": str(self._id())}] * random.randrange(2)
        if retweet:
            references.append({"type": "retweeted", "id": str(self._id())})
            if random.random() < 0.5:
                references[-1]["text"] = self._text()
        return tweet | ({"referenced_tweets": references} if references or random.random() < 0.3 else {})

    # Lines of JSON

    def _dumped(self, value: Any) -> bytes:
        random = self.random
        separators = random.choice([(",", ":"), (", ", ": ")])
        text = json.dumps(value, ensure_ascii=random.random() < 0.4, separators=separators)
        return text.encode()

    def _line(self) -> _Line:
        weights = {
            self._status: 40,
            self._page: 8,
            self._notice: 12,
            self._malformed: 10,
            self._bad_bytes: 7,
            self._wrong: 14,
            self._long: 3,
            self._nested: 3,
        }
        return self.random.choices(list(weights), list(weights.values()))[0]()

    def _status(self) -> _Line:
        tweet, outcome = self._tweet(self.random.random() < 0.3)
        raw = self._dumped(tweet)
        match self.random.randrange(20):
            case 0:
                raw = BYTE_ORDER_MARK * self.random.choice([1, 1, 2, 100]) + raw
            case 1:
                raw = b" \t" + raw + b"  "
            case 2 if len(raw) + 12 < self.expected.max_record:  # just as long as a record may be
                rest = self.expected.max_record - len(raw) - len(b',"rest":""') - 1  # a \r may follow
                raw = raw[:-1] + b',"rest":"' + b"x" * rest + b'"}'
        return (raw, [outcome]) if len(raw) < self.expected.max_record else self._status()

    def _page(self) -> _Line:
        """Generate a response of API v2, or a single tweet of its streams."""
        random = self.random
        before = random.choice([b"{", b'{"meta":{"next_token":"x"},', b' {"matching_rules":[{"id":"1"}],'])
        included = {"users": [{"id": "5", "username": "vasya"}], "tweets": [{"id": "7", "text": self._text()}]}
        odd = self._dumped(random.choice([included, included, 7, None, {"users": 7}]))
        behind = b',"includes":' + odd + b"}" if random.random() < 0.5 else b"}"
        if random.random() < 0.3:
            tweet, outcome = self._tweet(v2=True)
            raw = before + b'"data":' + (element := self._dumped(tweet)) + behind
            return raw, [outcome._replace(at=raw.index(element), raw=element)]
        raw, outcomes = before + b'"data": [', []
        for number in range(random.randrange(1, 8)):
            element, outcome = self._element()
            raw += random.choice([b",", b", "]) if number else b""
            outcomes.append(outcome._replace(at=len(raw), raw=element))
            raw += element
        return raw + b"]" + behind, outcomes

    def _element(self) -> tuple[bytes, _Outcome]:
        match self.random.randrange(12):
            case 0:
                return self._dumped(self.random.choice([7, "x", None, [], True])), _Outcome(REJECT, "wrong-type")
            case 1:
                tweet, reason = self._defective(v2=True)
                return self._dumped(tweet), _Outcome(REJECT, reason)
            case 2:
                tweet, _ = self._tweet(v2=True)
                long = self._dumped(tweet | {"rest": "x" * self.expected.max_record})
                return long, _Outcome(REJECT, "too-long")
            case _:
                tweet, outcome = self._tweet(v2=True)
                return self._dumped(tweet), outcome

    def _notice(self) -> _Line:
        random, number = self.random, self._id()
        if random.random() < 0.4:
            return random.choice([b"", b"", b" ", b"\t \t"]), [_Outcome(NOTICE)]
        if random.random() < 0.4:
            status = random.choice([{"id": number, "id_str": str(number)}, {"id_str": str(number)}])
            notice = {"delete": {"status": status | {"user_id": 3}, "timestamp_ms": "1449734462000"}}
            return self._with_bom(self._dumped(notice)), [_Outcome(NOTICE, number)]
        notice = random.choice(
            [
                {"limit": {"track": 7, "timestamp_ms": "1"}},
                {"scrub_geo": {"user_id": 1, "up_to_status_id": number}},
                {"status_withheld": {"id": number, "withheld_in_countries": ["RU"]}},
                {"user_withheld": None},
                {"disconnect": {"code": 4, "reason": self._text()}},
                {"warning": {"code": "FALLING_BEHIND", "percent_full": 60}},
                {"event": "favorite", "target": {"id": 1}, "created_at": "x", "id": number},
                {"friends": [1, 2, 3]},
                {"delete": {}},
                {"delete": {"status": {"id": "x"}}},
                {"delete": 7},
                {"errors": [{"title": "Not Found Error", "detail": self._text()}]},
                {"meta": {"result_count": 0}},
                {"data": [], "meta": {"result_count": 0}},
                {"data": None, "errors": []},
                {"data": [], "includes": {"users": []}},
            ]
        )
        return self._with_bom(self._dumped(notice)), [_Outcome(NOTICE)]

    def _with_bom(self, raw: bytes) -> bytes:
        """Sometimes put byte order marks before a record."""
        return BYTE_ORDER_MARK * self.random.choice([0] * 8 + [1, 2]) + raw

    def _malformed(self) -> _Line:
        random = self.random
        tweet, _ = self._tweet(v2=False)
        raw = self._dumped(tweet)
        text = raw.decode()
        bad = random.choice(
            [
                text[: random.randrange(1, len(text))].encode(),  # a cut between characters
                raw + random.choice([b"x", b"}", b",", b"{}", raw, b'"', b"]", b" 7", b"\\"]),
                raw[:-1] + random.choice([rb',"a":"\q"}', rb',"a":"\u12G4"}']),
                raw[:-1] + random.choice([b",}", b",,}", b"]", b',"a"}', b',"a":}', b",a:1}", b",'a':1}", b';"a":1}']),
                raw[:-1]
                + b',"a":'
                + random.choice([b"01", b"1.", b".5", b"+1", b"1e", b"0x1", b"NaN", b"-", b"tru"])
                + b"}",
                raw[:-1] + random.choice([b',"a":"\x01"}', b',"a":"\t"}', b',"a":"\x1f"}']),
                random.choice([b"<html><body>503</body></html>", b"Exceeded connection limit", b"{", b"}", b"{]"]),
                BYTE_ORDER_MARK,
                b'{"a":' * random.randrange(1, 700),
            ]
        )
        return bad, [_Outcome(REJECT, "malformed-json")]

    def _bad_bytes(self) -> _Line:
        random = self.random
        raw = self._dumped(self._tweet(v2=False)[0])
        marker = random.choice([b'"text"', b'"noise"', b"{"])
        at = raw.index(marker) + len(marker) - (marker != b"{")
        if random.random() < 0.5:
            return raw[:at] + random.choice(BAD_UTF8) + raw[at:], [_Outcome(REJECT, "invalid-utf8")]
        nul = random.choice([raw[:at] + b"\0" + raw[at:], b"\0", b"\0" * 700, raw + b"\0", b"\0" + raw])
        return nul, [_Outcome(REJECT, "nul-byte")]

    def _wrong(self) -> _Line:
        if self.random.random() < 0.15:
            raw = self.random.choice(
                [b"[]", b"7", b"null", b"true", b'"x"', b"[{}]", b'{"data":7}', b'{"data":true}', b"-1.5e3"]
            )
            return raw, [_Outcome(REJECT, "wrong-type", *((8, raw[8:-1]) if raw.startswith(b"{") else ()))]
        tweet, reason = self._defective(v2=False)
        raw = self._dumped(tweet)
        return (
            (b"[" + raw + b"]", [_Outcome(REJECT, "wrong-type")])
            if self.random.random() < 0.1
            else (raw, [_Outcome(REJECT, reason)])
        )

    def _defective(self, v2: bool) -> tuple[dict[str, Any], str]:
        """Generate a tweet with one defect, and the reason of its rejection."""
        random = self.random
        tweet, _ = self._tweet(v2, defect="yes", retweet=False)
        reason, defect = random.choice(
            [
                *[("no-id", defect) for defect in ({"id": None}, {"id": ...})],
                *[("no-text", defect) for defect in ({"text": None}, {"text": ...})],
                *[("no-date", {"created_at": value}) for value in (None, ..., "")],
                *[
                    ("bad-date", {"created_at": value})
                    for value in (
                        *(
                            "Thu Feb 30 08:01:02 +0000 2015",
                            "Thu Abc 10 08:01:02 +0000 2015",
                            "yesterday",
                            "0",
                            0,
                            -1,
                            True,
                        ),
                        *(
                            "Thu Dec 10 25:01:02 +0000 2015",
                            "Thu Jan 01 00:00:00 +0000 1970",
                            "2105-01-01T00:00:00Z",
                            {},
                            [],
                        ),
                        *(1e300, 10**30, "9" * 30, "2015-13-01", "0000-00-00", "Thu Dec 10 08:01:02 XYZ 2015", "٢٠١٥"),
                    )
                ],
                *[
                    ("wrong-type", {"id": value})
                    for value in (
                        -1,
                        0,
                        2**63,
                        10**60,
                        True,
                        "7a",
                        7.5,
                        "٣",
                        [],
                        {},
                        "-5",
                        " ",
                        "1" * 20,
                        1e19,
                        "1" * 3000,
                    )
                ],
                *[("wrong-type", {"text": value}) for value in (7, [], {}, True, 1.5)],
                *[("wrong-type", {"user": value}) for value in ("vasya", 7, [], {"screen_name": 7})],
                *[("wrong-type", {"lang": value}) for value in (7, ["ru"], {})],
                *[("wrong-type", {"retweeted_status": value}) for value in ("да", 7, [], {"text": 7})],
                ("no-text", {"retweeted_status": {}, "text": None}),
            ]
        )
        for name in ("id_str", "full_text", "extended_tweet", "note_tweet", "quoted_status", "referenced_tweets"):
            tweet.pop(name, None)
        tweet = tweet | {"id": self._id()} | defect
        return {key: value for key, value in tweet.items() if value is not ...}, reason

    def _long(self) -> _Line:
        tweet, limit = self._tweet(v2=False)[0], self.expected.max_record
        size = self.random.choice([limit, 3 * limit, 3 * limit, self.expected.pages * limit, 300_000])
        raw = self._dumped(tweet | {"rest": "x" * size})
        if size >= self.expected.pages * limit and self.random.random() < 0.5:
            raw = self.random.choice([b"x", b"\xff", b"\0", b"["]) * size + b"yz"
        return raw, [_Outcome(REJECT, "too-long")]

    def _nested(self) -> _Line:
        """Generate a record nested less deep than Python's stack, or about as deep."""
        open_, close = self.random.choice([(b"[", b"]"), (b'{"a":', b"}")])
        tweet, outcome = self._tweet(v2=False)
        if self.random.random() < 0.5:
            outcome = _Outcome(ANY, outcome.what)
        depth = self.random.choice([1500, *range(800, 1010)]) if outcome.where == ANY else self.random.randrange(1, 600)
        inside = open_ * depth + (b"1" if open_ != b"[" else b"") + close * depth
        key = b"zz"
        if outcome.where == ANY:
            key = self.random.choice(
                [b"zz", b"delete", b"entities", b"extended_tweet", b"author_id", b"id", b"created_at", b"data"]
            )
            tweet = self.random.choice([tweet, {}])
            tweet.pop(key.decode(), None)
        raw = json.dumps(tweet, separators=(",", ":")).encode()
        raw = raw[:-1] + b"," * bool(tweet) + b'"' + key + b'":' + inside + b"}"
        return (raw, [outcome]) if outcome.where == ANY or len(raw) < self.expected.max_record else self._nested()

    # Rows of CSV

    def _csv(self, columns: Sequence[str], delimiter: str, header: bytes) -> _Line:
        tweet, outcome = self._row()
        where = self.random.randrange(100)
        if where < 6:
            return (b"", [_Outcome(NOTICE)])
        if where < 9:
            return (header, [_Outcome(NOTICE)])
        if where < 25:
            reason, defect = self._row_defect()
            tweet, outcome = tweet | defect, _Outcome(REJECT, reason)
        fields = [self._quoted(tweet[name], delimiter) for name in columns]
        raw = delimiter.encode().join(fields)
        tail = self._bad_row(delimiter) if 25 <= where < 37 else None
        if tail is None:
            return raw, [outcome]
        make, reason = tail
        return make(raw), [_Outcome(REJECT, reason)]

    def _row(self) -> tuple[dict[str, str], _Outcome]:
        tweet, outcome = self._tweet(v2=False, retweet=False)
        retweet = self.expected.retweets == "drop" and outcome.where == KEPT and self.random.random() < 0.1
        row = {
            "id": str(outcome.what),
            "when": str(tweet["created_at"]),
            "who": self.random.choice(["", "vasya"]),
            "what": "x" + self._text().replace("\t", " ") + self._noise(),
            "tongue": tweet.get("lang") or "",
            "again": self.random.choice(["true", "1", "yes"] if retweet else ["", "0", "false"]),
        }
        return row, outcome._replace(where=FILTERED) if retweet else outcome

    def _row_defect(self) -> tuple[str, dict[str, str]]:
        return self.random.choice(
            [
                ("no-id", {"id": ""}),
                ("no-text", {"what": ""}),
                ("no-date", {"when": ""}),
                ("bad-date", {"when": "2015-13-40"}),
                ("bad-date", {"when": "1"}),
                ("wrong-type", {"id": "x"}),
                ("wrong-type", {"id": "-1"}),
                ("wrong-type", {"id": "6.7e17"}),
                ("wrong-type", {"id": "9" * 19}),
            ]
        )

    def _quoted(self, field: str, delimiter: str) -> bytes:
        must = any(marker in field for marker in (delimiter, '"', "\n", "\r"))
        if must or self.random.random() < 0.2:
            return b'"' + field.replace('"', '""').encode() + b'"'
        return field.encode()

    def _bad_row(self, delimiter: str) -> tuple[Callable[[bytes], bytes], str]:
        """Draw a function that makes a row invalid, and the reason of its rejection; rows are reduced to one line."""
        flat = lambda raw: raw.replace(b"\n", b" ")  # noqa: E731
        marker = delimiter.encode()
        return self.random.choice(
            [
                (lambda raw: flat(raw) + marker + b"more", "malformed-csv"),
                (lambda raw: b"only" + flat(raw)[:0], "malformed-csv"),
                (lambda raw: flat(raw) + marker + b'"never closed', "malformed-csv"),
                (lambda raw: b'"a"b' + marker + flat(raw), "malformed-csv"),
                (lambda raw: flat(raw) + b"\xff", "invalid-utf8"),
                (lambda raw: b"\0" + flat(raw), "nul-byte"),
                (lambda raw: flat(raw) + b"x" * self.expected.max_record, "too-long"),
            ]
        )


def _joined(lines: Sequence[tuple[bytes, list[_Outcome], bytes]], open_end: bool) -> Stream:
    """Join lines; if `open_end`, the last one has no line break, unless it is empty."""
    content, rows, number = bytearray(), [], 1
    for index, (raw, outcomes, end) in enumerate(lines):
        last = open_end and index == len(lines) - 1 and raw
        begin = len(content)
        content += raw if last else raw + end
        shown = raw if last else raw + end[:-1]  # a \r belongs to the line
        rows += [
            Row(where, what, begin + at, number, shown if part is None else part, begin, len(content))
            for where, what, at, part in outcomes
        ]
        number += content.count(b"\n", begin) if not last else 0
    return Stream(bytes(content), rows)
