"""Who wrote what, hidden: policies, pseudonyms by a key, names cut from texts, marks of what was forgotten."""
