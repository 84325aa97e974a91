"""Follows every link within built pages: `python docs/links.py docs/_build/html`.

Files are read as whoever runs it, so that it works in a folder that nobody else can open.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LEADS = {"a": "href", "link": "href", "img": "src", "script": "src", "iframe": "src"}


class Page(HTMLParser):
    """What a page links to, and the places in it that can be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.places |= {x for key in ("id", "name") if (x := known.get(key))}
        if link := known.get(LEADS.get(tag, "")):
            self.links.append(link)


def broken(folder: Path) -> tuple[int, list[str]]:
    """How many links lead elsewhere in the folder, and those that lead nowhere, by page."""
    pages = {path: Page(path.read_text("utf-8")) for path in sorted(folder.rglob("*.html"))}
    count, found = 0, []
    for path, page in pages.items():
        for link in page.links:
            where = urlsplit(link)
            if where.scheme or where.netloc:
                continue  # elsewhere: nobody is asked
            count += 1
            target = (path.parent / unquote(where.path)).resolve() if where.path else path
            target = target / "index.html" if target.is_dir() else target
            place = unquote(where.fragment) if "=" not in where.fragment else ""  # else a state
            if not target.is_file():
                found.append(f"{path.relative_to(folder)}: {link}: there is no such file")
            elif place and target in pages and place not in pages[target].places:
                found.append(f"{path.relative_to(folder)}: {link}: there is no such place")
    return count, found


def main(folder: Path) -> int:
    count, found = broken(folder.resolve())
    print(*found, f"{count:,} links, {len(found)} of them lead nowhere", sep="\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
