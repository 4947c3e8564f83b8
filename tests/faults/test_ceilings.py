"""Whatever a file or a command line says, it takes less than 1 GB of memory and 5 s of processor time.

An image of many pixels takes memory for each of them, which `--max-pixels` limits; so the largest here have 50
megapixels, or the most that are allowed with one byte for each.
"""

import json
import os
import re
import resource
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from test_cli import (  # noqa: F401
    HALMIX,
    PNG,
    SANITIZED,
    chunk,
    encoded,
    exif,
    in_new_folder,
    picture,
    with_chunks,
)

MOST_MEMORY, MOST_SECONDS = 10**9, 5
SIDE = 13376  # of the largest square that --max-pixels allows


def measured(*arguments):
    """The exit code and the lines of a run that stays below the ceilings."""

    def limited():
        if not SANITIZED:
            resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))

    with subprocess.Popen([HALMIX, *map(str, arguments)], stderr=subprocess.PIPE, preexec_fn=limited) as process:
        lines = process.stderr.read().decode().splitlines()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = usage.ru_utime + usage.ru_stime
    print(f"{seconds:.2f} s, {usage.ru_maxrss // 1024} MiB")
    if not SANITIZED:
        assert seconds < MOST_SECONDS
    return process.returncode, lines


# ---- JPEG ----


def segment(marker, data):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def of_many_scans(width, height, scans):
    """A gray progressive JPEG, all black, whose scans bring a bit of one coefficient each and say that it is 0
    everywhere: some bytes for the decoder to go through all blocks."""
    blocks = -(-width // 8) * -(-height // 8)
    text, left = "", blocks
    while left:  # a run of blocks is the exponent of its length, the code's 4 bits, and the rest of it
        exponent = min(left.bit_length() - 1, 14)
        run = min(left, 2 ** (exponent + 1) - 1)
        text += f"{exponent:04b}" + f"{run:b}"[1:]
        left -= run

    def scan(coefficient, high, low, bits):
        bits += "1" * (-len(bits) % 8)
        data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
        return segment(0xDA, bytes([1, 1, 0, coefficient, coefficient, high << 4 | low])) + data

    bits_of_coefficients = [(k, low + 1 if low < 13 else 0, low) for k in range(1, 64) for low in range(13, -1, -1)]
    return b"".join(
        [
            b"\xff\xd8",
            segment(0xDB, b"\0" + b"\1" * 64),
            segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0"),
            segment(0xC4, b"\0" + bytes([1] + [0] * 15) + b"\0"),
            segment(0xC4, b"\x10" + bytes([0, 0, 0, 15] + [0] * 12) + bytes(exponent << 4 for exponent in range(15))),
            scan(0, 0, 0, "0" * blocks),
            *(scan(*bits, text) for bits in bits_of_coefficients[: scans - 1]),
            b"\xff\xd9",
        ]
    )


def jpeg_with(segments):
    data = encoded(picture(), "JPEG")
    return data[:2] + segments + data[2:]


REFUSED_JPEGS = {
    "500 scans": lambda: of_many_scans(SIDE, SIDE, 500),
    "30 scans": lambda: of_many_scans(SIDE, SIDE, 30),
    "501 scans": lambda: of_many_scans(640, 480, 501),
}
JPEGS = {
    "20 scans": lambda: of_many_scans(SIDE, SIDE, 20),  # as a camera's largest picture may have; 10 are usual
    "100 scans": lambda: of_many_scans(7000, 7000, 100),
    "500 scans": lambda: of_many_scans(640, 480, 500),
    "EXIF of 64 MB": lambda: jpeg_with(segment(0xE1, exif(1)) + segment(0xE1, b"Exif\0\0" + bytes(65_000)) * 1000),
    "XMP of 64 MB": lambda: jpeg_with(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"<" * 65_000) * 1000),
    "comments": lambda: jpeg_with(segment(0xFE, b"") * 1_000_000),
}


@pytest.mark.parametrize("name", REFUSED_JPEGS)
def test_refused_jpeg(name):
    Path("in.jpg").write_bytes(REFUSED_JPEGS[name]())
    code, (line,) = measured("augment", "in.jpg", "-o", "out.png")
    assert code == 1 and line.startswith("in.jpg: is damaged or not a usual JPEG: too many scans; ")


@pytest.mark.parametrize("name", JPEGS)
def test_jpeg(name):
    Path("in.jpg").write_bytes(JPEGS[name]())
    assert measured("apply", "in.jpg", "-o", "out.png", "--ops", "color=1") == (0, [])


# ---- PNG ----


def packed_zeros(size):
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(min(1 << 20, size - at))) for at in range(0, size, 1 << 20)]
    return b"".join(parts) + packer.flush()


def png_of(width, height, depth, color_type, size, before=b"", interlace=0):
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, interlace)
    data = chunk(b"IDAT", packed_zeros(size))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + data + chunk(b"IEND", b"")


PNGS = {
    "gray of 1 bit": lambda: png_of(SIDE, SIDE, 1, 0, SIDE * (SIDE // 8 + 1)),
    "a palette of 1 bit": lambda: png_of(7000, 7000, 1, 3, 7000 * 876, chunk(b"PLTE", bytes(6))),
    "interlaced": lambda: png_of(7000, 7000, 8, 0, 7000 * 7000 + 13125 + 4096, interlace=1),
    "RGB": lambda: png_of(7000, 7000, 8, 2, 7000 * 21001),
    "wide": lambda: png_of(1_000_000, 100, 8, 0, 100 * 1_000_001),
    "pixels that are too many": lambda: png_of(64, 48, 8, 2, 300 << 20),
    "a million empty IDAT": lambda: with_chunks(PNG, chunk(b"IDAT", b"") * 1_000_000),
    "a million unknown chunks": lambda: with_chunks(PNG, chunk(b"abCd", b"") * 1_000_000),
    "EXIF of 64 MB": lambda: with_chunks(PNG, chunk(b"eXIf", exif(1)[6:] + bytes(64 << 20))),
    "XMP of 64 MB": lambda: with_chunks(PNG, chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"<" * (64 << 20))),
    "packed XMP": lambda: with_chunks(PNG, chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + packed_zeros(1 << 28)) * 3),
}


@pytest.mark.parametrize("name", PNGS)
def test_png(name):
    Path("in.png").write_bytes(PNGS[name]())
    assert measured("apply", "in.png", "-o", "out.png", "--ops", "color=1") == (0, [])


# ---- plans and ops ----


def plan_of(**what):
    return json.dumps({"version": 1, "width": 64, "height": 48, "mix": 0.5, **what})


ONE_OP = {"weight": 1.0, "ops": [{"op": "equalize"}]}
PLANS = {
    "nested": "[" * 1_000_000,
    "nested objects": '{"version":' * 90_000,
    "chains": plan_of(chains=[ONE_OP] * 20_000),
    "ops": plan_of(chains=[{"weight": 1.0, "ops": [{"op": "equalize"}] * 40_000}]),
    "a long name": plan_of(chains=[{"weight": 1.0, "ops": [{"op": "e" * 1_000_000}]}]),
    "spaces": " " * 1_048_576,
    "2 MB": plan_of(chains=[ONE_OP]) + " " * (2 << 20),
}


@pytest.mark.parametrize("name", PLANS)
def test_plan(name):
    picture().save("in.png")
    Path("plan.json").write_bytes(PLANS[name].encode())
    code, (line,) = measured("replay", "in.png", "-o", "out.png", "--plan", "plan.json")
    assert code == 1 and line.startswith("plan.json: ") and len(line) < 500, line[:1000]


def test_a_long_number():
    picture().save("in.png")
    Path("plan.json").write_bytes(plan_of(chains=[ONE_OP]).replace("0.5", "0." + "5" * 1_000_000).encode())
    assert measured("replay", "in.png", "-o", "out.png", "--plan", "plan.json") == (0, [])


@pytest.mark.parametrize("count", [16, 17, 10_001])
def test_many_ops(count):
    picture().save("in.png")
    code, lines = measured("apply", "in.png", "-o", "out.png", "--ops", ",".join(["sharpness=2"] * count))
    if count <= 16:
        assert (code, lines) == (0, [])
    else:
        assert (
            code == 2 and re.fullmatch(f"halmix apply: --ops: {count} ops; at most 16 .*", lines[0]) and len(lines) == 1
        )


def test_many_choices():
    picture().save("in.png")
    assert measured("augment", "in.png", "-o", "out.png", "--ops", ",".join(["rotate"] * 10_000)) == (0, [])
