"""The Jinja2 templates of every generated file: modules of packs here, the HTML pages in their folder."""
