// What the browser brings (keys, pointers, files, the address, the screen's density) handed to page.cpp, and what page.cpp
// wants handed back: frames, downloads, the address, the moment as text. Nothing is fetched but the page's own files.
(function () {
  "use strict";
  const $ = (id) => document.getElementById(id);
  const canvas = $("picture");
  const kTap = 8; // CSS pixels that a finger may slip
  const kHold = 500; // ms until a resting finger asks for a tip
  let module = null; // Emscripten's, once it is there
  let call = null; // functions of page.cpp: call.frame(...)
  let withWebGL = true;
  let scheduled = false;
  let shown = ""; // the address as we wrote it
  let opened = false; // a run is

  if (window.self !== window.top) document.documentElement.classList.add("embedded");

  // ---- start ----

  async function packedFiles() {
    const inlined = $("pack");
    if (inlined) {
      const bytes = fromBase64(inlined.textContent);
      inlined.remove();
      return unpacked(await ungzip(new Blob([bytes]).stream()));
    }
    if (location.protocol === "file:") throw new Error("a page that is opened as a file may load no other file: open classroom.html, which has all in one, or serve this folder");
    const answer = await fetch("classroom.pack");
    if (!answer.ok) throw new Error("classroom.pack: " + answer.status + " " + answer.statusText);
    return unpacked(await ungzip(answer.body));
  }

  function fromBase64(coded) {
    const text = atob(coded);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; ++i) bytes[i] = text.charCodeAt(i);
    return bytes;
  }

  async function ungzip(stream) {
    return new Uint8Array(await new Response(stream.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
  }

  // A line of JSON, [[name, bytes], ...], and the bytes: pack.py.
  function unpacked(all) {
    const lineEnd = all.indexOf(10);
    const files = new Map();
    let at = lineEnd + 1;
    for (const [name, length] of JSON.parse(new TextDecoder().decode(all.subarray(0, lineEnd)))) {
      files.set(name, all.subarray(at, at + length));
      at += length;
    }
    return files;
  }

  function wrap(name, returns, takes) {
    return (...values) => module.ccall("tokenyard_" + name, returns, takes, values);
  }

  async function start() {
    if (!window.DecompressionStream || !window.WebAssembly) throw new Error("this browser is too old for this page: it needs WebAssembly and DecompressionStream (any of 2023 or later has them)");
    const files = await packedFiles();
    module = await window.TokenyardViewer({
      wasmBinary: files.get("viewer.wasm"),
      print: (line) => console.log(line),
      printErr: (line) => console.error(line),
    });
    for (const [name, bytes] of files) {
      if (!name.startsWith("/")) continue;
      module.FS.mkdirTree(name.slice(0, name.lastIndexOf("/")));
      module.FS.writeFile(name, bytes);
    }
    const n = "number", s = "string";
    call = {
      begin: wrap("begin", n, [s, n]), contextRestored: wrap("context_restored", null, []), catalog: wrap("catalog", s, []),
      open: wrap("open", n, [s]), openFiles: wrap("open_files", n, [s]), follow: wrap("follow", null, []), error: wrap("error", s, []), address: wrap("address", s, []),
      describe: wrap("describe", s, []), message: wrap("message", s, []), title: wrap("title", s, []), theme: wrap("theme", s, []),
      move: wrap("move", null, [n, n]), button: wrap("button", null, [n, n, n, n, n, n]), wheel: wrap("wheel", null, [n, n, n]),
      onTimeline: wrap("on_timeline", n, [n, n]), key: wrap("key", n, [s, n, n, n]), copied: wrap("copied", s, []),
      frame: wrap("frame", n, [n, n, n, n, n]), pixels: wrap("pixels", n, [n, n]),
    };
    withWebGL = call.begin("#picture", hasGpu() ? 1 : 0) === 1;
    fillStart(JSON.parse(call.catalog()));
    watchSize();
    openAddress();
    window.addEventListener("hashchange", () => location.hash !== shown && openAddress());
  }

  // WebGL without a GPU takes several times as long as the viewer's own rasteriser.
  function hasGpu() {
    const gl = document.createElement("canvas").getContext("webgl2");
    if (!gl) return false;
    const info = gl.getExtension("WEBGL_debug_renderer_info");
    const name = gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
    gl.getExtension("WEBGL_lose_context")?.loseContext();
    return !/swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
  }

  function item(list, title, address) {
    const li = document.createElement("li");
    const a = document.createElement("a");
    a.textContent = title;
    a.href = "#" + address;
    li.append(a);
    list.append(li);
    return li;
  }

  function fillStart(catalog) {
    const after = (chapter) => chapter || Infinity; // what belongs to none comes last
    for (const lesson of catalog.lessons.sort((a, b) => after(a.chapter) - after(b.chapter))) {
      const p = document.createElement("p");
      p.textContent = lesson.pages + " pages" + (lesson.chapter ? ", chapter " + lesson.chapter + " of the book" : "");
      item($("lessons"), lesson.title, "lesson=" + lesson.name).append(p);
    }
    for (const scenario of catalog.scenarios) {
      const [first, second] = scenario.variants;
      const of = (variant) => scenario.name + (variant ? ":" + variant.name : "");
      const li = item($("scenarios"), scenario.title, "scenario=" + of(first) + (second ? "," + of(second) : ""));
      const p = document.createElement("p");
      p.textContent = scenario.teaches;
      li.append(p);
      if (!second) continue;
      const each = document.createElement("p");
      each.append("alone: ");
      for (const variant of scenario.variants) {
        const a = document.createElement("a");
        a.textContent = variant.name;
        a.title = variant.note;
        a.href = "#scenario=" + of(variant);
        each.append(a, " ");
      }
      li.append(each);
    }
  }

  // ---- what is open ----

  function showStart() {
    $("stage").hidden = true;
    $("start").hidden = false;
    $("now").textContent = "";
    document.title = "Tokenyard";
    opened = false;
  }

  function showStage() {
    $("start").hidden = true;
    $("stage").hidden = false;
    trouble("");
    opened = true;
    measure();
    if (!document.documentElement.classList.contains("embedded")) canvas.focus({ preventScroll: true });
    wake();
  }

  function trouble(text) {
    $("trouble").textContent = text;
    $("trouble").hidden = text === "";
  }

  function openAddress() {
    const address = location.hash;
    trouble("");
    if (address.length < 2) return showStart();
    shown = address;
    if (call.open(address)) return showStage();
    if (!opened) showStart();
    trouble(call.error());
  }

  async function openFiles(files) {
    const names = [];
    module.FS.mkdirTree("/opened");
    for (const file of [...files].slice(0, 4)) {
      let name = "/opened/" + file.name.replace(/[^\w.-]/g, "_");
      while (names.includes(name)) name = name.replace("/opened/", "/opened/_"); // of another folder
      module.FS.writeFile(name, new Uint8Array(await file.arrayBuffer()));
      names.push(name);
    }
    if (names.length === 0) return;
    if (call.openFiles(names.join("\n"))) {
      for (const old of module.FS.readdir("/opened").map((each) => "/opened/" + each)) {
        if (!old.endsWith("/.") && !old.endsWith("/..") && !names.includes(old)) module.FS.unlink(old);
      }
      setAddress("");
      showStage();
    } else {
      trouble(call.error());
    }
  }

  function setAddress(text) {
    shown = text === "" ? "" : "#" + text;
    if (location.hash === shown) return;
    try {
      history.replaceState(null, "", shown === "" ? location.pathname + location.search : shown);
      shown = location.hash;
    } catch {
      // An embedding page may forbid it; the picture is the same.
    }
  }

  // ---- frames ----

  let size = { width: 0, height: 0 };

  function measure(box) {
    const density = window.devicePixelRatio || 1;
    size = { width: Math.round(canvas.clientWidth * density), height: Math.round(canvas.clientHeight * density) };
    // The browser knows best how it rounds, unless it plays another screen's density.
    if (box && Math.abs(box.inlineSize - size.width) < 2 && Math.abs(box.blockSize - size.height) < 2) {
      size = { width: box.inlineSize, height: box.blockSize };
    }
    if (size.width > 0 && (canvas.width !== size.width || canvas.height !== size.height)) {
      canvas.width = size.width;
      canvas.height = size.height;
    }
  }

  function watchSize() {
    const observer = new ResizeObserver((entries) => {
      const box = entries[0].devicePixelContentBoxSize;
      measure(box && box[0]);
      drawNow();
    });
    try {
      observer.observe(canvas, { box: "device-pixel-content-box" });
    } catch {
      observer.observe(canvas);
    }
  }

  function wake() {
    if (scheduled || !opened) return;
    scheduled = true;
    requestAnimationFrame(frame);
  }

  function frame(now) {
    scheduled = false;
    try {
      draw(now, false);
    } catch (error) {
      opened = false; // memory is used up, or worse: nothing of it can be trusted any more
      trouble("the simulator has stopped (" + error.message + "); load this page again");
      throw error;
    }
  }

  // A canvas that has another size is empty until it is drawn.
  function drawNow() {
    if (opened) draw(performance.now(), true);
  }

  let tellAt = 0;
  function draw(now, always) {
    const more = call.frame(now, size.width, size.height, window.devicePixelRatio || 1, always ? 1 : 0);
    if (more === 2 && !withWebGL) paintPixels();
    if (more === 2) {
      takeSaved();
      if (now > tellAt) {
        tellAt = now + 250;
        tell();
      }
    }
    if (more) wake();
    else tell();
  }

  function paintPixels() {
    const at = call.pixels(size.width, size.height);
    const pixels = new Uint8ClampedArray(module.HEAPU8.buffer, at, size.width * size.height * 4);
    canvas.getContext("2d", { alpha: false }).putImageData(new ImageData(pixels, size.width, size.height), 0, 0);
  }

  // What is beside the canvas: address, title, text. Only when it has changed, for who listens to it.
  function put(id, text) {
    if ($(id).textContent !== text) $(id).textContent = text;
  }
  function tell() {
    if (!opened) return;
    if (location.hash === shown) setAddress(call.address()); // else somebody wants another one, and is about to be heard
    const error = call.error();
    put("description", call.describe());
    put("said", error || call.message());
    if (error) trouble(error);
    put("now", call.title());
    document.title = call.title() + " - Tokenyard";
    document.documentElement.dataset.theme = call.theme();
  }

  function takeSaved() {
    for (const name of module.FS.readdir("/saved")) {
      if (name.startsWith(".") || name.endsWith(".part")) continue;
      const path = "/saved/" + name;
      const url = URL.createObjectURL(new Blob([module.FS.readFile(path)]));
      module.FS.unlink(path);
      const a = document.createElement("a");
      a.href = url;
      a.download = name;
      a.click();
      setTimeout(() => URL.revokeObjectURL(url), 10000);
    }
  }

  canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
  canvas.addEventListener("webglcontextrestored", () => {
    call.contextRestored();
    drawNow();
  });

  // ---- mouse and fingers ----

  function place(event) {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * size.width) / box.width, ((event.clientY - box.top) * size.height) / box.height];
  }
  function press(at, button, down, event) {
    call.button(at[0], at[1], button, down ? 1 : 0, event && event.shiftKey ? 1 : 0, event && event.ctrlKey ? 1 : 0);
    wake();
  }
  const kButton = [0, 2, 1]; // left, middle, right in a browser; left, right, middle in Dear ImGui
  const kNowhere = [-1e9, -1e9];

  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("pointerdown", (event) => {
    if (!opened) return;
    canvas.setPointerCapture(event.pointerId);
    if (event.pointerType === "touch") return fingerDown(event);
    press(place(event), kButton[event.button] ?? 0, true, event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!opened) return;
    if (event.pointerType === "touch") return fingerMoves(event);
    call.move(...place(event));
    wake();
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!opened) return;
    if (event.pointerType === "touch") return fingerUp(event, true);
    press(place(event), kButton[event.button] ?? 0, false, event);
  });
  canvas.addEventListener("pointercancel", (event) => opened && event.pointerType === "touch" && fingerUp(event, false));
  canvas.addEventListener("pointerleave", (event) => {
    if (!opened || event.pointerType === "touch" || event.buttons) return;
    call.move(...kNowhere);
    wake();
  });
  canvas.addEventListener("wheel", (event) => {
    // In somebody's article the wheel scrolls the article, until the picture is clicked.
    if (!opened || (document.documentElement.classList.contains("embedded") && document.activeElement !== canvas)) return;
    event.preventDefault();
    const notches = -event.deltaY / (event.deltaMode === 0 ? 100 : event.deltaMode === 1 ? 3 : 1);
    call.move(...place(event));
    // A trackpad's pinch comes as Ctrl and wheel, in small steps.
    const pinch = event.ctrlKey && event.deltaMode === 0 && Math.abs(event.deltaY) < 50;
    call.wheel(pinch ? notches * 10 : notches, event.shiftKey ? 1 : 0, event.ctrlKey && !pinch ? 1 : 0);
    wake();
  }, { passive: false });

  // One finger moves time, two zoom it; a tap is a click, a resting finger asks what is under it. Elsewhere one finger is a
  // mouse, and two scroll.
  const fingers = new Map(); // id -> place
  let gesture = null; // {kind: "rest" | "pan" | "mouse" | "hold" | "pinch", from, spread, timer}

  function middle() {
    const [a, b] = [...fingers.values()];
    return { at: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2], spread: Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1])) };
  }
  function fingerDown(event) {
    const at = place(event);
    fingers.set(event.pointerId, at);
    if (fingers.size === 1) {
      call.move(...at);
      if (call.onTimeline(...at)) {
        gesture = { kind: "rest", from: at, timer: setTimeout(() => { gesture.kind = "hold"; }, kHold) };
      } else {
        gesture = { kind: "mouse", from: at };
        press(at, 0, true);
      }
    } else if (fingers.size === 2 && gesture) {
      clearTimeout(gesture.timer);
      const { at: centre, spread } = middle();
      if (gesture.kind === "mouse") press(gesture.from, 0, false);
      const onTime = call.onTimeline(...centre) === 1;
      if (gesture.kind !== "pan" && onTime) press(centre, 1, true);
      gesture = { kind: "pinch", from: centre, spread, onTime };
    }
    wake();
  }
  function fingerMoves(event) {
    if (!fingers.has(event.pointerId) || !gesture) return;
    const at = place(event);
    fingers.set(event.pointerId, at);
    const density = window.devicePixelRatio || 1;
    if (gesture.kind === "rest" && Math.hypot(at[0] - gesture.from[0], at[1] - gesture.from[1]) > kTap * density) {
      clearTimeout(gesture.timer);
      gesture.kind = "pan";
      press(gesture.from, 1, true);
    }
    if (gesture.kind === "pinch" && fingers.size === 2) {
      const { at: centre, spread } = middle();
      call.move(...centre);
      const notches = gesture.onTime ? Math.log(spread / gesture.spread) / Math.log(1.25) : (centre[1] - gesture.from[1]) / (40 * density);
      call.wheel(notches, 0, 0);
      gesture.spread = spread;
      gesture.from = centre;
    } else if (gesture.kind !== "rest") {
      call.move(...at);
    }
    wake();
  }
  function fingerUp(event, meant) {
    const at = fingers.get(event.pointerId);
    fingers.delete(event.pointerId);
    if (!at || !gesture) return;
    if (gesture.kind === "pinch" || gesture.kind === "pan") press(at, 1, false);
    if (gesture.kind === "mouse") press(at, 0, false);
    if (gesture.kind === "rest" && meant) {
      press(at, 0, true);
      press(at, 0, false);
    }
    clearTimeout(gesture.timer);
    gesture = null;
    fingers.clear();
    call.move(...kNowhere);
    wake();
  }

  // ---- keys ----

  const kNames = { ArrowLeft: "Left", ArrowRight: "Right", ArrowUp: "Up", ArrowDown: "Down", Home: "Home", End: "End", PageUp: "PageUp",
    PageDown: "PageDown", Enter: "Enter", Escape: "Escape", F1: "F1", Backspace: "Backspace", Delete: "Delete", "`": "Tab" };

  canvas.addEventListener("keydown", (event) => {
    // Tab leaves the picture, Ctrl with + - 0 is the browser's own size.
    if (!opened || event.altKey || event.metaKey || event.key === "Tab" || event.isComposing) return;
    if (event.ctrlKey && ["+", "-", "=", "0"].includes(event.key)) return;
    const name = kNames[event.key] ?? "";
    const character = name === "" && [...event.key].length === 1 ? event.key.codePointAt(0) : 0;
    if (name === "" && character === 0) return;
    if (call.key(name, character, event.shiftKey ? 1 : 0, event.ctrlKey ? 1 : 0)) event.preventDefault();
    copy(call.copied());
    wake();
  });

  async function copy(text) {
    if (text === "") return;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      window.prompt("Copy:", text); // where a page may not write to the clipboard
    }
  }

  // ---- the storyteller: a program of its own, loaded when it is first asked for ----

  const kTrace = "/opened/story.trace";
  let teller = null; // Emscripten's module
  const kSlice = 30; // ms of computing between two frames
  let telling = 0; // which order; an older one stops

  function script(name) {
    return new Promise((resolve, reject) => {
      const element = document.createElement("script");
      element.src = name;
      element.onload = resolve;
      element.onerror = () => reject(new Error(name + " is not beside this page; it holds the model"));
      document.head.append(element);
    });
  }
  async function loadTeller() {
    if (!window.TokenyardStoryteller) await script("story.js");
    const files = unpacked(await ungzip(new Blob([fromBase64(window.tokenyardStory)]).stream()));
    window.tokenyardStory = null;
    teller = await window.TokenyardStoryteller({ wasmBinary: files.get("storyteller.wasm"), print: (line) => console.log(line), printErr: (line) => console.error(line) });
    teller.FS.mkdir("/model");
    for (const [name, bytes] of files) if (name.startsWith("/")) teller.FS.writeFile(name, bytes);
  }
  function tellerCall(name, returns, takes, ...values) {
    const result = teller.ccall("storyteller_" + name, returns, takes, values);
    if (returns === "number" && result < 0) throw new Error(teller.ccall("storyteller_error", "string", [], []));
    return result;
  }

  async function write() {
    const mine = ++telling;
    const wanted = (id) => $(id).valueAsNumber;
    const beginnings = $("beginnings").value.split("\n").filter((line) => line.trim() !== "");
    const n = "number";
    put("speed", "loading the model ...");
    if (!teller) await loadTeller();
    tellerCall("begin", n, [n, n], wanted("blocks"), wanted("seats"));
    beginnings.forEach((line, i) => tellerCall("submit", n, ["string", n, n], line, wanted("tokens"), wanted("seed") + i));
    $("stories").replaceChildren(...beginnings.map((line) => {
      const li = document.createElement("li");
      li.append(Object.assign(document.createElement("b"), { textContent: line }), document.createElement("span"));
      return li;
    }));
    const spans = [...$("stories").querySelectorAll("span")];
    const begin = performance.now();
    let written = 0;
    let more = true;
    let watched = false;
    let computed = 0; // ms
    module.FS.mkdirTree("/opened");
    module.FS.writeFile(kTrace, "");
    while (more) {
      const before = performance.now();
      more = tellerCall("step", n, [n], kSlice) === 1;
      computed += performance.now() - before;
      const trace = teller.FS.readFile("/story.trace");
      const out = module.FS.open(kTrace, "a");
      module.FS.write(out, trace, written, trace.length - written);
      module.FS.close(out);
      written = trace.length;
      if (!watched && trace.indexOf(10) >= 0) {
        if (!call.openFiles(kTrace)) throw new Error(call.error());
        call.follow();
        setAddress("");
        showStage();
        watched = true;
      }
      spans.forEach((span, i) => {
        const text = teller.ccall("storyteller_text", "string", [n], [i]);
        if (span.textContent !== text) span.textContent = text;
      });
      const tokens = tellerCall("tokens", n, []);
      put("speed", `${tokens} tokens, ${Math.round((tokens * 1000) / computed)} a second of computing`);
      wake();
      await new Promise((resolve) => (document.hidden ? setTimeout(resolve, 0) : requestAnimationFrame(resolve)));
      if (mine !== telling) return;
    }
    put("speed", $("speed").textContent + `; ${((performance.now() - begin) / 1000).toFixed(1)} s with the drawing`);
  }
  $("order").addEventListener("submit", (event) => {
    event.preventDefault();
    write().catch((error) => {
      put("speed", "");
      trouble(String(error.message || error));
    });
  });
  $("write").addEventListener("click", () => {
    $("story").hidden = !$("story").hidden;
    $("write").setAttribute("aria-pressed", String(!$("story").hidden));
    if (!$("story").hidden) {
      $("start").hidden = true;
      $("stage").hidden = false;
      $("beginnings").focus();
    } else if (!opened) {
      showStart();
    }
  });

  // ---- the rest of the page ----

  $("home").addEventListener("click", () => {
    setAddress("");
    showStart();
  });
  $("link").addEventListener("click", () => copy(location.href));
  $("words").addEventListener("click", () => {
    const hidden = $("text").classList.toggle("unseen");
    $("words").setAttribute("aria-pressed", String(!hidden));
    hidden ? $("description").removeAttribute("tabindex") : $("description").setAttribute("tabindex", "0");
  });
  $("file").addEventListener("change", () => openFiles($("file").files).finally(() => ($("file").value = "")));
  window.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  window.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    if (module) openFiles(event.dataTransfer.files);
  });

  start().catch((error) => {
    $("now").textContent = "";
    trouble(String(error.message || error));
    throw error;
  });
})();
