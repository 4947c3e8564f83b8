"""What scripts/tune is made of; docs/tuning.md explains it."""

import sys


def say(text):
    print(f"tune: {text}", file=sys.stderr)
