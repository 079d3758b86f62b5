"""RuTweetCorp's rows as they are published, to be told by their ends (Rubtsova 2014).

Twelve columns, no header: id; unix time; author; text; label; replies; retweets; favourites; statuses; followers;
friends; lists. Texts hold line breaks and stray quotes, so a row is known by its ends: it starts with two numbers and
closes with the label and seven more. One broken row costs no neighbour.
"""

import re
from typing import Final

__all__ = ["ROW", "ROW_END", "ROW_START"]

ROW_START: Final = re.compile(r'"?(?P<id>\d+)"?;"?(?P<time>\d{9,10})"?;')
ROW_END: Final = re.compile(r';"?(?P<label>-?1)"?(?:;"?\d*"?){7}\s*\Z')
ROW: Final = re.compile(rf'{ROW_START.pattern}"?(?P<author>[^;]*?)"?;"?(?P<text>.*?)"?{ROW_END.pattern}', re.DOTALL)
