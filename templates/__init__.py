"""The Jinja2 templates of every generated file: modules of packs here, the page of a report in its folder."""
