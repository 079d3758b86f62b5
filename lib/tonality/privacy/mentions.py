"""Names of users in a text: in mentions, and in links to what they wrote."""

import re
from typing import Final

from tonality.text.links_mentions import MENTION

__all__ = ["without_names"]

_PROFILE: Final = re.compile(
    r"(?i)(?<![\w-])((?:twitter|x)\.com/)(?:#!/)?\w+(?:/(?:web/)?status(?:es)?/\d+)?",
)


def without_names(text: str) -> str:
    """The text with a bare @ for each mention, and links to Twitter that no longer say whose page or which tweet."""
    if "@" in text or "＠" in text:
        text = MENTION.sub("@", text)
    return _PROFILE.sub(r"\1", text) if ".com/" in text.lower() else text
