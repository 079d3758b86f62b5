"""promote: put the candidate into production if it is better than the production model."""

from typing import Final

from tonality.model.evaluation.evaluation_file import EVALUATION_FILE, Evaluation, Rival, read_evaluation
from tonality.model.evaluation.paired_difference import Difference
from tonality.model.registry.registry import ModelRegistry
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import text_rules
from tonality.runtime.settings.sections import PromoteSettings, Settings
from tonality.runtime.storage.urls import join

_BETTER_WHEN_LOWER: Final = frozenset({"log_loss"})


def run(settings: Settings, record: Run) -> str:
    """Compare the candidate with the production model by the results of `evaluate`, and keep or promote the better."""
    registry = ModelRegistry(settings.paths.root)
    with registry.lock():
        candidate, production = registry.candidate(), registry.production_if_any()
        promoted, reason = _decide(settings, registry, candidate, production)
        if promoted:
            registry.set_production(candidate)
    record.add(
        latest=candidate,
        former=production,
        current=candidate if promoted else production,
        why=reason,
        reads={"evaluation": {}},
        writes={"models": {}} if promoted else {},
        counts={"promoted": int(promoted)},
    )
    return reason


def _decide(settings: Settings, registry: ModelRegistry, candidate: str, production: str | None) -> tuple[bool, str]:
    """True if the candidate is to be promoted, and the reason in a sentence."""
    if production == candidate:
        return False, f"model {candidate} is in production already"
    if production is None:
        return True, f"model {candidate} is now in production: there was no production model"
    if candidate in registry.rejected():
        return False, (
            f"keeping model {production}: {candidate} was rolled back; `tonality models use {candidate}` puts it back "
            "into production"
        )
    rules = text_rules(settings.text).fingerprint
    if registry.read(production).rules_fingerprint != rules == registry.read(candidate).rules_fingerprint:
        return True, f"model {candidate} is now in production: model {production} has other text rules than [text]"
    evaluation = _read_evaluation(settings.paths.root)
    for rival in evaluation.rivals:
        if (evaluation.model, rival.model) == (candidate, production):
            return _compare(settings.promote, evaluation, rival)
    rivals = ", ".join(rival.model for rival in evaluation.rivals) or "none"
    raise InputError(
        f"evaluation/ compares model {evaluation.model} with {rivals}; expected {candidate}, the candidate, with "
        f"{production}, the production model. Run `evaluate` again"
    )


def _compare(promote: PromoteSettings, evaluation: Evaluation, rival: Rival) -> tuple[bool, str]:
    """True if the candidate is better than its rival, significantly if the settings require it, and the reason."""
    gain, low, high = _gain(rival.differences[promote.measure], promote.measure)
    promoted = (low if promote.surely else gain) > 0
    metric = promote.measure.replace("_", " ")
    by = f"{abs(gain):.4f} {'worse' if gain < 0 else 'better'} (95 % interval of the gain {low:.4f} to {high:.4f})"
    comparison = f"{metric} {by} on {evaluation.rows:,} held-out tweets"
    if rival.learned_from_other_split:
        comparison += f", some of which {rival.model} may have learned from"
    if promoted:
        return True, f"model {evaluation.model} replaces {rival.model} in production: {comparison}"
    better = "significantly better" if promote.surely else "better"
    return False, f"keeping model {rival.model}: {evaluation.model} is not {better}: {comparison}"


def _gain(difference: Difference, metric: str) -> tuple[float, float, float]:
    """The gain, which is above 0 if the candidate is better, and the ends of its 95 % interval."""
    sign = -1 if metric in _BETTER_WHEN_LOWER else 1
    low, high = sorted((sign * difference.low, sign * difference.high))
    return sign * difference.mean, low, high


def _read_evaluation(root: str) -> Evaluation:
    evaluation = read_evaluation(root, "rivals")
    if evaluation is None:
        raise InputError(
            f"no evaluation: {join(root, 'evaluation', EVALUATION_FILE)} is not there. Run `evaluate` first."
        )
    return evaluation
