"""docs/book as web pages; scripts/book calls it. Pages of docs/ and sources that the book leads to come along, so that every link
works without a network. A link that leads nowhere, within a page too, is an error (exit status 1)."""
import html
import os
import pathlib
import posixpath
import re
import shutil
import sys
import urllib.parse

import markdown
from markdown.extensions.toc import TocExtension

TOP = pathlib.Path(__file__).resolve().parent.parent
CHAPTERS = sorted((TOP / "docs/book").glob("[0-9]*.md"))
VIEWER = TOP / "build/web/classroom.html"

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --link: #0b62c4; }
@media (prefers-color-scheme: dark) { :root { --link: #7ab7ff; } }
body { font: 17px/1.55 Georgia, 'DejaVu Serif', serif; max-width: 48rem; margin: 0 auto; padding: 1rem 1.2rem 4rem; }
h1, h2, h3, nav, table, figcaption, .live { font-family: 'DejaVu Sans', Verdana, sans-serif; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin-top: 2.2rem; } h3 { font-size: 1.05rem; }
a { color: var(--link); }
pre { overflow-x: auto; padding: .7rem .9rem; background: var(--soft); border: 1px solid var(--line); font-size: .8rem; line-height: 1.35; }
code { overflow-wrap: break-word; font-family: 'DejaVu Sans Mono', Menlo, Consolas, monospace; font-size: .88em; } pre code { font-size: 1em; }
table { border-collapse: collapse; font-size: .82rem; display: block; overflow-x: auto; }
th, td { border: 1px solid var(--line); padding: .25rem .6rem; text-align: left; vertical-align: top; }
blockquote { margin: 1rem 0; padding: .2rem 1rem; border-left: 4px solid var(--line); }
figure, .live { width: min(95vw, 1200px); margin: 1.4rem 0 1.4rem 50%; transform: translateX(-50%); } figure img { display: block; max-width: 100%; height: auto; margin: 0 auto; background: white; border: 1px solid var(--line); }
figcaption { font-size: .8rem; opacity: .8; text-align: center; }
iframe { width: 100%; height: 34rem; border: 1px solid var(--line); }
nav { font-size: .82rem; display: flex; justify-content: space-between; gap: 1rem; border-bottom: 1px solid var(--line); padding-bottom: .5rem; }
.source { max-width: none; } .source pre { border: 0; background: none; } .source a { color: inherit; text-decoration: none; opacity: .5; }
.source span:target { background: #fd07; }
.live summary { cursor: pointer; font-size: .85rem; text-align: center; }
@media print {
  figure { width: 100%; margin: 1rem 0; transform: none; }
  nav, .live { display: none; } body { max-width: none; font-size: 11pt; color: black; background: white; }
  pre, table, figure { break-inside: avoid; } h2, h3 { break-after: avoid; } a { color: inherit; }
  .handout { page: wide; break-after: page; } .handout img { max-height: 14cm; object-fit: contain; }
}
@page wide { size: A4 landscape; margin: 12mm; }
"""


def site_path(path):
    """Where a file of the repository is on the site; both with slashes, from the top."""
    if path == "docs/book/README.md":
        return "index.html"
    if path.startswith("docs/book/"):
        path = path.removeprefix("docs/book/")
        return path.removesuffix(".md") + ".html" if path.endswith(".md") else path
    if path.endswith(".md"):
        return ("" if path.startswith("docs/") else "docs/") + path.removesuffix(".md") + ".html"
    return path if path.endswith((".png", ".svg")) else f"source/{path}.html"


def slug(text, separator):
    """As GitHub names headings, so that links to them work there and here."""
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", separator)


class Site:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.pages = {}  # site path: text
        self.links = []  # (page it stands on, site path, anchor)
        self.wanted = []  # files of the repository that somebody leads to
        self.done = set()
        self.live = VIEWER.exists()

    def want(self, path):
        if path not in self.done:
            self.done.add(path)
            self.wanted.append(path)

    def build(self):
        self.want("docs/book/README.md")
        for chapter in CHAPTERS:
            self.want(chapter.relative_to(TOP).as_posix())
        self.want("docs/teachers.md")
        while self.wanted:
            self.add(self.wanted.pop())
        self.handouts()
        shutil.rmtree(self.folder, ignore_errors=True)
        for path, text in self.pages.items():
            to = self.folder / path
            to.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(text, bytes):
                to.write_bytes(text)
            else:
                to.write_text(text, encoding="utf-8")
        if self.live:
            shutil.copy(VIEWER, self.folder / "viewer.html")
        return self.dead_links()

    def add(self, path):
        file = TOP / path
        if path.endswith(".md"):
            self.pages[site_path(path)] = self.page(path, file.read_text(encoding="utf-8"))
        elif path.endswith((".png", ".svg")):
            self.pages[site_path(path)] = file.read_bytes()
        elif file.is_file():
            self.pages[site_path(path)] = self.source(path, file.read_text(encoding="utf-8", errors="replace"))

    def page(self, path, text):
        text = re.sub(r"<!--live (.*?) -->", lambda match: self.viewer(match.group(1)), text)
        text = re.sub(r"^<!--.*?-->\n|<!--.*?-->", "", text, flags=re.DOTALL | re.MULTILINE)  # marks of book_numbers.py
        text = re.sub(r"\n\*\*", "\n\n**", text) if path == "docs/glossary.md" else text  # a line a term
        body = markdown.markdown(text, extensions=["tables", "fenced_code", "sane_lists", "md_in_html", TocExtension(slugify=slug)])
        body = re.sub(r'(href|src)="([^"]*)"', lambda match: f'{match.group(1)}="{self.link(path, html.unescape(match.group(2)))}"', body)
        body = re.sub(r' title="[^"]*"', "", body)
        body = re.sub(r'<p><img alt="([^"]*)" src="([^"]*)" />\s*</p>',
                      r'<figure><a href="\2"><img src="\2" alt="\1" loading="lazy"></a><figcaption>\1</figcaption></figure>', body)
        title = re.search(r"^# (.*)", text, re.MULTILINE)
        return self.frame(site_path(path), title.group(1) if title else path, body)

    def viewer(self, address):
        """The viewer at a moment; shown when it is opened, as each is a run of its own."""
        if not self.live:
            return ""
        return (f'<details class="live"><summary>Live: move the mouse, the sliders, the arrow keys</summary>'
                f'<iframe loading="lazy" title="The viewer" src="viewer.html#{html.escape(address)}"></iframe></details>\n')

    def frame(self, path, title, body, kind=""):
        up = "../" * path.count("/")
        names = ["index.html"] + [site_path(each.relative_to(TOP).as_posix()) for each in CHAPTERS]
        left, right = f'<a href="{up}index.html">Contents</a>', ""
        if path in names:
            at = names.index(path)
            if at > 0:
                left += f' · <a href="{names[at - 1]}">Back</a>'
            if at + 1 < len(names):
                right = f'<a href="{names[at + 1]}">Next</a>'
        return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
                f"<title>{html.escape(re.sub('[`*]', '', title))}</title><style>{STYLE}</style></head>\n"
                f'<body class="{kind}"><nav><span>{left}</span><span>{right}</span></nav>\n{body}\n</body></html>\n')

    def link(self, page, target):
        if re.match(r"[a-z]+:", target) or target.startswith("viewer.html#"):
            return html.escape(target)
        path, _, anchor = target.partition("#")
        file = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
        if file.startswith("..") or not (TOP / file).exists():
            self.links.append((page, f"{file} (not in the repository)", ""))
            return html.escape(target)
        if (TOP / file).is_dir():
            # A folder has no page of its own: name it, lead nowhere.
            return "#"
        self.want(file)
        self.links.append((page, site_path(file), anchor))
        to = posixpath.relpath(site_path(file), posixpath.dirname(site_path(page)) or ".")
        return html.escape(urllib.parse.quote(to) + (f"#{anchor}" if anchor else ""))

    def source(self, path, text):
        lines = "".join(f'<span id="L{i}"><a href="#L{i}">{i:5}</a>  {html.escape(line)}\n</span>'
                        for i, line in enumerate(text.splitlines(), 1))
        return self.frame(site_path(path), path, f"<h1><code>{html.escape(path)}</code></h1>\n<pre>{lines}</pre>", "source")

    def handouts(self):
        """A page for each picture of the book: print it, or show it on a wall."""
        body = ["<h1>Handouts</h1>\n<p>One picture a page; print this page in landscape. Each is an SVG file of its own, too.</p>"]
        for chapter in CHAPTERS:
            text = chapter.read_text(encoding="utf-8")
            title = text.splitlines()[0].removeprefix("# ")
            for words, picture in re.findall(r"!\[([^\]]*)\]\((pictures/[^)]*)\)", text):
                body.append(f'<section class="handout"><h2>{html.escape(title)}</h2><figure><a href="{picture}"><img src="{picture}" alt="'
                            f'{html.escape(words)}"></a><figcaption>{html.escape(words)}</figcaption></figure></section>')
        self.pages["handouts.html"] = self.frame("handouts.html", "Handouts", "\n".join(body))

    def dead_links(self):
        dead = []
        for page, target, anchor in self.links:
            text = self.pages.get(target)
            if text is None:
                dead.append(f"{page}: leads to {target}")
            elif anchor and not isinstance(text, bytes) and f'id="{anchor}"' not in text:
                dead.append(f"{page}: {target} has no #{anchor}")
        return sorted(set(dead))


def main():
    site = Site(sys.argv[1])
    dead = site.build()
    for each in dead:
        print(each)
    size = sum(os.path.getsize(each) for each in site.folder.rglob("*") if each.is_file())
    print(f"{site.folder}/index.html: {len(CHAPTERS)} chapters, {len(site.pages)} pages and pictures, {size / 1e6:.1f} MB, "
          f"{'the viewer in it' if site.live else 'no viewer: there is no ' + VIEWER.relative_to(TOP).as_posix()}; {len(dead)} dead links")
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main())
