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
    let body;
    if (inlined) {
      const text = atob(inlined.textContent);
      const bytes = new Uint8Array(text.length);
      for (let i = 0; i < text.length; ++i) bytes[i] = text.charCodeAt(i);
      inlined.remove();
      body = new Blob([bytes]).stream();
    } else {
      const answer = await fetch("classroom.pack");
      if (!answer.ok) throw new Error("classroom.pack: " + answer.status + " " + answer.statusText);
      body = answer.body;
    }
    const all = new Uint8Array(await new Response(body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
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
      open: wrap("open", n, [s]), openFiles: wrap("open_files", n, [s]), error: wrap("error", s, []), address: wrap("address", s, []),
      describe: wrap("describe", s, []), message: wrap("message", s, []), title: wrap("title", s, []), theme: wrap("theme", s, []),
      move: wrap("move", null, [n, n]), button: wrap("button", null, [n, n, n, n, n, n]), wheel: wrap("wheel", null, [n, n, n]),
      onTimeline: wrap("on_timeline", n, [n, n]), key: wrap("key", n, [s, n, n, n]), copied: wrap("copied", s, []),
      frame: wrap("frame", n, [n, n, n, n, n]), pixels: wrap("pixels", n, [n, n]),
    };
    withWebGL = call.begin("#picture", 1) === 1;
    fillStart(JSON.parse(call.catalog()));
    watchSize();
    openAddress();
    window.addEventListener("hashchange", () => location.hash !== shown && openAddress());
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
    for (const lesson of catalog.lessons) {
      const p = document.createElement("p");
      p.textContent = lesson.pages + " pages";
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
    for (const file of [...files].slice(0, 4)) {
      const name = "/opened/" + file.name.replace(/[^\w.-]/g, "_");
      module.FS.mkdirTree("/opened");
      module.FS.writeFile(name, new Uint8Array(await file.arrayBuffer()));
      names.push(name);
    }
    if (names.length === 0) return;
    if (call.openFiles(names.join("\n"))) {
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
    draw(now, false);
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
    canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(pixels), size.width, size.height), 0, 0);
  }

  // What is beside the canvas: address, title, text. Only when it has changed, for who listens to it.
  function put(id, text) {
    if ($(id).textContent !== text) $(id).textContent = text;
  }
  function tell() {
    if (!opened) return;
    setAddress(call.address());
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
