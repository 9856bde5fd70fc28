"""`python -m impasto` is the command line."""

from impasto.apps.cli import main

main()
