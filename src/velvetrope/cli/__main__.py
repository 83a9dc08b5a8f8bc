"""`python -m velvetrope.cli` is the `velvetrope` command."""

from velvetrope.cli import main

main()
