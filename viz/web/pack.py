"""Makes the page's files: pack.py SOURCE_DIR VIEWER_DIR STORYTELLER_DIR BUILD_DIR --font FILE

BUILD_DIR/classroom/      for a web server: index.html, page.js, page.css, viewer.js, classroom.pack, and story.js, which is
                          loaded when somebody asks for a story
BUILD_DIR/classroom.html  all but story.js in one file

classroom.pack is gzip of a line of JSON, [[name, bytes], ...], and the bytes of those files: the program and what it reads.
story.js is a script, because a page that is opened as a file may load no other kind of file.
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
parser.add_argument("storyteller", type=pathlib.Path)
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


def packed(files):
    names = json.dumps([[name, len(data)] for name, data in files.items()]).encode() + b"\n"
    return gzip.compress(names + b"".join(files.values()), 9, mtime=0)


pack = packed(files)
model = {"storyteller.wasm": (args.storyteller / "storyteller.wasm").read_bytes()}
for name in ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
    model["/model/" + name] = (scenarios / "models" / "story" / name).read_bytes()
story = base64.b64encode(packed(model)).decode()

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
(folder / "story.js").write_text((args.storyteller / "storyteller.js").read_text() + f'\nwindow.tokenyardStory = "{story}";\n')


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
sizes = {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in folder.iterdir()}
whole = len(gzip.compress(html.encode(), 9))
print(f"as gzip: classroom/ {sum(sizes.values()) - sizes['story.js']:,} bytes, story.js {sizes['story.js']:,}, classroom.html {whole:,}")
