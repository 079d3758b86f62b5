"""promote: the model that was trained last becomes the current one, if it is the better of the two."""

from typing import Final

from pydantic import BaseModel, ValidationError

from tonality.model.evaluation.paired_difference import Difference
from tonality.model.registry.registry import ModelRegistry
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import text_rules
from tonality.runtime.settings.sections import PromoteSettings, Settings
from tonality.runtime.storage.json_files import first_error
from tonality.runtime.storage.urls import filesystem, join

_BETTER_WHEN_LOWER: Final = frozenset({"log_loss"})


class _Rival(BaseModel):
    model: str
    learned_from_other_split: bool
    differences: dict[str, Difference]


class _Evaluation(BaseModel):
    """What is needed of evaluation.json."""

    model: str
    rows: int
    rivals: list[_Rival]


def run(settings: Settings, record: Run) -> str:
    """Compare the latest model with the current one, as `evaluate` measured them, and let the better one score."""
    registry = ModelRegistry(settings.paths.root)
    with registry.alone():
        latest, current = registry.candidate(), registry.production_if_any()
        promoted, why = _verdict(settings, registry, latest, current)
        if promoted:
            registry.use(latest)
    record.add(
        latest=latest,
        former=current,
        current=latest if promoted else current,
        why=why,
        reads={"evaluation": {}},
        writes={"models": {}} if promoted else {},
        counts={"promoted": int(promoted)},
    )
    return why


def _verdict(settings: Settings, registry: ModelRegistry, latest: str, current: str | None) -> tuple[bool, str]:
    """Whether the latest model is to become the current one, and why in a sentence."""
    if current == latest:
        return False, f"model {latest} is the current one already"
    if current is None:
        return True, f"model {latest} scores from now on: there was no current one"
    if latest in registry.rejected():
        return False, (
            f"model {current} goes on scoring: {latest} was rolled back from; `tonality models use {latest}` lets it "
            "score again"
        )
    expected = text_rules(settings.text).fingerprint
    if registry.read(current).rules_fingerprint != expected == registry.read(latest).rules_fingerprint:
        return True, f"model {latest} scores from now on: model {current} reads texts cut by other rules than [text]"
    evaluation = _evaluation(settings.paths.root)
    for rival in evaluation.rivals:
        if (evaluation.model, rival.model) == (latest, current):
            return _compared(settings.promote, evaluation, rival)
    raise InputError(
        f"evaluation/ compares model {evaluation.model} with {', '.join(rival.model for rival in evaluation.rivals)}"
        f"{'' if evaluation.rivals else 'none'}; expected {latest}, the latest, with {current}, the current one. Run "
        "`evaluate` again"
    )


def _compared(asked: PromoteSettings, evaluation: _Evaluation, rival: _Rival) -> tuple[bool, str]:
    difference = rival.differences[asked.measure]
    sign = -1 if asked.measure in _BETTER_WHEN_LOWER else 1
    gain, least, most = _gain(difference, sign)
    promoted = (least if asked.surely else gain) > 0
    measure = asked.measure.replace("_", " ")
    by = f"{abs(gain):.4f} {'worse' if gain < 0 else 'better'} (95 % interval of the gain {least:.4f} to {most:.4f})"
    said = f"{measure} {by} on {evaluation.rows:,} held-out tweets"
    if rival.learned_from_other_split:
        said += f", of which {rival.model} may have learned from some"
    if promoted:
        return True, f"model {evaluation.model} scores from now on in the place of {rival.model}: {said}"
    expected = "surely better" if asked.surely else "better"
    return False, f"model {rival.model} goes on scoring: {evaluation.model} is not {expected}: {said}"


def _gain(difference: Difference, sign: int) -> tuple[float, float, float]:
    """The difference as a gain, above 0 where the latest model is better, with the ends of its interval in order."""
    low, high = sorted((sign * difference.low, sign * difference.high))
    return sign * difference.mean, low, high


def _evaluation(root: str) -> _Evaluation:
    location = join(root, "evaluation", "evaluation.json")
    system, path = filesystem(location)
    try:
        return _Evaluation.model_validate_json(system.cat_file(path))
    except FileNotFoundError:
        raise InputError(f"no evaluation: {location} is not there. Run `evaluate` first.") from None
    except ValidationError as error:
        raise InputError(f"{location} cannot be used ({first_error(error)}). Run `evaluate` again.") from None
