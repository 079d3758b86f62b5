import io

import numpy as np
import pytest
from matplotlib.image import imread

from tonality.model.evaluation.format_table import as_markdown, as_text
from tonality.model.evaluation.plots import draw_png
from tonality.model.evaluation.results import evaluate_predictions


@pytest.fixture(scope="module")
def models():
    labels = np.array([1, 1, 0, 0])
    return {
        "network": evaluate_predictions(np.array([0.9, 0.8, 0.4, 0.1]), labels),
        "a longer name, stems": evaluate_predictions(np.array([0.9, 0.2, 0.4, 0.1]), labels, {"C": 4.0}),
    }


def test_the_table_has_one_line_per_model_in_columns(models):
    header, *lines = as_text(models).splitlines()
    assert header == "model                 accuracy  95 % interval  macro F1    AUC  log loss"
    assert lines == [
        "network                 100.0%    51.0–100.0%     1.000  1.000     0.236",
        "a longer name, stems     75.0%     30.1–95.4%     0.733  0.750     0.583",
    ]


def test_the_markdown_describes_the_rows_and_the_chosen_hyperparameters(models):
    text = as_markdown(models, rows=4, positive=2)
    assert "On 4 held-out labelled tweets, 50.0% of them positive" in text
    assert "| network | 100.0% | 51.0–100.0% | 1.000 | 1.000 | 0.236 |" in text
    assert "- a longer name, stems: C 4, chosen on part of the training split" in text


def test_the_plot_has_the_requested_size_and_a_colour_for_each_model(models):
    pixels = imread(io.BytesIO(draw_png(models, "Two models", width=900, height=700)))[:, :, :3]
    assert pixels.shape == (700, 900, 3)
    for colour in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)):
        assert (np.abs(pixels - np.array(colour) / 255).max(axis=2) < 0.01).any()
