#!/usr/bin/env python3
"""Writes backends/model/unicode_classes.inc and unicode_nfc.inc: Unicode as the Python package `tokenizers` knows it.

    pip install tokenizers==0.23.3
    scripts/unicode_tables.py

That package mixes versions of Unicode: its regular expressions follow 16, its Digits 17, its NFC 9. A library of the system has
one version, another on each machine. So the package is asked about every code point; the values of the decompositions and
combining classes, which never change once assigned, are Python's own.
"""
import pathlib
import unicodedata

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "backends/model"
SCALARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
HEAD = "// Written by scripts/unicode_tables.py; not to be edited.\n"


def matched(pattern):
    split = pre_tokenizers.Split(Regex(pattern), "removed")
    return [c for c in SCALARS if not split.pre_tokenize_str(chr(c))]


def numeric():
    digits = pre_tokenizers.Digits(individual_digits=True)
    return [c for c in SCALARS if len(digits.pre_tokenize_str("x" + chr(c))) == 2]


def word():
    """What stands beside a `single_word` token and keeps it from matching."""
    found = []
    for other in "bc":
        tokenizer = Tokenizer(models.BPE({other: 0}, []))
        tokenizer.add_tokens([AddedToken("a", single_word=True, normalized=False)])
        found.append({c for c in SCALARS if other != chr(c) and not tokenizer.encode("a" + chr(c)).ids})
    return sorted(found[0] | found[1])


def ranges(points):
    out = []
    for c in points:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def lines(items):
    out, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > 128:
            out.append(line)
            line = "   "
        line += " " + item + ","
    return "\n".join(out + [line]) + "\n"


def array(kind, name, items):
    return f"constexpr {kind} {name}[] = {{\n{lines(items)}}};\n"


def classes():
    text = HEAD
    for name, points in (("kLetterRanges", matched(r"\p{L}")), ("kNumberRanges", matched(r"\p{N}")), ("kSpaceRanges", matched(r"\s")),
                         ("kNumericRanges", numeric()), ("kWordRanges", word())):
        text += array("Range", name, [f"{{{a:#x}, {b:#x}}}" for a, b in ranges(points)])
    return text


def nfc_tables():
    nfc, nfd = normalizers.NFC().normalize_str, normalizers.NFD().normalize_str
    hangul = range(0xAC00, 0xAC00 + 11172)
    decompositions, marks = [], []
    for c in SCALARS:
        text = chr(c)
        if c not in hangul and nfd(text) != text:
            parts = [int(p, 16) for p in unicodedata.decomposition(text).split()]
            decompositions.append((c, parts[0], parts[1] if len(parts) == 2 else 0, nfc(text) == text))
        # A mark counts if the package reorders it against one of another class: U+0334 has class 1, U+0323 220.
        combining = unicodedata.combining(text)
        if combining == 1 and nfd("\u0323" + text)[0] == text or combining > 1 and nfd(text + "\u0334")[0] == "\u0334":
            marks.append((c, combining))
    runs = []
    for c, combining in marks:
        if runs and runs[-1][1] == c - 1 and runs[-1][2] == combining:
            runs[-1][1] = c
        else:
            runs.append([c, c, combining])
    return (HEAD + array("Mark", "kMarkRanges", [f"{{{a:#x}, {b:#x}, {v}}}" for a, b, v in runs]) +
            array("Decomposition", "kDecompositions",
                  [f"{{{c:#x}, {a:#x}, {b:#x}, {int(composes)}}}" for c, a, b, composes in decompositions]))


if __name__ == "__main__":
    (FOLDER / "unicode_classes.inc").write_text(classes())
    (FOLDER / "unicode_nfc.inc").write_text(nfc_tables())
