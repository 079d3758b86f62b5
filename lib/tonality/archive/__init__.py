"""Raw archives: bytes to tweet rows, with an account of where every record went."""
