"""User names in texts: in mentions, and in links to profiles and tweets."""

import re
from typing import Final

from tonality.text.tweet_markup import MENTION

__all__ = ["remove_usernames"]

_PROFILE: Final = re.compile(
    r"(?i)(?<![\w-])((?:twitter|x)\.com/)(?:#!/)?\w+(?:/(?:web/)?status(?:es)?/\d+)?",
)


def remove_usernames(text: str) -> str:
    """Reduce each mention to a bare @, and each link to a profile or tweet on Twitter to the host."""
    if "@" in text or "＠" in text:
        text = MENTION.sub("@", text)
    return _PROFILE.sub(r"\1", text) if ".com/" in text.lower() else text
