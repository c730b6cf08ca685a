"""The Jinja2 templates of every generated file."""
