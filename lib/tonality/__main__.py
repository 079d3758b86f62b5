"""python -m tonality: the command, where `tonality` itself is not on PATH."""

import sys

from tonality.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
