"""`python -m sigmac.compiler.checks > docs/checks.md` renews the reference of all codes."""

from sigmac.compiler.checks.catalogue import reference

print(reference(), end="")
