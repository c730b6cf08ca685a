"""The language server (`sigmac lsp`): what an editor asks of rules while they are written."""
