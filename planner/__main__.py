"""`python -m planner`, and `planner` typed in a terminal."""

import sys


def program() -> None:
    """Run the command line and end with its exit code."""
    try:
        from planner.cli import INTERRUPTED, main
        from planner.interruptions import end_at_once
    except KeyboardInterrupt:
        print("planner: interrupted", file=sys.stderr)
        sys.exit(130)
    code = main()
    if code == INTERRUPTED:
        end_at_once(code)
    sys.exit(code)


if __name__ == "__main__":
    program()
