"""python jobs/sample.py [--config FILE ...] [--set KEY=VALUE ...]"""

import sys

from tonality.cli.main import run_job

if __name__ == "__main__":
    sys.exit(run_job("sample"))
