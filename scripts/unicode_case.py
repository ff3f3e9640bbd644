#!/usr/bin/env python3
"""Writes backends/jinja/case.inc: Python's upper and lower case of every code point.

    scripts/unicode_case.py > backends/jinja/case.inc

Chat templates are run by Python, whose version decides which letters it knows; the file says whose this is.
"""
import sys
import unicodedata


def runs(change):
    """{first, last, step, delta}: code points whose letter is `delta` further on."""
    pairs = [(c, ord(change(chr(c))) - c) for c in range(0x80, sys.maxunicode + 1)
             if not 0xD800 <= c < 0xE000 and len(change(chr(c))) == 1 and change(chr(c)) != chr(c)]
    out = []
    for c, delta in pairs:
        if out and out[-1][3] == delta and c - out[-1][1] <= 2 and (out[-1][0] == out[-1][1] or c - out[-1][1] == out[-1][2]):
            out[-1][2] = c - out[-1][1]
            out[-1][1] = c
        else:
            out.append([c, c, 1, delta])
    return out


def literal(text):
    return '"' + "".join(f"\\x{b:02x}" for b in text.encode()) + '"'


def capital(c):
    return chr(c).capitalize()


def main():
    print(f"// Unicode {unicodedata.unidata_version}, as Python {sys.version.split()[0]} has it: scripts/unicode_case.py. ASCII is left out.")
    for name, change in (("kUpperRuns", str.upper), ("kLowerRuns", str.lower)):
        print(f"constexpr CaseRun {name}[] = {{")
        for first, last, step, delta in runs(change):
            print(f"    {{0x{first:X}, 0x{last:X}, {step}, {delta}}},")
        print("};")
    points = [c for c in range(0x80, sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
    for name, change in (("kLongUpper", lambda c: chr(c).upper()), ("kLongLower", lambda c: chr(c).lower())):
        print(f"constexpr LongCase {name}[] = {{")
        for c in points:
            if len(change(c)) > 1:
                print(f"    {{0x{c:X}, {literal(change(c))}}},")
        print("};")
    print("// Where the first letter of a word has a form of its own.\nconstexpr LongCase kCapital[] = {")
    for c in points:
        if capital(c) != chr(c).upper():
            print(f"    {{0x{c:X}, {literal(capital(c))}}},")
    print("};")


if __name__ == "__main__":
    main()
