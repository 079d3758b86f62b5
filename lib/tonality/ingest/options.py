"""Options of a pass over an archive, sent from the driver to the workers as JSON."""

from tonality.privacy.policy import Policy
from tonality.runtime.settings.sections import ArchiveSettings
from tonality.text.rules import Rules

__all__ = ["ReadOptions"]


class ReadOptions(ArchiveSettings):
    """The settings of [archive], with the paths, rules and resources of the run."""

    paths: tuple[str, ...]
    """Files, folders or globs, as fsspec names them; each must match a file."""
    optional_paths: tuple[str, ...] = ()
    """Further files, folders or globs, which may match nothing."""
    rules: Rules
    """The text rules that produce the stems."""
    privacy: Policy = Policy()
    """The policy applied to every row."""
    key_file: str = ""
    """The file of the pseudonyms' key, read on the driver only."""
    erasure_salt: str = ""
    """The salt of the digests of erased tweets, in hex; empty if nothing has been erased."""
    cores: int = 1
    """Tasks that run at the same time; even a small archive is split into several for each."""
