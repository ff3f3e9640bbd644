"""How fast the page is: measure.py CLASSROOM.html [DATA]

DATA/azure2023/AzureLLMInferenceTrace_conv.csv is the recorded hour of docs/measurements.md; it is put into a copy of the page.
"""

import base64
import gzip
import json
import pathlib
import re
import statistics
import sys
import tempfile
import time

from browser import Browser

FRAMES = """(async () => { const canvas = document.getElementById("picture"); let frames = 0; const begin = performance.now();
  while (performance.now() - begin < 5000) {
    canvas.dispatchEvent(new PointerEvent("pointermove", {pointerType: "mouse", clientX: 300 + frames % 50, clientY: 300, bubbles: true}));
    await new Promise(requestAnimationFrame); ++frames; }
  return frames / ((performance.now() - begin) / 1000); })()"""


def with_hour(page, data):
    """The page with a scenario more, named azure."""
    html = page.read_text()
    pack = gzip.decompress(base64.b64decode(re.search(r'id="pack">([^<]*)<', html).group(1)))
    line, body = pack.split(b"\n", 1)
    names = json.loads(line)
    scenario = {"tokenyard_scenario": 1, "name": "azure", "model": "llama-3.1-8b", "hardware": "a100-80gb", "workload": [{"type": "azure", "path": "azure.csv"}]}
    added = {"azure.json": json.dumps(scenario).encode(), "azure.csv": (data / "azure2023/AzureLLMInferenceTrace_conv.csv").read_bytes()}
    for name, content in added.items():
        names.append(["/scenarios/" + name, len(content)])
        body += content
    packed = base64.b64encode(gzip.compress(json.dumps(names).encode() + b"\n" + body, 6)).decode()
    return re.sub(r'(id="pack">)[^<]*', lambda match: match.group(1) + packed, html)


def first_picture(browser, url):
    browser.open("about:blank")
    begin = time.monotonic()
    browser.open(url)
    browser.wait("document.getElementById('description') && document.getElementById('description').textContent", 60)
    return time.monotonic() - begin


def simulated(browser, key):
    """What the page says a slider's run took, in ms."""
    browser.run("document.getElementById('said').textContent = ''")
    browser.key(key)
    words = browser.wait("(text => text.startsWith('simulated') && text)(document.getElementById('said').textContent)", 60).split()
    return float(words[2]) * {"us": 1e-3, "ms": 1, "s": 1e3}[words[3]]


page = pathlib.Path(sys.argv[1]).resolve()
browser = Browser(1280, 838)
times = [first_picture(browser, page.as_uri() + "#lesson=paging") for _ in range(5)]
print(f"first picture of a lesson: {statistics.median(times):.2f} s (median of {len(times)}), canvas", browser.run("[picture.width, picture.height]"))
print(f"frames a second, lesson: {browser.run(FRAMES):.0f}")
for scenario in ("preemption-storm:crowded", "paged-memory:paged", "multi-turn-chat", "chat-hour"):
    first_picture(browser, page.as_uri() + "#scenario=" + scenario)
    browser.key("b")
    print(f"a slider of {scenario}:", ", ".join(f"{simulated(browser, key):.3g}" for key in "-+-+"), "ms")
first_picture(browser, page.as_uri() + "#lesson=paging")
browser.run("document.getElementById('write').click(); document.getElementById('order').requestSubmit()")
print("generate:", browser.wait("(text => text.includes('with the drawing') && text)(document.getElementById('speed').textContent)", 60))
if len(sys.argv) > 2:
    with tempfile.TemporaryDirectory() as work:
        copy = pathlib.Path(work) / "azure.html"
        copy.write_text(with_hour(page, pathlib.Path(sys.argv[2])))
        print(f"the recorded hour, from the link to its picture: {first_picture(browser, copy.as_uri() + '#scenario=azure'):.2f} s")
        print(f"frames a second, the recorded hour: {browser.run(FRAMES):.0f}")
        browser.key("b")
        print(f"a slider of the recorded hour: {simulated(browser, '-'):.0f} ms")
browser.close()
