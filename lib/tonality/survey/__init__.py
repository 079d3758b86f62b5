"""The survey: filter, daily shares, examples, charts and the page, from scored tweets."""
