"""The self-contained model: weights, vocabulary, settings, metrics and a model card, as files of data only.

    model.safetensors    the weights
    vocabulary.parquet   schema.VOCABULARY
    config.json          the network's config, the text rules and everything else that scoring needs
    metrics.json         the metrics of training
    README.md            the model card, on which nothing depends

None of them can contain code: no pickle is written or read. config.json holds the checksums of the weights and the
vocabulary, so files of different models, or of a damaged copy, are not mistaken for one model.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from tonality.model.network.lstm import LSTM, LSTMConfig, build
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.storage import schema
from tonality.runtime.storage.json_files import canonical_json, to_json

__all__ = ["CARD", "CONFIG", "FILES", "FORMAT", "METRICS", "NEEDED", "VOCABULARY", "WEIGHTS", "Artifact"]

WEIGHTS: Final = "model.safetensors"
VOCABULARY: Final = "vocabulary.parquet"
METRICS: Final = "metrics.json"
CARD: Final = "README.md"
CONFIG: Final = "config.json"
FILES: Final = (WEIGHTS, VOCABULARY, METRICS, CARD, CONFIG)
"""All files, in the order of writing: without the last one there is no model."""
NEEDED: Final = tuple(name for name in FILES if name != CARD)
"""The required files; models of earlier versions have no card."""

FORMAT: Final = 1
"""The version of the files' format; files of other versions are refused."""

_REMEDY: Final = "copy the model again, or train again"

_CHECKSUMMED: Final = (WEIGHTS, VOCABULARY)
_SETTINGS: Final[dict[str, type]] = {
    "rules": dict,
    "rules_fingerprint": str,
    "language": str,
    "max_length": int,
    "unknown": str,
    "dtype": str,
}
"""The fields of an artifact that config.json holds under their own names, with their types."""
_KEYS: Final[dict[str, type]] = {"network": dict, "checksums": dict, **_SETTINGS}


@dataclass(frozen=True, eq=False)
class Artifact:
    """A trained network with everything that is needed to compute a text's probability.

    Raises InputError if the parts do not match.
    """

    network_config: LSTMConfig
    weights: Mapping[str, Tensor]
    """The network's state_dict: float32, on the CPU."""
    vocabulary: pa.Table
    """Stems and their ids, of schema.VOCABULARY: ids ascending from 2 without gaps."""
    rules: Mapping[str, Any]
    """The text rules, as JSON values."""
    rules_fingerprint: str
    """The fingerprint of the rules, which every clean tweet has too."""
    language: str
    """The name of the language, as in conf/languages/."""
    max_length: int
    """The number of stems, from the start of a tweet, that the network reads."""
    unknown: Literal["train", "drop"]
    """Replace stems without an id by the unknown stem (train), or drop them (drop)."""
    metrics: Mapping[str, Any]
    """The metrics of training, as JSON values; NaN is read back as None."""
    dtype: Literal["float32"] = "float32"
    """The data type of the weights."""
    card: str = ""
    """The model card, in Markdown."""

    def __post_init__(self) -> None:
        _check_settings(self)
        _check_weights(self.weights, self.network_config)
        _check_vocabulary(self.vocabulary, self.network_config)

    def network(self) -> LSTM:
        """The trained network in evaluation mode, on the CPU and without gradients. It shares these weights."""
        network = _build_empty(self.network_config)
        network.load_state_dict(dict(self.weights), assign=True)
        return network.eval().requires_grad_(False)

    @cached_property
    def fingerprint(self) -> str:
        """12 hex digits that identify weights, vocabulary and settings, but not metrics.

        Computed from the content, so it does not depend on the version of pyarrow that wrote the files.
        """
        digest = hashlib.sha256(canonical_json(self._settings()))
        for name in sorted(self.weights):
            values = self.weights[name].numpy()
            digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
            digest.update(values.tobytes())
        digest.update(canonical_json(self.vocabulary.to_pydict()))
        return digest.hexdigest()[:12]

    def files(self) -> dict[str, bytes]:
        """The bytes of every file by name, in the order of writing. The same model gives the same bytes."""
        vocabulary = io.BytesIO()
        pq.write_table(self.vocabulary, vocabulary)
        weights = {name: weight.contiguous() for name, weight in self.weights.items()}
        files = {WEIGHTS: safetensors.torch.save(weights), VOCABULARY: vocabulary.getvalue()}
        config = {"format": FORMAT, "checksums": _checksums(files), **self._settings()}
        return {**files, METRICS: _json_bytes(self.metrics), CARD: self.card.encode(), CONFIG: _json_bytes(config)}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Read a model. Raises InputError, which names the file, what is wrong with it and what to do."""
        if missing := [name for name in NEEDED if name not in files]:
            raise InputError(f"incomplete model: {', '.join(missing)} missing, expected {', '.join(NEEDED)}; {_REMEDY}")
        config = _read_config(files[CONFIG])
        _check_checksums(files, config["checksums"])
        return cls(
            network_config=_read_network_config(config["network"]),
            weights=_read_weights(files[WEIGHTS]),
            vocabulary=_read_vocabulary(files[VOCABULARY]),
            metrics=_read_object(METRICS, files[METRICS]),
            card=files.get(CARD, b"").decode(errors="replace"),
            **{name: config[name] for name in _SETTINGS},
        )

    def _settings(self) -> dict[str, Any]:
        return {"network": asdict(self.network_config), **{name: getattr(self, name) for name in _SETTINGS}}


def _build_empty(config: LSTMConfig) -> LSTM:
    """Build a network on the meta device: without memory or random draws, until weights are assigned."""
    with torch.device("meta"):
        return build(config)


def _json_bytes(value: object) -> bytes:
    return to_json(value, indent=1, sort_keys=True).encode()


def _checksums(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(files[name]).hexdigest() for name in _CHECKSUMMED}


def _check_checksums(files: Mapping[str, bytes], recorded: Mapping[str, object]) -> None:
    for name, found in _checksums(files).items():
        if recorded.get(name) != found:
            raise InputError(f"{name}: sha256 {found} found, {CONFIG} expects {recorded.get(name)}; {_REMEDY}")


def _check_settings(artifact: Artifact) -> None:
    choices: dict[str, tuple[str, ...]] = {"unknown": ("train", "drop"), "dtype": ("float32",)}
    for name, allowed in choices.items():
        if (found := getattr(artifact, name)) not in allowed:
            raise InputError(f"{CONFIG}: {name}: {found!r} found, expected {' or '.join(allowed)}; {_REMEDY}")
    if artifact.max_length < 1:
        raise InputError(f"{CONFIG}: max_length: {artifact.max_length} found, expected at least 1; {_REMEDY}")


def _check_weights(weights: Mapping[str, Tensor], config: LSTMConfig) -> None:
    expected = {
        name: (torch.float32, tuple(weight.shape)) for name, weight in _build_empty(config).state_dict().items()
    }
    found = {name: (weight.dtype, tuple(weight.shape)) for name, weight in weights.items()}
    for name in sorted(expected.keys() | found.keys()):
        if found.get(name) != expected.get(name):
            raise InputError(
                f"{WEIGHTS}: {name}: {found.get(name, 'nothing')} found, "
                f"the network of {CONFIG} expects {expected.get(name, 'nothing')}; {_REMEDY}"
            )


def _check_vocabulary(vocabulary: pa.Table, config: LSTMConfig) -> None:
    if not vocabulary.schema.equals(schema.VOCABULARY):
        found = ", ".join(f"{field.name} {field.type}" for field in vocabulary.schema)
        expected = ", ".join(f"{field.name} {field.type}" for field in schema.VOCABULARY)
        raise InputError(f"{VOCABULARY}: columns {found} found, expected {expected}; {_REMEDY}")
    end = schema.FIRST_STEM_ID + vocabulary.num_rows
    if vocabulary["id"].to_pylist() != list(range(schema.FIRST_STEM_ID, end)):
        raise InputError(f"{VOCABULARY}: ids do not run from {schema.FIRST_STEM_ID} without a gap; {_REMEDY}")
    if end > config.vocabulary:
        raise InputError(
            f"{VOCABULARY}: ids up to {end - 1} found, the network has {config.vocabulary} rows; {_REMEDY}"
        )
    if pc.count_distinct(vocabulary["stem"], mode="only_valid").as_py() != vocabulary.num_rows:
        raise InputError(f"{VOCABULARY}: a stem is empty or has two ids; {_REMEDY}")


def _read_config(content: bytes) -> dict[str, Any]:
    config = _read_object(CONFIG, content)
    version = config.pop("format", None)
    if version != FORMAT:
        newer = isinstance(version, int) and version > FORMAT
        remedy = "install the tonality that wrote it, or train again" if newer else _REMEDY
        raise InputError(f"{CONFIG}: format {version!r} found, {FORMAT} expected; {remedy}")
    if config.keys() != _KEYS.keys():
        raise InputError(
            f"{CONFIG}: keys {', '.join(sorted(config))} found, expected {', '.join(sorted(_KEYS))}; {_REMEDY}"
        )
    for name, kind in _KEYS.items():
        if type(config[name]) is not kind:
            raise InputError(f"{CONFIG}: {name}: {config[name]!r} found, {kind.__name__} expected; {_REMEDY}")
    return config


def _read_object(name: str, content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError as error:
        raise InputError(f"{name}: no JSON: {error}; {_REMEDY}") from error
    if not isinstance(value, dict):
        raise InputError(f"{name}: {type(value).__name__} found, a JSON object expected; {_REMEDY}")
    return value


def _read_network_config(network: Mapping[str, Any]) -> LSTMConfig:
    try:
        return LSTMConfig(**network)
    except (TypeError, ValueError) as error:
        raise InputError(f"{CONFIG}: network: {error}; {_REMEDY}") from error


def _read_weights(content: bytes) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        raise InputError(f"{WEIGHTS}: no safetensors file: {error}; {_REMEDY}") from error


def _read_vocabulary(content: bytes) -> pa.Table:
    try:
        return pq.read_table(io.BytesIO(content))
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{VOCABULARY}: no Parquet file: {error}; {_REMEDY}") from error
