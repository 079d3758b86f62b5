"""Settings: sections, types, and loading with all errors reported together."""
