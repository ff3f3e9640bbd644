"""The part of a TrueType font that the viewer draws with: the same shapes and widths, a thirtieth of the bytes."""

import struct

# As viz/host/fonts.cpp asks for them.
CHARACTERS = [*range(0x20, 0x100), *range(0x2013, 0x2027), *range(0x2190, 0x2194), 0x2264, 0x2265, 0x2713, 0x2717]
TABLES = ["cmap", "glyf", "head", "hhea", "hmtx", "loca", "maxp"]  # what stb_truetype reads; no hints, no kerning


def glyph_of(cmap, character):
    """By the format 4 table for Unicode; the format is described in OpenType's chapter on cmap."""
    for i in range(struct.unpack_from(">H", cmap, 2)[0]):
        platform, encoding, at = struct.unpack_from(">HHI", cmap, 4 + 8 * i)
        if (platform, encoding) == (3, 1) and struct.unpack_from(">H", cmap, at)[0] == 4:
            break
    else:
        raise ValueError("the font has no cmap of format 4")
    segments = struct.unpack_from(">H", cmap, at + 6)[0] // 2
    ends, starts = at + 14, at + 16 + 2 * segments
    deltas, ranges = starts + 2 * segments, starts + 4 * segments
    for i in range(segments):
        end, start, delta, offset = (struct.unpack_from(">H", cmap, table + 2 * i)[0] for table in (ends, starts, deltas, ranges))
        if start <= character <= end:
            if offset == 0:
                return (character + delta) & 0xFFFF
            glyph = struct.unpack_from(">H", cmap, ranges + 2 * i + offset + 2 * (character - start))[0]
            return (glyph + delta) & 0xFFFF if glyph else 0
    return 0


def parts_of(glyph):
    """Of a composite glyph: the glyphs it is made of."""
    if len(glyph) < 10 or struct.unpack_from(">h", glyph)[0] >= 0:
        return
    at, more = 10, True
    while more:
        flags, part = struct.unpack_from(">HH", glyph, at)
        yield part
        at += 4 + (4 if flags & 1 else 2) + (2 if flags & 8 else 4 if flags & 0x40 else 8 if flags & 0x80 else 0)
        more = flags & 0x20


def subset(font):
    """Glyphs keep their numbers; those of no use become empty."""
    tables = {}
    for i in range(struct.unpack_from(">H", font, 4)[0]):
        tag, _, at, length = struct.unpack_from(">4sIII", font, 12 + 16 * i)
        tables[tag.decode()] = font[at : at + length]
    count = struct.unpack_from(">H", tables["maxp"], 4)[0]
    if struct.unpack_from(">h", tables["head"], 50)[0] != 1:
        raise ValueError("the font's loca is not of the long format")
    places = struct.unpack_from(f">{count + 1}I", tables["loca"])
    glyphs = [tables["glyf"][places[i] : places[i + 1]] for i in range(count)]

    wanted, open_ones = set(), [0, *(glyph_of(tables["cmap"], character) for character in CHARACTERS)]
    while open_ones:
        glyph = open_ones.pop()
        if glyph not in wanted:
            wanted.add(glyph)
            open_ones.extend(parts_of(glyphs[glyph]))
    glyf, loca = b"", [0]
    for i, glyph in enumerate(glyphs):
        glyf += glyph if i in wanted else b""
        loca.append(len(glyf))
    tables["glyf"], tables["loca"] = glyf, struct.pack(f">{count + 1}I", *loca)

    out, at = struct.pack(">IHHHH", 0x10000, len(TABLES), 0, 0, 0), 12 + 16 * len(TABLES)
    body = b""
    for tag in TABLES:
        data = tables[tag]
        out += struct.pack(">4sIII", tag.encode(), 0, at + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    return out + body
