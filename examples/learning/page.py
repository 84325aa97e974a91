"""Not a study: the page of all ten, build/learning/index.html.

    python examples/learning/page.py

The page is made of the figures and the metrics.json that the studies left. It shows of each the
claim, the verdict, the figure in light or dark, the numbers and the checks, and needs no connection
and no script.
"""

from __future__ import annotations

import argparse
import json
from html import escape
from pathlib import Path
from string import Template
from typing import Any

STUDIES = {
    "cost": "The cost",
    "descent": "Going downhill",
    "gradient_vector": "What the gradient says",
    "architecture": "Other hidden layers",
    "weights": "What the neurons look for",
    "noise": "Confident about noise",
    "shuffled_labels": "Shuffled labels",
    "structure": "Structure in the data",
    "minima": "Where other starts end",
    "smoothness": "Why neurons are smooth",
}
# A verdict's first words ↦ the class of its badge; the longer words come first
BADGES = {"holds, but": "but", "holds": "holds", "does not hold": "not"}

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ten claims about learning, measured</title>
<style>
:root { color-scheme: light dark; --paper: #fff; --ink: #1b2733; --muted: #5b6b7a; --line: #d5dce3;
  --side: #f4f6f8;
  --holds: #0072b2; --but: #8a5a00; --not: #8a3d6e; }
@media (prefers-color-scheme: dark) { :root { --paper: #12181f; --ink: #e6edf3; --muted: #9fb0c0;
  --line: #3c4855;
  --side: #1b232c; --holds: #56b4e9; --but: #e69f00; --not: #cc79a7; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1.25rem 4rem; max-width: 76rem; background: var(--paper);
  color: var(--ink);
  font: 1rem/1.5 system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif;
  overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; margin: 0; }
a { color: inherit; text-decoration-color: var(--muted); text-underline-offset: .15em; }
a:focus-visible, .wide:focus-visible, summary:focus-visible { outline: 3px solid var(--holds);
  outline-offset: 2px; }
nav ol { list-style: none; padding: 0; margin: 1.5rem 0 0; border-top: 1px solid var(--line); }
nav li { display: grid; grid-template-columns: 14.5rem 1fr 8rem; gap: .1rem 1rem; padding: .5rem 0;
  border-bottom: 1px solid var(--line); }
nav li a { font-weight: 600; }
section { margin-top: 2.5rem; padding-top: 1.5rem; border-top: 3px solid var(--line); }
.claim { margin: .3rem 0; font-size: 1.1rem; }
.badge { justify-self: start; align-self: start; white-space: nowrap; padding: 0 .6rem;
  border: 2px solid; border-radius: 1rem;
  font-size: .85rem; font-weight: 600; color: var(--muted); }
.holds { color: var(--holds); } .but { color: var(--but); } .not { color: var(--not); }
.wide { margin: 1rem 0; overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; }
.wide img { display: block; width: 100%; min-width: 52rem; height: auto; }
.facts { display: grid; grid-template-columns: 3fr 2fr; gap: 1rem 2.5rem; align-items: start;
  font-size: .93rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; font-weight: normal; padding: .25rem 0;
  border-bottom: 1px solid var(--line); }
th { color: var(--muted); padding-right: 1rem; }
td { font-variant-numeric: tabular-nums; }
h3 { font-size: .93rem; margin: 0 0 .25rem; }
.checks { list-style: none; margin: 0; padding: 0; }
.checks li { padding: .25rem 0 .25rem 1.5rem; text-indent: -1.5rem; }
.checks b { display: inline-block; width: 1.5rem; text-indent: 0; color: var(--holds); }
.checks .missed b { color: var(--not); }
.source, .missing { color: var(--muted); font-size: .93rem; }
code { background: var(--side); padding: .1rem .3rem; border-radius: .25rem; white-space: nowrap; }
@media (max-width: 44rem) { body { padding: 1rem .9rem 3rem; }
  nav li, .facts { grid-template-columns: 1fr; }
  .wide img { min-width: 54rem; } .claim { font-size: 1rem; }
  table, tbody, tr, th, td { display: block; }
  th { border: 0; padding: .3rem 0 0; } td { padding-top: 0; } }
</style>
</head>
<body>
<header>
<h1>Ten claims about learning, measured</h1>
<p>What a video on gradient descent and three papers say about networks that read digits, tried out:
each study trains its own networks, measures, and checks. $summary</p>
</header>
<nav aria-label="Studies"><ol>
$contents
</ol></nav>
<main>
$sections
</main>
</body>
</html>
""")

SECTION = Template("""<section id="$name" aria-labelledby="$name-title">
<h2 id="$name-title">$title</h2>
<p class="claim">$claim</p>
<p>$badge $rest</p>
<div class="wide" tabindex="0" role="region" aria-label="Figure: $title"><picture>
<source srcset="$name/figure_dark.png" media="(prefers-color-scheme: dark)">
<img src="$name/figure_light.png" alt="$alt" loading="lazy">
</picture></div>
<div class="facts">
<div><h3>Measured</h3><table>
$measured
</table></div>
<div><h3>Checked</h3><ul class="checks">
$checks
</ul></div>
</div>
<p class="source">Claim: $source. Measured by <code>examples/learning/$name.py</code>
in $seconds s$quick.</p>
</section>""")

MISSING = Template("""<section id="$name" aria-labelledby="$name-title">
<h2 id="$name-title">$title</h2>
<p class="missing">Not run yet: <code>make learning</code></p>
</section>""")


def parts(known: dict[str, Any]) -> tuple[str, str]:
    """Write a verdict's badge, and the words after it; another badge if a check failed."""
    verdict = known["verdict"]
    if not known["holds"]:
        return '<span class="badge not">a check failed</span>', escape(verdict)
    words = next(words for words in BADGES if verdict.startswith(words))
    rest = verdict.removeprefix(words).lstrip(" ,:")
    badge = f'<span class="badge {BADGES[words]}">{words}</span>'
    return badge, escape(rest[:1].lower() + rest[1:])


def read(folder: Path, name: str) -> dict[str, Any] | None:
    """Read what a study left; None if it left no figures or no metrics."""
    files = ("metrics.json", "figure_light.png", "figure_dark.png")
    needed = [folder / name / file for file in files]
    return (
        json.loads(needed[0].read_text("utf-8")) if all(file.is_file() for file in needed) else None
    )


def section(name: str, title: str, known: dict[str, Any] | None) -> str:
    if known is None:
        return MISSING.substitute(name=name, title=escape(title))
    badge, rest = parts(known)
    alt = (
        f"Figure of the study “{title}”: {known['claim']} Verdict: {known['verdict']}. Its "
        "numbers are in the table below."
    )
    quick = ", with --quick: fewer images and lower goals"
    return SECTION.substitute(
        name=name,
        title=escape(title),
        claim=escape(known["claim"]),
        badge=badge,
        rest=rest,
        alt=escape(alt),
        measured="\n".join(row(what, value) for what, value in known["measured"].items()),
        checks="\n".join(item(sentence, held) for sentence, held in known["checks"].items()),
        source=escape(known["source"]),
        seconds=f"{known['seconds']:.0f}",
        quick=quick if known["settings"].get("quick") else "",
    )


def row(what: str, value: str) -> str:
    return f'<tr><th scope="row">{escape(what)}</th><td>{escape(value)}</td></tr>'


def item(sentence: str, held: bool) -> str:
    if held:
        return f"<li><b>✓</b>{escape(sentence)}</li>"
    return f'<li class="missed"><b>✗</b>{escape(sentence)}: missed</li>'


def entry(name: str, title: str, known: dict[str, Any] | None) -> str:
    """Write a line of the contents: title, claim, verdict."""
    claim, badge = "", '<span class="badge">not run yet</span>'
    if known:
        claim, badge = escape(known["claim"]), parts(known)[0]
    return f'<li><a href="#{name}">{escape(title)}</a><span>{claim}</span>{badge}</li>'


def page(folder: Path) -> str:
    found = {name: read(folder, name) for name in STUDIES}
    there = [known for known in found.values() if known]
    missing = [name for name, known in found.items() if not known]
    passed, seconds = (sum(known[what] for known in there) for what in ("holds", "seconds"))
    summary = (
        f"{passed} of {len(there)} studies passed all of their checks, in {seconds:.0f} seconds."
    )
    if missing:
        summary += f" Not run yet: {', '.join(missing)} (<code>make learning</code>)."
    return PAGE.substitute(
        summary=summary,
        contents="\n".join(entry(name, STUDIES[name], known) for name, known in found.items()),
        sections="\n".join(section(name, STUDIES[name], known) for name, known in found.items()),
    )


def main() -> None:
    flags = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    out, told = Path("build") / "learning", "where the studies' folders are"
    flags.add_argument("--out", type=Path, default=out, help=told)
    folder = flags.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(page(folder), encoding="utf-8")
    print(f"see {folder}/index.html")


if __name__ == "__main__":
    main()
