"""`python -m gpen_ui`."""

from gpen_ui.cli import main

if __name__ == "__main__":
    main()
