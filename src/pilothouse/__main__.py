"""`python -m pilothouse`: the command line, for where its program is not on the path."""

from pilothouse.cli import main

main()
