import numpy as np
import pytest

from tonality.model.evaluation.intervals import wilson


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_are_those_that_newcombe_published(hits, total, low, high):
    """R. G. Newcombe, Two-sided confidence intervals for the single proportion, Statist. Med. 17 (1998), table I."""
    found = wilson(np.array([float(hits)]), np.array([float(total)]))
    assert (found[0][0], found[1][0]) == pytest.approx((low, high), abs=5e-5)


def test_an_interval_never_leaves_the_range_from_0_to_1():
    total = np.arange(1.0, 500.0)
    nothing, everything = wilson(np.zeros_like(total), total), wilson(total, total)
    assert nothing[0].min() >= 0 and everything[1].max() <= 1
    assert nothing[1] == pytest.approx(1 - everything[0])
