"""The survey as one HTML file that asks nothing of any network: script, data and pictures are inside it."""

import base64
import hashlib
import json
import math
from importlib import resources
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from tonality.runtime.storage.schema import DAY
from tonality.survey.chart_style import LOOKS
from tonality.survey.daily_shares import TONED, period_shares
from tonality.survey.examples import printable
from tonality.survey.plotly_chart import figure, interval, percent
from tonality.survey.view_model import Survey

__all__ = ["render"]

_LONGEST_TEXT: Final = 600
"""Characters of a tweet that the page shows; of longer ones it tells the length."""
_LONGEST_AUTHOR: Final = 60


def render(survey: Survey) -> str:
    """The page of a survey, as HTML in one self-contained text.

    Every text of the survey is shown as plain text, whoever wrote it. With no days the page says that none were found,
    and holds no script at all; without a coverage it has no section of that, without a comparison it says that the
    model was not evaluated.
    """
    dynamics = survey.dynamics
    by_author = survey.question.voting == "author"
    scripts = _scripts(survey)
    return (
        _environment()
        .get_template("index.html.j2")
        .render(
            survey=survey,
            question=survey.question,
            by_author=by_author,
            looks={tone: LOOKS[tone] for tone in TONED},
            policy=_policy(scripts),
            scripts=[_as_script(script) for script in scripts],
            figure=None if dynamics.empty else _as_json(figure(dynamics, "authors" if by_author else "tweets")),
            period=period_shares(dynamics).iloc[0].to_dict(),
            days=dynamics.rename(columns={DAY: "date"}).to_dict("records"),
            days_with_tweets=int((dynamics["tweets"] > 0).sum()),
            examples=survey.examples.to_dict("records"),
        )
    )


def _scripts(survey: Survey) -> list[str]:
    if survey.dynamics.empty:
        return []
    return [get_plotlyjs(), _own_script("boot.js"), *([] if survey.examples.empty else [_own_script("filter.js")])]


def _own_script(name: str) -> str:
    return resources.files("tonality.survey").joinpath("templates", name).read_text(encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tonality.survey"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_presentable,
    )
    environment.filters |= {"count": _count, "percent": percent, "fixed": _fixed, "png": _png}
    environment.filters |= {"printable": printable, "shortened": _shortened}
    environment.globals |= {"interval": interval, "LONGEST_TEXT": _LONGEST_TEXT, "LONGEST_AUTHOR": _LONGEST_AUTHOR}
    return environment


def _presentable(value: Any) -> Any:
    """Every text on its way into the page, but for what is markup by our own word."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _count(number: float) -> str:
    return f"{int(number):,}"


def _fixed(number: float | None, digits: int) -> str:
    """A number of so many decimals; a dash where there is none."""
    return "–" if number is None or math.isnan(number) else f"{number:.{digits}f}"


def _shortened(text: str | None, longest: int) -> str:
    shown = printable(text)
    return shown if len(shown) <= longest else f"{shown[:longest].rstrip()}…"


def _png(picture: bytes) -> str:
    """A picture as the address of an image."""
    return f"data:image/png;base64,{base64.b64encode(picture).decode('ascii')}"


def _policy(scripts: list[str]) -> str:
    """A Content-Security-Policy under which these scripts run, and nothing is fetched, sent or evaluated.

    Plotly writes style rules as it draws, hence 'unsafe-inline' for styles. A JSON data block needs no hash: browsers
    never run it.
    """
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _as_script(script: str) -> Markup:
    """A script as it may stand between script tags, to the letter, since its hash is promised.

    Raises ValueError where it holds what would end the element early or swallow its end.
    """
    if any(mark in script.lower() for mark in ("</script", "<!--", "\r", "\0")):
        raise ValueError("a script holds </script, <!--, CR or NUL, and cannot be put into a page unchanged")
    return Markup(script)  # noqa: S704


def _as_json(values: dict[str, Any]) -> Markup:
    """Values as JSON that no HTML parser mistakes for markup; all but ASCII is escaped, U+2028 and U+2029 too."""
    text = json.dumps(values, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return Markup(text)  # noqa: S704
