"""Records: one module a format, from lines or pages of bytes to tweets, control messages and rejects."""
