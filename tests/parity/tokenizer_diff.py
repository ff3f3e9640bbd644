#!/usr/bin/env python3
"""Compares our tokenizer with the Python package `tokenizers`: ids of texts, texts of ids, streamed texts.

    pip install tokenizers==0.23.3
    tests/parity/tokenizer_diff.py build/release/tests/parity/tokenize TOKENIZER.json... [--count 200000] [--seed 1]

Besides --count random strings, every Unicode scalar value is tried in four contexts. Exits with 1 if anything differs. With
--speed both encode this project's own text instead, on one thread.
"""
import argparse
import os
import pathlib
import random
import struct
import subprocess
import sys
import time
import unicodedata

from tokenizers import Tokenizer

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCALARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
SPACES = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u180e\u2000\u2001\u2005\u200a\u200b\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
WORDS = ("the quick brown fox don't I'll we've THEY'RE I'M 'tis it'\u017f x'S naïve café Straße ﬁne Αθήνα Привет мир שלום مرحبا नमस्ते "
         "สวัสดี 日本語 你好，世界 안녕하세요 ぎゃ 각 e\u0301 a\u0323\u0307 \u212b \u1e9b\u0323 0 42 1234567 3.14 ½ Ⅷ ٣٤ 一二 "
         "return{}; foo_bar() ->->-> // === \"'`~").split(" ")
EMOJI = ["😀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪🇫🇷", "❤️", "1️⃣", "🧑🏿‍💻", "☃", "✈️"]
MARKS = [chr(c) for c in SCALARS if unicodedata.combining(chr(c))]
COMPOSED = [chr(c) for c in SCALARS if unicodedata.decomposition(chr(c)) and "<" not in unicodedata.decomposition(chr(c))]
JAMO = [chr(c) for c in range(0x1100, 0x1200)] + [chr(c) for c in range(0xAC00, 0xD7A4, 97)]
LETTERS = [chr(c) for c in SCALARS if unicodedata.category(chr(c))[0] == "L"]
DIGITS = [chr(c) for c in SCALARS if unicodedata.category(chr(c))[0] == "N"] + list("0123456789") * 40
OTHERS = [chr(c) for c in SCALARS if unicodedata.category(chr(c))[0] in "PSC"]


def project_code():
    return "\n".join(p.read_text("utf-8") for f in ("core", "tests/core", "docs") for p in sorted((ROOT / f).iterdir())
                     if p.suffix in (".cpp", ".h", ".md"))


class Strings:
    """Bytes, since some of them are no UTF-8."""

    def __init__(self, added, seed, code):
        self.random = random.Random(seed)
        self.added = added or ["<none>"]
        self.code = code

    def piece(self):
        r = self.random
        some = lambda of, most=4: "".join(r.choice(of) for _ in range(r.randint(1, most)))
        return r.choice((
            lambda: chr(r.choice(SCALARS)), lambda: some(SPACES, 6), lambda: " " * r.randint(1, 9), lambda: r.choice(WORDS),
            lambda: " " + r.choice(WORDS), lambda: r.choice(EMOJI), lambda: some(MARKS), lambda: some(COMPOSED), lambda: some(JAMO, 6),
            lambda: some(LETTERS), lambda: some(DIGITS, 9), lambda: some(OTHERS), lambda: "'" + some("sStTrReEvVmMlLdD\u017f", 3),
            lambda: unicodedata.normalize("NFD", some(COMPOSED)), lambda: r.choice(self.added), lambda: r.choice(self.added)[:-1],
            lambda: some(" \n\r\t", 8), lambda: chr(r.randint(0, 127)), lambda: r.choice(("\r\n", "\n\n", "_", "  "))))()

    def next(self):
        r = self.random
        kind = r.randint(0, 9)
        if kind == 0:
            return "".join(chr(r.choice(SCALARS)) for _ in range(r.randint(0, 30))).encode()
        if kind <= 2:
            start = r.randrange(len(self.code))
            return self.code[start:start + r.randint(1, 400)].encode()
        text = "".join(self.piece() for _ in range(r.randint(1, 16))).encode()
        if kind == 9:  # broken UTF-8
            broken = bytearray(text)
            for _ in range(r.randint(1, 4)):
                broken[r.randrange(len(broken))] = r.randint(0, 255)
            return bytes(broken[:r.randint(1, len(broken))])
        return text


def every_scalar():
    for start in range(0, len(SCALARS), 8):
        yield "".join(f"a{c}b {c}{c}\u0301 '{c}\n" for c in map(chr, SCALARS[start:start + 8])).encode()


def ask(driver, path, mode, records):
    """Our answers to records of bytes or of ids."""
    size = 1 if mode == "encode" else 4
    request = b"".join(struct.pack("<I", len(r) // size) + r for r in records)
    answer = subprocess.run([driver, path, mode], input=request, stdout=subprocess.PIPE, check=True).stdout
    at = 0
    size = 5 - size
    while at < len(answer):
        (count,) = struct.unpack_from("<I", answer, at)
        yield answer[at + 4:at + 4 + count * size]
        at += 4 + count * size


def compare(driver, path, count, seed):
    oracle = Tokenizer.from_file(path)
    strings = Strings([t.content for t in oracle.get_added_tokens_decoder().values()], seed, project_code())
    texts = [strings.next() for _ in range(count)]
    random_texts = len(texts)
    texts += every_scalar()
    differences = 0

    def report(what, given, expected, found):
        nonlocal differences
        differences += 1
        if differences <= 10:
            print(f"{path}: {what} of {given!r}\n  expected {expected!r}\n  found    {found!r}")

    ids_of = []
    step = 20000
    for start in range(0, len(texts), step):
        batch = texts[start:start + step]
        encodings = oracle.encode_batch([t.decode("utf-8", "replace") for t in batch])
        for text, encoding, found in zip(batch, encodings, ask(driver, path, "encode", batch), strict=True):
            expected = encoding.ids
            ids_of.append(struct.pack(f"<{len(expected)}i", *expected))
            if found != ids_of[-1]:
                report("ids", text, expected, list(struct.unpack(f"<{len(found) // 4}i", found)))

    # Ids of texts decode to whole characters; ids at random, some naming no token, mostly do not.
    ids_of = ids_of[:random_texts]
    top = oracle.get_vocab_size() + 10
    ids_of += [struct.pack("<9i", *(strings.random.randrange(top) for _ in range(9))) for _ in range(count // 4)]
    for start in range(0, len(ids_of), step):
        batch = ids_of[start:start + step]
        answers = ask(driver, path, "decode", batch)
        lists = [list(struct.unpack(f"<{len(i) // 4}i", i)) for i in batch]
        plain = oracle.decode_batch(lists, skip_special_tokens=False)
        skipped = oracle.decode_batch(lists, skip_special_tokens=True)
        for ids, *expected in zip(lists, plain, skipped):
            for text in expected:
                if next(answers) != text.encode():
                    report("text", ids, text, "another")
    print(f"{path}: {random_texts} random texts, {len(texts) - random_texts} of every scalar value, {len(ids_of)} lists of ids: "
          f"{differences} differences")
    return differences


def race(driver, path):
    """Pieces of 2,000 characters, one thread each, the better of three runs."""
    text = project_code()
    texts = [text[i:i + 2000] for i in range(0, len(text), 2000)]
    records = b"".join(struct.pack("<I", len(t)) + t for t in (t.encode() for t in texts))
    oracle = Tokenizer.from_file(path)
    ours, theirs = [], []
    for _ in range(3):
        ours.append(float(subprocess.run([driver, path, "speed"], input=records, capture_output=True, check=True).stdout.split()[1]))
        start = time.perf_counter()
        oracle.encode_batch_fast(texts, add_special_tokens=False)
        theirs.append(time.perf_counter() - start)
    size = len(records) / 1e6
    print(f"{path}: {size:.1f} MB; ours {size / min(ours):.1f} MB/s, tokenizers {size / min(theirs):.1f} MB/s: "
          f"{min(theirs) / min(ours):.2f} times as fast")
    return 0


if __name__ == "__main__":
    os.environ["RAYON_NUM_THREADS"] = "1"  # read when the package first encodes a batch
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("driver")
    parser.add_argument("tokenizers", nargs="+")
    parser.add_argument("--count", type=int, default=200000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", action="store_true")
    arguments = parser.parse_args()
    run = race if arguments.speed else lambda driver, path: compare(driver, path, arguments.count, arguments.seed)
    sys.exit(any([run(arguments.driver, path) for path in arguments.tokenizers]))
