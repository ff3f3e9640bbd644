"""A headless Chromium, driven over its own protocol (https://chromedevtools.github.io/devtools-protocol) through two pipes:
no package but the browser itself."""

import base64
import json
import os
import pathlib
import select
import shutil
import subprocess
import tempfile
import time


def find_chromium():
    return next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


class Browser:
    """One page. Everything that its console says and everything that it fetches is kept."""

    def __init__(self, width=1280, height=800, density=1, touch=False):
        self.folder = tempfile.TemporaryDirectory(prefix="tokenyard-chromium-", ignore_cleanup_errors=True)
        to_browser, self.to = os.pipe()
        self.back, from_browser = os.pipe()
        # The browser reads from descriptor 3 and writes to 4.
        command = [
            "sh", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "sh", find_chromium(), "--headless=new", "--no-sandbox",
            "--remote-debugging-pipe", f"--user-data-dir={self.folder.name}", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--disable-extensions", "--use-angle=swiftshader",
            "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--hide-scrollbars", "about:blank",
        ]  # fmt: skip
        self.log = open(pathlib.Path(self.folder.name) / "stderr", "wb")
        self.process = subprocess.Popen(command, pass_fds=(to_browser, from_browser), stdout=self.log, stderr=self.log)
        os.close(to_browser)
        os.close(from_browser)
        self.rest, self.number, self.answers = b"", 0, {}
        self.console, self.requests, self.downloads = [], [], {}
        self.session = None
        target = next(t for t in self.send("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(domain + ".enable")
        self.saved = pathlib.Path(self.folder.name) / "saved"
        self.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.saved), eventsEnabled=True)
        self.resize(width, height, density, touch)

    def close(self):
        self.process.terminate()
        self.process.wait()
        os.close(self.to)
        os.close(self.back)
        self.log.close()
        self.folder.cleanup()

    # ---- the protocol: JSON texts that end with a zero byte ----

    def send(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        number = self.number
        while number not in self.answers:
            self.read(60)
        answer = self.answers.pop(number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def read(self, seconds):
        if not select.select([self.back], [], [], seconds)[0]:
            if seconds < 60:
                return
            raise TimeoutError("the browser does not answer")
        data = os.read(self.back, 1 << 20)
        if not data:
            raise RuntimeError("the browser is gone")
        *texts, self.rest = (self.rest + data).split(b"\0")
        for text in texts:
            message = json.loads(text)
            if "id" in message:
                self.answers[message["id"]] = message
            else:
                self.heard(message["method"], message["params"])

    def heard(self, event, params):
        if event == "Runtime.consoleAPICalled":
            self.console.append(" ".join(str(arg.get("value", arg.get("description"))) for arg in params["args"]))
        elif event == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.console.append(details.get("exception", {}).get("description", details["text"]))
        elif event == "Log.entryAdded":
            self.console.append(params["entry"]["text"] + " " + params["entry"].get("url", ""))
        elif event == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif event == "Browser.downloadWillBegin":
            self.downloads[params["guid"]] = params["suggestedFilename"]

    # ---- what a person does ----

    def resize(self, width, height, density=1, touch=False):
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=density, mobile=touch)
        self.send("Emulation.setTouchEmulationEnabled", enabled=touch)

    def open(self, url):
        self.send("Page.navigate", url=url)

    def run(self, script):
        """The value of a JavaScript expression, or of the promise it gives."""
        result = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["exception"].get("description"))
        return result["result"].get("value")

    def wait(self, script, seconds=30, what=None):
        """Until the expression is true; its value."""
        end = time.monotonic() + seconds
        while True:
            try:
                value = self.run(script)
            except RuntimeError:
                value = None  # the page is only being made
            if value:
                return value
            if time.monotonic() > end:
                raise TimeoutError(f"{what or script}: not within {seconds} s; console: {self.console}")
            self.read(0.02)

    def text(self, element):
        return self.run(f"document.getElementById({json.dumps(element)}).textContent")

    def key(self, key, shift=False, ctrl=False):
        modifiers = (8 if shift else 0) | (2 if ctrl else 0)
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, modifiers=modifiers)

    def mouse(self, kind, x, y, button="left", **more):
        self.send("Input.dispatchMouseEvent", type="mouse" + kind, x=x, y=y, button=button, clickCount=1, **more)

    def click(self, x, y):
        self.mouse("Moved", x, y, "none")
        self.mouse("Pressed", x, y)
        self.mouse("Released", x, y)

    def touch(self, kind, *points):
        self.send("Input.dispatchTouchEvent", type="touch" + kind, touchPoints=[{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)])

    def screenshot(self, path=None):
        png = base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])
        if path:
            pathlib.Path(path).write_bytes(png)
        return png
