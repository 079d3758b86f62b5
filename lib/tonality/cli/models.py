"""models: the registry under a root, and which of them scores. The pointer keeps its own past, no record is needed."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from tonality.model.registry import artifact_store
from tonality.model.registry.registry import ModelRegistry, RegisteredModel
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.settings.sections import Settings

_HEADER = ("model", "written (UTC)", "learned from", "accuracy", "log loss", "")


def show(settings: Settings) -> str:
    """Every release, oldest first, with what training measured, and which of them is current, former or latest.

    What is damaged of what says so stands below them.
    """
    registry = ModelRegistry(settings.paths.root)
    listed = registry.listed()
    if not listed:
        raise InputError(
            f"no model under {settings.paths.root}: run `train`, or take one over with `models add FOLDER`"
        )
    standings, faults = _standings(registry)
    table = [_HEADER, *(_row(release, ", ".join(standings[release.model])) for release in listed)]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEADER))]
    return "\n".join([*("  ".join(map(str.ljust, row, widths)).rstrip() for row in table), *faults])


def use(settings: Settings, beginning: str) -> str:
    """Let the release score whose name begins so."""
    registry = ModelRegistry(settings.paths.root)
    model = registry.resolve(beginning)
    former = registry.use(model)
    if former == model:
        return f"model {model} is the current one already"
    return f"model {model} scores from now on{f', in the place of {former}' if former else ''}"


def roll_back(settings: Settings) -> str:
    """Let the model score that did before the current one."""
    registry = ModelRegistry(settings.paths.root)
    with registry.alone():
        former, model = registry.production(), registry.roll_back()
    return f"model {model} scores again, in the place of {former}"


def add(settings: Settings, folder: str) -> str:
    """Take over a model from another place: of an earlier version, or of another machine."""
    artifact = artifact_store.read(folder)
    registry = ModelRegistry(settings.paths.root)
    became_current = registry.add(artifact)
    model = artifact.fingerprint
    stands = "scores from now on" if became_current else f"is there; {registry.production()} goes on scoring"
    return f"model {model} {stands}: {registry.location(model)}"


def remove(settings: Settings, beginning: str) -> str:
    """Delete a release that is not the current one."""
    registry = ModelRegistry(settings.paths.root)
    model = registry.resolve(beginning)
    registry.remove(model)
    return f"model {model} is gone; rows that it scored still name it"


def _standings(registry: ModelRegistry) -> tuple[Mapping[str, list[str]], list[str]]:
    """What the pointers say of each model, in words, and the faults of those that say nothing."""
    said: defaultdict[str, list[str]] = defaultdict(list)
    faults = []
    for pointer in (_of_current, _of_latest):
        try:
            for model, standing in pointer(registry):
                said[model].append(standing)
        except InputError as fault:
            faults.append(str(fault))
    return said, faults


def _of_current(registry: ModelRegistry) -> Iterator[tuple[str, str]]:
    current = registry.production_if_any()
    for model in {*registry.former()} - {current}:
        yield model, "current before"
    for model in registry.rejected():
        yield model, "rolled back from"
    if current:
        yield current, f"current since {registry.since()}"


def _of_latest(registry: ModelRegistry) -> Iterator[tuple[str, str]]:
    if latest := registry.candidate_if_any():
        yield latest, "latest"


def _row(release: RegisteredModel, standing: str) -> tuple[str, ...]:
    """The measures are those of the best epoch on the validation side, as `train` wrote them."""
    metrics = release.metrics
    try:
        valid = metrics["epochs"][metrics["best_epoch"] - 1]["valid"]
        learned = f"{metrics['rows']['train']['rows']:,} tweets"
        measures = (learned, f"{valid['accuracy']:.1%}", f"{valid['log_loss']:.4f}")
    except (KeyError, IndexError, TypeError, ValueError):
        measures = ("?", "?", "?")
    return (release.model, f"{release.written:%Y-%m-%d %H:%M:%S}", *measures, standing)
