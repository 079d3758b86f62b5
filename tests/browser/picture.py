"""Draw the first README's picture of the report, with a note beside it, or compare a report with the note.

    python tests/browser/picture.py [out/report]
    python tests/browser/picture.py --check [out/report]

The picture is the head of the page, up to the end of the chart, as Chromium draws it at twice the usual density. The
note, .images/report.json, holds the overall shares that the page shows, the digest of the picture, and that of the
files that determine the look of the page: tests compare both digests. --check fails if the report's shares differ from
the note's by more than a point; smaller differences are those of the network's precision on other CPUs.
"""

import argparse
import csv
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).parents[2]
IMAGES: Final = REPOSITORY / ".images"
PICTURE: Final = IMAGES / "report.png"
NOTE: Final = IMAGES / "report.json"

TONES: Final = ("positive", "neutral", "negative")
WIDTH, HEIGHT, DENSITY = 1060, 1200, 2
"""The window in CSS pixels, and pixels of the picture per CSS pixel."""
MARGIN: Final = 12
"""CSS pixels between the chart and the lower edge of the picture."""
TOLERANCE: Final = 1.0
"""The largest difference of a share, in percentage points, between a report and the note."""
AGAIN: Final = "run `make run` and `make picture`, and look at .images/report.png"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", nargs="?", type=Path, default=Path("out/report"), help="the folder of the report")
    parser.add_argument("--check", action="store_true", help="compare the report's shares with the note's instead")
    options = parser.parse_args()
    needed = options.report / ("dynamics.csv" if options.check else "index.html")
    if not needed.is_file():
        print(f"{needed} does not exist: run `make run` first", file=sys.stderr)
        return 1
    return _check(options.report) if options.check else _draw(options.report)


def _draw(report: Path) -> int:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    shares = draw(report / "index.html", PICTURE, program)
    note = {"shares": shares, "picture": digest_of_picture(PICTURE), "page": digest_of_page(REPOSITORY)}
    NOTE.write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
    print(f"{PICTURE.relative_to(REPOSITORY)}: {described(shares)}")
    return 0


def _check(report: Path) -> int:
    shares, expected = shares_of(report / "dynamics.csv"), read_note()["shares"]
    if different(shares, expected):
        print(f"the picture is of {described(expected)}, the report of {described(shares)}: {AGAIN}", file=sys.stderr)
        return 1
    print(f"the picture shows this report: {described(shares)}")
    return 0


def draw(page: Path, picture: Path, program: str | None) -> dict[str, float]:
    """Draw the head of a page and return the overall shares that it shows, in percent."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        window = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=DENSITY)
        window.goto(page.resolve().as_uri())
        window.wait_for_selector("#chart .main-svg")
        window.evaluate("document.fonts.ready")
        chart = window.locator("#chart").bounding_box()
        head = {"x": 0, "y": 0, "width": WIDTH, "height": chart["y"] + chart["height"] + MARGIN}
        window.screenshot(path=picture, clip=head, full_page=True, animations="disabled")
        shown = {tone: window.locator(f".headline .{tone} dd").inner_text() for tone in TONES}
        browser.close()
    return {tone: float(text.partition("%")[0]) for tone, text in shown.items()}


def shares_of(daily_shares: Path) -> dict[str, float]:
    """The overall shares of a report, in percent, from its dynamics.csv."""
    with daily_shares.open(encoding="utf-8", newline="") as file:
        days = list(csv.DictReader(file))
    counts = {tone: sum(int(day[tone]) for day in days) for tone in TONES}
    return {tone: round(100 * count / sum(counts.values()), 1) for tone, count in counts.items()}


def different(shares: dict[str, float], expected: dict[str, float]) -> bool:
    return any(abs(shares[tone] - expected[tone]) > TOLERANCE for tone in TONES)


def described(shares: dict[str, float]) -> str:
    return ", ".join(f"{shares[tone]:.1f} % {tone}" for tone in TONES)


def read_note() -> dict:
    return json.loads(NOTE.read_text(encoding="utf-8"))


def digest_of_picture(picture: Path) -> str:
    return hashlib.sha256(picture.read_bytes()).hexdigest()


def digest_of_page(repository: Path) -> str:
    """A digest of the files that determine the look of the page: templates, modules of the chart, the sample's title."""
    survey = repository / "lib/tonality/survey"
    modules = [survey / f"{name}.py" for name in ("page", "plotly_chart", "chart_style")]
    templates = [path for path in (survey / "templates").iterdir() if path.is_file()]
    digest = hashlib.sha256()
    for path in sorted([*modules, *templates, repository / "conf/sample.toml"]):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(repository)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
