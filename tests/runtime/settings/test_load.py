import ast
import re
import tomllib
from datetime import date
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from tonality.runtime.diagnostics.errors import SettingsError
from tonality.runtime.settings.load import conf_directory, load
from tonality.runtime.settings.sections import Settings

CONF = conf_directory()
DEFAULT = CONF / "default.toml"


def keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Every key in order, those of inner sections last, as TOML requires."""
    found, inner = [], []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            inner += keys(field.annotation, f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found + inner


def written_keys(table: dict, prefix: str = "") -> list[str]:
    found = []
    for name, value in table.items():
        found += written_keys(value, f"{prefix}{name}.") if isinstance(value, dict) else [prefix + name]
    return found


def errors(*overrides: str, files: tuple[Path, ...] = ()) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        load(files, overrides)
    return str(raised.value).splitlines()


def write(folder: Path, text: str, name: str = "mine.toml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_default_toml_has_the_values_that_apply_without_a_file():
    assert load([DEFAULT]) == load() == Settings()


def test_default_toml_names_every_setting_in_its_order_and_no_other():
    assert written_keys(tomllib.loads(DEFAULT.read_text())) == keys(Settings)


def test_every_setting_and_section_of_default_toml_has_a_comment_directly_above():
    lines = DEFAULT.read_text().splitlines()
    bare = [
        line
        for above, line in zip(["", *lines], lines, strict=False)
        if re.match(r"\[|\w+ =", line) and not above.startswith("# ")
    ]
    assert bare == []


def test_a_comment_of_default_toml_is_the_docstring_of_its_setting():
    """One text for readers of the file and of the code."""
    tree = ast.parse((Path(__file__).parents[3] / "lib/tonality/runtime/settings/sections.py").read_text())
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
    docstrings = {" ".join(text.value.split()) for text in texts if isinstance(text, ast.Constant)}
    blocks = re.findall(r"((?:^# .*\n)+)(?=\[|\w+ =)", DEFAULT.read_text(), re.MULTILINE)
    comments = [" ".join(line.removeprefix("# ") for line in block.splitlines()) for block in blocks]
    assert [comment for comment in comments if comment not in docstrings] == []


@pytest.mark.parametrize("file", sorted(CONF.glob("*.toml")), ids=lambda file: file.name)
def test_every_setting_in_a_file_of_conf_arrives(file):
    table = tomllib.loads(file.read_text())
    given = load([file]).model_dump(exclude_unset=True)
    assert sorted(written_keys(given)) == sorted(written_keys(table)) != []


def test_a_later_file_wins_over_an_earlier_one_and_set_over_both(tmp_path):
    first = write(tmp_path, "[train]\nepochs = 5\nbatch_size = 8\nlearning_rate = 0.5", "first.toml")
    second = write(tmp_path, "[train]\nepochs = 6\nbatch_size = 16", "second.toml")
    train = load([first, second], ["train.epochs=7"]).train
    assert (train.epochs, train.batch_size, train.learning_rate) == (7, 16, 0.5)
    assert load([second, first]).train.epochs == 5
    assert load([], ["train.epochs=1", "train.epochs=2"]).train.epochs == 2


def test_all_errors_are_reported_together(tmp_path):
    broken = write(tmp_path, "[train\n", "broken.toml")
    wrong = write(
        tmp_path,
        '[train]\nepochs = "many"\n[trian]\nepochs = 2\n[survey]\npositive = 0.3\nnegative = 0.4',
        "wrong.toml",
    )
    found = errors("network.hiden=3", "epochs", "text.language=xx", files=(broken, wrong, tmp_path / "wrang.toml"))
    assert len(found) == 8
    assert f"{broken}: not valid TOML: " in found[0]
    assert found[1] == f"{tmp_path}/wrang.toml: no such settings file; did you mean {wrong}?"
    assert found[2] == "--set epochs: expected section.key=value, as in --set train.epochs=2"
    assert set(found[3:]) == {
        "network.hiden: no such setting; did you mean network.hidden?",
        "train.epochs: found 'many', expected a whole number",
        "trian: no such setting; did you mean train?",
        "survey.negative is 0.4 and survey.positive 0.3: negative must be the lower",
        f"text.language: no file {CONF}/languages/xx.toml; there are en, es, ru",
    }


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.batchsize=3", "train.batchsize: no such setting; did you mean train.batch_size?"),
        ("archive.columns.txt=t", "archive.columns.txt: no such setting; did you mean archive.columns.text?"),
        ("archive.epochs=3", "archive.epochs: no such setting; did you mean train.epochs?"),
        (
            "network.positive=3",
            "network.positive: no such setting; did you mean corpus.positive or survey.positive?",
        ),
        (
            "paths.zzz=3",
            "paths.zzz: no such setting; there are archive, corpus, deletions, root",
        ),
        ("train.epochs=2.5", "train.epochs: found 2.5, expected a whole number, got a number with a fractional part"),
        ("train.epochs=true", "train.epochs: found true, expected a number"),
        ("survey.positive=true", "survey.positive: found true, expected a number"),
        ("train.epochs=0", "train.epochs: found 0, expected greater than or equal to 1"),
        ("train.device=gpu", "train.device: found 'gpu', expected 'auto', 'cpu' or 'cuda'"),
        ("train.learning_rate=inf", "train.learning_rate: found inf, expected a finite number"),
        ("survey.negative=nan", "survey.negative: found nan, expected a finite number"),
        ("archive.delimiter=ab", "archive.delimiter: found 'ab', expected one character, no quote or line break, or the word tab"),
        ("archive.delimiter=", "archive.delimiter: found '', expected one character, no quote or line break, or the word tab"),
        ("corpus.delimiter='\"'", "corpus.delimiter: found '\"', expected one character, no quote or line break, or the word tab"),
        ("archive.max_expansion=1", "archive.max_expansion: found 1, expected greater than or equal to 2"),
        ("archive.lookback=-1", "archive.lookback: found -1, expected greater than or equal to 0"),
        ("archive.lookahead=1000", "archive.lookahead: found 1000, expected less than or equal to 366"),
        (
            "paths.archive=/data/{date}.gz",
            "paths.archive: /data/{date}.gz: expected {day}, which is 2015-12-10, or another format as in {day:%Y/%m/%d}, and no other braces beside it",
        ),
        ("spark.memory=4", "spark.memory: found '4', expected a size as 4g or 512m"),
        ("paths.root=", "paths.root: found '', expected a string with at least 1 character"),
        ("paths.root=out*", "paths.root: found 'out*', expected one folder, without * ? [ ] { } or a backslash"),
        ("archive.languages={}", "archive.languages: found {}, expected a list"),
        ('archive.languages=["ru", ""]', "archive.languages: found '', expected a string with at least 1 character"),
        ("archive.deduplicate=maybe", "archive.deduplicate: found 'maybe', expected a valid boolean, unable to interpret input"),
        ("archive.since=2015", "archive.since: found 2015, expected a date as 2015-12-10"),
        ("archive.since=10.12.2015", "archive.since: found '10.12.2015', expected a date as 2015-12-10"),
        ("archive.since=2015-02-30", "archive.since: found '2015-02-30', expected a date as 2015-12-10"),
        ("archive.since=2015-12-10T10:00:00", "archive.since: found 2015-12-10 10:00:00, expected a date as 2015-12-10"),
        (
            "archive.columns=id",
            "archive.columns: found 'id', expected a section: [archive.columns] in a file, archive.columns.key=value with --set",
        ),
        ("train=3", "--set train=3: expected section.key=value, as in --set train.epochs=2"),
        ("=3", "--set =3: expected section.key=value, as in --set train.epochs=2"),
        ("train.=3", "--set train.=3: expected section.key=value, as in --set train.epochs=2"),
    ],
)  # fmt: skip
def test_an_invalid_override_is_reported_with_what_was_found_and_what_was_expected(override, message):
    assert errors(override) == [message]


def test_a_number_where_a_file_should_have_a_section_is_refused(tmp_path):
    (message,) = errors(files=(write(tmp_path, "train = 3"),))
    assert message == "train: found 3, expected a section: [train] in a file, train.key=value with --set"


def missing(location: str) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        load([], [f"paths.archive={location}"], inputs=["archive"])
    return str(raised.value).splitlines()


def test_a_missing_input_is_reported_with_the_nearest_existing_one(tmp_path):
    write(tmp_path, "", "2015-12.csv")
    assert missing(f"{tmp_path}/2015-21.csv") == [
        f"paths.archive: nothing at {tmp_path}/2015-21.csv; did you mean {tmp_path}/2015-12.csv?"
    ]
    assert missing(f"{tmp_path}/zzz") == [f"paths.archive: nothing at {tmp_path}/zzz; {tmp_path} contains 2015-12.csv"]
    assert missing(f"{tmp_path}/a/b/c") == [
        f"paths.archive: nothing at {tmp_path}/a/b/c; there is no {tmp_path}/a/b either, the nearest existing folder is {tmp_path}"
    ]
    assert missing(f"{tmp_path}/2015-12.csv/a") == [
        f"paths.archive: nothing at {tmp_path}/2015-12.csv/a; {tmp_path}/2015-12.csv is a file, not a folder"
    ]
    assert missing(f"file://{tmp_path}/zzz")[0].startswith(f"paths.archive: nothing at file://{tmp_path}/zzz; ")


def test_every_missing_input_is_reported_with_the_errors_of_other_sections_and_its_own(tmp_path):
    with pytest.raises(SettingsError) as raised:
        load(
            [],
            [f'paths.archive=["{tmp_path}/a", "{tmp_path}", "{tmp_path}/b"]', "paths.rot=x", "train.epochs=0"],
            ["archive"],
        )
    assert [line.partition(";")[0] for line in str(raised.value).splitlines()] == [
        "paths.rot: no such setting",
        "train.epochs: found 0, expected greater than or equal to 1",
        f"paths.archive: nothing at {tmp_path}/a",
        f"paths.archive: nothing at {tmp_path}/b",
    ]


@pytest.mark.parametrize(
    "location", ["*.json", "2015-1?", "[ab].gz", "memory://a", "hdfs://host/a", "zip://a::file:///b.zip", "{here}"]
)
def test_globs_and_remote_inputs_are_left_to_the_stage(location, tmp_path):
    location = location.format(here=tmp_path)
    assert load([], [f"paths.archive={location}"], ["archive"]).paths.archive == (location,)


def test_an_unsupported_scheme_is_reported_with_its_key():
    assert missing("s4://bucket/a") == ["paths.archive: s4://bucket/a cannot be opened: Protocol not known: s4"]
    with pytest.raises(SettingsError, match=r"^paths.root: s4://bucket/a cannot be opened: Protocol not known: s4$"):
        load([], ["paths.root=s4://bucket/a"], [])
    assert load([], ["paths.root=s4://bucket/a"]).paths.root == "s4://bucket/a"


def test_only_the_requested_inputs_are_checked(tmp_path):
    options = [f"paths.corpus={tmp_path}/missing", f"paths.archive={tmp_path}"]
    assert load([], options, ["archive"]).paths.corpus == (f"{tmp_path}/missing",)
    with pytest.raises(SettingsError, match=f"^paths.corpus: nothing at {tmp_path}/missing"):
        load([], options, ["corpus"])


def test_an_error_in_text_does_not_hide_an_unknown_language():
    assert [line.partition(";")[0] for line in errors("text.link=keep", "text.language=xx")] == [
        "text.link: no such setting",
        f"text.language: no file {CONF}/languages/xx.toml",
    ]


def test_contradictions_are_reported_by_the_names_of_the_settings():
    assert errors("archive.since=2015-12-11", "archive.until=2015-12-10") == [
        "archive.since is 2015-12-11 and archive.until 2015-12-10: since must not be the later"
    ]
    assert errors("score.since=2015-12-11", "score.until=2015-12-10") != []
    assert errors("survey.since=2015-12-11", "survey.until=2015-12-10") != []
    assert errors("corpus.positive=[4, 2]", "corpus.negative=[2, 0]") == [
        "corpus.positive and corpus.negative both name 2"
    ]
    assert load([], ["archive.since=2015-12-10", "archive.until=2015-12-10"]).archive.until == date(2015, 12, 10)


def test_a_missing_folder_of_a_missing_file_is_reported(tmp_path):
    assert errors(files=(tmp_path / "cnf" / "a.toml",)) == [
        f"{tmp_path}/cnf/a.toml: no such settings file; there is no folder {tmp_path}/cnf either"
    ]


def test_a_folder_or_a_file_in_another_encoding_is_no_settings_file(tmp_path):
    other = tmp_path / "cp1251.toml"
    other.write_bytes('[survey]\ntitle = "Тон"'.encode("cp1251"))
    found = errors(files=(tmp_path, other))
    assert found[0].startswith(f"{tmp_path}: cannot be read: ")
    assert found[1].startswith(f"{other}: cannot be read: ")


def test_a_file_saved_with_a_byte_order_mark_is_read(tmp_path):
    file = tmp_path / "windows.toml"
    file.write_text("[train]\r\nepochs = 5\r\n", encoding="utf-8-sig")
    assert load([file]).train.epochs == 5


@pytest.mark.parametrize("written", ["2015-12-10", '"2015-12-10"', " 2015-12-10 "])
def test_a_date_may_be_bare_or_quoted(written, tmp_path):
    assert load([], [f"archive.since={written}"]).archive.since == date(2015, 12, 10)
    assert load([write(tmp_path, f"[archive]\nsince = {written}")]).archive.since == date(2015, 12, 10)


def test_an_empty_date_is_no_bound():
    assert load([], ["archive.since=2015-12-10", "archive.since="]).archive.since is None


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("paths.root=out/here", "out/here"),
        ("paths.root = spaced ", "spaced"),
        ("paths.root=2015-12-10", "2015-12-10"),
        ("paths.root=1_0", "1_0"),
        ("paths.root=true", "true"),
        ('paths.root="quoted"', "quoted"),
        ("paths.root=a=b", "a=b"),
        ("paths.root=Мои твиты", "Мои твиты"),
        ("paths.archive=a.json", ("a.json",)),
        ("paths.archive=2015-12-10", ("2015-12-10",)),
        ('paths.archive=["a", "b"]', ("a", "b")),
        ("paths.archive=", ()),
        ("archive.languages=ru", ("ru",)),
        ("archive.languages=", ()),
        ("corpus.positive=4", ("4",)),
        ("corpus.positive=[4, 3]", ("4", "3")),
        ("train.epochs=2.0", 2),
        ('train.epochs="2"', 2),
        ("vocabulary.size=1e5", 100_000),
        ("train.learning_rate=1", 1.0),
        ("archive.deduplicate=false", False),
        ("archive.deduplicate=no", False),
        ("archive.columns.id=status", "status"),
        ("archive.delimiter=;", ";"),
        ('archive.delimiter="\\t"', "\t"),
        ("archive.delimiter=tab", "\t"),
        ("corpus.delimiter=tab", "\t"),
        ("archive.hashtags=#StarWars", ("#StarWars",)),
        ("archive.keywords=2016", ("2016",)),
        ("paths.archive=/data/{a,b}/day}", ("/data/{a,b}/day}",)),
    ],
)  # fmt: skip
def test_a_value_is_accepted_if_its_meaning_is_unambiguous(override, value):
    settings = load([], [override])
    for part in override.partition("=")[0].split("."):
        settings = getattr(settings, part.strip())
    assert settings == value
    assert type(settings) is type(value)


def test_numbers_in_a_file_are_names_where_names_are_expected(tmp_path):
    corpus = load([write(tmp_path, "[corpus]\npositive = [4]\nnegative = 0")]).corpus
    assert (corpus.positive, corpus.negative) == (("4",), ("0",))


def test_settings_cannot_be_changed_once_loaded():
    settings = load()
    with pytest.raises(ValidationError, match="frozen"):
        settings.train.epochs = 9
    with pytest.raises(ValidationError, match="frozen"):
        settings.train = settings.train


def test_contradictions_are_reported_together_and_with_wrong_types():
    found = errors("survey.examples=1", "survey.since=2016-01-02", "survey.until=2016-01-01", "survey.negative=0.9")
    assert [line.split(":")[0] for line in found] == [
        "survey.examples",
        "survey.since is 2016-01-02 and survey.until 2016-01-01",
        "survey.negative is 0.9 and survey.positive 0.65",
    ]


def test_every_invalid_hashtag_and_keyword_is_reported():
    for section in ("survey", "archive"):
        assert errors(f'{section}.keywords=["a*b", "война", "!!"]', f"{section}.hashtags=a b") == [
            f"{section}.hashtags: 'a b' is not a hashtag: expected letters, digits and _ without spaces, and * only at the end",
            f"{section}.keywords: 'a*b': a * is allowed only at the end of a word, where it matches the rest of it",
            f"{section}.keywords: '!!' has no word: expected letters or digits",
        ]


def day_errors(*overrides: str, inputs: tuple[str, ...] = ("archive",)) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        load([], overrides, inputs)
    return str(raised.value).splitlines()


NEEDS = "paths.archive contains {day}, which needs both archive.since and archive.until: there is no"


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], [f"{NEEDS} archive.since and no archive.until"]),
        (["archive.since=2015-12-10"], [f"{NEEDS} archive.until"]),
        (["archive.until=2015-12-10"], [f"{NEEDS} archive.since"]),
        (["archive.since=2015", "archive.until=2015-12-10"], ["archive.since: found 2015, expected a date as 2015-12-10"]),
        (["archive.until=", "archive.max_record=1"], [
            "archive.max_record: found 1, expected greater than or equal to 1024",
            f"{NEEDS} archive.since and no archive.until",
        ]),
    ],
)  # fmt: skip
def test_locations_with_a_day_need_both_bounds_of_the_days(overrides, expected, tmp_path):
    assert day_errors(f"paths.archive={tmp_path}/{{day}}.gz", *overrides) == expected


def test_extra_days_need_locations_with_a_day(tmp_path):
    no_day = "but paths.archive contains no {day}: it is for files located by their day"
    days = ["archive.since=2015-12-11", "archive.until=2015-12-10", "archive.lookback=2", "archive.lookahead=1"]
    assert day_errors(f"paths.archive={tmp_path}", *days, "train.epochs=0") == [
        "archive.since is 2015-12-11 and archive.until 2015-12-10: since must not be the later",
        "train.epochs: found 0, expected greater than or equal to 1",
        f"archive.lookback is 2, {no_day}",
        f"archive.lookahead is 1, {no_day}",
    ]


def test_an_invalid_location_is_not_checked_against_the_days():
    assert [line.partition(":")[0] for line in day_errors("paths.archive={date}.gz", "archive.lookahead=1")] == [
        "paths.archive"
    ]


def test_days_and_locations_that_match_are_accepted(tmp_path):
    options = [f"paths.archive={tmp_path}/{{day}}.gz", "archive.since=2015-12-10", "archive.until=2015-12-10"]
    assert load([], [*options, "archive.lookahead=1"], ["archive"]).archive.lookahead == 1


def test_days_are_not_required_if_the_archive_is_not_read():
    assert load([], ["paths.archive=/data/{day}.gz"], []).paths.archive == ("/data/{day}.gz",)
    assert load([], ["archive.lookahead=1"], []).archive.lookahead == 1


def test_the_folder_before_the_day_must_exist(tmp_path):
    days = ["archive.since=2015-12-10", "archive.until=2015-12-10"]
    write(tmp_path, "", "twitter")
    assert day_errors(f"paths.archive={tmp_path}/twiter/a/{{day}}.gz", *days) == [
        f"paths.archive: nothing at {tmp_path}/twiter/a/; there is no {tmp_path}/twiter either, the nearest existing folder is {tmp_path}"
    ]
    for location in (
        f"{tmp_path}/x-{{day:%Y}}/*.gz",
        f"{tmp_path}/*/{{day}}",
        "{day}.gz",
        "memory://{day}",
        "memory://a/{day}",
    ):
        load([], [f"paths.archive={location}", *days], ["archive"])


@pytest.mark.parametrize("key", ["train.seed", "train.batch_size", "dataset.seed"])
def test_a_number_too_large_for_any_machine_is_refused(key):
    (message,) = errors(f"{key}={10**20}")
    assert message == f"{key}: found {10**20}, expected a number below 2**63"


def test_a_value_nested_too_deep_is_an_error_of_its_type():
    assert errors("train.epochs=" + "[" * 3000)[0].startswith("train.epochs: found ")


def test_no_value_adds_a_line_to_the_errors(tmp_path):
    file = write(tmp_path, '[paths]\narchive = "a\\nb"\n[survey]\nhashtags = ["a\\nb", "c d"]\nvoting = "a\\nb"')
    with pytest.raises(SettingsError) as raised:
        load([file], inputs=("archive",))
    assert [line.partition(":")[0] for line in raised.value.lines] == [
        "survey.hashtags",
        "survey.hashtags",
        "survey.voting",
        "paths.archive",
    ]
    assert str(raised.value).count("\n") == 3
    assert raised.value.lines[-1].startswith(r"paths.archive: nothing at a\u000ab; ")
