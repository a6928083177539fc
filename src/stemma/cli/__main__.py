"""`python -m stemma.cli`, the same as `stemma`."""

from stemma.cli import main

main()
