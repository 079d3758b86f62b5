import io

from tonality.network.measures import Metrics
from tonality.training.progress import Progress

VALID = Metrics(rows=10, log_loss=0.5, accuracy=0.75, f1=0.7, macro_f1=0.7, auc=0.8)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def watched(stream):
    """An epoch of eleven steps of 100 rows, a second each, then its validation."""
    now = [0.0]
    progress = Progress(stream, seconds=5, clock=lambda: now[0])
    progress.start()
    for step in range(1, 12):
        now[0] = float(step)
        progress.step(epoch=1, rows=100 * step, total=1_100, loss=0.6)
    progress.epoch(1, 0.55, VALID)
    return stream.getvalue()


def test_a_log_gets_a_line_every_few_seconds():
    assert watched(io.StringIO()).splitlines() == [
        "epoch 1: 500 of 1,100 rows, loss 0.6000, 100 rows/s",
        "epoch 1: 1,000 of 1,100 rows, loss 0.6000, 100 rows/s",
        "epoch 1: loss 0.5500, validation loss 0.5000, accuracy 0.7500",
    ]


def test_a_terminal_gets_one_line_that_is_overwritten():
    shown = watched(Terminal())
    assert shown.count("\n") == 1
    _, *lines = shown.removesuffix("\n").split("\r")
    assert [len(line) for line in lines] == [79, 79, 79], "shorter lines must cover longer ones"
    assert lines[-1].rstrip().endswith("accuracy 0.7500")


def test_speed_is_the_epochs_own():
    now = [100.0]
    stream = io.StringIO()
    progress = Progress(stream, seconds=5, clock=lambda: now[0])
    now[0] = 200.0
    progress.start()
    now[0] = 210.0
    progress.step(epoch=2, rows=1_000, total=9_000, loss=0.5)
    assert "100 rows/s" in stream.getvalue()
