"""sample: a synthetic archive and labelled corpus to try everything on."""

from dataclasses import asdict

from tonality.ingest.synthetic.write import SampleSummary, write_sample
from tonality.runtime.diagnostics.console import counted
from tonality.runtime.diagnostics.errors import SettingsError
from tonality.runtime.diagnostics.escaping import escaped_name
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.sections import Settings
from tonality.runtime.storage.day_paths import has_day


def check(settings: Settings) -> None:
    """Refuse settings without exactly one folder for the archive and one for the corpus."""
    if len(settings.paths.archive) != 1 or len(settings.paths.corpus) != 1:
        raise SettingsError("sample writes one folder each: set paths.archive and paths.corpus to one folder")
    if has_day(settings.paths.archive[0]):
        raise SettingsError("sample writes one folder for all days: paths.archive must not have {day}")


def run(settings: Settings, record: Run) -> str:
    """Write the sample to the folders from which the other stages read archive and corpus."""
    check(settings)
    (archive,), (corpus,) = settings.paths.archive, settings.paths.corpus
    summary = write_sample(archive, corpus, **settings.sample.model_dump())
    records = {"files": summary.files, "records": summary.lines}
    record.add(
        archive=archive,
        corpus=corpus,
        writes={"archive": records, "corpus": {"rows": summary.labelled}},
        counts=asdict(summary),
    )
    return _summary(summary, archive, corpus)


def _summary(summary: SampleSummary, archive: str, corpus: str) -> str:
    return (
        f"{escaped_name(archive)}: {summary.lines:,} records in {counted(summary.files, 'file')}, "
        f"{summary.tweets:,} tweets in Russian\n"
        f"{escaped_name(corpus)}: {summary.labelled:,} labelled tweets, {summary.wrong_labels:,} of them labelled wrong"
    )
