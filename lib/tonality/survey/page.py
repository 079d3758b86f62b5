"""The survey as one self-contained HTML file: scripts, data and images are inlined, nothing is fetched."""

import base64
import hashlib
import json
import math
from importlib import resources
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from tonality.runtime.diagnostics.escaping import printable
from tonality.runtime.storage.schema import DAY
from tonality.survey.chart_style import TONE_STYLES
from tonality.survey.daily_shares import TONED, period_shares
from tonality.survey.plotly_chart import figure, interval, percent
from tonality.survey.view_model import Survey

__all__ = ["render"]

_LONGEST_TEXT: Final = 600
"""Characters of a tweet on the page; longer tweets are shortened and their length is given."""
_LONGEST_AUTHOR: Final = 60


def render(survey: Survey) -> str:
    """Render the page of a survey as one self-contained HTML document.

    Every text of the survey is shown as plain text. Without days the page says that no tweets were found, and contains
    no scripts; without a coverage that section is omitted; without a comparison it says that the model was not
    evaluated.
    """
    daily_shares = survey.daily_shares
    by_author = survey.question.voting == "author"
    scripts = _scripts(survey)
    return (
        _environment()
        .get_template("index.html.j2")
        .render(
            survey=survey,
            question=survey.question,
            by_author=by_author,
            styles={tone: TONE_STYLES[tone] for tone in TONED},
            policy=_policy(scripts),
            scripts=[_as_script(script) for script in scripts],
            figure=None if daily_shares.empty else _as_json(figure(daily_shares, "authors" if by_author else "tweets")),
            period=period_shares(daily_shares).iloc[0].to_dict(),
            days=daily_shares.rename(columns={DAY: "date"}).to_dict("records"),
            days_with_tweets=int((daily_shares["tweets"] > 0).sum()),
            examples=survey.examples.to_dict("records"),
        )
    )


def _scripts(survey: Survey) -> list[str]:
    if survey.daily_shares.empty:
        return []
    return [get_plotlyjs(), _read_script("boot.js"), *([] if survey.examples.empty else [_read_script("filter.js")])]


def _read_script(name: str) -> str:
    return resources.files("tonality.survey").joinpath("templates", name).read_text(encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tonality.survey"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters |= {"count": _count, "percent": percent, "fixed": _fixed, "png": _data_url}
    environment.filters |= {"printable": printable, "shortened": _shortened}
    environment.globals |= {"interval": interval, "LONGEST_TEXT": _LONGEST_TEXT, "LONGEST_AUTHOR": _LONGEST_AUTHOR}
    return environment


def _finalize(value: Any) -> Any:
    """Make every text printable before it enters the page, except trusted markup."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _count(number: float) -> str:
    return f"{int(number):,}"


def _fixed(number: float | None, digits: int) -> str:
    """A number with a fixed number of decimals; a dash for None and NaN."""
    return "–" if number is None or math.isnan(number) else f"{number:.{digits}f}"


def _shortened(text: str | None, longest: int) -> str:
    whole = printable(text)
    return whole if len(whole) <= longest else f"{whole[:longest].rstrip()}…"


def _data_url(png: bytes) -> str:
    """A PNG as a data URL."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _policy(scripts: list[str]) -> str:
    """A Content-Security-Policy that allows exactly these scripts, and no fetching, sending or evaluating.

    Plotly adds style rules while it draws, hence 'unsafe-inline' for styles. A JSON data block needs no hash, since
    browsers never run it.
    """
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _as_script(script: str) -> Markup:
    """A script for a script element, unchanged, since the policy contains its hash.

    Raises ValueError if it contains anything that would end the element early or swallow its end tag.
    """
    if any(sequence in script.lower() for sequence in ("</script", "<!--", "\r", "\0")):
        raise ValueError("a script contains </script, <!--, CR or NUL and cannot be put into a page unchanged")
    return Markup(script)  # noqa: S704


def _as_json(values: dict[str, Any]) -> Markup:
    """Values as JSON without HTML markup; everything beyond ASCII is escaped, including U+2028 and U+2029."""
    text = json.dumps(values, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704
