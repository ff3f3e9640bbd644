#!/usr/bin/env python3
"""Compares our evaluator of chat templates with Python's jinja2, set up as transformers sets it up.

    pip install jinja2
    tests/parity/chat_templates.py build/ci/tests/parity/render [--count N] [FILE.jinja | tokenizer_config.json ...]
    tests/parity/chat_templates.py --golden          # writes the expectations of the test in tests/jinja

Without files: the templates in tests/golden/chat_templates. A template that jinja2 refuses we must refuse, too. Exits with 1 if
anything differs, with 77 where there is no jinja2.
"""
import argparse
import datetime
import json
import pathlib
import random
import subprocess
import sys
import time

try:
    import jinja2
    import jinja2.ext
    import jinja2.sandbox
except ImportError:
    print("python3 has no jinja2: nothing is compared")
    sys.exit(77)

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden" / "chat_templates"
NOW = 1722000000  # 26 July 2024
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
PIECES = ["Hi", "What is 2 + 2?", " ", "\n", "\n\n", "\t", "\x1c", "\x1f", "\u3000", "\u200b", "\u00e9", "\u65e5\u672c", "\U0001f98a", "'", '"', "\\",
          "<think>", "</think>", "<think>\nHm\n</think>\n\n", "<tool_response>", "</tool_response>", "<|im_end|>", "{{ 1 }}", "{% if %}",
          "/think", "/no_think", "[INST]", "<|channel|>final<|message|>", "<|END_RESPONSE|>", "</s>", "Be brief.", "<b>&amp;</b>"]


class Generation(jinja2.ext.Extension):
    """{% generation %}: marks an answer for training; its text is printed."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_text"), [], [], body).set_lineno(line)

    def _text(self, caller):
        return caller()


def environment(now=NOW):
    def refuse(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    out = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                                       extensions=[Generation, jinja2.ext.loopcontrols])
    out.filters["tojson"] = tojson
    out.globals["raise_exception"] = refuse
    out.globals["strftime_now"] = lambda format: datetime.datetime.fromtimestamp(now).strftime(format)
    return out


def conversations(seed, count):
    r = random.Random(seed)

    def content():
        return "".join(r.choice(PIECES) for _ in range(r.randint(0, 6)))

    for _ in range(count):
        roles = ["system"] * r.randint(0, 1) + ["user", "assistant"] * r.randint(0, 3) + ["user"]
        if r.random() < 0.1:  # an answer to be continued, two questions in a row, or a system message in the middle
            roles.append(r.choice(("assistant", "user", "system")))
        given = {"messages": [{"role": role, "content": content()} for role in roles], "add_generation_prompt": r.random() < 0.9,
                 "tools": None, "documents": None, **SPECIAL}
        if r.random() < 0.2:  # the program passes no tools; they reach more of a template
            given["tools"] = [tool(name) for name in r.sample(("weather", "search", "add"), r.randint(0, 3))]
        if r.random() < 0.2:
            call = {"name": "weather", "arguments": r.choice(({}, {"city": content(), "days": 3, "exact": True, "far": 1.5e20, "no": None}))}
            given["messages"][-1:] = [{"role": "user", "content": content()},
                                      {"role": "assistant", "content": r.choice(("", None)), "tool_calls": [{"id": "abcdefghi", "type": "function", "function": call}]},
                                      {"role": "tool", "name": "weather", "tool_call_id": "abcdefghi", "content": content()}]
        if r.random() < 0.3:
            given[r.choice(("enable_thinking", "thinking"))] = r.random() < 0.5
        yield given


def tool(name):
    parameters = {"type": "object", "required": ["city"], "properties": {
        "city": {"type": "string", "description": "a <city>, \u00e9"}, "days": {"type": ["integer", "null"], "enum": [1, 2, None]},
        "way": {"type": "array", "items": {"type": "number"}, "default": 0.1}}}
    return {"type": "function", "function": {"name": name, "description": f"The {name}\n\nof a 'place'.", "parameters": parameters}}


def render(compiled, given):
    """The text, or None where jinja2 refuses."""
    try:
        return compiled.render(**given)
    except Exception:  # Python's own, too: a template may meet any
        return None


def read(path):
    text = pathlib.Path(path).read_text(encoding="utf-8")
    if not str(path).endswith(".json"):
        return text
    template = json.loads(text)["chat_template"]
    if isinstance(template, list):
        template = {one["name"]: one["template"] for one in template}["default"]
    return template


def compare(driver, files, count):
    failed = 0
    for number, path in enumerate(files):
        source = read(path)
        given = list(conversations(number, count))
        lines = "".join(json.dumps({"template": source, "variables": one, "now": NOW}) + "\n" for one in given)
        start = time.time()
        answer = subprocess.run([driver], input=lines.encode(), stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
        seconds = time.time() - start
        compiled = environment().from_string(source)
        differences = refused = 0
        for one, line in zip(given, answer):
            expected = render(compiled, one)
            found = json.loads(line)
            refused += expected is None
            if found.get("text") != expected:
                differences += 1
                if differences <= 3:
                    print(f"{json.dumps(one)}\n  expected {expected!r}\n  found    {found!r}")
        failed += differences > 0 or len(answer) != len(given)
        print(f"{pathlib.Path(path).name}: {len(given)} conversations, {refused} refused by both, {differences} differences, "
              f"{seconds / len(given) * 1e6:.0f} us each")
    return 1 if failed else 0


def write_golden():
    given = list(conversations(7, 10))
    (GOLDEN / "conversations.json").write_text(json.dumps(given, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for path in sorted(GOLDEN.glob("*.jinja")):
        compiled = environment().from_string(read(path))
        texts = [render(compiled, one) for one in given]
        path.with_suffix(".json").write_text(json.dumps(texts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("driver", nargs="?")
    parser.add_argument("files", nargs="*")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--golden", action="store_true")
    arguments = parser.parse_args()
    if arguments.golden:
        write_golden()
        return 0
    return compare(arguments.driver, arguments.files or sorted(GOLDEN.glob("*.jinja")), arguments.count)


if __name__ == "__main__":
    sys.exit(main())
