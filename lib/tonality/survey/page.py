"""The survey as one HTML file that asks nothing of any network: script, data and picture are inside it."""

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from tonality.schema import DAY
from tonality.survey.drawing import LOOKS
from tonality.survey.dynamics import TONED, period_shares
from tonality.survey.figure import figure, interval, percent

__all__ = ["render"]


def render(
    dynamics: pd.DataFrame,
    title: str,
    facts: Mapping[str, str],
    *,
    positive: float,
    negative: float,
    png: bytes,
) -> str:
    """The page of a survey, as HTML in one self-contained text.

    dynamics: of `with_shares`; with no days the page says that none were found, and holds no script at all.
    title, facts: plain text, whoever wrote it; facts are labels and values for "About this report", in their order.
    positive, negative: the thresholds the tweets were counted by: positive from the one on, negative up to the other.
    png: the chart of `draw_png`, for paper and for browsers that run no script.
    """
    scripts = [] if dynamics.empty else [get_plotlyjs(), _boot_script()]
    template = _environment().get_template("index.html.j2")
    return template.render(
        title=title,
        facts=facts,
        thresholds={"positive": positive, "negative": negative},
        looks={tone: LOOKS[tone] for tone in TONED},
        policy=_policy(scripts),
        scripts=[_as_script(script) for script in scripts],
        figure=None if dynamics.empty else _as_json(figure(dynamics)),
        picture=base64.b64encode(png).decode("ascii"),
        period=period_shares(dynamics).iloc[0].to_dict(),
        days=dynamics.rename(columns={DAY: "date"}).to_dict("records"),
        days_with_tweets=int((dynamics["tweets"] > 0).sum()),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tonality.survey"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = lambda number: f"{int(number):,}"
    environment.filters["percent"] = percent
    environment.globals["interval"] = interval
    return environment


def _boot_script() -> str:
    return resources.files("tonality.survey").joinpath("templates", "boot.js").read_text(encoding="utf-8")


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
