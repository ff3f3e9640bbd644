"""Makes the page's files: pack.py SOURCE_DIR VIEWER_DIR BUILD_DIR --font FILE

BUILD_DIR/classroom/      for a web server: index.html, page.js, page.css, viewer.js, classroom.pack
BUILD_DIR/classroom.html  all of these in one file

classroom.pack is gzip of a line of JSON, [[name, bytes], ...], and the bytes of those files: the program and what it reads.
"""

import argparse
import base64
import gzip
import json
import pathlib
import shutil

import font

parser = argparse.ArgumentParser()
parser.add_argument("source", type=pathlib.Path)
parser.add_argument("viewer", type=pathlib.Path)
parser.add_argument("build", type=pathlib.Path)
parser.add_argument("--font", type=pathlib.Path)
args = parser.parse_args()

here = args.source / "viz" / "web"
files = {"viewer.wasm": (args.viewer / "viewer.wasm").read_bytes()}
scenarios = args.source / "scenarios"
for path in sorted([*scenarios.glob("*.json"), *scenarios.glob("lessons/*.json")]):
    files["/scenarios/" + path.relative_to(scenarios).as_posix()] = path.read_bytes()
if args.font and args.font.is_file():
    files["/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"] = font.subset(args.font.read_bytes())
else:
    print("DejaVuSans.ttf is not installed: the page gets Dear ImGui's own letters")
names = json.dumps([[name, len(data)] for name, data in files.items()]).encode() + b"\n"
pack = gzip.compress(names + b"".join(files.values()), 9, mtime=0)

folder = args.build / "classroom"
shutil.rmtree(folder, ignore_errors=True)
folder.mkdir()
(folder / "classroom.pack").write_bytes(pack)
script = (args.viewer / "viewer.js").read_text()
page = (here / "page.js").read_text()
style = (here / "page.css").read_text()
html = (here / "index.html").read_text()
(folder / "viewer.js").write_text(script)
(folder / "page.js").write_text(page)
(folder / "page.css").write_text(style)
(folder / "index.html").write_text(html)


def put(text, old, new):
    if text.count(old) != 1:
        raise SystemExit(f"index.html: expected {old} once")
    return text.replace(old, new)


def inline(code):
    return "<script>\n" + code.replace("</script", "<\\/script") + "\n</script>"


data = f'<script type="application/octet-stream" id="pack">{base64.b64encode(pack).decode()}</script>'
html = put(html, '<link rel="stylesheet" href="page.css">', f"<style>\n{style}</style>")
html = put(html, '<script src="viewer.js"></script>', data + "\n" + inline(script))
html = put(html, '<script src="page.js"></script>', inline(page))
(args.build / "classroom.html").write_text(html)
sizes = {name: (folder / name).stat().st_size for name in sorted(p.name for p in folder.iterdir())}
packed = sum(len(gzip.compress(p.read_bytes(), 9)) for p in folder.iterdir())
print(f"classroom/: {packed:,} bytes as gzip; classroom.html: {len(html):,} bytes, {len(gzip.compress(html.encode(), 9)):,} as gzip")
