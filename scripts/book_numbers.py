#!/usr/bin/env python3
"""What docs/book and docs/teachers.md say in numbers must be so.

  scripts/book_numbers.py TOKENYARD [PAGE.md...]            checks; exit 1 and one line each where a page says something else
  scripts/book_numbers.py --update TOKENYARD [PAGE.md...]   writes the numbers, lines and outputs anew

A number is followed by a comment, which readers do not see:

  13.4<!--= run("slowest-gates-batch:static").p99_e2el_ms / 1000 : .1f -->     computed: a Python expression and its format
  2.85<!--@ 256 requests of 500 to 1,500 -->                                    measured: stands so in a line of docs/measurements.md
  2,951<!--@ kernels/attention.md: simple: a block -->                          ... or of another page of docs/
                                                                                that contains these words

  three quarters<!--? 0.7 < run("x:a").duration / run("x:b").duration < 0.8 -->  words: what they claim must hold

A measured number is never rewritten, nor are words: somebody has to read the sentence around it again. Besides

  [`Scheduler::commit`](../../core/scheduler.cpp#L81 "void Scheduler::commit")  a link: to the first line with the quoted words

an output: below `<!--$ FILTER -->` stands a block whose first line is `$ COMMAND`; what follows is the command's output, as the
shell's FILTER leaves it, between two lines `...`; and code: below `<!--code FILE "WORDS" -->` stands a block of C++, from the first line
of FILE with WORDS to the end of what begins there. A picture stands below the command that makes it,

  <!--picture tokenyard view paging --shot OUT -->
  ![What one sees](pictures/paging.svg)

and must be the same bytes. Where the book's pages show the viewer live, `<!--live lesson=NAME&page=N -->` or `<!--live
scenario=NAME:VARIANT,... -->` says at what; the names must exist.

Expressions know: run(SCENARIO[:VARIANT], SETTING...), the result of tokenyard simulate; steps(...), its steps, with dur and parts in
milliseconds; setting(...), the resolved scenario; model(NAME), hardware(NAME), weights(NAME),
kv_bytes(NAME); lines(FILE...), how many there are; minutes(PAGE), what a
page of the book takes to read.
"""
import functools
import glob
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import types

TOP = pathlib.Path(__file__).resolve().parent.parent
PARTS = ("gemm", "attention", "elementwise", "head", "communication", "host")


def named(value):
    """A JSON object with its keys as attributes."""
    if isinstance(value, dict):
        return types.SimpleNamespace(**{key: named(each) for key, each in value.items()})
    return [named(each) for each in value] if isinstance(value, list) else value


@functools.lru_cache(maxsize=None)
def simulated(what, settings):
    """The result and the trace's lines of one run."""
    scenario, _, variant = what.partition(":")
    with tempfile.TemporaryDirectory() as folder:
        result, trace = f"{folder}/result.json", f"{folder}/run.trace"
        command = [PROGRAM, "simulate", scenario, "--json", result, "--trace", trace]
        command += ["--variant", variant] if variant else []
        command += ["--set", *settings] if settings else []
        ran = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise ValueError(ran.stderr.strip())
        lines = [json.loads(line) for line in pathlib.Path(trace).read_text().splitlines()]
        return named(json.loads(pathlib.Path(result).read_text())), lines


def run(what, *settings):
    return simulated(what, settings)[0]


def setting(what, *settings):
    return named(simulated(what, settings)[1][0]["scenario"])


def steps(what, *settings):
    out = []
    for line in simulated(what, settings)[1]:
        if "step" not in line or "dur" not in line:
            continue
        parts = {part: ns / 1e6 for part, ns in zip(PARTS, line["parts"])}
        out.append(types.SimpleNamespace(**{**line, **parts, "dur": line["dur"] / 1e6}))
    return out


def model(name):
    return setting("docs/book/decode.json", f"model={name}", "hardware=b200").model  # which has room for all


def weights(name):
    """Numbers that a decode step reads: the layers' matrices and the head."""
    m = model(name)
    attention = m.hidden * m.head_dim * (2 * m.heads + 2 * m.kv_heads)
    return m.layers * (attention + 3 * m.hidden * m.intermediate) + m.vocabulary * m.hidden


def kv_bytes(name):
    """Of a token, in all layers."""
    m = model(name)
    return 2 * m.layers * m.kv_heads * m.head_dim * m.bytes_per_element


def hardware(name):
    return setting("docs/book/decode.json", f"hardware={name}").hardware


def lines(*patterns):
    return sum(len(pathlib.Path(file).read_text().splitlines())
               for pattern in patterns for file in glob.glob(str(TOP / pattern)))


def minutes(page):
    """Aloud, 130 words a minute; a minute for each command, table of numbers, or ten lines of code; rounded up to five."""
    text = re.sub(r"<!--.*?-->", "", (TOP / "docs/book" / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    commands = len(re.findall(r"^(?:\$ |    )tokenyard ", text, flags=re.MULTILINE))
    tables = len(re.findall(r"^\|[-|: ]+\|$", text, flags=re.MULTILINE))
    code = sum(each.count("\n") for each in re.findall(r"^```cpp\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE))
    words = len(re.findall(r"[A-Za-z][\w'-]*", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)))
    return math.ceil((words / 130 + commands + tables + code / 10) / 5) * 5


KNOWN = {"run": run, "steps": steps, "setting": setting, "model": model, "hardware": hardware, "weights": weights,
         "kv_bytes": kv_bytes, "lines": lines, "minutes": minutes,
         "math": math, "abs": abs, "sum": sum, "min": min, "max": max, "len": len, "round": round, "sorted": sorted, "range": range,
         "__builtins__": {}}

COMPUTED = re.compile(r"([\d?][\d.,]*)<!--= (.*?) : (\S+) -->")
MEASURED = re.compile(r"([\d?][\d.,]*)<!--@ (?:([\w/-]+\.md): )?(.*?) -->")
CLAIM = re.compile(r"<!--\? (.*?) -->", re.DOTALL)
LINK = re.compile(r'\]\((\.\./[^)#\s]+)#L(\d+) "([^"]+)"\)')
OUTPUT = re.compile(r"<!--\$ (.*?) -->\n```\n\$ (.*?)\n(.*?)```\n", re.DOTALL)
CODE = re.compile(r'<!--code (\S+) "(.+?)" -->\n```cpp\n(.*?)```\n', re.DOTALL)
PICTURE = re.compile(r"<!--picture (.*?) -->\n!\[[^\]]*\]\((pictures/[\w-]+\.svg)\)", re.DOTALL)
LIVE = re.compile(r"<!--live (lesson|scenario)=([\w:,-]+)(?:&page=(\d+))? -->")
MARK = re.compile(r"<!--(?:[=@$?]|code|picture|live)")


def shell(command, folder):
    environment = {**os.environ, "PATH": f"{pathlib.Path(PROGRAM).parent}:{os.environ['PATH']}"}
    for each in TOP.iterdir():
        if not each.name.startswith((".", "build")):
            os.symlink(each, f"{folder}/{each.name}")
    return subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], cwd=folder, env=environment, capture_output=True, text=True,
                          check=False)


class Page:
    def __init__(self, path, update):
        self.path, self.update, self.wrong = path, update, []
        self.text = path.read_text(encoding="utf-8")

    def complain(self, at, what):
        line = self.text.count("\n", 0, at) + 1
        self.wrong.append(f"{self.path.relative_to(TOP)}:{line}: {what}")

    def computed(self, match):
        said, expression, form = match.groups()
        try:
            value = format(eval(expression, KNOWN), form)  # the repository's own text
        except Exception as error:  # whatever the expression does wrong
            self.complain(match.start(), f"{expression}: {error}")
            return match.group(0)
        if value != said:
            self.complain(match.start(), f"says {said}, and {expression} is {value}")
        return f"{value}<!--= {expression} : {form} -->"

    def measured(self, match):
        said, page, words = match.groups()
        source = TOP / "docs" / (page or "measurements.md")
        if not source.exists():
            self.complain(match.start(), f"there is no docs/{page}")
            return match.group(0)
        found = [line for line in source.read_text(encoding="utf-8").splitlines() if words in line]
        number = re.compile(rf"(?<![\d.,]){re.escape(said)}(?![\d]|[.,]\d)")
        if not any(number.search(line) for line in found):
            where = f"no line with \"{words}\" in {source.name}" if not found else f"{source.name} has: {found[0].strip()}"
            self.complain(match.start(), f"says {said}; {where}")
        return match.group(0)

    def link(self, match):
        file, said, words = match.groups()
        source = (self.path.parent / file).resolve()
        text = source.read_text(encoding="utf-8").splitlines() if source.exists() else []
        at = next((i + 1 for i, line in enumerate(text) if words in line), 0)
        if at == 0:
            self.complain(match.start(), f"{file} has no line with \"{words}\"")
        elif at != int(said):
            self.complain(match.start(), f"\"{words}\" is in line {at} of {file}, not {said}")
        return f'](' f'{file}#L{at or said} "{words}")'

    def output(self, match):
        filtered, command, said = match.groups()
        with tempfile.TemporaryDirectory() as folder:
            ran = shell(f"{{ {command}; }} | {filtered}", folder)
        value = "".join(line.rstrip() + "\n" for line in ("...", *ran.stdout.rstrip().splitlines(), "..."))
        if not ran.stdout.strip():
            self.complain(match.start(), f"{command} | {filtered} prints nothing {ran.stderr.strip()}")
            return match.group(0)
        if value != said:
            self.complain(match.start(), f"the output of {command} is another one")
        return f"<!--$ {filtered} -->\n```\n$ {command}\n{value}```\n"

    def code(self, match):
        file, words, said = match.groups()
        source = (TOP / file).read_text(encoding="utf-8").splitlines() if (TOP / file).exists() else []
        begin = next((i for i, line in enumerate(source) if words in line), None)
        if begin is None:
            self.complain(match.start(), f"{file} has no line with \"{words}\"")
            return match.group(0)
        indent = re.match(r" *", source[begin]).group(0)
        end = next(i for i in range(begin, len(source)) if i > begin and source[i].startswith(indent + "}"))
        value = "".join(line.removeprefix(indent) + "\n" for line in source[begin:end + 1])
        if value != said:
            self.complain(match.start(), f"{file} has other code at \"{words}\"")
        return f'<!--code {file} "{words}" -->\n```cpp\n{value}```\n'

    def picture(self, match):
        command, name = match.groups()
        made = self.path.parent / name
        with tempfile.TemporaryDirectory() as folder:
            ran = shell(command.replace("\n", " ").replace("OUT", "out.svg"), folder)
            out = pathlib.Path(folder) / "out.svg"
            if not out.exists():
                self.complain(match.start(), f"{command}: {ran.stderr.strip() or 'makes no OUT'}")
                return
            if made.exists() and made.read_bytes() == out.read_bytes():
                return
            if self.update:
                made.write_bytes(out.read_bytes())
            else:
                self.complain(match.start(), f"{name} is not what its command makes")

    def claim(self, match):
        expression = match.group(1)
        try:
            if not eval(expression, KNOWN):  # the repository's own text
                self.complain(match.start(), f"the words before it claim what does not hold: {expression}")
        except Exception as error:  # whatever the expression does wrong
            self.complain(match.start(), f"{expression}: {error}")

    def live(self, match):
        kind, names, page = match.groups()
        for name in names.split(","):
            name, _, variant = name.partition(":")
            file = TOP / ("scenarios/lessons" if kind == "lesson" else "scenarios") / f"{name}.json"
            known = json.loads(file.read_text()) if file.exists() else {}
            variants = [each["name"] for each in known.get("variants", [])] if kind == "scenario" else []
            if not known or (variant and variant not in variants) or int(page or 1) > len(known.get("pages", [0])):
                self.complain(match.start(), f"there is no {kind} {match.group(0)}")

    def chapter(self):
        """What each chapter has, whatever it is about."""
        for part in ("**You will know**", "**Time:**", "\n## What this chapter leaves out\n"):
            if part not in self.text:
                self.complain(0, f"a chapter without {part.strip()}")

    def renewed(self):
        text = self.text
        if re.match(r"\d\d-", self.path.name):
            self.chapter()
        for pattern, what in ((COMPUTED, self.computed), (MEASURED, self.measured), (LINK, self.link), (OUTPUT, self.output),
                              (CODE, self.code)):
            text = pattern.sub(what, text)
        for match in PICTURE.finditer(self.text):
            self.picture(match)
        for match in CLAIM.finditer(self.text):
            self.claim(match)
        for match in LIVE.finditer(self.text):
            self.live(match)
        for match in MARK.finditer(self.text):
            if not any(pattern.match(self.text, at) for pattern in (COMPUTED, MEASURED, OUTPUT, CODE, PICTURE, LIVE, CLAIM)
                       for at in range(max(0, match.start() - 16), match.start() + 1)):
                self.complain(match.start(), f"a mark without its number: {self.text[match.start():match.start() + 60]}")
        return text


def main(arguments):
    global PROGRAM
    update = arguments[:1] == ["--update"]
    arguments = arguments[update:]
    if not arguments:
        sys.exit(__doc__)
    PROGRAM = str(pathlib.Path(arguments[0]).resolve())
    pages = [pathlib.Path(each).resolve() for each in arguments[1:]] or [*sorted((TOP / "docs/book").glob("*.md")), TOP / "docs/teachers.md"]
    wrong = []
    for path in pages:
        page = Page(path, update)
        text = page.renewed()
        if update and text != page.text:
            path.write_text(text, encoding="utf-8")
            page = Page(path, update)
            page.renewed()
        wrong += page.wrong
    for each in wrong:
        print(each)
    print(f"{len(pages)} pages; {len(wrong)} wrong" + ("" if update or not wrong else "; --update writes what can be computed"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
