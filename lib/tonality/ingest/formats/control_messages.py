"""Keys of the messages in Twitter's streams that are no tweets.

The sources are "Streaming message types" and "Compliance data objects" of API v1.1.
"""

from typing import Final

__all__ = ["CONTROL_MESSAGES", "STREAM_STATUS", "USER_REMOVED", "USER_RESTORED"]

USER_REMOVED: Final = frozenset({"user_delete", "user_protect", "user_suspend"})
USER_RESTORED: Final = frozenset({"user_undelete", "user_unprotect", "user_unsuspend"})
STREAM_STATUS: Final = frozenset(
    ["control", "disconnect", "event", "for_user", "friends", "friends_str", "limit", "user_update", "warning"]
)
"""Messages about the stream and its account, which concern no tweet."""
CONTROL_MESSAGES: Final = frozenset(
    ["delete", "scrub_geo", "status_withheld", "user_withheld", *USER_REMOVED, *USER_RESTORED, *STREAM_STATUS]
)
"""All messages of API v1.1."""
