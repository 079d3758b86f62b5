"""The sample: a synthetic archive and labelled corpus of tweets about a film, with an opinion planted in them."""

from tonality.ingest.synthetic.write import SampleSummary, write_sample

__all__ = ["SampleSummary", "write_sample"]
