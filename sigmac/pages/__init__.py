"""HTML pages: each is one file that fetches nothing, runs no script but its own, and shows hostile text as text."""
