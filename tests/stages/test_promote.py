"""promote: which of two models scores, by what `evaluate` found; and the command that lists and chooses them."""

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
    """A root with a current model and one that was trained after it."""
    registry = ModelRegistry(str(tmp_path))
    registry.add(OLD)
    registry.add(NEW)
    return tmp_path


def evaluated(root: Path, other_split: bool = False, **differences: tuple[float, float, float]) -> None:
    """What `evaluate` leaves where the new model differs from the old one by so much."""
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


def test_a_model_with_the_lower_log_loss_scores_from_now_on(root):
    evaluated(root, log_loss=(-0.01, -0.013, -0.007))
    said, facts = run(root)
    assert said == (
        f"model {NEW.fingerprint} scores from now on in the place of {OLD.fingerprint}: log loss 0.0100 better "
        "(95 % interval of the gain 0.0070 to 0.0130) on 7,975 held-out tweets"
    )
    assert (facts["counts"]["promoted"], facts["current"], facts["former"]) == (1, NEW.fingerprint, OLD.fingerprint)
    assert ModelRegistry(str(root)).production() == NEW.fingerprint


@pytest.mark.parametrize("difference", [(0.01, 0.007, 0.013), (0.0, -0.003, 0.003)])
def test_a_model_that_is_no_better_does_not(root, difference):
    evaluated(root, log_loss=difference, accuracy=(0.1, 0.09, 0.11))
    said, facts = run(root)
    assert said.startswith(f"model {OLD.fingerprint} goes on scoring: {NEW.fingerprint} is not better: log loss")
    assert facts["counts"]["promoted"] == 0
    assert ModelRegistry(str(root)).production() == OLD.fingerprint


def test_better_can_mean_accuracy_where_more_is_better(root):
    evaluated(root, log_loss=(0.01, 0.007, 0.013), accuracy=(0.1, 0.09, 0.11))
    said, _ = run(root, "promote.measure=accuracy")
    assert "accuracy 0.1000 better (95 % interval of the gain 0.0900 to 0.1100)" in said
    assert ModelRegistry(str(root)).production() == NEW.fingerprint


def test_a_difference_that_may_be_chance_is_not_enough_where_it_has_to_be_sure(root):
    evaluated(root, log_loss=(-0.01, -0.021, 0.001))
    said, _ = run(root, "promote.surely=true")
    assert "is not surely better: log loss 0.0100 better (95 % interval of the gain -0.0010 to 0.0210)" in said
    assert ModelRegistry(str(root)).production() == OLD.fingerprint
    run(root)
    assert ModelRegistry(str(root)).production() == NEW.fingerprint


def test_run_again_it_changes_nothing(root):
    evaluated(root, log_loss=(-0.01, -0.013, -0.007))
    run(root)
    assert run(root)[0] == f"model {NEW.fingerprint} is the current one already"
    assert ModelRegistry(str(root)).former() == [OLD.fingerprint]


def test_a_rival_that_may_have_seen_the_held_out_tweets_is_said_to(root):
    evaluated(root, other_split=True, log_loss=(0.01, 0.007, 0.013))
    assert f"of which {OLD.fingerprint} may have learned from some" in run(root)[0]


def test_an_evaluation_of_other_models_decides_nothing(root):
    evaluated(root, log_loss=(-0.01, -0.013, -0.007))
    newest = model(40)
    ModelRegistry(str(root)).add(newest)
    with pytest.raises(
        InputError, match=rf"expected {newest.fingerprint}, the latest, with {OLD.fingerprint}.*Run `eval"
    ):
        run(root)
    assert ModelRegistry(str(root)).production() == OLD.fingerprint


def test_without_an_evaluation_nothing_is_decided(root):
    with pytest.raises(InputError, match="Run `evaluate` first"):
        run(root)
    (root / "evaluation").mkdir()
    (root / "evaluation" / "evaluation.json").write_text("{}")
    with pytest.raises(InputError, match=r"cannot be used \(model: Field required\)"):
        run(root)


def test_a_current_model_that_reads_texts_cut_by_other_rules_makes_way(tmp_path):
    """It could not score what `clean` writes from now on; nor can the two be compared."""
    registry = ModelRegistry(str(tmp_path))
    registry.add(dataclasses.replace(OLD, rules_fingerprint="other"))
    registry.add(NEW)
    assert "reads texts cut by other rules than [text]" in run(tmp_path)[0]
    assert registry.production() == NEW.fingerprint


def test_where_both_read_texts_cut_by_other_rules_they_are_compared(tmp_path):
    """Neither could score what `clean` writes from now on, so that this is no reason for the later one."""
    registry = ModelRegistry(str(tmp_path))
    for one in (OLD, NEW):
        registry.add(dataclasses.replace(one, rules_fingerprint="other"))
    with pytest.raises(InputError, match="Run `evaluate` first"):
        run(tmp_path)
    assert registry.production() != registry.candidate()


def test_where_none_is_current_the_latest_model_scores_without_a_comparison(root):
    (root / "models" / "current.json").unlink()
    assert run(root)[0] == f"model {NEW.fingerprint} scores from now on: there was no current one"
    assert ModelRegistry(str(root)).production() == NEW.fingerprint


def test_a_model_that_was_rolled_back_from_scores_again_only_when_it_is_told_to(root):
    evaluated(root, log_loss=(-0.01, -0.013, -0.007))
    run(root)
    ModelRegistry(str(root)).roll_back()
    said, facts = run(root)
    assert said == (
        f"model {OLD.fingerprint} goes on scoring: {NEW.fingerprint} was rolled back from; "
        f"`tonality models use {NEW.fingerprint}` lets it score again"
    )
    assert (facts["counts"]["promoted"], facts["current"]) == (0, OLD.fingerprint)
    assert ModelRegistry(str(root)).production() == OLD.fingerprint
    assert command(root, "use", NEW.fingerprint) == 0
    assert run(root)[0] == f"model {NEW.fingerprint} is the current one already"


def test_a_model_that_was_rolled_back_from_stays_out_even_where_the_current_one_reads_other_rules(tmp_path):
    registry = ModelRegistry(str(tmp_path))
    registry.add(dataclasses.replace(OLD, rules_fingerprint="other"))
    registry.add(NEW)
    run(tmp_path)
    back = registry.roll_back()
    assert f"{NEW.fingerprint} was rolled back from" in run(tmp_path)[0]
    assert registry.production() == back


def test_nobody_changes_the_current_model_between_the_verdict_and_what_follows(root, monkeypatch):
    evaluated(root, log_loss=(-0.01, -0.013, -0.007))
    newest = model(40)
    ModelRegistry(str(root)).add(newest)
    ModelRegistry(str(root)).add(NEW)
    other = threading.Thread(target=ModelRegistry(str(root)).use, args=[newest.fingerprint])
    read = promote._evaluation

    def slowly(place):
        other.start()
        other.join(0.2)
        return read(place)

    monkeypatch.setattr(promote, "_evaluation", slowly)
    _, facts = run(root)
    other.join()
    assert facts["current"] == NEW.fingerprint
    assert ModelRegistry(str(root)).former() == [NEW.fingerprint, OLD.fingerprint]


def command(root: Path, *arguments: str) -> int:
    return main(["models", *arguments, "--set", f"paths.root={root}"])


def test_models_are_listed_with_what_they_are_worth_and_which_one_scores(root, capsys):
    assert command(root) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split("  ")[0] == "model"
    rows = {line.split()[0]: line for line in lines}
    assert rows.keys() == {OLD.fingerprint, NEW.fingerprint}
    assert "32,025 tweets  77.9%     0.5200    current since 2" in rows[OLD.fingerprint]
    assert rows[NEW.fingerprint].endswith("latest")


@pytest.mark.parametrize("pointer", ["current.json", "latest.json"])
def test_a_pointer_that_is_damaged_is_told_below_the_list(root, pointer, capsys):
    (root / "models" / pointer).write_text("")
    assert command(root) == 0
    *rows, told = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows] == ["model", OLD.fingerprint, NEW.fingerprint]
    assert told.startswith(f"{root}/models/{pointer} names no model: ")
    assert ("current since" in rows[1]) == (pointer == "latest.json")


def test_where_none_is_known_to_be_the_latest_they_are_listed_and_the_way_that_is_told_leads_on(root, capsys):
    (root / "models" / "latest.json").unlink()
    assert command(root) == 0
    assert "latest" not in capsys.readouterr().out
    assert main(["promote", "--set", f"paths.root={root}"]) == 3
    assert f"with `tonality models add {root}/models/MODEL`" in capsys.readouterr().err
    assert command(root, "add", f"{root}/models/{NEW.fingerprint}") == 0
    assert ModelRegistry(str(root)).candidate() == NEW.fingerprint


def test_a_pointer_that_is_damaged_is_mended_by_use(root, capsys):
    (root / "models" / "current.json").write_text("")
    assert command(root, "use", NEW.fingerprint) == 0
    assert capsys.readouterr().out == f"model {NEW.fingerprint} scores from now on\n"
    assert command(root) == 0


def test_training_does_not_begin_while_nobody_knows_which_model_scores(root, capsys):
    (root / "models" / "current.json").write_text("")
    assert main(["train", "--set", f"paths.root={root}"]) == 3
    assert "models/current.json names no model" in capsys.readouterr().err


def test_a_model_that_was_rolled_back_from_is_listed_as_such(root, capsys):
    for arguments in (("use", NEW.fingerprint), ("rollback",), ()):
        assert command(root, *arguments) == 0
    *_, old, new = capsys.readouterr().out.splitlines()
    assert "current since" in old
    assert new.endswith("rolled back from, latest")


def test_one_command_lets_a_model_score_and_one_rolls_it_back(root, capsys):
    assert command(root, "use", NEW.fingerprint[:6]) == 0
    assert ModelRegistry(str(root)).production() == NEW.fingerprint
    assert command(root, "rollback") == 0
    assert ModelRegistry(str(root)).production() == OLD.fingerprint
    assert capsys.readouterr().out == (
        f"model {NEW.fingerprint} scores from now on, in the place of {OLD.fingerprint}\n"
        f"model {OLD.fingerprint} scores again, in the place of {NEW.fingerprint}\n"
    )


def test_a_model_from_another_place_is_taken_over(tmp_path, capsys):
    for one in (OLD, NEW):
        artifact_store.write(one, str(tmp_path / "elsewhere"))
        assert command(tmp_path, "add", str(tmp_path / "elsewhere")) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"model {OLD.fingerprint} scores from now on: {tmp_path}/models/{OLD.fingerprint}"
    assert second.startswith(f"model {NEW.fingerprint} is there; {OLD.fingerprint} goes on scoring")


def test_a_model_is_removed_unless_it_scores(root, capsys):
    assert command(root, "remove", OLD.fingerprint) == 3
    assert "is the current one" in capsys.readouterr().err
    assert command(root, "remove", NEW.fingerprint) == 0
    assert [release.model for release in ModelRegistry(str(root)).listed()] == [OLD.fingerprint]
    assert command(root) == 0, "though the latest one is gone"


@pytest.mark.parametrize("arguments", [("use",), ("add",), ("remove",), ("rollback", "abc"), ("list", "abc")])
def test_an_action_without_its_name_or_with_one_too_many_is_refused(root, arguments, capsys):
    assert command(root, *arguments) == 2
    assert f"`models {arguments[0]}` takes" in capsys.readouterr().err


def test_without_models_the_listing_says_where_they_come_from(tmp_path, capsys):
    assert command(tmp_path) == 3
    assert "run `train`, or take one over with `models add FOLDER`" in capsys.readouterr().err
