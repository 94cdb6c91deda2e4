"""Builds the documentation's site: `python -m docs.site [FOLDER]`."""
