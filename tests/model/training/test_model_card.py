import dataclasses

import torch

from tonality.model.network.lstm import LSTMConfig
from tonality.model.training.loop import train
from tonality.model.training.model_card import card

FACTS = {
    "rows": {"train": {"rows": 2_000, "positive": 1_000}, "valid": {"rows": 2_000, "positive": 500}},
    "dropped": {"no stems": 7, "no known stem": 0},
    "rules": {"name": "ru", "links": "drop", "letters": "а-яё" * 40},
    "stems": 100,
    "max_length": 12,
    "unknown": "drop",
}


def test_the_card_tells_data_split_settings_measures_and_limits_as_they_were(shape, sides, hyperparameters):
    trained = train(shape, *sides, dataclasses.replace(hyperparameters, clip_norm=0.5), torch.device("cpu"))
    text = card(
        network_config=shape,
        hyperparameters=dataclasses.replace(hyperparameters, clip_norm=0.5),
        trained=trained,
        **FACTS,
    )
    best = trained.best
    assert f"On 2,000 tweets that it did not learn from it is right about {best.valid.accuracy:.1%}." in text
    assert "| train | 2,000 | 50.0% |\n| valid | 2,000 | 25.0% |" in text
    assert "Labelled tweets on neither side: 7 no stems." in text
    assert "100 stems have a number; any other is left out. Of a tweet the first 12 stems are read." in text
    assert "vocabulary 102, embedding 16, hidden 16, layers 2" in text
    assert "batch_size 64" in text and "clip_norm 0.5" in text
    assert "Computed in float32 on a processor, by 2 threads." in text
    for epoch in trained.epochs:
        assert (
            f"| {epoch.number} | {epoch.loss:.4f} | {epoch.valid.log_loss:.4f} | {epoch.valid.accuracy:.4f} |" in text
        )
    assert f"Epoch {best.number}, of the lowest validation loss, is the model." in text
    assert "## Limits" in text
    assert max(map(len, text.splitlines())) < 1_000, "long rules are shortened"


def test_an_unknown_stem_that_is_read_is_told_so(sides, hyperparameters):
    shape = LSTMConfig(vocabulary=102, embedding=4, hidden=4, layers=1)
    trained = train(shape, *sides, dataclasses.replace(hyperparameters, epochs=1), torch.device("cpu"))
    text = card(
        network_config=shape,
        hyperparameters=hyperparameters,
        trained=trained,
        **{**FACTS, "unknown": "train", "dropped": {}},
    )
    assert "any other is read as the unknown stem." in text
    assert "on neither side" not in text
