"""The page: `python app.py` is `python -m gpen_ui serve`; arguments are passed on."""

from gpen_ui.cli import main

if __name__ == "__main__":
    main()
