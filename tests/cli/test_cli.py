"""The command `halmix` on real files, good and bad. HALMIX_COMMAND names the command."""

import contextlib
import fcntl
import io
import json
import os
import pty
import re
import resource
import shutil
import struct
import subprocess
import tempfile
import time
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

HALMIX = os.path.abspath(os.environ["HALMIX_COMMAND"])
SEED = int(os.environ.get("HALMIX_TEST_SEED", 1))
with open(HALMIX, "rb") as command:
    SANITIZED = re.search(rb"__[at]san_init", command.read()) is not None  # takes memory of its own


@pytest.fixture(autouse=True)
def in_new_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HALMIX_TARGET", raising=False)


def run(*arguments, code=0, **how):
    """Runs the command and checks its exit code; its output is in .stdout and .stderr."""
    how.setdefault("timeout", 120)
    done = subprocess.run([HALMIX, *map(str, arguments)], capture_output=True, **how)
    assert done.returncode == code, (done.returncode, done.stderr)
    if code == 0:
        assert told(done)[0] == []
    return done


def told(done):
    return parted(done.stderr)


def parted(stderr):
    """Lines about inputs, and the summary after them, "" if there is none."""
    text = stderr.decode(errors="surrogateescape")
    assert not text or text.endswith("\n")
    lines = text.splitlines()
    summary = lines.pop().removeprefix("halmix: ") if lines and re.match(r"halmix: \d+ ", lines[-1]) else ""
    return lines, summary


def failure(*arguments, code, **how):
    """The one line on stderr of a run that fails, beside the summary."""
    (line,), _ = told(run(*arguments, code=code, **how))
    return line


def listed_ops():
    """Of all ops the name and the least and greatest value, which are "" if there are none."""
    text = run("apply", "--help").stdout.decode()
    return re.findall(r"^  (\w+) +(?:no value|(\S+)\.\.(\S+) \w+) ", text, re.MULTILINE)


def picture(width=64, height=48, channels=3, seed=0):
    """A smooth picture with some noise, so that JPEG has both to do."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    pixels = np.clip(smooth + rng.integers(-9, 10, smooth.shape), 0, 255).astype(np.uint8)
    return Image.fromarray(pixels if channels == 3 else pixels[:, :, 0])


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def bytes_of(folder):
    """Every file below a folder: its relative path and its bytes."""
    return {
        os.path.relpath(os.path.join(where, name), folder): open(os.path.join(where, name), "rb").read()
        for where, _, names in os.walk(folder)
        for name in names
    }


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, color_type, rows, interlace=0, before_idat=b"", after_idat=b""):
    """A PNG file put together by hand, for what Pillow does not write. `rows` already have their filter bytes."""
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, interlace)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before_idat + chunk(b"IDAT", zlib.compress(rows))
        + after_idat + chunk(b"IEND", b"")
    )


def unfiltered(array):
    return b"".join(b"\0" + row.tobytes() for row in array)


def adam7(array):
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    return b"".join(
        unfiltered(part) for x, y, dx, dy in passes for part in [array[y::dy, x::dx]] if part.size
    )


def exif(orientation, order="<", kind=3):
    """An EXIF block of one entry."""
    value = struct.pack(order + ("HH" if kind == 3 else "I"), *((orientation, 0) if kind == 3 else (orientation,)))
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return b"Exif\0\0" + mark + struct.pack(order + "IHHHI", 8, 1, 0x0112, kind, 1) + value + bytes(4)


# ---- decoding ----

SIZES = [(1, 1), (1, 9), (9, 1), (2, 2), (8, 8), (15, 16), (17, 33), (64, 48), (201, 101)]


def jpeg_files():
    for width, height in SIZES:
        for quality, subsampling in ((30, "4:2:0"), (75, "4:2:0"), (90, "4:2:2"), (95, "4:4:4")):
            for extra in ({}, {"progressive": True}, {"restart_marker_blocks": 3}):
                yield picture(width, height), {"quality": quality, "subsampling": subsampling, **extra}
        yield picture(width, height), {"keep_rgb": True}
        yield picture(width, height, channels=1), {"quality": 80}
        yield picture(width, height, channels=1), {"quality": 80, "progressive": True}


def assert_decoded_like_pillow(path):
    run("apply", path, "-o", "decoded.png", "--ops", "color=1")
    with Image.open(path) as image:
        mode = "RGB" if image.mode in ("RGB", "P", "RGBA", "CMYK") else "L"
        expected = np.asarray(ImageOps.exif_transpose(image).convert(mode))
    np.testing.assert_array_equal(pixels("decoded.png"), expected)


def test_jpeg_is_decoded_like_pillow():
    count = 0
    for image, options in jpeg_files():
        image.save("in.jpg", **options)
        assert_decoded_like_pillow("in.jpg")
        count += 1
    assert count == 15 * len(SIZES)


def four_inks(size, sampling, transform):
    """A JPEG of four channels, each in a scan of its own that Pillow has written as a gray file.

    `transform` is what the Adobe marker says, 0: CMYK, 2: YCCK; None for no marker.
    """
    most = [max(factors) for factors in zip(*sampling)]
    scans = b""
    for i, factors in enumerate(sampling):
        own_size = (-(-whole * own // finest) for whole, own, finest in zip(size, factors, most))
        gray = encoded(picture(*own_size, channels=1, seed=i), "JPEG", quality=90)
        tables, frame, scan = gray.index(b"\xff\xdb"), gray.index(b"\xff\xc0"), gray.index(b"\xff\xda")
        huffman = gray[frame + 13 : scan]
        scans += b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, i + 1, 0, 0, 63, 0) + gray[scan + 10 : -2]
    adobe = b"" if transform is None else b"\xff\xee\0\x0eAdobe" + struct.pack(">HHHB", 100, 0, 0, transform)
    channels = b"".join(bytes([i + 1, 16 * h + v, 0]) for i, (h, v) in enumerate(sampling))
    header = b"\xff\xc0" + struct.pack(">HBHHB", 8 + len(channels), 8, *size[::-1], 4) + channels
    return b"\xff\xd8" + adobe + gray[tables:frame] + header + huffman + scans + b"\xff\xd9"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("transform", [None, 0, 1, 2])
def test_cmyk_is_decoded_like_pillow(size, transform):
    factors = [(h, v) for h in (1, 2, 3, 4) for v in (1, 2, 4)]
    samplings = [[finest, (1, 1), (1, 1), finest] for finest in factors]
    samplings += [[(1, 1), (2, 2), (2, 1), (1, 2)], [(2, 2), (2, 1), (1, 2), (1, 1)], [(1, 1), (1, 1), (1, 1), (2, 2)]]
    for sampling in samplings:
        with open("in.jpg", "wb") as file:
            file.write(four_inks(size, sampling, transform))
        assert_decoded_like_pillow("in.jpg")


def test_cmyk_that_pillow_has_written():
    for size in SIZES:
        for options in ({"quality": 95}, {"quality": 50, "subsampling": "4:2:0"}, {"progressive": True}):
            data = encoded(picture(*size).convert("CMYK"), "JPEG", **options, exif=exif(6))
            assert data.count(b"Adobe\0d\0\0\0\0\0") == 1
            for transform in b"\0", b"\2":  # of the same bytes as YCCK
                with open("in.jpg", "wb") as file:
                    file.write(data.replace(b"Adobe\0d\0\0\0\0\0", b"Adobe\0d\0\0\0\0" + transform))
                assert_decoded_like_pillow("in.jpg")


@pytest.mark.parametrize("size", SIZES)
def test_png_is_decoded_like_pillow(size):
    color, gray = picture(*size), picture(*size, channels=1)
    images = [color, gray, color.quantize(200), color.quantize(16), color.quantize(3), gray.point(lambda v: v > 99, "1")]
    for image in images:
        image.save("in.png")
        assert_decoded_like_pillow("in.png")


@pytest.mark.parametrize("depth", [2, 4])
def test_png_of_few_gray_bits(depth):
    width, height = 16, 5
    rng = np.random.default_rng(3)
    levels = rng.integers(0, 1 << depth, (height, width))
    per_byte = 8 // depth
    packed = sum(levels[:, i::per_byte] << (8 - depth * (i + 1)) for i in range(per_byte)).astype(np.uint8)
    with open("in.png", "wb") as file:
        file.write(png(width, height, depth, 0, unfiltered(packed)))
    assert_decoded_like_pillow("in.png")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_interlaced_png(size, channels):
    array = np.asarray(picture(*size, channels=channels))
    with open("in.png", "wb") as file:
        file.write(png(*size, 8, 0 if channels == 1 else 2, adam7(array), interlace=1))
    np.testing.assert_array_equal(pixels("in.png"), array)
    assert_decoded_like_pillow("in.png")


@pytest.mark.parametrize("orientation", range(0, 10))
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("order", "<>")
def test_orientation(orientation, channels, order):
    for size in ((31, 20), (1, 7), (7, 1)):
        image = picture(*size, channels=channels)
        block = exif(orientation, order)
        image.save("in.jpg", exif=block)
        assert_decoded_like_pillow("in.jpg")
        image.save("in.png", exif=block)
        assert_decoded_like_pillow("in.png")
        late = png(*size, 8, 0 if channels == 1 else 2, unfiltered(np.asarray(image)), after_idat=chunk(b"eXIf", block[6:]))
        with open("in.png", "wb") as file:
            file.write(late)
        assert_decoded_like_pillow("in.png")


def test_orientation_is_not_written():
    picture().save("in.jpg", exif=exif(6))
    for name in ("out.jpg", "out.png"):
        run("apply", "in.jpg", "-o", name, "--ops", "color=1")
        with Image.open(name) as image:
            assert image.size == (48, 64)
            assert len(image.getexif()) == 0


def test_alpha_is_dropped_where_it_is_opaque():
    color, gray = picture(), picture(channels=1)
    opaque = Image.new("L", color.size, 255)
    for image in (color, gray):
        with_alpha = Image.merge(image.mode + "A", (*image.split(), opaque))
        with_alpha.save("in.png")
        run("apply", "in.png", "-o", "out.png", "--ops", "color=1")
        np.testing.assert_array_equal(pixels("out.png"), np.asarray(image))
    # A transparent colour that no pixel has.
    Image.fromarray(np.asarray(gray) | 1).save("in.png", transparency=0)
    run("apply", "in.png", "-o", "out.png", "--ops", "color=1")
    np.testing.assert_array_equal(pixels("out.png"), np.asarray(gray) | 1)
    # A palette whose transparent entry is not used.
    palette = color.quantize(20)
    palette.save("in.png", transparency=bytes([255] * 20 + [0]))
    run("apply", "in.png", "-o", "out.png", "--ops", "color=1")
    np.testing.assert_array_equal(pixels("out.png"), np.asarray(palette.convert("RGB")))


def test_the_content_decides_the_format_that_is_read():
    image = picture()
    image.save("is_png.jpg", format="PNG")
    run("apply", "is_png.jpg", "-o", "out.png", "--ops", "color=1")
    np.testing.assert_array_equal(pixels("out.png"), np.asarray(image))
    run("augment", "is_png.jpg", "-o", "out/")
    with Image.open("out/is_png.jpg") as result:
        assert result.format == "JPEG"


# ---- encoding ----


def test_written_jpeg():
    picture(channels=1).save("gray.png")
    picture().save("rgb.png")
    sizes = []
    for quality in (1, 50, 89, 90, 95, 100):
        run("apply", "rgb.png", "-o", "rgb.jpg", "--ops", "color=1", "--quality", quality)
        run("apply", "gray.png", "-o", "gray.jpg", "--ops", "color=1", "--quality", quality)
        picture().save("pillow.jpg", quality=quality, subsampling="4:4:4" if quality >= 90 else "4:2:0")
        with Image.open("pillow.jpg") as expected, Image.open("rgb.jpg") as result, Image.open("gray.jpg") as gray:
            assert result.quantization == expected.quantization
            assert result.layer == expected.layer  # the sampling factors
            assert (result.mode, gray.mode) == ("RGB", "L")
            np.testing.assert_array_equal(np.asarray(result), np.asarray(expected))
        sizes.append(os.path.getsize("rgb.jpg"))
    assert sizes == sorted(sizes)
    run("apply", "rgb.png", "-o", "default.jpg", "--ops", "color=1")
    assert os.path.getsize("default.jpg") == sizes[4]


def test_format_option():
    picture().save("in.jpg")
    run("augment", "in.jpg", "-o", "noname", "--format", "png")
    assert Image.open("noname").format == "PNG"
    assert "--format" in failure("augment", "in.jpg", "-o", "out.png", "--format", "jpeg", code=2)
    assert "--format" in failure("augment", "in.jpg", "-o", "out.gif", code=2)
    assert "--format" in failure("augment", "in.jpg", "-o", "out", code=2)
    assert sorted(os.listdir()) == ["in.jpg", "noname"]


# ---- bad inputs ----


def encoded(image, format="PNG", **options):
    out = io.BytesIO()
    image.save(out, format=format, **options)
    return out.getvalue()


def with_jpeg_size(data, width, height):
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def with_chunks(data, chunks):
    """A PNG file with more chunks before its pixels."""
    at = data.index(b"IDAT") - 4
    return data[:at] + chunks + data[at:]


def transparent():
    return Image.merge("RGBA", (*picture().split(), Image.new("L", (64, 48), 254)))


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


JPEG = encoded(picture(), "JPEG")
PNG = encoded(picture())
METADATA = (b"eXIf", b"iCCP", b"iTXt", b"tEXt", b"zTXt", b"sPLT", b"hIST", b"pCAL", b"sCAL", b"abCd")
ENDLESS_METADATA = {f"endless_{kind.decode()}.png": (PNG[:33] + b"\x7f\xff\xff\xff" + kind, "damaged") for kind in METADATA}
BAD_FILES = {
    "empty.jpg": (b"", "is empty"),
    "text.jpg": (b"just some text\n", "is not a JPEG or PNG"),
    "gif.png": (encoded(picture(), "GIF"), "is not a JPEG or PNG"),
    "one_byte.png": (b"\x89", "is not a JPEG or PNG"),
    "only_signature.png": (PNG[:8], "damaged"),
    "only_signature.jpg": (JPEG[:3], "damaged"),
    "truncated.jpg": (JPEG[: len(JPEG) // 2], "Premature end"),
    "without_end.jpg": (JPEG[:-2], "Premature end"),
    "truncated_progressive.jpg": (encoded(picture(), "JPEG", progressive=True)[:-300], "Premature end"),
    "damaged.jpg": (JPEG[:-600] + bytes(300) + JPEG[-300:], "Corrupt JPEG data"),
    "truncated.png": (PNG[: len(PNG) // 2], "the end is missing"),
    "without_end.png": (PNG[:-12], "the end is missing"),
    "data.png": (flipped(PNG, len(PNG) // 2), "damaged"),
    "crc.png": (flipped(PNG, len(PNG) - 13), "CRC"),
    "header_crc.png": (flipped(PNG, 20), "CRC"),
    "text_crc.png": (PNG[:33] + flipped(chunk(b"tEXt", b"Title\0x"), 9) + PNG[33:], "CRC"),
    "no_data.png": (PNG[:33] + chunk(b"IEND", b""), "out of place"),
    "few_rows.png": (png(9, 9, 8, 0, unfiltered(np.zeros((5, 9), np.uint8))), "Not enough"),
    "sixteen_bits.png": (encoded(Image.fromarray(np.arange(3072, dtype=np.uint16).reshape(48, 64))), "16 bits"),
    "twelve_bits.jpg": (JPEG.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c"), "8 bits"),
    "lossless.jpg": (JPEG.replace(b"\xff\xc0", b"\xff\xc3"), "Unsupported JPEG process"),
    "transparent.png": (encoded(transparent()), "transparent"),
    "transparent_gray.png": (encoded(transparent().convert("LA")), "transparent"),
    "transparent_colour.png": (encoded(Image.new("RGB", (3, 3), "red"), transparency=(255, 0, 0)), "transparent"),
    "transparent_palette.png": (encoded(picture().quantize(9), transparency=bytes(9)), "transparent"),
    "huge.png": (png(100000, 100000, 8, 2, b""), "100000 x 100000"),
    "wide.png": (png(2147483647, 1, 8, 0, b""), "2147483647 x 1"),
    "large.png": (png(40000, 40000, 8, 0, b""), "40000 x 40000 pixels, more than the 178956970 that are allowed"),
    "large_interlaced.png": (png(40000, 40000, 8, 0, b"", interlace=1), "--max-pixels"),
    "huge.jpg": (with_jpeg_size(JPEG, 65500, 65500), "65500 x 65500"),
    "large.jpg": (with_jpeg_size(JPEG, 26000, 26000), "--max-pixels"),
    "too_wide.jpg": (with_jpeg_size(JPEG, 65535, 1), "65500"),
    "no_height.jpg": (with_jpeg_size(JPEG, 64, 0), "damaged"),
    **ENDLESS_METADATA,
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_file(name):
    data, expected = BAD_FILES[name]
    with open(name, "wb") as file:
        file.write(data)
    line = failure("augment", name, "-o", "out.png", code=1)
    assert line.startswith(name + ": ") and expected in line and "; " in line, line
    assert os.listdir() == [name]


def test_huge_headers_take_neither_memory_nor_time():
    """Counts what the process touched and how long it took, not what it was promised."""
    huge = ("huge.png", "wide.png", "large.png", "large_interlaced.png", "huge.jpg", "large.jpg")
    for name in (*huge, *ENDLESS_METADATA):
        with open(name, "wb") as file:
            file.write(BAD_FILES[name][0])
        start = time.monotonic()
        command = [HALMIX, "augment", name, "-o", "out.png", "--max-pixels", "2147483647"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 1
        assert time.monotonic() - start < 5, name
        if not SANITIZED:
            assert usage.ru_maxrss < 100 * 1024, (name, usage.ru_maxrss)  # in KiB


@pytest.mark.parametrize("allowed", [0, 1])
def test_max_pixels(allowed):
    """At the limit and one pixel above it."""
    picture().save("in.png")
    picture(channels=1).save("in.jpg")
    run("augment", "in.png", "-o", "out.png", "--plan-out", "plan.json")
    os.remove("out.png")
    for name in "in.png", "in.jpg":
        for command in ("augment", "apply --ops equalize", "replay --plan plan.json", "figure"):
            arguments = [*command.split(), name, "-o", "out.png", "--max-pixels", 64 * 48 - 1 + allowed]
            if allowed:
                run(*arguments)
                os.remove("out.png")
            else:
                line = failure(*arguments, code=1)
                assert line.startswith(f"{name}: is 64 x 48 pixels, more than the 3071 that are allowed; "), line
                assert "--max-pixels" in line and not os.path.exists("out.png")


def test_max_pixels_is_pillows_limit():
    most = 2 * Image.MAX_IMAGE_PIXELS
    width = 18415
    assert most % width == 0
    for more, expected in (0, "Not enough"), (1, f"more than the {most} that are allowed"):
        with open("in.png", "wb") as file:
            file.write(png(width, most // width + more, 1, 0, b""))
        assert expected in failure("augment", "in.png", "-o", "out.png", code=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with pytest.raises(Image.DecompressionBombError) if more else contextlib.nullcontext():
                Image.open("in.png")


SIXTEEN_BITS = np.random.default_rng(3).integers(0, 65536, (48, 64, 4)).astype(">u2")
SIXTEEN_BITS[0, :9] = [[0xFFFF], [0xFF00], [0x00FF], [0x80FF], [0x7F80], [0x0100], [0], [1], [0xFEFF]]


def sixteen_bits(color_type, interlace=0, before=b""):
    """A PNG of 16 bits a channel, and its higher bytes, without alpha."""
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[color_type]
    pixels = np.ascontiguousarray(SIXTEEN_BITS[..., :channels])
    rows = adam7(pixels) if interlace else unfiltered(pixels)
    high = (pixels >> 8).astype(np.uint8)[..., : 3 if channels > 2 else 1]
    return png(64, 48, 16, color_type, rows, interlace, before), high.squeeze()


TO_CONVERT = {name: (BAD_FILES[name][0], None) for name in BAD_FILES if name.startswith("transparent")}
for color_type in 0, 2, 4, 6:
    for interlace in 0, 1:
        TO_CONVERT[f"{color_type}{interlace}.png"] = sixteen_bits(color_type, interlace)
TO_CONVERT["transparent_16.png"] = sixteen_bits(2, before=chunk(b"tRNS", SIXTEEN_BITS[5, 5, :3].tobytes()))


@pytest.mark.parametrize("name", TO_CONVERT)
def test_unsupported_files_are_converted(name):
    """To what Pillow's convert has, but for gray ones of 16 bits, of which it makes white."""
    data, expected = TO_CONVERT[name]
    with open(name, "wb") as file:
        file.write(data)
    with Image.open(name) as image:
        pillows = np.asarray(image.convert("L" if image.mode in ("LA", "I;16", "L") else "RGB"))
    if expected is None or expected.ndim == 3:
        expected = pillows
    arguments = ("apply", name, "-o", "out.png", "--ops", "translate_x=0")
    assert ("transparent" if "transparent" in name and "16" not in name else "16 bits") in failure(*arguments, code=1)
    run(*arguments, "--unsupported", "convert")
    assert np.array_equal(pixels("out.png"), expected)


def test_damaged_files_are_accepted():
    """Where Pillow takes them; what ends too soon it does not take either."""
    files = {
        "extraneous.jpg": JPEG[:20] + b"\0" * 5 + JPEG[20:],
        "damaged.jpg": BAD_FILES["damaged.jpg"][0],
        "truncated.jpg": BAD_FILES["truncated.jpg"][0],
        "crc.png": BAD_FILES["crc.png"][0],
    }
    for name, data in files.items():
        with open(name, "wb") as file:
            file.write(data)
        arguments = ("apply", name, "-o", "out.png", "--ops", "translate_x=0")
        line = failure(*arguments, code=1)
        if name in ("extraneous.jpg", "damaged.jpg"):
            run(*arguments, "--damaged", "accept")
            assert np.array_equal(pixels("out.png"), pixels(name))
        else:
            assert failure(*arguments, "--damaged", "accept", code=1) == line


@pytest.mark.parametrize("arguments", [
    ("--unsupported", "drop"), ("--unsupported", ""), ("--unsupported",), ("--damaged", "convert"), ("--damaged", "1"),
])  # fmt: skip
@pytest.mark.parametrize("command", ["augment", "apply --ops equalize", "replay --plan plan.json", "figure"])
def test_wrong_choices(command, arguments):
    picture().save("in.png")
    assert arguments[0] in failure(*command.split(), "in.png", "-o", "out.png", *arguments, code=2)
    assert os.listdir() == ["in.png"]


def test_only_folders_can_do_without_images():
    picture().save("in.png")
    for command in "apply --ops equalize", "replay --plan plan.json", "figure":
        assert "--unsupported" in failure(*command.split(), "in.png", "-o", "out.png", "--unsupported", "skip", code=2)


def report_of(*arguments, code=0):
    """Problems of --report by outcome and file, of which the order is checked, and the summary."""
    lines, summary = told(run("augment", "in", "-o", "out", "--report", "report.jsonl", *arguments, code=code))
    with open("report.jsonl", encoding="utf-8") as file:
        entries = [json.loads(line) for line in file]
    names = [entry["file"] for entry in entries]
    assert names == sorted(names, key=os.fsencode)
    bad = [entry["problem"] for entry in entries if entry["outcome"] in ("refused", "failed")]
    assert sorted(bad) == sorted(lines)
    return {name: entry for name, entry in zip(names, entries)}, summary


def mixed_folder():
    os.mkdir("in")
    for name in ("transparent.png", "sixteen_bits.png", "text.jpg", "large.png", "damaged.jpg", "truncated.jpg"):
        with open(f"in/{name}", "wb") as file:
            file.write(BAD_FILES[name][0])
    for name in "a.png", "ö.png":
        picture().save(f"in/{name}")


@pytest.mark.parametrize("threads", [1, 3])
def test_report(threads):
    mixed_folder()
    entries, summary = report_of("--threads", threads, code=1)
    assert summary == "2 done, 6 refused"
    assert entries["a.png"] == {"file": "a.png", "outcome": "done"} and entries["ö.png"]["outcome"] == "done"
    assert entries["text.jpg"]["problem"].startswith("in/text.jpg: is not a JPEG or PNG image; ")
    assert all(entry["outcome"] == "refused" for name, entry in entries.items() if name in BAD_FILES)

    entries, summary = report_of("--unsupported", "skip", "--threads", threads, code=1)
    assert summary == "2 done, 4 skipped, 2 refused"
    skipped = {name for name, entry in entries.items() if entry["outcome"] == "skipped" and entry["problem"]}
    assert skipped == {"transparent.png", "sixteen_bits.png", "text.jpg", "large.png"}

    chosen = ("--unsupported", "convert", "--damaged", "accept", "--threads", threads)
    entries, summary = report_of(*chosen, code=1)
    assert summary == "2 done, 2 converted, 1 accepted, 3 refused"
    assert entries["sixteen_bits.png"] == {"file": "sixteen_bits.png", "outcome": "converted"}
    assert entries["damaged.jpg"] == {"file": "damaged.jpg", "outcome": "accepted"}
    assert set(os.listdir("out")) == {"a.png", "ö.png", "transparent.png", "sixteen_bits.png", "damaged.jpg"}

    for name in "truncated.jpg", "damaged.jpg":
        os.remove(f"in/{name}")
    entries, summary = report_of("--unsupported", "skip")
    assert summary == "2 done, 4 skipped"


def test_nothing_to_tell():
    """A run that has done all it was to do says nothing where nobody looks on."""
    os.mkdir("in")
    picture().save("in/a.png")
    assert told(run("augment", "in", "-o", "out")) == ([], "")


def test_report_of_folders_and_names():
    os.makedirs("in/empty")
    picture().save("in/a.png")
    shutil.copy("in/a.png", b"in/\xff.png")
    lines, summary = told(run("augment", "in", "in/empty", "-o", "out", "--report", "report.jsonl", code=1))
    assert summary == "2 done, 1 failed"
    entries = [json.loads(line) for line in open("report.jsonl", encoding="utf-8")]
    assert entries[0] == {"outcome": "failed", "problem": lines[0]}
    assert entries[2]["file_bytes"] == "ff2e706e67" and entries[2]["outcome"] == "done"
    assert "no/report" in failure("augment", "in", "-o", "out", "--report", "no/report", code=1)
    (line,), summary = told(run("augment", "in", "-o", "out", "--report", "/dev/full", code=1))
    assert line.startswith("/dev/full: ")


@pytest.mark.parametrize("views", [1, 2])
def test_resume(views):
    """What is there is left as it is; results, plans and the report are those of a run at once."""
    mixed_folder()
    arguments = ("--views", views, "--seed", "5", "--unsupported", "convert")
    whole, _ = report_of(*arguments, "--plan-out", "whole.jsonl", code=1)
    expected = bytes_of("out")
    gone = sorted(expected)[:2]
    for name in gone:
        os.remove(f"out/{name}")
    times = {name: os.stat(f"out/{name}").st_mtime_ns for name in os.listdir("out")}
    entries, summary = report_of(*arguments, "--resume", "--plan-out", "resumed.jsonl", code=1)
    assert bytes_of("out") == expected
    assert {name for name in times if os.stat(f"out/{name}").st_mtime_ns != times[name]} == set()
    again = {name for name, entry in entries.items() if entry["outcome"] in ("done", "converted")}
    assert again == {re.sub(r"_v\d", "", name) for name in gone}
    assert {name for name, entry in entries.items() if entry["outcome"] == "kept"} == {
        name for name, entry in whole.items() if entry["outcome"] in ("done", "converted") and name not in again
    }
    assert open("resumed.jsonl").read() == open("whole.jsonl").read()

    os.utime("in/a.png")
    entries, summary = report_of(*arguments, "--resume", code=1)
    assert entries["a.png"]["outcome"] == "done" and summary.startswith("1 done, 3 kept")


def test_resume_wants_results_apart():
    os.mkdir("in")
    picture().save("in/a.png")
    picture().save("b.png")
    for arguments in ("in", "-o", "in"), ("in/a.png", "-o", "in/"), ("b.png", "-o", "c.png"), ("in", "b.png", "-o", "."):
        assert "--resume" in failure("augment", *arguments, "--resume", code=2)
    run("augment", "b.png", "-o", "out.d/c.png", "--resume", code=1)  # there is no such folder
    assert sorted(os.listdir()) == ["b.png", "in"] and os.listdir("in") == ["a.png"]


def test_what_killed_runs_leave_goes():
    os.makedirs("in/deep")
    os.makedirs("out/deep")
    picture().save("in/deep/a.png")
    old = time.time() - 3600
    for name in "out/deep/.halmix-1-0.tmp", "out/deep/.halmix-99-7.tmp", "out/deep/other.tmp", "out/deep/.halmix-2-0.tmp":
        open(name, "w").close()
        os.utime(name, (old, old))
    open("out/deep/.halmix-3-0.tmp", "w").close()  # may not be locked yet
    os.mkdir("out/deep/.halmix-4-0.tmp")
    os.symlink("other.tmp", "out/deep/.halmix-5-0.tmp")
    with open("out/deep/.halmix-2-0.tmp") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        run("augment", "in", "-o", "out")
    kept = {f".halmix-{n}-0.tmp" for n in (2, 3, 4, 5)}
    assert set(os.listdir("out/deep")) == {"a.png", "other.tmp"} | kept


@pytest.mark.parametrize("number", ["0", "-1", "2147483648", "1e9", "x"])
def test_wrong_max_pixels(number):
    picture().save("in.png")
    assert "--max-pixels" in failure("augment", "in.png", "-o", "out.png", f"--max-pixels={number}", code=2)


def test_metadata_is_not_unpacked():
    """A few megabytes of metadata that unpack to some thousand times as many; without them it is the same image."""
    packed = zlib.compress(bytes(7 << 20), 9)
    packer = zlib.compressobj()  # piece by piece: a process is counted as large as what started it was
    chunks = {
        "zTXt": b"".join(chunk(b"zTXt", b"k%d\0\0" % i + packed) for i in range(900)),
        "iTXt": b"".join(chunk(b"iTXt", b"k%d\0\1\0\0\0" % i + packed) for i in range(900)),
        "iCCP": chunk(b"iCCP", b"k\0\0" + b"".join(packer.compress(bytes(1 << 20)) for _ in range(100)) + packer.flush()),
        "sPLT": b"".join(chunk(b"sPLT", b"k%d\0\x08" % i + bytes(6_000)) for i in range(900)),
        "tEXt": chunk(b"tEXt", b"k\0x") * 100_000,
    }
    for name, metadata in chunks.items():
        with open("in.png", "wb") as file:
            file.write(with_chunks(PNG, metadata))
        run("apply", "in.png", "-o", "out.png", "--ops", "color=1", preexec_fn=limit("RLIMIT_CPU", 10))
        np.testing.assert_array_equal(pixels("out.png"), np.asarray(picture()), name)


def test_missing_and_folders():
    os.mkdir("folder")
    os.mkdir("folder.png")
    picture().save("in.png")
    assert failure("augment", "no.png", "-o", "out.png", code=1).startswith("no.png: cannot be read: No such file")
    assert "no .jpg" in failure("augment", "folder", "-o", "out", code=1)
    assert failure("apply", "folder", "-o", "out.png", "--ops", "equalize", code=1).startswith("folder: cannot be read: Is a")
    assert failure("augment", "in.png", "-o", "no/out.png", code=1).startswith("no/out.png: cannot be written: No such")
    assert "is a folder" in failure("apply", "in.png", "-o", "folder.png", "--ops", "equalize", code=2)
    assert "not a folder" in failure("augment", "folder", "-o", "in.png", code=2)
    assert "cannot be created" in failure("augment", "in.png", "-o", "in.png/below/", code=1)
    assert failure("replay", "in.png", "-o", "out.png", "--plan", "no.json", code=1).startswith("no.json: ")
    assert failure("augment", "in.png", "-o", "out.png", "--plan-out", "no/plan", code=1).startswith("no/plan: ")
    assert sorted(os.listdir()) == ["folder", "folder.png", "in.png"]


def test_the_rest_is_done():
    os.mkdir("in")
    for name, (data, _) in BAD_FILES.items():
        with open(f"in/{name}", "wb") as file:
            file.write(data)
    for i in range(5):
        picture(seed=i).save(f"in/good{i}.png")
    lines, summary = told(run("augment", "in", "missing.jpg", "-o", "out", "--threads", "3", code=1))
    assert sorted(line.split(": ")[0] for line in lines) == sorted([f"in/{name}" for name in BAD_FILES] + ["missing.jpg"])
    assert summary == f"5 done, {len(BAD_FILES)} refused, 1 failed"
    assert sorted(os.listdir("out")) == [f"good{i}.png" for i in range(5)]


def test_names_of_any_kind():
    names = ["with space.png", "ümläut.png", b"not utf-8 \xff.png", "new\nline.png", "-dash.png", "a.b.c.PNG", "€" * 80 + ".png"]
    os.mkdir("in")
    for name in names:
        picture().save(os.path.join(os.fsencode("in"), os.fsencode(name)), format="PNG")
    run("augment", "in", "-o", "out", "--plan-out", "plans")
    assert sorted(os.listdir(b"in")) == sorted(os.listdir(b"out"))
    run("augment", "-o", "../x.png", "--", "-dash.png", cwd="in")
    lines = [json.loads(line) for line in open("plans")]
    told = [bytes.fromhex(line["file_bytes"]) if "file_bytes" in line else line["file"].encode() for line in lines]
    assert told == sorted(os.fsencode(name) for name in names)
    assert [line["file"] for line in lines if "file_bytes" in line] == ["not utf-8 \ufffd.png"]
    assert "new?line.jpg: " in failure("augment", "new\nline.jpg", "-o", "x.png", code=1)


def test_small_limits_of_memory_and_file_size():
    picture(1500, 1000).save("in.png")
    line = failure("augment", "in.png", "-o", "out.png", code=1, preexec_fn=limit("RLIMIT_FSIZE", 10000))
    assert line.startswith("out.png: cannot be written: File too large; ")
    assert os.listdir() == ["in.png"]
    if not SANITIZED:
        with open("large.png", "wb") as file:
            file.write(BAD_FILES["large.png"][0])
        arguments = "augment", "large.png", "-o", "out.png", "--max-pixels", 40000 * 40000
        line = failure(*arguments, code=1, preexec_fn=limit("RLIMIT_AS", 1 << 30))
        assert line.startswith("large.png: needs more memory")


def limit(name, value):
    return lambda: resource.setrlimit(getattr(resource, name), (value, value))


# ---- folders and names ----


def make_tree():
    os.makedirs("in/cats/deep")
    os.makedirs("in/dogs")
    names = ["top.png", "cats/a.jpg", "cats/b.JPEG", "cats/deep/a.png", "dogs/a.JPG", "dogs/c.Png", "B.png", "a10.png", "a9.png"]
    for i, name in enumerate(names):
        picture(40 + i, 30, channels=1 + 2 * (i % 2), seed=i).save(f"in/{name}")
    open("in/readme.txt", "w").write("not an image\n")
    return sorted(names, key=os.fsencode)


def test_mirrored_tree_and_indices():
    names = make_tree()
    run("augment", "in", "-o", "new/out", "--seed", 5, "--index", 100)
    assert sorted(bytes_of("new/out")) == sorted(names)
    for place, name in enumerate(names):
        single = "single_" + os.path.basename(name)
        run("augment", f"in/{name}", "-o", single, "--seed", 5, "--index", 100 + place)
        with open(single, "rb") as alone, open(f"new/out/{name}", "rb") as mirrored:
            assert alone.read() == mirrored.read(), name


@pytest.mark.parametrize("name", [".jpg", ".JPEG", ".png"])
def test_a_name_that_is_only_an_extension(name):
    os.makedirs("in/deep")
    for path in "in/a.png", "in/.hidden.png":
        picture().save(path)
    picture().save("in/deep/" + name, format="PNG")
    line = failure("augment", "in", "-o", "out", code=1)
    assert line == f"in/deep/{name}: has a name that is only an extension; rename it"
    assert sorted(os.listdir("out")) == [".hidden.png", "a.png"]
    assert failure("augment", "in/deep", "-o", "out", code=1) == line


def test_threads_do_not_matter():
    make_tree()
    results = []
    for threads in (1, 2, 4, 9):
        out = f"out{threads}"
        run("augment", "in", "-o", out, "--threads", threads, "--views", 3, "--plan-out", f"plans{threads}")
        results.append((bytes_of(out), open(f"plans{threads}").read()))
    assert len(results[0][0]) == 27
    assert all(result == results[0] for result in results)


def test_targets_give_the_same_bytes():
    make_tree()
    listed = json.loads(run("targets", "--json").stdout)["targets"]
    results = []
    for target in [row["name"] for row in listed if row["available"]]:
        run("augment", "in", "-o", target, "--target", target, "--severity", 10)
        run("augment", "in", "-o", "forced", "--severity", 10, env={**os.environ, "HALMIX_TARGET": target})
        results += [bytes_of(target), bytes_of("forced")]
        shutil.rmtree("forced")
    assert len(results) >= 2 and all(result == results[0] for result in results)


def test_format_changes_names():
    names = make_tree()
    run("augment", "in", "-o", "out", "--format", "jpeg")
    expected = [name if name.lower().endswith(("jpg", "jpeg")) else name[:-4] + ".jpg" for name in names]
    assert sorted(bytes_of("out")) == sorted(expected)
    assert all(Image.open("out/" + name).format == "JPEG" for name in expected)
    picture().save("in/top.jpg")
    assert failure("augment", "in", "-o", "out2", "--format", "png", code=2).count("in/top.") == 2
    assert not os.path.exists("out2")


def test_views():
    make_tree()
    run("augment", "in/top.png", "-o", "result.png", "--views", 3, "--seed", 8)
    results = [open(f"result_v{k}.png", "rb").read() for k in range(3)]
    assert len(set(results)) == 3
    run("augment", "in/top.png", "-o", "single.png", "--seed", 8)
    assert open("single.png", "rb").read() == results[0]
    run("augment", "in", "in/dogs/a.JPG", "-o", "out", "--views", 2)
    assert {"top_v0.png", "top_v1.png", "cats/b_v1.JPEG", "a_v0.JPG"} <= set(bytes_of("out"))


def test_files_and_folders_to_a_folder():
    make_tree()
    picture().save("x.png")
    run("augment", "x.png", "in", "in/cats/a.jpg", "-o", "out")
    assert {"x.png", "a.jpg", "cats/a.jpg"} <= set(bytes_of("out"))
    run("augment", "x.png", "-o", "new/")
    assert os.listdir("new") == ["x.png"]
    run("augment", "x.png", "-o", "in")
    assert os.path.exists("in/x.png")
    line = failure("augment", "in/cats", "in/dogs", "in/cats", "-o", "out3", code=2)
    assert "in/cats/a.jpg" in line and "out3/a.jpg" in line
    assert not os.path.exists("out3")


def test_results_inside_the_input_folder_are_not_taken_again():
    names = make_tree()
    for _ in range(2):
        run("augment", "in", "-o", "in/out")
        assert sorted(bytes_of("in/out")) == sorted(names)
    run("augment", "in", "-o", "./in/../in/out", cwd=os.getcwd())
    assert sorted(bytes_of("in/out")) == sorted(names)


def test_in_place():
    names = make_tree()
    run("augment", "in", "-o", "out")
    expected = bytes_of("out")
    run("augment", "in", "-o", "in")
    result = bytes_of("in")
    assert {name: result[name] for name in names} == expected
    # A result may not replace an input that is still to be read.
    picture().save("in/top_v0.png")
    before = bytes_of("in")
    line = failure("augment", "in", "-o", "in", "--views", 2, code=2)
    assert "in/top.png" in line and "in/top_v0.png" in line
    assert bytes_of("in") == before


def test_symbolic_links():
    picture(seed=1).save("target.png")
    os.mkdir("in")
    os.symlink("../target.png", "in/link.png")
    os.symlink("..", "in/loop")
    run("augment", "in", "-o", "out")
    assert os.listdir("out") == ["link.png"]
    os.symlink("target.png", "link.png")
    run("augment", "in/link.png", "-o", "link.png")
    assert os.path.islink("link.png") and not os.path.islink("target.png")
    assert open("target.png", "rb").read() == open("out/link.png", "rb").read()


def test_links_that_lead_nowhere():
    picture().save("in.png")
    run("augment", "in.png", "-o", "expected.png")
    os.mkdir("there")
    for name, target in ("a.png", "there/a.png"), ("b.png", "a.png"), ("c.png", os.path.abspath("there/c.png")):
        os.symlink(target, name)
        run("augment", "in.png", "-o", name)
        assert os.readlink(name) == target
        assert open(name, "rb").read() == open("expected.png", "rb").read()
    assert sorted(os.listdir("there")) == ["a.png", "c.png"]
    os.symlink("missing/d.png", "d.png")
    assert failure("augment", "in.png", "-o", "d.png", code=1).startswith("d.png: cannot be written: No such file")
    os.symlink("loop.png", "loop.png")
    before = sorted(os.listdir())
    for command in "augment", "apply --ops equalize", "figure":
        line = failure(*command.split(), "in.png", "-o", "loop.png", code=1)
        assert line.startswith("loop.png: cannot be written: ") and line.endswith(", which leads to itself"), line
    assert failure("augment", "there", "-o", "loop.png", code=1).startswith("loop.png: cannot be created: ")
    assert failure("augment", "loop.png", "-o", "out.png", code=1).startswith("loop.png: cannot be read: ")
    assert sorted(os.listdir()) == before


# ---- plans ----


def test_plan_of_one_image():
    picture().save("in.jpg")
    run("augment", "in.jpg", "-o", "out.png", "--plan-out", "plan.json", "--seed", 3, "--fill", "1,2,3")
    plan = json.load(open("plan.json"))
    assert (plan["version"], plan["width"], plan["height"], plan["fill"]) == (1, 64, 48, [1, 2, 3])
    run("replay", "in.jpg", "-o", "again.png", "--plan", "plan.json")
    assert open("out.png", "rb").read() == open("again.png", "rb").read()

    picture(65, 48).save("other.png")
    line = failure("replay", "other.png", "-o", "no.png", "--plan", "plan.json", code=1)
    assert line.startswith("other.png: ") and "65 x 48" in line and "64 x 48" in line
    for bad in ("", "{}", "[" * 100000, json.dumps({**plan, "chains": []}), "\0", '{"version": 2}'):
        open("bad.json", "w").write(bad)
        assert failure("replay", "in.jpg", "-o", "no.png", "--plan", "bad.json", code=1).startswith("bad.json: ")
    assert not os.path.exists("no.png")


def test_a_plan_file_that_is_too_long():
    picture().save("in.png")
    with open("large.json", "wb") as file:
        file.truncate(1 << 40)
    with open("brackets.json", "w") as file:
        file.write("[" * ((1 << 20) + 1))
    os.mkfifo("pipe.json")
    endless = subprocess.Popen(["sh", "-c", "exec yes > pipe.json"], stderr=subprocess.DEVNULL)
    little_memory = None if SANITIZED else limit("RLIMIT_AS", 256 << 20)
    for name in ("large.json", "brackets.json", "pipe.json", "/dev/zero"):
        line = failure("replay", "in.png", "-o", "out.png", "--plan", name, code=1, preexec_fn=little_memory)
        assert line == f"{name}: has more than 1048576 bytes; use a smaller file"
    assert endless.wait() != 0  # the pipe was closed
    assert not os.path.exists("out.png")


def test_plans_of_many_images():
    names = make_tree()
    run("augment", "in", "-o", "out", "--views", 2, "--plan-out", "plans.jsonl", "--threads", 3)
    lines = [json.loads(line) for line in open("plans.jsonl")]
    assert [(line["file"], line["view"]) for line in lines] == [(name, view) for name in names for view in (0, 1)]
    for line in lines:
        json.dump(line["plan"], open("plan.json", "w"))
        stem, dot, extension = line["file"].rpartition(".")
        run("replay", "in/" + line["file"], "-o", "again." + extension, "--plan", "plan.json")
        with open(f"out/{stem}_v{line['view']}.{extension}", "rb") as result, open("again." + extension, "rb") as again:
            assert result.read() == again.read(), line["file"]


def test_policy_options_reach_the_plan():
    picture().save("in.png")
    run("augment", "in.png", "-o", "out.png", "--plan-out", "p", "--width", 5, "--depth", 2, "--ops", "rotate,equalize:3")
    plan = json.load(open("p"))
    assert [len(chain["ops"]) for chain in plan["chains"]] == [2] * 5
    assert {op["op"] for chain in plan["chains"] for op in chain["ops"]} <= {"rotate", "equalize"}
    seen = {open("p").read()}
    for option in (["--seed", 1], ["--epoch", 1], ["--index", 1], ["--severity", 9], ["--alpha", 2], ["--fill", "#ff8000"]):
        run("augment", "in.png", "-o", "out.png", "--plan-out", "p", *option)
        seen.add(open("p").read())
    assert len(seen) == 7
    assert json.load(open("p"))["fill"] == [255, 128, 0]


@pytest.mark.parametrize("filter", ["bilinear", "bicubic"])
def test_crops(filter):
    """Cut out, resized and flipped as Pillow does it, then augmented; views and threads are of the same crop."""
    names = make_tree()
    options = ["--crop", "33x21", "--filter", filter, "--views", 3, "--seed", 4, "--format", "png"]
    run("augment", "in", "-o", "out", *options, "--plan-out", "plans.jsonl", "--threads", 3)
    lines = [json.loads(line) for line in open("plans.jsonl")]
    assert len(lines) == 3 * len(names)
    flipped = 0
    for line in lines:
        plan = line["plan"]
        box = plan["resized_crop"]
        assert box == next(one for one in lines if one["file"] == line["file"])["plan"]["resized_crop"]
        assert (plan["version"], plan["width"], plan["height"]) == (2, 33, 21)
        image = Image.open("in/" + line["file"])
        part = image.crop((box["left"], box["top"], box["left"] + box["width"], box["top"] + box["height"]))
        part = part.resize((33, 21), Image.Resampling[filter.upper()])
        flipped += box.get("mirror", False)
        (ImageOps.mirror(part) if box.get("mirror") else part).save("part.png")
        json.dump({name: plan[name] for name in ("width", "height", "mix", "chains")} | {"version": 1}, open("alone.json", "w"))
        run("replay", "part.png", "-o", "expected.png", "--plan", "alone.json")
        json.dump(plan, open("plan.json", "w"))
        run("replay", "in/" + line["file"], "-o", "again.png", "--plan", "plan.json")
        stem, _, extension = line["file"].rpartition(".")
        extension = extension if extension.lower() == "png" else "png"
        for name in f"out/{stem}_v{line['view']}.{extension}", "again.png":
            np.testing.assert_array_equal(pixels(name), pixels("expected.png"))
    assert 0 < flipped < len(lines)


def test_fill_is_seen():
    Image.new("RGB", (20, 20), "blue").save("in.png")
    Image.new("L", (20, 20), 9).save("gray.png")
    run("apply", "in.png", "-o", "out.png", "--ops", "translate_x=5", "--fill", "200,100,50")
    assert pixels("out.png")[3, 19].tolist() == [200, 100, 50] and pixels("out.png")[3, 14].tolist() == [0, 0, 255]
    run("apply", "gray.png", "-o", "out.png", "--ops", "translate_x=5", "--fill", "#c80000")
    assert pixels("out.png")[3, 19] == 200


# ---- files are replaced whole or not at all ----


def test_permissions_of_results():
    picture().save("in.png")
    for umask, mode in ((0o022, 0o644), (0o077, 0o600), (0o002, 0o664)):
        run("augment", "in.png", "-o", f"out{mode}.png", preexec_fn=lambda: os.umask(umask))
        assert os.stat(f"out{mode}.png").st_mode & 0o7777 == mode
    os.chmod("in.png", 0o640)
    run("augment", "in.png", "-o", "in.png")
    assert os.stat("in.png").st_mode & 0o7777 == 0o640
    os.chmod("in.png", 0o6755)
    run("augment", "in.png", "-o", "in.png")
    assert os.stat("in.png").st_mode & 0o7777 == 0o755


@pytest.fixture
def as_nobody(monkeypatch):
    """Runs the command as a user without rights, in a folder that he can reach; gives the lines on stderr."""
    if os.getuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv, to become a user without rights")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        command = shutil.copy(HALMIX, folder + "/halmix")
        os.mkdir(folder + "/work")
        monkeypatch.chdir(folder + "/work")

        def run_as_nobody(*arguments):
            done = subprocess.run(
                ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", command, *arguments],
                capture_output=True, timeout=120,
            )
            assert done.returncode == 1, done.stderr
            return done.stderr.decode().splitlines()

        yield run_as_nobody
        monkeypatch.chdir("/")


def test_no_permission(as_nobody):
    os.makedirs("in/closed")
    os.mkdir("open")
    os.chmod("open", 0o777)
    for name in ("in/good.png", "in/secret.png", "in/closed/a.png", "open/kept.png"):
        picture().save(name)
    os.chmod("in/secret.png", 0)
    os.chmod("in/closed", 0)
    os.chmod("open/kept.png", 0o444)
    kept = open("open/kept.png", "rb").read()

    (line,) = as_nobody("augment", "in/secret.png", "-o", "open/x.png")
    assert line.startswith("in/secret.png: cannot be read: Permission denied; change the permissions")
    (line,) = as_nobody("augment", "in/good.png", "-o", "in/x.png")
    assert line.startswith("in/x.png: cannot be written: Permission denied; ")
    (line,) = as_nobody("augment", "in/good.png", "-o", "new/")
    assert line.startswith("new/: cannot be created: Permission denied; ")
    (line,) = as_nobody("augment", "in/good.png", "-o", "open/kept.png")
    assert line.startswith("open/kept.png: cannot be written: Permission denied; ")
    assert open("open/kept.png", "rb").read() == kept
    *lines, summary = as_nobody("augment", "in", "-o", "open/out")
    assert sorted(line.split(": ")[0] for line in lines) == ["in/closed", "in/secret.png"]
    assert summary == "halmix: 1 done, 2 failed"
    assert os.listdir("open/out") == ["good.png"]
    assert sorted(os.listdir("open")) == ["kept.png", "out"]


# ---- the command line ----


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ("", "subcommand is required"),
        ("bogus", "bogus"),
        ("augment", "IN is required"),
        ("augment in.png", "--output is required"),
        ("augment in.png -o out.png --bogus", "--bogus"),
        ("augment in.png -o out.png --quality 0", "--quality"),
        ("augment in.png -o out.png --quality 101", "--quality"),
        ("augment in.png -o out.png --quality x", "--quality"),
        ("augment in.png -o out.png --severity 10.5", "severity"),
        ("augment in.png -o out.png --severity -1", "severity"),
        ("augment in.png -o out.png --severity nan", "severity"),
        ("augment in.png -o out.png --width 0", "width"),
        ("augment in.png -o out.png --width 17", "width"),
        ("augment in.png -o out.png --depth 0", "depth"),
        ("augment in.png -o out.png --depth 17", "depth"),
        ("augment in.png -o out.png --alpha 0", "alpha"),
        ("augment in.png -o out.png --alpha inf", "alpha"),
        ("augment in.png -o out.png --ops bogus", "bogus"),
        ("augment in.png -o out.png --ops rotate,,color", "ops"),
        ("augment in.png -o out.png --fill 1,2", "--fill"),
        ("augment in.png -o out.png --fill 1,2,256", "--fill"),
        ("augment in.png -o out.png --fill 1,2,3,4", "--fill"),
        ("augment in.png -o out.png --fill #12345", "--fill"),
        ("augment in.png -o out.png --fill #12345g", "--fill"),
        ("augment in.png -o out.png --seed -1", "--seed"),
        ("augment in.png -o out.png --seed 18446744073709551616", "--seed"),
        ("augment in.png -o out.png --epoch 4294967296", "--epoch"),
        ("augment in.png -o out.png --index 1.5", "--index"),
        ("augment in.png -o out.png --views 0", "--views"),
        ("augment in.png -o out.png --threads 0", "--threads"),
        ("augment in.png -o out.png --target bogus", "this build has auto, cpu-"),
        ("augment in.png -o out.png --format gif", "--format"),
        ("augment in.png out.png", "--output is required"),
        ("apply in.png -o out.png", "--ops is required"),
        ("apply in.png -o out.png --ops rotate", "rotate needs a value"),
        ("apply in.png -o out.png --ops equalize=1", "equalize takes no value"),
        ("apply in.png -o out.png --ops rotate=", "rotate"),
        ("apply in.png -o out.png --ops rotate=12x", "rotate"),
        ("apply in.png -o out.png --ops rotate=361", "rotate"),
        ("apply in.png -o out.png --ops posterize=2.5", "posterize"),
        ("apply in.png -o out.png --ops equalize,", "op"),
        ("apply in.png in.png -o out.png --ops equalize", "in.png"),
        ("replay in.png -o out.png", "--plan is required"),
        ("targets --bogus", "--bogus"),
    ],
)
def test_wrong_command_lines(arguments, expected):
    picture().save("in.png")
    line = failure(*arguments.split(), code=2)
    assert line.startswith("halmix") and expected in line, line
    assert os.listdir() == ["in.png"]


def test_wrong_forced_target():
    picture().save("in.png")
    wrong = {**os.environ, "HALMIX_TARGET": "bogus"}
    assert "bogus" in failure("augment", "in.png", "-o", "out.png", code=2, env=wrong)
    listed = json.loads(run("targets", "--json", code=2, env=wrong).stdout)
    assert listed["chosen"] is None and "bogus" in listed["reason"] and listed["targets"]


def test_targets():
    listed = json.loads(run("targets", "--json").stdout)
    assert set(listed) == {"features", "targets", "chosen", "reason"}
    available = [row["name"] for row in listed["targets"] if row["available"]]
    assert listed["chosen"] == available[0] and listed["reason"]
    assert all(row["pipelines"] > 0 and row["needs"] for row in listed["targets"])
    text = run("targets").stdout.decode()
    assert all(row["name"] in text for row in listed["targets"]) and "chosen: " + listed["chosen"] in text


def test_version():
    assert re.fullmatch(r"halmix \d+\.\d+\.\d+\n", run("--version").stdout.decode())


@pytest.mark.parametrize("subcommand", ["", "augment", "apply", "replay", "targets"])
def test_help_has_examples_that_run(subcommand):
    picture().save("photo.jpg")
    os.mkdir("photos")
    picture().save("photos/a.jpg")
    run("augment", "photo.jpg", "-o", "first.png", "--plan-out", "plan.json")
    text = run(*subcommand.split(), "--help").stdout.decode()
    examples = [line.strip() for line in text.split("Example")[1].splitlines() if line.startswith("  halmix ")]
    assert examples
    for example in examples:
        command = example.replace("halmix", f"'{HALMIX}'", 1)
        subprocess.run(command, shell=True, check=True, capture_output=True, timeout=60)
        out = re.search(r"-o (\S+)", example)
        assert out is None or os.path.exists(out[1])


def test_help_lists_the_ops():
    text = run("apply", "--help").stdout.decode()
    for op in ("autocontrast", "rotate", "translate_y", "sharpness"):
        assert re.search(rf"^  {op} ", text, re.MULTILINE)
    assert re.search(r"^  rotate +-360\.\.360 degrees", text, re.MULTILINE)


COMPARE = ("compare", "--sizes", "9x9", "--batches", "1", "--seconds", "0", "--target", "cpu-sse41")
PRINTING = [
    ("--help",), ("--version",), *((name, "--help") for name in ("augment", "apply", "replay", "figure", "targets", "compare")),
    ("targets",), ("targets", "--json"), COMPARE, (*COMPARE, "--json", "-"),
]


@pytest.mark.parametrize("arguments", PRINTING)
def test_lost_output_is_a_failure(arguments):
    def failure_without_output(**how):
        done = subprocess.run([HALMIX, *arguments], stderr=subprocess.PIPE, timeout=120, **how)
        assert done.returncode == 1, done.stderr
        return done.stderr.decode()

    with open("/dev/full", "w") as full:
        assert failure_without_output(stdout=full) == (
            "halmix: standard output: cannot be written: No space left on device; free some space or write to another disk\n"
        )
    assert failure_without_output(preexec_fn=lambda: os.close(1)) == (
        "halmix: standard output: cannot be written: Bad file descriptor; do not close it\n"
    )


def test_lost_output_leaves_the_files():
    with open("/dev/full", "w") as full:
        process = subprocess.run([HALMIX, *COMPARE, "--json", "a.json", "--plot", "a.png"], stdout=full, stderr=subprocess.PIPE)
    assert process.returncode == 1 and b"standard output" in process.stderr
    assert json.load(open("a.json"))["identical"] and pixels("a.png").size


def test_values_of_apply():
    picture().save("in.png")
    run("apply", "in.png", "-o", "a.png", "--ops", "rotate=-12,equalize,color=1.3,translate_x=9")
    run("apply", "in.png", "-o", "b.png", "--ops", "rotate=-12.0,equalize,color=+1.30,translate_x=+9")
    assert open("a.png", "rb").read() == open("b.png", "rb").read() != open("in.png", "rb").read()
    image = ImageOps.equalize(picture().rotate(-12, Image.Resampling.BILINEAR))
    run("apply", "in.png", "-o", "c.png", "--ops", "rotate=-12,equalize")
    np.testing.assert_array_equal(pixels("c.png"), np.asarray(image))


def test_pipes():
    picture().save("in.png")
    run("augment", "in.png", "-o", "out.png")
    done = run("augment", "/dev/stdin", "-o", "/dev/stdout", "--format", "png", stdin=open("in.png", "rb"))
    assert done.stdout == open("out.png", "rb").read()


def on_a_terminal(*arguments):
    """What the command shows on a terminal."""
    parent, child = pty.openpty()
    process = subprocess.Popen([HALMIX, *arguments], stderr=child, stdout=child, stdin=subprocess.DEVNULL)
    os.close(child)
    shown = b""
    while True:
        try:
            part = os.read(parent, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(parent)
    return process.wait(), shown.decode()


def test_progress_bar():
    for i in range(1, 10):
        picture().save(f"{i}.png")
    os.mkfifo("0.png")
    # Whoever reads the first input waits for more than the second after which the bar is shown.
    late = subprocess.Popen(["sh", "-c", "exec > 0.png; sleep 1.2; cat 1.png"])
    inputs = [f"{i}.png" for i in range(10)]
    code, shown = on_a_terminal("augment", *inputs, "missing.png", "-o", "out", "--threads", "1")
    assert late.wait() == 0 and code == 1
    assert re.search(r"\r\x1b\[K\[#+\.+\] \d+ of 11, \d+ s left", shown), shown
    # The message stands in a line of its own, and nothing is left of the bar.
    assert re.search(r"\r\x1b\[Kmissing\.png: [^\r\n]*\r\n", shown), shown
    assert not re.sub(r"[^\n]*(\x1b\[K|\r\n)", "", shown), shown
    code, shown = on_a_terminal("augment", "1.png", "-o", "out.png")
    assert (code, shown) == (0, "")
