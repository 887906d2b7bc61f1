"""`python -m planner`, and `planner` typed in a terminal."""

import sys

from planner.interruptions import INTERRUPTED, end_at_once


def program() -> None:
    """Run the command line and end with its exit code."""
    try:
        from planner.cli import main

        code = main()
    except KeyboardInterrupt:  # before the command line was loaded, or for a second time
        print("planner: interrupted", file=sys.stderr)
        code = INTERRUPTED
    if code == INTERRUPTED:
        end_at_once(code)
    sys.exit(code)


if __name__ == "__main__":
    program()
