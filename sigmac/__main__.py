"""`python -m sigmac` is the command `sigmac`."""

from sigmac.cli import main

main()
