"""`python -m impasto` is the command line."""

from impasto.cli import main

main()
