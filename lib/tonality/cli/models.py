"""models: the releases under a root, and which of them scores. The pointer keeps its own past, no record is needed."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from tonality.model.registry import artifact_store
from tonality.model.registry.registry import Release, Releases
from tonality.runtime.diagnostics.errors import InputFault
from tonality.runtime.settings.sections import Settings

_HEADER = ("model", "written (UTC)", "learned from", "accuracy", "log loss", "")


def show(settings: Settings) -> str:
    """Every release, oldest first, with what training measured, and which of them is current, former or latest.

    What is damaged of what says so stands below them.
    """
    releases = Releases(settings.paths.root)
    listed = releases.listed()
    if not listed:
        raise InputFault(
            f"no model under {settings.paths.root}: run `train`, or take one over with `models add FOLDER`"
        )
    standings, faults = _standings(releases)
    table = [_HEADER, *(_row(release, ", ".join(standings[release.model])) for release in listed)]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEADER))]
    return "\n".join([*("  ".join(map(str.ljust, row, widths)).rstrip() for row in table), *faults])


def use(settings: Settings, beginning: str) -> str:
    """Let the release score whose name begins so."""
    releases = Releases(settings.paths.root)
    model = releases.resolve(beginning)
    former = releases.use(model)
    if former == model:
        return f"model {model} is the current one already"
    return f"model {model} scores from now on{f', in the place of {former}' if former else ''}"


def roll_back(settings: Settings) -> str:
    """Let the model score that did before the current one."""
    releases = Releases(settings.paths.root)
    with releases.alone():
        former, model = releases.current(), releases.roll_back()
    return f"model {model} scores again, in the place of {former}"


def add(settings: Settings, folder: str) -> str:
    """Take over a model from another place: of an earlier version, or of another machine."""
    artifact = artifact_store.read(folder)
    releases = Releases(settings.paths.root)
    became_current = releases.add(artifact)
    model = artifact.fingerprint
    stands = "scores from now on" if became_current else f"is there; {releases.current()} goes on scoring"
    return f"model {model} {stands}: {releases.location(model)}"


def remove(settings: Settings, beginning: str) -> str:
    """Delete a release that is not the current one."""
    releases = Releases(settings.paths.root)
    model = releases.resolve(beginning)
    releases.remove(model)
    return f"model {model} is gone; rows that it scored still name it"


def _standings(releases: Releases) -> tuple[Mapping[str, list[str]], list[str]]:
    """What the pointers say of each model, in words, and the faults of those that say nothing."""
    said: defaultdict[str, list[str]] = defaultdict(list)
    faults = []
    for pointer in (_of_current, _of_latest):
        try:
            for model, standing in pointer(releases):
                said[model].append(standing)
        except InputFault as fault:
            faults.append(str(fault))
    return said, faults


def _of_current(releases: Releases) -> Iterator[tuple[str, str]]:
    current = releases.current_if_any()
    for model in {*releases.former()} - {current}:
        yield model, "current before"
    for model in releases.rejected():
        yield model, "rolled back from"
    if current:
        yield current, f"current since {releases.since()}"


def _of_latest(releases: Releases) -> Iterator[tuple[str, str]]:
    if latest := releases.latest_if_any():
        yield latest, "latest"


def _row(release: Release, standing: str) -> tuple[str, ...]:
    """The measures are those of the best epoch on the validation side, as `train` wrote them."""
    metrics = release.metrics
    try:
        valid = metrics["epochs"][metrics["best_epoch"] - 1]["valid"]
        learned = f"{metrics['rows']['train']['rows']:,} tweets"
        measures = (learned, f"{valid['accuracy']:.1%}", f"{valid['log_loss']:.4f}")
    except (KeyError, IndexError, TypeError, ValueError):
        measures = ("?", "?", "?")
    return (release.model, f"{release.written:%Y-%m-%d %H:%M:%S}", *measures, standing)
