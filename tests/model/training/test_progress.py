import logging

import pytest

from tonality.model.metrics import Metrics
from tonality.model.training.progress import Progress

VALID = Metrics(rows=10, log_loss=0.5, accuracy=0.75, f1=0.7, macro_f1=0.7, auc=0.8)


@pytest.fixture
def messages(caplog):
    """The messages of the second of three epochs: eleven steps of 100 rows, then validation."""

    def log(done=0, seconds_a_step=1.0):
        now = [100.0]
        progress = Progress(seconds=5 * seconds_a_step, clock=lambda: now[0])
        progress.start(2, 3, rows=1_100, done=done)
        for step in range(1 + done // 100, 12):
            now[0] += seconds_a_step
            progress.step(rows=100 * step, loss=0.6)
        progress.epoch(0.55, VALID)
        return caplog.messages

    caplog.set_level(logging.INFO, logger="tonality")
    return log


def test_a_log_gets_a_line_every_few_seconds_with_speed_loss_and_time_left(messages):
    assert messages() == [
        "epoch 2 of 3: 500 of 1,100 rows, loss 0.6000, 100 rows/s, 17 s left",
        "epoch 2 of 3: 1,000 of 1,100 rows, loss 0.6000, 100 rows/s, 12 s left",
        "epoch 2 of 3: loss 0.5500, validation loss 0.5000, accuracy 0.7500",
    ]


def test_rows_that_were_learned_before_a_checkpoint_do_not_count_towards_the_speed(messages):
    assert messages(done=600)[0].endswith("1,100 of 1,100 rows, loss 0.6000, 100 rows/s, 11 s left")


@pytest.mark.parametrize(("seconds", "left"), [(10, "3 min left"), (1_000, "4 h 43 min left")])
def test_a_long_duration_is_shown_in_minutes_and_hours(seconds, left, messages):
    assert messages(seconds_a_step=seconds)[0].endswith(left)


def test_the_end_of_an_epoch_stays_on_a_terminal_and_what_precedes_it_is_overwritten(messages, caplog):
    messages()
    assert [getattr(record, "transient", False) for record in caplog.records] == [True, True, False]
