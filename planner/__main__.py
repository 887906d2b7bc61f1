"""`python -m planner`."""

import sys

from planner.cli import main

code = main()
# Run with -m, Python ends by the signal instead of with code 130 where the interruption met an
# `exec` of text, as libraries run some when they are imported; another `exec` clears that.
exec("")
sys.exit(code)
