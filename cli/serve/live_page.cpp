#include "cli/serve/live_page.h"

namespace tokenyard::serve {

const std::string& live_page() {
  static const std::string page = R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tokenyard</title>
<style>
:root { color-scheme: light dark; --soft: color-mix(in srgb, currentColor 12%, transparent); --run: #2a78b8; --wait: #c98500; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 75rem; }
h1 { font-size: 1.2rem; margin: 0 0 1rem; }
h1 small { font-weight: normal; opacity: .7; }
main { display: grid; grid-template-columns: minmax(18rem, 2fr) 3fr; gap: 1.5rem; }
@media (max-width: 60rem) { main { grid-template-columns: 1fr; } }
#counters { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; margin-bottom: 1rem; }
#counters b { display: block; font-size: 1.4rem; font-variant-numeric: tabular-nums; }
#talk { border: 1px solid var(--soft); border-radius: 6px; height: 24rem; overflow-y: auto; padding: .75rem; white-space: pre-wrap; overflow-wrap: anywhere; }
#talk .user { font-weight: 600; margin: .75rem 0 .25rem; }
#talk .error { color: #c0392b; }
form { display: flex; gap: .5rem; margin-top: .5rem; }
textarea { flex: 1; font: inherit; padding: .4rem; }
button { font: inherit; padding: .3rem .9rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .5rem; border-bottom: 1px solid var(--soft); vertical-align: top; }
td.number, th.number { text-align: right; }
.running { border-left: 4px solid var(--run); }
.waiting { border-left: 4px solid var(--wait); }
td:first-child { white-space: nowrap; }
.none { opacity: .7; }
</style>
</head>
<body>
<h1>Tokenyard <small id="what"></small></h1>
<div id="counters"></div>
<main>
<section>
<div id="talk" aria-live="polite"></div>
<form id="ask"><textarea id="text" rows="2" placeholder="Write a message. Enter sends it." aria-label="Message"></textarea>
<button id="send">Send</button></form>
<p><label>API key <input id="key" type="password" autocomplete="off" size="16"></label> <small>where the server asks for one</small></p>
</section>
<section>
<table><thead><tr><th>Request</th><th class="number">Seconds</th><th class="number">Prompt (cached)</th><th class="number">Generated</th>
<th class="number">Blocks</th><th>Why</th></tr></thead><tbody id="requests"></tbody></table>
</section>
</main>
<script>
"use strict";
const $ = id => document.getElementById(id);
const messages = [];
let model = "", last = null, answering = null;

function headers() {
  const out = {"Content-Type": "application/json"};
  if ($("key").value) out.Authorization = "Bearer " + $("key").value;
  return out;
}
function element(tag, text, kind) {
  const out = document.createElement(tag);
  out.textContent = text;
  if (kind) out.className = kind;
  return out;
}
function counter(name, value) {
  const box = element("div", name);
  box.prepend(element("b", value));
  return box;
}
function row(request, kind) {
  const line = element("tr", "", kind);
  const why = kind === "waiting" ? request.reason
    : request.reason ? "no row in this step: " + request.reason
    : request.generated > 0 ? "generates" : "reads its prompt: " + request.computed + " of " + request.prompt;
  const again = request.preemptions > 0 ? "; preempted " + request.preemptions + (request.preemptions > 1 ? " times" : " time") : "";
  line.append(element("td", request.id), element("td", request.seconds.toFixed(1), "number"),
    element("td", request.prompt + (request.cached > 0 ? " (" + request.cached + ")" : ""), "number"),
    element("td", request.generated, "number"), element("td", request.blocks, "number"), element("td", why + again));
  return line;
}
function show(live) {
  model = live.model;
  const now = performance.now(), engine = live.engine;
  const speed = last ? (live.generated_tokens - last.tokens) / ((now - last.at) / 1000) : 0;
  last = {tokens: live.generated_tokens, at: now};
  $("what").textContent = live.model + " \u00b7 " + live.backend;
  $("counters").replaceChildren(counter("running", engine.num_running), counter("waiting", engine.num_waiting),
    counter("tokens a second", Math.round(speed)), counter("tokens so far", live.generated_tokens),
    counter("K/V blocks of " + engine.blocks, engine.blocks_used), counter("steps", engine.step), counter("connections", live.connections));
  const rows = engine.running.map(r => row(r, "running")).concat(engine.waiting.map(r => row(r, "waiting")));
  if (rows.length === 0) {
    const none = element("td", "No request is here.", "none");
    none.colSpan = 6;
    rows.push(document.createElement("tr"));
    rows[0].append(none);
  }
  $("requests").replaceChildren(...rows);
}
async function watch() {
  let wait = 250;
  try {
    const reply = await fetch("live", {headers: headers()});
    if (!reply.ok) throw new Error((await reply.json()).error.message);
    show(await reply.json());
  } catch (error) {
    $("what").textContent = error.message;
    wait = 2000;
  }
  setTimeout(watch, wait);
}
async function answer(place, signal) {
  const reply = await fetch("v1/chat/completions", {method: "POST", headers: headers(), signal,
    body: JSON.stringify({model, messages, stream: true})});
  if (!reply.ok) throw new Error((await reply.json()).error.message);
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "", rest = "";
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return text;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      if (!event.startsWith("data: {")) continue;
      const chunk = JSON.parse(event.slice(6));
      if (chunk.error) throw new Error(chunk.error.message);
      text += chunk.choices[0].delta.content || "";
    }
    place.textContent = text;
    $("talk").scrollTop = $("talk").scrollHeight;
  }
}
$("ask").addEventListener("submit", async event => {
  event.preventDefault();
  if (answering) return answering.abort();
  const question = $("text").value.trim();
  if (!question) return;
  $("text").value = "";
  $("talk").append(element("div", question, "user"));
  const place = element("div", "");
  $("talk").append(place);
  messages.push({role: "user", content: question});
  answering = new AbortController();
  $("send").textContent = "Stop";
  try {
    await answer(place, answering.signal);
    messages.push({role: "assistant", content: place.textContent});
  } catch (error) {
    if (error.name === "AbortError") {
      messages.push({role: "assistant", content: place.textContent});
    } else {
      messages.pop();
      $("talk").append(element("div", error.message, "error"));
    }
  }
  answering = null;
  $("send").textContent = "Send";
});
$("text").addEventListener("keydown", event => {
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    $("ask").requestSubmit();
  }
});
watch();
</script>
</body>
</html>
)html";
  return page;
}

}  // namespace tokenyard::serve
