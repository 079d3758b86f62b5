"""python -m tonality: the command, for environments without `tonality` on PATH."""

import sys

from tonality.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
