"""models: list the model registry and choose the production model. current.json keeps its history: no run record."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from tonality.model.registry import artifact_store
from tonality.model.registry.registry import ModelRegistry, RegisteredModel
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.diagnostics.escaping import escaped_name
from tonality.runtime.settings.sections import Settings

_HEADER = ("model", "written (UTC)", "learned from", "accuracy", "log loss", "")


def show(settings: Settings) -> str:
    """A table of all models, oldest first, with their validation metrics and roles in the registry.

    Errors of damaged pointer files follow below the table.
    """
    registry = ModelRegistry(settings.paths.root)
    models = registry.list_models()
    if not models:
        raise InputError(
            f"no model under {settings.paths.root}: run `train`, or copy one from elsewhere with `models add FOLDER`"
        )
    roles, errors = _roles(registry)
    table = [_HEADER, *(_row(model, ", ".join(roles[model.fingerprint])) for model in models)]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEADER))]
    return "\n".join([*("  ".join(map(str.ljust, row, widths)).rstrip() for row in table), *errors])


def use(settings: Settings, prefix: str) -> str:
    """Put the model whose name starts with the prefix into production."""
    registry = ModelRegistry(settings.paths.root)
    model = registry.resolve(prefix)
    former = registry.set_production(model)
    if former == model:
        return f"model {model} is in production already"
    return f"model {model} is now in production{f', replacing {former}' if former else ''}"


def roll_back(settings: Settings) -> str:
    """Put the previous production model back into production."""
    registry = ModelRegistry(settings.paths.root)
    with registry.lock():
        former, model = registry.production(), registry.roll_back()
    return f"model {model} is in production again, replacing {former}"


def add(settings: Settings, folder: str) -> str:
    """Copy a model from another place, such as another machine or the folder of an earlier version."""
    artifact = artifact_store.read(folder)
    registry = ModelRegistry(settings.paths.root)
    in_production = registry.add(artifact)
    model = artifact.fingerprint
    role = "is now in production" if in_production else f"was added; {registry.production()} stays in production"
    return escaped_name(f"model {model} {role}: {registry.location(model)}")


def remove(settings: Settings, prefix: str) -> str:
    """Delete a model that is not in production."""
    registry = ModelRegistry(settings.paths.root)
    model = registry.resolve(prefix)
    registry.remove(model)
    return f"model {model} was removed; rows that it scored still name it"


def _roles(registry: ModelRegistry) -> tuple[Mapping[str, list[str]], list[str]]:
    """Each model's roles, in words, and the errors of pointer files that cannot be read."""
    roles: defaultdict[str, list[str]] = defaultdict(list)
    errors = []
    for pointer in (_of_production, _of_candidate):
        try:
            for model, role in pointer(registry):
                roles[model].append(role)
        except InputError as error:
            errors.append(str(error))
    return roles, errors


def _of_production(registry: ModelRegistry) -> Iterator[tuple[str, str]]:
    production = registry.production_if_any()
    for model in {*registry.former()} - {production}:
        yield model, "formerly in production"
    for model in registry.rejected():
        yield model, "rolled back"
    if production:
        yield production, f"in production since {registry.production_since()}"


def _of_candidate(registry: ModelRegistry) -> Iterator[tuple[str, str]]:
    if candidate := registry.candidate_if_any():
        yield candidate, "candidate"


def _row(model: RegisteredModel, roles: str) -> tuple[str, ...]:
    """A row of the table; the metrics are those of the best epoch on the validation rows, as `train` wrote them."""
    metrics = model.metrics
    try:
        valid = metrics["epochs"][metrics["best_epoch"] - 1]["valid"]
        learned = f"{metrics['rows']['train']['rows']:,} tweets"
        columns = (learned, f"{valid['accuracy']:.1%}", f"{valid['log_loss']:.4f}")
    except (KeyError, IndexError, TypeError, ValueError):
        columns = ("?", "?", "?")
    return (model.fingerprint, f"{model.written:%Y-%m-%d %H:%M:%S}", *columns, escaped_name(roles))
