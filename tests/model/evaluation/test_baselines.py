import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB

from tonality.model.evaluation.baselines import choose_inverse_penalty, logistic_regression, naive_bayes
from tonality.model.evaluation.features import Terms, with_features

SCHEMA = "stems string, label float"
TRAIN = [(f"день {word} {other}", label) for word, label in (("хорош", 1.0), ("плох", 0.0)) for other in "абвгд"] * 4
VALID = [("день хорош", 1.0), ("плох день", 0.0), ("хорош хорош", 1.0), ("плох", 0.0), ("совсем другое", 1.0)]


def noisy(rows, seed):
    """Texts of eight words out of forty; each of the first twenty is slightly positive, the others slightly negative."""
    random = np.random.default_rng(seed)
    words = random.integers(0, 40, (rows, 8))
    lean = (words < 20).sum(axis=1) - 4 + random.normal(0, 2, rows)
    return [(" ".join(f"w{word}" for word in row), float(side > 0)) for row, side in zip(words, lean, strict=True)]


@pytest.fixture(scope="module")
def featured(spark):
    """Both splits of a noisy corpus with features of stems and bigrams."""
    sides = (spark.createDataFrame(noisy(rows, seed), SCHEMA).coalesce(1) for rows, seed in ((3000, 1), (1500, 2)))
    return [side.persist() for side in with_features(*sides, Terms(1000, bigrams=True))]


def probabilities(frame):
    assert frame.columns == ["label", "probability"]
    return np.array([row.probability for row in frame.collect()])


def matrix(frame, column):
    rows = [row[column] for row in frame.collect()]
    lengths = np.cumsum([0, *(len(row.indices) for row in rows)])
    parts = (np.concatenate([getattr(row, name) for row in rows]) for name in ("values", "indices"))
    return csr_matrix((*parts, lengths), shape=(len(rows), rows[0].size))


def labels(frame):
    return np.array([row.label for row in frame.collect()])


@pytest.fixture(scope="module")
def plain(spark):
    sides = (spark.createDataFrame(rows, SCHEMA).coalesce(1) for rows in (TRAIN, VALID))
    return with_features(*sides, Terms(10))


@pytest.mark.parametrize("model", [naive_bayes, lambda *sides: logistic_regression(*sides, inverse_penalty=1.0)])
def test_every_held_out_row_is_evaluated_once_even_without_a_known_stem(plain, model):
    """The network is evaluated on all of them."""
    found = model(*plain).collect()
    assert [row.label for row in found] == [label for _, label in VALID]
    assert [row.probability >= 0.5 for row in found[:-1]] == [True, False, True, False]
    assert found[-1].probability == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("inverse_penalty", [0.1, 1.0, 10.0])
def test_logistic_regression_is_what_scikit_learn_finds_on_the_same_features(featured, inverse_penalty):
    train, valid = featured
    theirs = LogisticRegression(C=inverse_penalty, max_iter=1000, tol=1e-6).fit(matrix(train, "tfidf"), labels(train))
    expected = theirs.predict_proba(matrix(valid, "tfidf"))[:, 1]
    assert probabilities(logistic_regression(train, valid, inverse_penalty)) == pytest.approx(expected, abs=0.01)


def test_naive_bayes_is_what_scikit_learn_finds_on_the_same_counts(featured):
    train, valid = featured
    theirs = MultinomialNB().fit(matrix(train, "counts"), labels(train))
    expected = theirs.predict_proba(matrix(valid, "counts"))[:, 1]
    assert probabilities(naive_bayes(train, valid)) == pytest.approx(expected, abs=1e-5)


def test_the_chosen_penalty_is_as_good_as_any_tried_on_the_held_out_rows(featured):
    train, valid = featured
    truth = labels(valid)

    def loss(inverse_penalty):
        found = probabilities(logistic_regression(train, valid, inverse_penalty))
        return -np.log(np.where(truth == 1, found, 1 - found)).mean()

    chosen = choose_inverse_penalty(train)
    # with weak words and many bigrams the penalty has to be stronger than at the start of the search
    assert chosen < 2
    assert loss(chosen) < min(loss(2.0), loss(32.0), loss(1 / 64))


@pytest.mark.parametrize("rows", [2, 3, 6])
def test_a_few_rows_are_enough_for_every_model(spark, rows):
    corpus = spark.createDataFrame([(f"слово{n} дело{n}", float(n % 2)) for n in range(rows)], SCHEMA).coalesce(1)
    train, valid = with_features(corpus, corpus, Terms(100, bigrams=True))
    assert len(probabilities(logistic_regression(train, valid, choose_inverse_penalty(train)))) == rows


def test_a_split_too_small_to_divide_has_the_initial_inverse_penalty(spark):
    corpus = spark.createDataFrame([("хорош", 1.0), ("плох", 0.0)], SCHEMA).coalesce(1)
    assert choose_inverse_penalty(with_features(corpus, corpus, Terms(100))[0]) == 2
