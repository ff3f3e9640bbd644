"""The page in a real browser: test_classroom.py CLASSROOM_DIR CLASSROOM.html TOKENYARD [unittest's arguments]

What it shows is compared with what the program TOKENYARD says of the same moment, so no number stands here.
"""

import base64
import contextlib
import functools
import http.server
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from browser import Browser

SOURCE = pathlib.Path(__file__).resolve().parents[2]
LESSONS = sorted(path.stem for path in (SOURCE / "scenarios" / "lessons").glob("*.json"))
SCENARIO = "preemption-storm:crowded"  # one for what all have
folder = page_file = program = None  # as the command line says


def tokenyard(*args, cwd=None):
    result = subprocess.run([program, *args], capture_output=True, text=True, cwd=cwd or SOURCE)
    if result.returncode != 0:
        raise RuntimeError(result.stderr)
    return result.stdout


@contextlib.contextmanager
def server():
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}/"
        httpd.shutdown()


class Page(unittest.TestCase):
    """One browser for all of them: starting it takes as long as many tests."""

    @classmethod
    def setUpClass(cls):
        cls.browser = Browser(1366, 768)

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()

    def setUp(self):
        self.browser.resize(1366, 768)
        self.browser.console.clear()
        self.browser.requests.clear()

    def tearDown(self):
        self.assertEqual(self.browser.console, [], "the console is silent")
        for url in self.browser.requests:
            self.assertTrue(url.startswith(("file:", "data:", "blob:", "http://127.0.0.1")), url)

    def open(self, address="", at=None):
        """Every time from the beginning, as from a link."""
        self.browser.open("about:blank")
        self.browser.open((at or page_file.as_uri()) + address)
        self.browser.wait("document.getElementById('now') && document.getElementById('now').textContent !== 'loading ...'")
        if address:
            self.browser.wait("document.getElementById('description').textContent || !document.getElementById('trouble').hidden")

    def settle(self):
        """Until nothing has moved for a while; the address and the text are then the picture's."""
        self.browser.wait(
            """new Promise((resolve) => { const look = () => [location.hash, document.getElementById("description").textContent].join();
            let before = look(), still = 0; const again = () => { const now = look(); still = now === before ? still + 1 : 0; before = now;
            still > 7 ? resolve(true) : setTimeout(again, 50); }; again(); })"""
        )

    def assert_opened(self):
        self.assertEqual(self.browser.run("document.getElementById('trouble').textContent"), "")

    def size(self):
        return self.browser.run("[document.getElementById('picture').width, document.getElementById('picture').height]")

    def said(self):
        return self.browser.text("description")

    def assert_says(self, native):
        """The moment in words, as the program says it; behind a lesson's page."""
        with contextlib.suppress(TimeoutError):
            self.browser.wait(f"document.getElementById('description').textContent.endsWith({json.dumps(native)})", 20)
        self.assert_opened()
        self.assertEqual(self.said()[-len(native) :], native)

    def downloaded(self, key, *endings, **modifiers):
        """What a key makes the page offer: contents by their endings."""
        for path in self.browser.saved.glob("*"):
            path.unlink()
        self.browser.key(key, **modifiers)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            self.browser.read(0.05)
            new = list(self.browser.saved.glob("*"))
            if len(new) == len(endings) and all(path.suffix != ".crdownload" for path in new):
                return [next(path for path in new if ending in path.name).read_bytes() for ending in endings]
        self.fail(f"{key}: nothing was offered for download")

    # ---- what is shown ----

    def test_start_lists_everything(self):
        self.open()
        links = self.browser.run("[...document.querySelectorAll('#start a')].map(a => a.getAttribute('href'))")
        self.assertEqual({link for link in links if link.startswith("#lesson=")}, {"#lesson=" + lesson for lesson in LESSONS})
        for path in (SOURCE / "scenarios").glob("*.json"):
            self.assertTrue(any(link.startswith("#scenario=" + path.stem) for link in links), path.stem)

    def test_every_page_of_every_lesson(self):
        for lesson in LESSONS:
            pages = len(json.loads((SOURCE / "scenarios" / "lessons" / f"{lesson}.json").read_text())["pages"])
            self.open(f"#lesson={lesson}")
            for page in range(1, pages + 1):
                with self.subTest(lesson=lesson, page=page):
                    if page > 1:
                        self.browser.key("ArrowRight")
                    native = tokenyard("view", "--lesson", lesson, "--page", str(page), "--describe")
                    self.browser.wait(f"document.getElementById('description').textContent.includes('page {page} of {pages}')")
                    self.assert_says(native[native.index("\n\n") + 2 :])
                    self.assertEqual(self.browser.run("location.hash"), f"#lesson={lesson}" + (f"&page={page}" if page > 1 else ""))

    def test_every_scenario(self):
        self.open()
        addresses = self.browser.run("[...document.querySelectorAll('#scenarios li > a')].map(a => a.hash)")
        self.assertEqual(len(addresses), len(list((SOURCE / "scenarios").glob("*.json"))))
        for address in addresses:
            with self.subTest(address=address):
                self.browser.run(f"document.getElementById('description').textContent = ''; location.hash = {json.dumps(address)}")
                self.assert_says(tokenyard("view", *address.removeprefix("#scenario=").split(","), "--describe"))

    def far_apart(self, png, other, more_than, place=(0, 0)):
        """Channels of the second picture that are further than that from the first, which begins at `place` in its own."""
        width, height = self.size()
        return self.browser.run(
            f"""(async () => {{ const pixels = async (png, x, y) => {{
              const image = await createImageBitmap(await (await fetch("data:image/png;base64," + png)).blob());
              const c = new OffscreenCanvas({width}, {height}).getContext("2d"); c.drawImage(image, -x, -y); return c.getImageData(0, 0, {width}, {height}).data; }};
            const a = await pixels("{base64.b64encode(png).decode()}", {place[0]}, {place[1]});
            const b = await pixels("{base64.b64encode(other).decode()}", 0, 0);
            let far = 0; for (let i = 0; i < a.length; ++i) if (Math.abs(a[i] - b[i]) > {more_than}) ++far; return far; }})()"""
        )

    def compare_pictures(self, address, native, differs):
        """The file that P writes is the program's, but for the last bit of a letter's edge, which another compiler may round otherwise; what
        is on the screen differs from it by no more than `differs`."""
        self.open(address)
        self.settle()
        screen = self.browser.screenshot()
        [png] = self.downloaded("p", ".png")
        width, height = self.size()
        with tempfile.TemporaryDirectory() as work:
            path = pathlib.Path(work) / "native.png"
            tokenyard("view", *native, "--shot", str(path), "--size", f"{width}x{height}")
            self.assertEqual(self.far_apart(path.read_bytes(), png, 1), 0)
        x, y, density = self.browser.run("(b => [b.x, b.y, devicePixelRatio])(document.getElementById('picture').getBoundingClientRect())")
        far = self.far_apart(screen, png, differs, (x * density, y * density))
        # The ring of what has the focus lies over the outermost pixels.
        self.assertLess(far, 8 * 4 * density * (width + height), f"channels that differ by more than {differs} of 255")

    PICTURES = (
        (1, "#lesson=paging&page=2", ("--lesson", "paging", "--page", "2")),
        (2, "#lesson=preemption", ("--lesson", "preemption", "--scale", "2")),
    )

    def test_picture_is_the_programs(self):
        for density, address, native in self.PICTURES:
            with self.subTest(address=address):
                self.browser.resize(1366, 768, density)
                self.compare_pictures(address, native, 0)

    def test_webgl_picture_is_the_programs(self):
        # As on a machine with a GPU: else the page draws by itself.
        source = """const get = WebGL2RenderingContext.prototype.getParameter;
            WebGL2RenderingContext.prototype.getParameter = function (what) { return what === 37446 ? "a GPU" : get.call(this, what); };"""
        script = self.browser.send("Page.addScriptToEvaluateOnNewDocument", source=source)
        for density, address, native in self.PICTURES:
            with self.subTest(address=address):
                self.browser.resize(1366, 768, density)
                self.compare_pictures(address, native, 8)
                self.assertTrue(self.browser.run("document.getElementById('picture').getContext('webgl2') !== null"))
        self.browser.send("Page.removeScriptToEvaluateOnNewDocument", identifier=script["identifier"])

    def test_resizing(self):
        self.open("#lesson=paging")
        for width, height, density in ((800, 600, 1), (390, 844, 2), (1366, 768, 1)):
            self.browser.resize(width, height, density)
            self.browser.wait(f"document.getElementById('picture').width === {width * density}")
            self.settle()
        self.assert_opened()

    # ---- the address ----

    def test_address_brings_back_the_moment(self):
        for address in (
            "#scenario=preemption-storm:crowded,preemption-storm:fewer_seats&set2=engine.max_num_seqs=24&at=250ms&range=100ms,900ms&select=1",
            "#scenario=head-of-line:fcfs&at=10ms&mark=5ms,20ms&panels=requests,why&lanes=seats&sort=latency&latency=itl&theme=light",
            "#lesson=preemption&page=2&set1=engine.num_blocks=800&align=step",
        ):
            with self.subTest(address=address):
                self.open(address)
                self.settle()
                self.assert_opened()
                self.assertEqual(self.browser.run("location.hash"), address)

    def test_address_at_a_named_moment(self):
        self.open(f"#scenario={SCENARIO}&at=preemption%201")
        self.assert_says(tokenyard("view", SCENARIO, "--describe", "--at", "preemption 1"))

    def test_address_that_means_nothing(self):
        for address, why in (
            ("#lesson=nothing", "nothing"),
            ("#scenario=paged-memory:nobody", "nobody"),
            ("#scenario=../../etc/passwd", "expected a name"),
            ("#colour=red", "colour"),
            (f"#scenario={SCENARIO}&at=5parsecs", "expected a moment"),
            (f"#scenario={SCENARIO}&set=engine.nothing=1", "nothing"),
            ("#lesson=paging&page=99", "expected 1 to"),
        ):
            with self.subTest(address=address):
                self.open(address)
                self.assertIn(why, self.browser.run("document.getElementById('trouble').textContent"))

    # ---- what one can do ----

    def test_slider(self):
        self.open(f"#scenario={SCENARIO}")
        self.settle()
        self.browser.key("b")  # from the policy to tokens a step
        self.browser.key("-")
        self.browser.wait("location.hash.includes('set=')")
        self.settle()
        setting = self.browser.run("new URLSearchParams(location.hash.slice(1)).get('set')")
        self.assertTrue(setting.startswith("engine.max_num_batched_tokens="), setting)
        at = self.browser.run("new URLSearchParams(location.hash.slice(1)).get('at')")
        native = tokenyard("view", SCENARIO, "--set", setting, "--describe", *(["--at", at] if at else []))
        self.assertEqual(self.said().split("\n", 1)[1], native.split("\n", 1)[1])
        self.browser.key("Backspace")
        self.browser.wait("!location.hash.includes('set=')")

    def test_mouse(self):
        self.open(f"#scenario={SCENARIO}")
        self.settle()
        before = self.said()
        self.browser.click(300, 250)
        self.settle()
        self.assertNotEqual(self.said(), before)
        self.browser.mouse("Wheel", 300, 250, "none", deltaX=0, deltaY=-300)
        self.browser.wait("location.hash.includes('range=')")
        self.assert_opened()

    def test_fingers(self):
        self.browser.resize(390, 844, 2, touch=True)
        self.open(f"#scenario={SCENARIO}")
        self.settle()
        x, y = 250, 230  # among the lanes
        self.browser.touch("Start", (x, y))
        self.browser.touch("End")
        self.settle()
        tapped = self.browser.run("location.hash")
        self.assertIn("at=", tapped)
        self.browser.touch("Start", (x - 20, y), (x + 20, y))
        for spread in range(24, 60, 6):
            self.browser.touch("Move", (x - spread, y), (x + spread, y))
        self.browser.touch("End")
        self.browser.wait("location.hash.includes('range=')", what="a pinch zooms")
        self.settle()
        zoomed = self.browser.run("location.hash")
        self.browser.touch("Start", (x, y))
        for moved in range(10, 60, 10):
            self.browser.touch("Move", (x + moved, y))
        self.browser.touch("End")
        self.settle()
        self.assertNotEqual(self.browser.run("location.hash"), zoomed, "a finger moves time")
        self.assertNotIn("mark=", self.browser.run("location.hash"), "and marks nothing")

    def test_tables_and_perfetto(self):
        self.open(f"#scenario={SCENARIO}")
        self.settle()
        requests, steps = self.downloaded("c", "requests", "steps")
        for kind, table in (("requests", requests), ("steps", steps)):
            self.assertEqual(table.decode(), tokenyard("view", SCENARIO, "--csv", kind))
        [perfetto] = self.downloaded("g", ".perfetto.json")
        self.assertTrue(json.loads(perfetto)["traceEvents"])

    def test_trace_files(self):
        with tempfile.TemporaryDirectory() as work:
            run, other, broken = (pathlib.Path(work) / name for name in ("run.trace", "other.trace", "broken.trace"))
            tokenyard("simulate", "head-of-line", "--trace", str(run))
            tokenyard("simulate", "head-of-line", "--policy", "static", "--trace", str(other))
            broken.write_bytes(run.read_bytes()[:-3000])
            self.open()
            self.drop(run)
            self.browser.wait("document.getElementById('now').textContent === 'run.trace'")
            self.assert_says(tokenyard("view", str(run), "--describe").replace(work, "/opened"))
            self.drop(run, other)
            self.browser.wait("document.getElementById('description').textContent.includes('other.trace')")
            self.assert_says(tokenyard("view", str(run), str(other), "--describe").replace(work, "/opened"))
            self.drop(broken)
            self.browser.wait("document.getElementById('now').textContent === 'broken.trace'")
            self.drop(pathlib.Path(__file__))
            self.browser.wait("!document.getElementById('trouble').hidden")

    def drop(self, *paths):
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.browser.send("Input.dispatchDragEvent", type=kind, x=600, y=400, data=data)

    def test_large_trace(self):
        with tempfile.TemporaryDirectory() as work:
            trace = pathlib.Path(work) / "large.trace"
            tokenyard("simulate", "chat-hour", "--set", "rate_scale=2", "engine.num_blocks=2000", "engine.block_size=6", "--trace", str(trace))
            self.assertGreater(trace.stat().st_size, 50e6)
            self.open()
            self.drop(trace)
            self.browser.wait("document.getElementById('now').textContent === 'large.trace'", 60)
            self.assert_opened()

    def test_generate(self):
        with server() as address:
            self.open(at=address)
            self.browser.run(
                """document.getElementById("write").click(); document.getElementById("beginnings").value = "Once upon a time\\nOne day, a fox";
                document.getElementById("tokens").value = 60; document.getElementById("blocks").value = 7; document.getElementById("seed").value = 5;
                document.getElementById("order").requestSubmit()"""
            )
            self.browser.wait("document.getElementById('speed').textContent.includes('with the drawing')", 60)
            self.assert_opened()
            stories = self.browser.run("[...document.querySelectorAll('#stories li')].map(li => li.textContent)")
            for story, beginning, seed in zip(stories, ("Once upon a time", "One day, a fox"), ("5", "6"), strict=True):
                native = tokenyard("generate", beginning, "--seed", seed, "--max-tokens", "60", "--backend", "cpu")
                self.assertTrue(native.startswith(story), native)
            # With so few blocks one of the two had to give way, and the trace says so.
            self.browser.wait(r"/preemptions +[1-9]/.test(document.getElementById('description').textContent)")

    def test_keys_leave_the_browser_its_own(self):
        self.open(f"#scenario={SCENARIO}")
        self.settle()
        self.browser.run("window.left = []; addEventListener('keydown', e => e.defaultPrevented || left.push(e.key)), 0")
        for key, ctrl in (("Tab", False), ("+", True), ("t", True), ("F5", False), ("w", False)):
            self.browser.run("document.getElementById('picture').focus()")
            if key in ("Tab", "F5", "t"):  # what they do would end the test
                self.browser.run(f"document.getElementById('picture').dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}', ctrlKey: {json.dumps(ctrl)}, bubbles: true, cancelable: true}}))")
            else:
                self.browser.key(key, ctrl=ctrl)
        self.assertEqual(self.browser.run("left"), ["Tab", "+", "t", "F5"])

    # ---- where it is served ----

    def test_from_a_web_server(self):
        with server() as address:
            self.open("#lesson=paging", at=address)
            self.settle()
            self.assert_opened()
            self.assertTrue(self.browser.requests)
            for url in self.browser.requests:
                if url.startswith("http"):
                    self.assertTrue(url.startswith(address), url)
            self.assertEqual(self.browser.run("document.cookie"), "")
            self.assertEqual(self.browser.run("localStorage.length + sessionStorage.length"), 0)

    def test_embedded(self):
        with server() as address:
            self.browser.open("about:blank")
            self.browser.open(address + "index.html")
            self.browser.wait(f"location.href.startsWith('{address}') && document.querySelectorAll('#start li').length > 0")
            self.browser.run(
                f"document.body.innerHTML = '<iframe id=\"i\" width=\"800\" height=\"500\" src=\"{address}#scenario={SCENARIO}&at=step%2040\"></iframe>', 0"
            )
            inside = "document.getElementById('i').contentDocument"
            self.browser.wait(f"{inside} && {inside}.getElementById('description') && {inside}.getElementById('description').textContent")
            self.assertEqual(self.browser.run(f"getComputedStyle({inside}.querySelector('header')).display"), "none")
            self.assertIn("step 40", self.browser.run(f"{inside}.getElementById('description').textContent"))


if __name__ == "__main__":
    folder, page_file, program = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve(), str(pathlib.Path(sys.argv[3]).resolve())
    del sys.argv[1:4]
    unittest.main(verbosity=2)
