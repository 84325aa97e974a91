"""The words of the course: each is a link to the glossary where it first appears.

The chapters are read in the order of the course's table of contents. Code, headings, descriptions
of pictures and the line that leads to the next chapter do not count.
"""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
GLOSSARY = (DOCS / "glossary.md").read_text("utf-8")
ENTRIES = re.search(r"^```\{glossary\}\n(.*?)^```", GLOSSARY, re.MULTILINE | re.DOTALL)[1]
TERMS = re.findall(r"^(\S.*)$", ENTRIES, re.MULTILINE)
CHAPTERS = re.findall(
    r"^(\d+-[\w-]+)$", (DOCS / "course" / "index.md").read_text("utf-8"), re.MULTILINE
)
# Words that mean something else in plain English: how the term itself is written
MEANT = {
    "Buffer": r"buffers? of a Module",
    "Constant": r"a constant\b",
    "Cost": r"(?:the|a|this|its|what) cost\b",
    "Domain": r"domain of the function",
    "Fold": r"folded box",
    "Fuse": r"fus(?:e|es|ed|ing)\b",
    "Graph": r"(?:a|the|this|its|no) graph\b|whole graph",
    "Head": r"heads\b(?!\.)",
    "Order": r"(?:first|second|higher|third) order",
    "Pass": r"by passes",
    "Program": r"(?:a|the|a step's) program\b",
    "Record": r"(?:was|is) recorded",
    "Saturated": r"saturated|saturation",
    "Replay": r"replayed step",
    "RMS norm": r"a norm(?=`| <|\.\*\*)",
    "Seed": r"(?:a|the|another|other) seeds?\b",
    "Step": r"a step (?:downhill|against|of descent)|these four steps",
}
GAP = r"\s\*{0,2}(?:\{term\}`)?\*{0,2}"  # between two words the second may be a link, or bold
IGNORED = [  # in order
    r"^```.*?^```$",
    r"<script.*?</script>|<style.*?</style>",
    r"^#+ [^\n]*$",
    r"^(?:Next|Before): (?:(?!\n\n).)*",
    r"!\[[^\]]*\]\([^)]*\)",
    r"\]\([^)]*\)",
    r"(?P<term>\{term\})?`[^`\n]*`",
    r"</?[a-z!][^>]*>",
]


def prose(text):
    """What a chapter says, each letter where it was: all else is blank."""
    for pattern in IGNORED:
        flags = re.MULTILINE | re.DOTALL
        text = re.sub(pattern, blank, text, flags=flags)
    return text


def blank(found):
    """Spaces in place of what was found, unless it is a link to the glossary."""
    is_link = found.groupdict().get("term")
    return found[0] if is_link else re.sub(r"[^\n]", " ", found[0])


def forms(term):
    """The term, or more of it; a term of several words may be broken at the end of a line."""
    singular = term.lower().removesuffix("s") if term in ("Inputs", "Logits") else term.lower()
    words = r"[\s-]+".join(map(re.escape, re.split("[ -]", singular)))
    return rf"{words}(?:s|es|ed)?"


def pattern_of(term):
    meant = MEANT.get(term, forms(term)).replace(" ", GAP)
    return re.compile(rf"\b(?:{meant})(?!\w)", re.IGNORECASE)


def first_place(term):
    """The chapter in which a term first appears, and where; None if it is in none."""
    for chapter in CHAPTERS:
        text = prose((DOCS / "course" / f"{chapter}.md").read_text("utf-8"))
        if found := pattern_of(term).search(text):
            return chapter, text, found
    return None


@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_a_link_where_it_first_appears(term):
    if place := first_place(term):
        chapter, text, found = place
        start = text.rfind("{term}`", 0, found.end())
        linked = text[start : text.find("`", start + 7) + 1] if start >= 0 else ""
        inside = start >= 0 and start + len(linked) >= found.end()
        named = re.search(r"<(.*)>`", linked)[1] if "<" in linked else linked[7:-1]
        told = f"{chapter}: … {text[found.start() - 40 : found.end() + 20]!r}"
        assert inside and named.lower() == term.lower(), told


def test_chapters_link_only_terms_of_the_glossary_and_each_once():
    known, linked = {term.lower() for term in TERMS}, []
    for chapter in CHAPTERS:
        text = (DOCS / "course" / f"{chapter}.md").read_text("utf-8")
        for text_of_link in re.findall(r"\{term\}`([^`]+)`", text):
            linked.append(re.sub(r".*<(.*)>$", r"\1", text_of_link).lower())
    assert {*linked} <= known
    assert len(linked) == len({*linked})


def test_the_chapters_are_all_there_in_their_order():
    assert {f"{chapter}.md" for chapter in CHAPTERS} == {
        path.name for path in DOCS.glob("course/[0-9]*.md")
    }


DEFINED = r"\*\*(?:\{term\}`)?([a-zA-Z][a-z -]+?)(?: <.*?>)?`?\*\*"
NO_TERMS = {  # what stands in bold and is a remark
    "stochastic",
    "heap",
    "lives",
    "dead",
}


def test_what_a_chapter_defines_in_bold_is_in_the_glossary():
    text = " ".join(prose((DOCS / "course" / f"{name}.md").read_text("utf-8")) for name in CHAPTERS)
    defined = {word for word in re.findall(DEFINED, text) if word[0].islower()} - NO_TERMS
    lacking = {word for word in defined if not any(re.fullmatch(forms(x), word) for x in TERMS)}
    assert not lacking


def test_the_glossary_is_in_the_alphabet_s_order():
    assert sorted(TERMS, key=str.lower) == TERMS
