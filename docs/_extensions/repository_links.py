"""Links of Markdown pages lead to the same place on the site as on a code host.

The pages of `docs/` link to files of the repository by relative paths, and so do the pages of its root that the site
includes. A link to one of `ROOT_PAGES` leads to the page that includes it, a link to another page to that page, and a
link to any other file downloads it. MyST warns of links to files and headings that do not exist.
"""

import re
from pathlib import Path
from posixpath import dirname, join, normpath, relpath
from typing import Any

from sphinx.application import Sphinx

ROOT_PAGES = {  # files at the root → the pages of docs/ that include them
    "README.md": "docs/index.md",
    "CHANGELOG.md": "docs/changelog.md",
    "CONTRIBUTING.md": "docs/contributing.md",
    "SECURITY.md": "docs/security.md",
}
LINK = re.compile(r"(?P<text>\[[^\]\n]*\])\((?!\w+:|#)(?P<path>[^)#\s]+)(?P<rest>[^)]*\))")


def with_links_of_site(text: str, file: str, page: str) -> str:
    """The Markdown of `file`, shown on `page`; both are paths from the root of the repository.

    A link whose text is its own path gets the title of the page as its text.
    """

    def replace(link: re.Match[str]) -> str:
        target = normpath(join(dirname(file), link["path"]))
        target = ROOT_PAGES.get(target, target)
        is_page = target.startswith("docs/") and target.endswith(".md")
        shown = "[]" if is_page and link["text"][1:-1] in (link["path"], target) else link["text"]
        return f"{shown}({relpath(target, dirname(page))}{link['rest']}"

    return LINK.sub(replace, text)


def on_page(app: Sphinx, docname: str, source: list[str]) -> None:
    path = f"docs/{docname}.md"
    if app.env.doc2path(docname).suffix == ".md":
        source[0] = with_links_of_site(source[0], path, path)


def on_include(app: Sphinx, path: Path, docname: str, source: list[str]) -> None:
    file = normpath(join("docs", path.as_posix()))
    if file in ROOT_PAGES:
        source[0] = with_links_of_site(source[0], file, ROOT_PAGES[file])


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", on_page)
    app.connect("include-read", on_include)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
