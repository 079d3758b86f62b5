"""label: clean tweets labelled by their own emoticons, a corpus without manual work."""

import logging
from typing import Final

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from tonality.model.dataset.distant_labels import label_by_emoticon
from tonality.runtime.diagnostics.console import counted
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.runs.record import Run
from tonality.runtime.runs.text_rules_check import refuse_other_rules
from tonality.runtime.settings.load import text_rules
from tonality.runtime.settings.sections import Settings
from tonality.runtime.storage import tables
from tonality.runtime.storage.schema import DAY, LABELLED, TWEETS
from tonality.runtime.storage.transaction import begin_transaction
from tonality.runtime.storage.write_locks import WriteLock

_LOG: Final = logging.getLogger(__name__)

_OTHER_RULES: Final = "Run `clean` again with the current [text] settings, or set [text] to those found."


def run(settings: Settings, record: Run, spark: SparkSession) -> str:
    """Label every day of tweets/ and publish labelled/."""
    root, rules = settings.paths.root, text_rules(settings.text)
    with begin_transaction(spark, root, record.id, [WriteLock("labelled")]) as transaction:
        tweets = tables.read(spark, root, "tweets", TWEETS)
        refuse_other_rules(tweets, root, "tweets", rules.model_dump(), rules.fingerprint, _OTHER_RULES)
        _LOG.info("labelling tweets by their emoticons")
        labelled = label_by_emoticon(tweets, rules.language.emoticons).withColumn("run", F.lit(record.id))
        written = transaction.stage("labelled", labelled.hint("rebalance", DAY), LABELLED, DAY)
        transaction.remove_partitions("labelled", DAY, lambda _: True)
        counts = _count(written)
        if not sum(counts.values()):
            raise InputError("no tweet has emoticons of one tone only: nothing was labelled")
        reads = {"tweets": {"rows": tweets.count()}}
        transaction.commit()
    rows = {"rows": sum(counts.values())}
    record.add(reads=reads, writes={"labelled": rows}, counts=counts)
    return f"{counted(sum(counts.values()), 'tweet')} labelled by emoticon: " + ", ".join(
        f"{count:,} {name}" for name, count in counts.items()
    )


def _count(labelled: DataFrame) -> dict[str, int]:
    counts = {row.label: row["count"] for row in labelled.groupBy("label").count().collect()}
    return {"positive": counts.get(1.0, 0), "negative": counts.get(0.0, 0)}
