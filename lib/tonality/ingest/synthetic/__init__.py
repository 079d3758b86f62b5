"""The sample: a synthetic archive and labelled corpus of tweets about a film, with a known, planted opinion."""

from tonality.ingest.synthetic.write import SampleSummary, write_sample

__all__ = ["SampleSummary", "write_sample"]
