"""The way from another engine to sigmac: what it makes of a rule, told without it, and the files to go on with."""
