"""The project file `sigmac.toml`: what a repository of rules says of itself, so that commands need not be told."""
