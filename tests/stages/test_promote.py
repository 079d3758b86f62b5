"""promote: the choice between two models by the results of `evaluate`; and the command that lists and chooses them."""

import dataclasses
import json
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch

from tonality.cli.main import main
from tonality.model.network.lstm import LSTMConfig, build
from tonality.model.registry import artifact_store
from tonality.model.registry.artifact import Artifact
from tonality.model.registry.registry import ModelRegistry
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load, text_rules
from tonality.runtime.storage import schema
from tonality.stages import promote

RULES = text_rules(load().text)


def model(max_length: int, rules: str = RULES.fingerprint) -> Artifact:
    torch.manual_seed(1)
    shape = LSTMConfig(vocabulary=3, embedding=2, hidden=2)
    metrics = {
        "rows": {"train": {"rows": 32_025, "positive": 1}},
        "best_epoch": 2,
        "epochs": [{}, {"valid": {"accuracy": 0.779, "log_loss": 0.52}}],
    }
    return Artifact(
        network_config=shape,
        weights=build(shape).state_dict(),
        vocabulary=pa.table({"id": [2], "stem": ["хорош"], "count": [9]}).cast(schema.VOCABULARY),
        rules={},
        rules_fingerprint=rules,
        language="ru",
        max_length=max_length,
        unknown="train",
        metrics=metrics,
    )


OLD, NEW = model(100), model(50)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a production model and a candidate."""
    registry = ModelRegistry(str(tmp_path))
    registry.add(OLD)
    registry.add(NEW)
    return tmp_path


def evaluated(root: Path, other_split: bool = False, **differences: tuple[float, float, float]) -> None:
    """Write the evaluation of a new model that differs from the old one by this much."""
    known = {"log_loss": (0.0, 0.0, 0.0), "accuracy": (0.0, 0.0, 0.0)} | differences
    found = {name: dict(zip(("mean", "low", "high"), ends, strict=True)) for name, ends in known.items()}
    rival = {"model": OLD.fingerprint, "learned_from_other_split": other_split, "differences": found}
    content = {"model": NEW.fingerprint, "rows": 7975, "rivals": [rival]}
    (root / "evaluation").mkdir(exist_ok=True)
    (root / "evaluation" / "evaluation.json").write_text(json.dumps(content))


def run(root: Path, *overrides: str) -> tuple[str, dict[str, Any]]:
    settings = load(overrides=[f"paths.root={root}", *overrides])
    with Run("promote", settings) as record:
        return promote.run(settings, record), record.facts


def test_a_candidate_with_lower_log_loss_is_promoted(root):
    evaluated(root, log_loss=(-0.01, -0.013, -0.007))
    summary, facts = run(root)
    assert summary == (
        f"model {NEW.fingerprint} replaces {OLD.fingerprint} in production: log loss 0.0100 better "
        "(95 % interval of the gain 0.0070 to 0.0130) on 7,975 held-out tweets"
    )
    assert (facts["counts"]["promoted"], facts["current"], facts["former"]) == (1, NEW.fingerprint, OLD.fingerprint)
    assert ModelRegistry(str(root)).production() == NEW.fingerprint


@pytest.mark.parametrize("difference", [(0.01, 0.007, 0.013), (0.0, -0.003, 0.003)])
def test_a_candidate_that_is_no_better_is_not(root, difference):
    evaluated(root, log_loss=difference, accuracy=(0.1, 0.09, 0.11))
    summary, facts = run(root)
    assert summary.startswith(f"keeping model {OLD.fingerprint}: {NEW.fingerprint} is not better: log loss")
    assert facts["counts"]["promoted"] == 0
    assert ModelRegistry(str(root)).production() == OLD.fingerprint


def test_the_measure_may_be_accuracy_of_which_more_is_better(root):
    evaluated(root, log_loss=(0.01, 0.007, 0.013), accuracy=(0.1, 0.09, 0.11))
    summary, _ = run(root, "promote.measure=accuracy")
    assert "accuracy 0.1000 better (95 % interval of the gain 0.0900 to 0.1100)" in summary
    assert ModelRegistry(str(root)).production() == NEW.fingerprint


def test_a_difference_that_is_not_significant_is_not_enough_where_significance_is_required(root):
    evaluated(root, log_loss=(-0.01, -0.021, 0.001))
    summary, _ = run(root, "promote.surely=true")
    assert (
        "is not significantly better: log loss 0.0100 better (95 % interval of the gain -0.0010 to 0.0210)" in summary
    )
    assert ModelRegistry(str(root)).production() == OLD.fingerprint
    run(root)
    assert ModelRegistry(str(root)).production() == NEW.fingerprint


def test_a_second_run_changes_nothing(root):
    evaluated(root, log_loss=(-0.01, -0.013, -0.007))
    run(root)
    assert run(root)[0] == f"model {NEW.fingerprint} is in production already"
    assert ModelRegistry(str(root)).former() == [OLD.fingerprint]


def test_a_rival_that_may_have_seen_the_held_out_tweets_is_reported(root):
    evaluated(root, other_split=True, log_loss=(0.01, 0.007, 0.013))
    assert f"some of which {OLD.fingerprint} may have learned from" in run(root)[0]


def test_an_evaluation_of_other_models_is_refused(root):
    evaluated(root, log_loss=(-0.01, -0.013, -0.007))
    newest = model(40)
    ModelRegistry(str(root)).add(newest)
    with pytest.raises(
        InputError,
        match=rf"expected {newest.fingerprint}, the candidate, with {OLD.fingerprint}, the production model.*Run `eval",
    ):
        run(root)
    assert ModelRegistry(str(root)).production() == OLD.fingerprint


def test_without_an_evaluation_nothing_is_decided(root):
    with pytest.raises(InputError, match="Run `evaluate` first"):
        run(root)
    (root / "evaluation").mkdir()
    (root / "evaluation" / "evaluation.json").write_text("{}")
    with pytest.raises(InputError, match=r"cannot be read \(model: Field required\)"):
        run(root)


def test_a_production_model_with_other_text_rules_is_replaced(tmp_path):
    """It could not score what `clean` writes from now on, and the two cannot be compared."""
    registry = ModelRegistry(str(tmp_path))
    registry.add(dataclasses.replace(OLD, rules_fingerprint="other"))
    registry.add(NEW)
    assert "has other text rules than [text]" in run(tmp_path)[0]
    assert registry.production() == NEW.fingerprint


def test_two_models_with_other_text_rules_are_compared(tmp_path):
    """Neither could score what `clean` writes from now on, so this is no reason to prefer the newer."""
    registry = ModelRegistry(str(tmp_path))
    for one in (OLD, NEW):
        registry.add(dataclasses.replace(one, rules_fingerprint="other"))
    with pytest.raises(InputError, match="Run `evaluate` first"):
        run(tmp_path)
    assert registry.production() != registry.candidate()


def test_without_a_production_model_the_candidate_is_promoted_without_a_comparison(root):
    (root / "models" / "current.json").unlink()
    assert run(root)[0] == f"model {NEW.fingerprint} is now in production: there was no production model"
    assert ModelRegistry(str(root)).production() == NEW.fingerprint


def test_a_model_that_was_rolled_back_is_promoted_only_by_use(root):
    evaluated(root, log_loss=(-0.01, -0.013, -0.007))
    run(root)
    ModelRegistry(str(root)).roll_back()
    summary, facts = run(root)
    assert summary == (
        f"keeping model {OLD.fingerprint}: {NEW.fingerprint} was rolled back; "
        f"`tonality models use {NEW.fingerprint}` puts it back into production"
    )
    assert (facts["counts"]["promoted"], facts["current"]) == (0, OLD.fingerprint)
    assert ModelRegistry(str(root)).production() == OLD.fingerprint
    assert command(root, "use", NEW.fingerprint) == 0
    assert run(root)[0] == f"model {NEW.fingerprint} is in production already"


def test_a_model_that_was_rolled_back_stays_out_even_if_the_production_model_has_other_text_rules(tmp_path):
    registry = ModelRegistry(str(tmp_path))
    registry.add(dataclasses.replace(OLD, rules_fingerprint="other"))
    registry.add(NEW)
    run(tmp_path)
    back = registry.roll_back()
    assert f"{NEW.fingerprint} was rolled back;" in run(tmp_path)[0]
    assert registry.production() == back


def test_nobody_changes_the_production_model_between_decision_and_promotion(root, monkeypatch):
    evaluated(root, log_loss=(-0.01, -0.013, -0.007))
    newest = model(40)
    ModelRegistry(str(root)).add(newest)
    ModelRegistry(str(root)).add(NEW)
    other = threading.Thread(target=ModelRegistry(str(root)).set_production, args=[newest.fingerprint])
    read = promote.read_evaluation

    def slowly(*arguments):
        other.start()
        other.join(0.2)
        return read(*arguments)

    monkeypatch.setattr(promote, "read_evaluation", slowly)
    _, facts = run(root)
    other.join()
    assert facts["current"] == NEW.fingerprint
    assert ModelRegistry(str(root)).former() == [NEW.fingerprint, OLD.fingerprint]


def command(root: Path, *arguments: str) -> int:
    return main(["models", *arguments, "--set", f"paths.root={root}"])


def test_models_are_listed_with_their_metrics_and_roles(root, capsys):
    assert command(root) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split("  ")[0] == "model"
    rows = {line.split()[0]: line for line in lines}
    assert rows.keys() == {OLD.fingerprint, NEW.fingerprint}
    assert "32,025 tweets  77.9%     0.5200    in production since 2" in rows[OLD.fingerprint]
    assert rows[NEW.fingerprint].endswith("candidate")


@pytest.mark.parametrize("pointer", ["current.json", "latest.json"])
def test_a_damaged_pointer_is_reported_below_the_list(root, pointer, capsys):
    (root / "models" / pointer).write_text("")
    assert command(root) == 0
    *rows, error = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows] == ["model", OLD.fingerprint, NEW.fingerprint]
    assert error.startswith(f"{root}/models/{pointer} names no model: ")
    assert ("in production since" in rows[1]) == (pointer == "latest.json")


def test_without_a_known_candidate_models_are_listed_and_the_advice_of_the_message_works(root, capsys):
    (root / "models" / "latest.json").unlink()
    assert command(root) == 0
    assert "candidate" not in capsys.readouterr().out
    assert main(["promote", "--set", f"paths.root={root}"]) == 3
    assert f"with `tonality models add {root}/models/MODEL`" in capsys.readouterr().err
    assert command(root, "add", f"{root}/models/{NEW.fingerprint}") == 0
    assert ModelRegistry(str(root)).candidate() == NEW.fingerprint


def test_a_damaged_pointer_is_repaired_by_use(root, capsys):
    (root / "models" / "current.json").write_text("")
    assert command(root, "use", NEW.fingerprint) == 0
    assert capsys.readouterr().out == f"model {NEW.fingerprint} is now in production\n"
    assert command(root) == 0


def test_training_does_not_start_while_the_production_model_is_unknown(root, capsys):
    (root / "models" / "current.json").write_text("")
    assert main(["train", "--set", f"paths.root={root}"]) == 3
    assert "models/current.json names no model" in capsys.readouterr().err


def test_a_model_that_was_rolled_back_is_listed_as_such(root, capsys):
    for arguments in (("use", NEW.fingerprint), ("rollback",), ()):
        assert command(root, *arguments) == 0
    *_, old, new = capsys.readouterr().out.splitlines()
    assert "in production since" in old
    assert new.endswith("rolled back, candidate")


def test_one_command_puts_a_model_into_production_and_one_rolls_it_back(root, capsys):
    assert command(root, "use", NEW.fingerprint[:6]) == 0
    assert ModelRegistry(str(root)).production() == NEW.fingerprint
    assert command(root, "rollback") == 0
    assert ModelRegistry(str(root)).production() == OLD.fingerprint
    assert capsys.readouterr().out == (
        f"model {NEW.fingerprint} is now in production, replacing {OLD.fingerprint}\n"
        f"model {OLD.fingerprint} is in production again, replacing {NEW.fingerprint}\n"
    )


def test_a_model_from_another_place_is_copied(tmp_path, capsys):
    for one in (OLD, NEW):
        artifact_store.write(one, str(tmp_path / "elsewhere"))
        assert command(tmp_path, "add", str(tmp_path / "elsewhere")) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"model {OLD.fingerprint} is now in production: {tmp_path}/models/{OLD.fingerprint}"
    assert second.startswith(f"model {NEW.fingerprint} was added; {OLD.fingerprint} stays in production")


def test_a_model_is_removed_unless_it_is_in_production(root, capsys):
    assert command(root, "remove", OLD.fingerprint) == 3
    assert "is in production" in capsys.readouterr().err
    assert command(root, "remove", NEW.fingerprint) == 0
    assert [model.fingerprint for model in ModelRegistry(str(root)).list_models()] == [OLD.fingerprint]
    assert command(root) == 0, "without its candidate"


@pytest.mark.parametrize("arguments", [("use",), ("add",), ("remove",), ("rollback", "abc"), ("list", "abc")])
def test_an_action_without_its_argument_or_with_one_too_many_is_refused(root, arguments, capsys):
    assert command(root, *arguments) == 2
    assert f"`models {arguments[0]}` takes" in capsys.readouterr().err


def test_without_models_the_message_names_the_commands_that_add_one(tmp_path, capsys):
    assert command(tmp_path) == 3
    assert "run `train`, or copy one from elsewhere with `models add FOLDER`" in capsys.readouterr().err
