"""`python -m sigmac.compiler.diagnostics > docs/checks.md` renews the reference of all codes."""

from sigmac.compiler.diagnostics.catalogue import reference

print(reference(), end="")
