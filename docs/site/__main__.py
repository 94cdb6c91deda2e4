"""`python -m docs.site [FOLDER]` builds both languages into `site/` or a folder; a broken link is an error."""

from __future__ import annotations

import contextlib
import logging
import sys
from pathlib import Path

from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

CHECKOUT = Path(__file__).resolve().parent.parent.parent
CONFIGURATIONS = {"en": ("mkdocs.yml", "."), "zh": ("mkdocs.zh.yml", "zh")}


def build_site(folder: Path) -> None:
    """Writes the English site into the folder and the Chinese one into `zh/` in it; what was there goes.

    Raises:
        Abort: of MkDocs, when a page has a warning.
    """
    for file, place in CONFIGURATIONS.values():
        config = load_config(str(CHECKOUT / file), site_dir=str(folder / place), strict=True)
        logging.getLogger("jieba").setLevel(logging.WARNING)  # it tells of every dictionary that it reads
        with contextlib.chdir(CHECKOUT):  # the list of Chinese words is looked for from there
            build(config)


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKOUT / "site"
    try:
        build_site(folder.resolve())
    except Abort:
        sys.exit("The site was not built: see the warnings above.")
    print(folder / "index.html")  # noqa: T201 - the result


if __name__ == "__main__":
    main()
