"""A font within a PDF: of a TrueType file the outlines of the signs that are written, no others."""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

ARE_WORDS, HAVE_SCALE, MORE, HAVE_TWO_SCALES, HAVE_MATRIX = 0x01, 0x08, 0x20, 0x40, 0x80
NAME = "Arimo"  # as wide as Helvetica
KEPT = (b"glyf", b"head", b"hhea", b"hmtx", b"loca", b"maxp", b"prep")


@functools.cache
def packaged_font() -> TrueType | None:
    """The font that PNGs are written with, or None."""
    try:
        import fontpkg_arimo
    except ImportError:
        return None
    found = [path for path in Path(fontpkg_arimo.ROOT).rglob("*.ttf") if "Italic" not in path.name]
    return TrueType(found[0].read_bytes()) if found else None


class TrueType:
    """A TrueType file: where its tables are, which outline a sign has, and how wide it is."""

    def __init__(self, file: bytes) -> None:
        (count,) = struct.unpack_from(">H", file, 4)
        entries = [struct.unpack_from(">4s3I", file, 12 + 16 * i) for i in range(count)]
        self.tables = {name: file[start : start + size] for name, _, start, size in entries}
        head = self.tables[b"head"]
        (self.units,) = struct.unpack_from(">H", head, 18)
        self.box = [round(1000 * v / self.units) for v in struct.unpack_from(">4h", head, 36)]
        (outlines,) = struct.unpack_from(">H", self.tables[b"maxp"], 4)
        if struct.unpack_from(">h", head, 50) == (1,):
            self.places = struct.unpack_from(f">{outlines + 1}I", self.tables[b"loca"])
        else:
            halves = struct.unpack_from(f">{outlines + 1}H", self.tables[b"loca"])
            self.places = tuple([2 * half for half in halves])
        (self.measured,) = struct.unpack_from(">H", self.tables[b"hhea"], 34)
        self.outlines = dict(self.signs()) if b"cmap" in self.tables else {}

    def signs(self) -> Iterator[tuple[str, int]]:
        """Each sign of Unicode's first plane with the number of its outline."""
        table = self.tables[b"cmap"]
        for i in range(struct.unpack_from(">H", table, 2)[0]):
            platform, encoding, start = struct.unpack_from(">HHI", table, 4 + 8 * i)
            if (platform, encoding) == (3, 1):
                break
        (twice,) = struct.unpack_from(">H", table, start + 6)
        rows = [
            struct.unpack_from(f">{twice // 2}H", table, start + 14 + row * twice + 2 * (row > 0))
            for row in range(4)
        ]
        for k, (last, first, delta, offset) in enumerate(zip(*rows, strict=True)):
            for code in range(first, last + (last < 0xFFFF)):
                yield chr(code), self.outline_of(table, start, twice, k, code, first, delta, offset)
            if last < 0xFFFF:
                yield chr(last), self.outline_of(table, start, twice, k, last, first, delta, offset)

    @staticmethod
    def outline_of(
        table: bytes, start: int, twice: int, k: int, code: int, first: int, delta: int, offset: int
    ) -> int:
        if not offset:
            return (code + delta) & 0xFFFF
        place = start + 16 + 3 * twice + 2 * k + offset + 2 * (code - first)
        found: int = struct.unpack_from(">H", table, place)[0]
        return (found + delta) & 0xFFFF if found else 0

    def width(self, outline: int) -> int:
        """In thousandths of the size."""
        at = 4 * min(outline, self.measured - 1)
        width: int = struct.unpack_from(">H", self.tables[b"hmtx"], at)[0]
        return round(1000 * width / int(self.units))

    def points(self, outline: int) -> bytes:
        return self.tables[b"glyf"][self.places[outline] : self.places[outline + 1]]

    def parts(self, outline: int) -> Iterator[int]:
        """The outlines that one is put together from, as é is from e and its accent."""
        points = self.points(outline)
        if not points or struct.unpack_from(">h", points) >= (0,):
            return
        at, flags = 10, MORE
        while flags & MORE:
            flags, part = struct.unpack_from(">HH", points, at)
            yield part
            at += 8 if flags & ARE_WORDS else 6
            at += 2 if flags & HAVE_SCALE else 4 if flags & HAVE_TWO_SCALES else 0
            at += 8 if flags & HAVE_MATRIX else 0

    def with_only(self, outlines: Iterable[int]) -> bytes:
        """The file with these outlines alone; all keep their numbers."""
        wanted, known = [0, *outlines], set[int]()
        while wanted:
            if (outline := wanted.pop()) not in known:
                known.add(outline)
                wanted += self.parts(outline)
        glyf, places = b"", [0]
        for outline in range(len(self.places) - 1):
            points = self.points(outline) if outline in known else b""
            glyf += points + b"\0" * (-len(points) % 4)
            places.append(len(glyf))
        head = self.tables[b"head"][:50] + struct.pack(">hh", 1, 0)
        loca = struct.pack(f">{len(places)}I", *places)
        tables = self.tables | {b"glyf": glyf, b"loca": loca, b"head": head}
        return joined_tables({name: tables[name] for name in KEPT if name in tables})

    def objects(self, used: dict[int, str], first: int) -> list[bytes]:
        """The five objects of a PDF that a font needs; the first has this number."""
        file = self.with_only(used)
        name = f"/{'ABCDEF'}+{NAME}"
        widths = " ".join(f"{outline} [{self.width(outline)}]" for outline in sorted(used))
        signs = "\n".join(f"<{k:04x}> <{ord(sign):04x}>" for k, sign in sorted(used.items()))
        box = " ".join(map(str, self.box))
        system = "/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >>"
        unicode = (
            "/CIDInit /ProcSet findresource begin 12 dict begin begincmap "
            f"/CMapName /Signs def {system} def /CMapType 2 def "
            "1 begincodespacerange <0000> <ffff> endcodespacerange\n"
            f"{len(used)} beginbfchar\n{signs}\nendbfchar endcmap end end"
        )
        return [
            f"<< /Type /Font /Subtype /Type0 /BaseFont {name} /Encoding /Identity-H "
            f"/DescendantFonts [{first + 1} 0 R] /ToUnicode {first + 4} 0 R >>".encode(),
            f"<< /Type /Font /Subtype /CIDFontType2 /BaseFont {name} {system} /FontDescriptor "
            f"{first + 2} 0 R /CIDToGIDMap /Identity /DW 556 /W [{widths}] >>".encode(),
            f"<< /Type /FontDescriptor /FontName {name} /Flags 32 /FontBBox [{box}] /ItalicAngle "
            f"0 /Ascent 905 /Descent -212 /CapHeight 716 /StemV 80 /FontFile2 {first + 3} 0 R "
            ">>".encode(),
            packed_stream(f"/Length1 {len(file)}", file),
            packed_stream("", unicode.encode()),
        ]


def joined_tables(tables: dict[bytes, bytes]) -> bytes:
    """A TrueType file of these tables."""
    power = len(tables).bit_length() - 1
    sizes = (16 << power, power, 16 * len(tables) - (16 << power))
    file = struct.pack(">IHHHH", 0x00010000, len(tables), *sizes)
    start, content = len(file) + 16 * len(tables), b""
    for name, table in tables.items():
        file += struct.pack(">4s3I", name, 0, start + len(content), len(table))
        content += table + b"\0" * (-len(table) % 4)
    return file + content


def packed_stream(entries: str, data: bytes) -> bytes:
    packed = zlib.compress(data, 9)
    head = f"<< {entries} /Filter /FlateDecode /Length {len(packed)} >>\nstream\n".encode()
    return head + packed + b"\nendstream"
