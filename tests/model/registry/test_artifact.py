import dataclasses
import hashlib
import json
import pickle

import pyarrow as pa
import pytest
import torch

from tonality.model.registry.artifact import CARD, CONFIG, FILES, FORMAT, METRICS, NEEDED, VOCABULARY, WEIGHTS, Artifact
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.storage import schema


def changed(files, config=None, **contents):
    """The files with other contents and keys of config.json, and matching checksums."""
    files = files | {name.replace("_", "."): content for name, content in contents.items()}
    fitting = {name: hashlib.sha256(files[name]).hexdigest() for name in (WEIGHTS, VOCABULARY)}
    files[CONFIG] = json.dumps({**json.loads(files[CONFIG]), "checksums": fitting, **(config or {})}).encode()
    return files


def test_a_model_comes_back_as_it_was(artifact):
    back = Artifact.from_files(artifact.files())
    assert back.network_config == artifact.network_config
    assert back.weights.keys() == artifact.weights.keys()
    assert all(torch.equal(back.weights[name], weight) for name, weight in artifact.weights.items())
    assert back.vocabulary.equals(artifact.vocabulary)
    for name in ("rules", "rules_fingerprint", "language", "max_length", "unknown", "dtype"):
        assert getattr(back, name) == getattr(artifact, name)
    assert back.metrics == {"best": {"log_loss": 0.4, "auc": None}, "epochs": [{"number": 1}]}
    assert back.fingerprint == artifact.fingerprint


def test_the_network_of_a_model_scores_as_the_one_that_was_trained(artifact):
    network = Artifact.from_files(artifact.files()).network()
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    weights = network.state_dict()
    assert all(torch.equal(weights[name], weight) for name, weight in artifact.weights.items())
    assert torch.isfinite(network(torch.tensor([[2, 3, 0]]), torch.tensor([2]))).all()


def test_the_same_model_gives_the_same_bytes(artifact):
    chunked = pa.concat_tables([artifact.vocabulary[:1], artifact.vocabulary[1:]])
    backwards = dict(reversed(artifact.weights.items()))
    again = dataclasses.replace(artifact, vocabulary=chunked, weights=backwards)
    assert again.files() == artifact.files()
    assert again.fingerprint == artifact.fingerprint


def test_config_json_comes_last_and_its_text_reads_as_text(artifact):
    files = artifact.files()
    assert tuple(files) == FILES
    assert "а-яё" in files[CONFIG].decode()
    assert b"NaN" not in files[METRICS]


def test_the_fingerprint_stands_for_weights_vocabulary_and_settings_but_not_for_metrics(artifact):
    weights = {**artifact.weights, "dense.bias": torch.tensor([0.25])}
    counts = pa.table({"id": [2, 3, 4], "stem": ["хорош", "плох", "снег"], "count": [9, 9, 6]})
    others = [
        dataclasses.replace(artifact, weights=weights),
        dataclasses.replace(artifact, vocabulary=counts.cast(schema.VOCABULARY)),
        dataclasses.replace(artifact, max_length=99),
        dataclasses.replace(artifact, rules={**artifact.rules, "links": "keep"}),
    ]
    assert len({model.fingerprint for model in [artifact, *others]}) == 5
    assert dataclasses.replace(artifact, metrics={}).fingerprint == artifact.fingerprint
    assert len(artifact.fingerprint) == 12
    int(artifact.fingerprint, 16)


@pytest.mark.parametrize("name", NEEDED)
def test_a_model_without_one_of_its_files_is_no_model(artifact, name):
    files = artifact.files()
    del files[name]
    with pytest.raises(InputError, match=f"incomplete model: {name} missing"):
        Artifact.from_files(files)


def test_the_card_is_part_of_the_model_and_nothing_depends_on_it(artifact):
    documented = dataclasses.replace(artifact, card="# Model card\n\nСтемы.\n")
    files = documented.files()
    assert Artifact.from_files(files).card == documented.card
    del files[CARD]
    assert Artifact.from_files(files).card == ""
    assert documented.fingerprint == artifact.fingerprint


@pytest.mark.parametrize("name", [WEIGHTS, VOCABULARY])
def test_one_flipped_bit_is_noticed(artifact, name):
    files = artifact.files()
    files[name] = files[name][:-9] + bytes([files[name][-9] ^ 1]) + files[name][-8:]
    with pytest.raises(InputError, match=f"{name}: sha256 .* found, {CONFIG} expects"):
        Artifact.from_files(files)


class Hostile:
    def __reduce__(self):
        return print, ("unpickled",)


@pytest.mark.parametrize("name", NEEDED)
def test_a_pickle_is_refused_and_never_run(artifact, name, capsys):
    files = {**artifact.files(), name: pickle.dumps(Hostile())}
    if name in (WEIGHTS, VOCABULARY):
        files = changed(files)
    with pytest.raises(InputError, match=rf"{name}: no (safetensors|Parquet|JSON)"):
        Artifact.from_files(files)
    assert capsys.readouterr().out == ""


def test_a_newer_format_is_refused_with_found_and_expected(artifact):
    with pytest.raises(InputError, match=rf"config\.json: format {FORMAT + 1} found, {FORMAT} expected; install the"):
        Artifact.from_files(changed(artifact.files(), {"format": FORMAT + 1, "unheard_of": 1}))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"format": None}, "format None found, 1 expected; copy"),
        ({"surplus": 1}, "keys .*surplus.* found"),
        ({"max_length": "100"}, "max_length: '100' found, int expected"),
        ({"max_length": True}, "max_length: True found, int expected"),
        ({"max_length": 0}, "max_length: 0 found"),
        ({"unknown": "guess"}, "unknown: 'guess' found, expected train or drop"),
        ({"dtype": "float8"}, "dtype: 'float8' found, expected float32"),
        ({"network": {"kind": "gru", "vocabulary": 6}}, "network: .*'gru'"),
        ({"network": {"vocabulary": 6, "depth": 3}}, "network: .*depth"),
    ],
)
def test_a_foreign_config_is_refused(artifact, config, message):
    with pytest.raises(InputError, match=rf"config\.json: {message}"):
        Artifact.from_files(changed(artifact.files(), config))


@pytest.mark.parametrize("content", [b"[]", b"{", b"\xff"])
def test_a_config_that_is_no_json_object_is_refused(artifact, content):
    with pytest.raises(InputError, match=r"config\.json: "):
        Artifact.from_files({**artifact.files(), CONFIG: content})


def test_a_model_of_before_learned_starts_starts_from_zero(artifact):
    later = ("learned_start", "lead_in")
    network = {name: value for name, value in dataclasses.asdict(artifact.network_config).items() if name not in later}
    read = Artifact.from_files(changed(artifact.files(), {"network": network}))
    assert not read.network_config.learned_start
    assert read.network_config.lead_in == 0
    assert not {"initial", "padding"} & read.network().state_dict().keys()


def test_weights_of_another_network_are_refused(artifact):
    network = {**dataclasses.asdict(artifact.network_config), "hidden": 5}
    with pytest.raises(InputError, match=r"model\.safetensors: dense\.weight: .*\(1, 3\)\) found, .*\(1, 5\)\)"):
        Artifact.from_files(changed(artifact.files(), {"network": network}))


def test_weights_of_another_precision_are_refused(artifact):
    halves = {name: weight.half() for name, weight in artifact.weights.items()}
    with pytest.raises(InputError, match="float16"):
        dataclasses.replace(artifact, weights=halves)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"id": [2, 4, 5], "stem": ["а", "б", "в"]}, "ids do not run from 2 without a gap"),
        ({"id": [2, 3, 4], "stem": ["а", "б", "а"]}, "a stem is empty or has two ids"),
        ({"id": [2, 3, 4], "stem": ["а", None, "в"]}, "a stem is empty or has two ids"),
        ({"id": [2, 3, 4, 5, 6], "stem": ["а", "б", "в", "г", "д"]}, "ids up to 6 found, the network has 6 rows"),
    ],
)
def test_a_vocabulary_that_does_not_fit_is_refused(artifact, rows, message):
    table = pa.table({**rows, "count": [1] * len(rows["id"])}).cast(schema.VOCABULARY)
    with pytest.raises(InputError, match=rf"vocabulary\.parquet: {message}"):
        dataclasses.replace(artifact, vocabulary=table)


def test_a_vocabulary_of_other_columns_is_refused(artifact):
    with pytest.raises(InputError, match=r"columns stem string found, expected id int32, stem string, count int64"):
        dataclasses.replace(artifact, vocabulary=artifact.vocabulary.select(["stem"]))
