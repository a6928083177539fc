"""A document as data, and its Markdown and its HTML: one file, no script, nothing fetched."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape as of_html
from itertools import groupby
from pathlib import Path

from stemma.files import write_text
from stemma.report.pictures import COLOURS
from stemma.text import escaped, table, visible


@dataclass(frozen=True)
class Table:
    """Cells are plain text."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    # (rows, columns - 1) from 0 to 1, colour the cells after the first column
    shades: tuple[tuple[float, ...], ...] = ()
    words: tuple[int, ...] = ()  # numbers of further columns that hold words, not figures


@dataclass(frozen=True)
class Chart:
    """`name` of the SVG, and what it shows, for those who do not see it."""

    name: str
    caption: str
    wide: bool = False


@dataclass(frozen=True)
class Section:
    title: str
    parts: tuple[str | Table | Chart, ...]  # a text is a paragraph


@dataclass(frozen=True)
class Document:
    """`badges`: (text, "good", "bad" or "plain"); `cards`: (label, figure, small print)."""

    title: str
    lead: str
    badges: tuple[tuple[str, str], ...]
    cards: tuple[tuple[str, str, str], ...]
    sections: tuple[Section, ...]


def escape(text: str) -> str:
    """HTML that shows just this text."""
    return of_html(visible(text, lines=True))


def write(document: Document, page: Path, drawn: Mapping[str, str], charts: Path) -> None:
    """The page as HTML, and as Markdown beside it with its pictures.

    Args:
        drawn: SVG of each chart, by name.
        charts: the folder of the SVG files, beside the page.
    """
    for name, picture in drawn.items():
        write_text(charts / f"{name}.svg", picture)
    write_text(page.with_suffix(".md"), markdown(document, charts.name))
    write_text(page, html(document, drawn))


def markdown(document: Document, charts: str) -> str:
    """`charts`: the folder of the SVG files, relative to the document."""
    lines = [f"# {escaped(document.title)}", "", escaped(document.lead), ""]
    lines += [f"- **{escaped(text)}**" for text, _ in document.badges]
    for section in document.sections:
        lines += ["", f"## {escaped(section.title)}"]
        for part in section.parts:
            lines += ["", *_markdown_of(part, charts)]
    return "\n".join(lines) + "\n"


def _markdown_of(part: str | Table | Chart, charts: str) -> Iterable[str]:
    if isinstance(part, str):
        return [escaped(part)]
    if isinstance(part, Chart):
        return [f"![{escaped(part.caption)}]({charts}/{part.name}.svg)"]
    caption = [escaped(part.caption), ""] if part.caption else []
    head, *rows = (tuple(map(escaped, cells)) for cells in (part.head, *part.rows))
    return [*caption, *table(head, rows, (0, *part.words))]


def html(document: Document, charts: Mapping[str, str]) -> str:
    """A whole page; `charts`: SVG texts by name."""
    badges = "".join(f'<li class="{kind}">{escape(text)}</li>' for text, kind in document.badges)
    cards = "".join(
        f"<div><dt>{escape(label)}</dt><dd>{escape(figure)}<small>{escape(small)}</small></dd></div>"
        for label, figure, small in document.cards
    )
    links = "".join(f'<li><a href="#{_anchor(s.title)}">{escape(s.title)}</a></li>' for s in document.sections)
    sections = "\n".join(_section(section, charts) for section in document.sections)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(document.title)}</title>
<style>{CSS}</style>
</head>
<body>
<header>
<h1>{escape(document.title)}</h1>
<p class="lead">{escape(document.lead)}</p>
<ul class="badges">{badges}</ul>
<dl class="cards">{cards}</dl>
</header>
<nav aria-label="Sections"><ul>{links}</ul></nav>
<main>
{sections}
</main>
</body>
</html>
"""


def _section(section: Section, charts: Mapping[str, str]) -> str:
    body = []
    for kind, parts in groupby(section.parts, type):  # neighbours of a kind stand side by side where there is room
        made = "".join(_html_of(part, charts) for part in parts)
        body.append(made if kind is str else f'<div class="{kind.__name__.lower()}s">{made}</div>')
    return (
        f'<section id="{_anchor(section.title)}"><h2>{escape(section.title)}</h2>\n' + "\n".join(body) + "\n</section>"
    )


def _html_of(part: str | Table | Chart, charts: Mapping[str, str]) -> str:
    if isinstance(part, str):
        return f"<p>{escape(part)}</p>"
    return _table(part) if isinstance(part, Table) else _figure(part, charts[part.name])


def _table(table: Table) -> str:
    kinds = [' class="words"' if place in table.words else "" for place in range(len(table.head))]
    head = "".join(f'<th scope="col"{kind}>{escape(cell)}</th>' for kind, cell in zip(kinds, table.head, strict=True))
    rows = []
    for place, cells in enumerate(table.rows):
        shades = table.shades[place] if table.shades else ()
        styles = [f' style="--shade:{100 * shade:.0f}%" class="shaded"' for shade in shades] or kinds[1:]
        rest = "".join(f"<td{style}>{escape(cell)}</td>" for style, cell in zip(styles, cells[1:], strict=True))
        rows.append(f'<tr><th scope="row">{escape(cells[0])}</th>{rest}</tr>')
    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    return (
        f'<div class="scroll" tabindex="0"><table>{caption}<thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _figure(chart: Chart, svg: str) -> str:
    kind = ' class="wide"' if chart.wide else ""
    return f"<figure{kind}>{_embedded(chart, svg)}<figcaption>{escape(chart.caption)}</figcaption></figure>"


def _embedded(chart: Chart, svg: str) -> str:
    """An SVG as part of a page: names that no other has, colours by CSS, and words for those who cannot see it."""
    _, _, svg = svg.partition("<svg")
    attributes, _, content = svg.partition(">")
    box = attributes.split('viewBox="')[1].split('"')[0]
    svg = f'<svg viewBox="{box}" role="img" aria-label="{escape(chart.caption)}">{content}'
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{chart.name}-", svg)
    for name, colour in COLOURS.items():
        svg = svg.replace(colour, f"var(--{name})")
    return re.sub(r"\n\s*", "\n", svg)


def _anchor(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-")


CSS = """
:root{--ink:#1f2328;--muted:#59636e;--grid:#d8dee4;--paper:#ffffff;--soft:#f6f8fa;--model:#1f6feb;--second:#bc4c00;
--third:#1a7f37;--fourth:#8250df;--good:#1a7f37;--bad:#cf222e}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--muted:#9198a1;--grid:#30363d;--paper:#0d1117;--soft:#151b23;
--model:#58a6ff;--second:#f0883e;--third:#3fb950;--fourth:#bc8cff;--good:#3fb950;--bad:#f85149}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2.5rem 1.25rem 4rem;max-width:66rem;color:var(--ink);background:var(--paper);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 .6rem}
h2{font-size:1.25rem;margin:0 0 .6rem}
section{margin-top:2.6rem;padding-top:1.4rem;border-top:1px solid var(--grid)}
p{max-width:46rem;margin:.5rem 0}
.lead{font-size:1.15rem}
.badges,nav ul{list-style:none;padding:0;margin:1rem 0;display:flex;flex-wrap:wrap;gap:.5rem}
.badges li{border:1px solid var(--grid);border-left:4px solid var(--muted);border-radius:6px;padding:.25rem .7rem;
font-size:.92rem}
.badges .good{border-left-color:var(--good)}
.badges .bad{border-left-color:var(--bad)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.8rem;margin:1.2rem 0}
.cards div{background:var(--soft);border:1px solid var(--grid);border-radius:10px;padding:.8rem 1rem}
.cards dt{color:var(--muted);font-size:.85rem}
.cards dd{margin:.1rem 0 0;font-size:1.55rem;font-weight:600;font-variant-numeric:tabular-nums}
.cards small{display:block;font-size:.78rem;font-weight:400;color:var(--muted)}
nav a{color:var(--model);text-decoration:none;font-size:.92rem;margin-right:.5rem}
nav a:hover,nav a:focus{text-decoration:underline}
.scroll{overflow-x:auto;margin:.9rem 0;max-width:100%}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.92rem}
caption{text-align:left;color:var(--muted);font-size:.88rem;padding-bottom:.35rem}
th,td{padding:.34rem .8rem;text-align:right;border-bottom:1px solid var(--grid);white-space:nowrap}
th:first-child,.words{text-align:left}
th:first-child{padding-left:0}
@media(min-width:46rem){th,.words{white-space:normal;max-width:24rem}}
thead th{color:var(--muted);font-weight:600;border-bottom-width:2px}
tbody th{font-weight:500}
tbody tr:hover{background:var(--soft)}
.shaded{background:color-mix(in srgb,var(--model) var(--shade),transparent)}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(19rem,1fr));gap:1.2rem;margin:1rem 0}
.tables{display:flex;flex-wrap:wrap;align-items:flex-start;column-gap:3rem}
figure{margin:0}
figure.wide{grid-column:1/-1}
figure svg{width:100%;height:auto;display:block}
figure svg text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,sans-serif!important}
figcaption{color:var(--muted);font-size:.86rem}
@media print{body{max-width:none;padding:0}nav{display:none}section{break-inside:avoid}}
"""
