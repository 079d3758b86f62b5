import torch

from tonality.model.network.lstm import LSTMConfig
from tonality.model.training.loop import train
from tonality.model.training.model_card import model_card

FACTS = {
    "rows": {"train": {"rows": 2_000, "positive": 1_000}, "valid": {"rows": 2_000, "positive": 500}},
    "dropped": {"no stems": 7, "no known stem": 0},
    "rules": {"name": "ru", "links": "drop", "letters": "а-яё" * 40},
    "stems": 100,
    "max_length": 12,
    "unknown": "drop",
}


def test_the_card_holds_data_splits_settings_metrics_and_limits_of_the_run(config, sides, settings):
    trained = train(config, *sides, settings.model_copy(update={"clip_norm": 0.5}), torch.device("cpu"))
    text = model_card(
        config=config,
        settings=settings.model_copy(update={"clip_norm": 0.5}),
        result=trained,
        **FACTS,
    )
    best = trained.best
    assert f"On\n2,000 tweets that it did not learn from, its accuracy is {best.valid.accuracy:.1%}." in text
    assert "| train | 2,000 | 50.0% |\n| valid | 2,000 | 25.0% |" in text
    assert "Labelled tweets in neither split: 7 no stems." in text
    assert "100 stems have an id; any other stem is dropped. Of a tweet the first 12 stems are read." in text
    assert "vocabulary 102, embedding 16, hidden 16, layers 2" in text
    assert "batch_size 64" in text and "clip_norm 0.5" in text
    assert "Computed in float32 on a processor, by 2 threads." in text
    for epoch in trained.epochs:
        assert (
            f"| {epoch.number} | {epoch.loss:.4f} | {epoch.valid.log_loss:.4f} | {epoch.valid.accuracy:.4f} |" in text
        )
    assert f"The model is that of epoch {best.number}, which has the lowest validation loss." in text
    assert "## Limits" in text
    assert max(map(len, text.splitlines())) < 1_000, "long rules are shortened"


def test_the_card_documents_that_unknown_stems_are_read(sides, settings):
    config = LSTMConfig(vocabulary=102, embedding=4, hidden=4, layers=1)
    trained = train(config, *sides, settings.model_copy(update={"epochs": 1}), torch.device("cpu"))
    text = model_card(
        config=config,
        settings=settings,
        result=trained,
        **{**FACTS, "unknown": "train", "dropped": {}},
    )
    assert "any other stem is read as the unknown stem." in text
    assert "in neither split" not in text


def test_a_language_and_a_reason_stay_on_their_lines(config, sides, settings):
    trained = train(config, *sides, settings.model_copy(update={"epochs": 1}), torch.device("cpu"))
    hostile = {"rules": {"name": "ru\n# forged\x1b[2J"}, "dropped": {"no\n# forged\u202e": 1}}
    text = model_card(config=config, settings=settings, result=trained, **{**FACTS, **hostile})
    assert r"in the language `ru\u000a# forged\u001b[2J`" in text
    assert r"1 no\u000a# forged\u202e." in text
    assert "\n# forged" not in text
