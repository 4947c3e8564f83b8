"""From files to batches: the bytes of Pillow's decoder and augmix_batch; what happens to broken ones."""

import importlib
import io
import pathlib
import struct
import subprocess
import sys
import threading
import time
import warnings
import zlib

import numpy as np
import pytest
from conftest import make_image

import halmix
from halmix import _core

Image = pytest.importorskip("PIL.Image", reason="Pillow makes the files and is what decoding is compared with")
if not hasattr(_core, "decode_batch"):
    pytest.skip("this build has no libjpeg-turbo or libpng", allow_module_level=True)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
JSD = ("clean", "aug", "aug")
ALL = [(dtype, layout) for dtype, layout in halmix._functional.LAYOUTS]


def encoded(pixels, form="JPEG", orientation=1, **options):
    image = Image.fromarray(pixels)
    if orientation != 1:
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = orientation
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def files():
    """Of many kinds and sizes."""
    rng = np.random.default_rng(7)
    kinds = [
        {"quality": 90}, {"quality": 75, "subsampling": 2}, {"progressive": True}, {"form": "PNG"},
        {"orientation": 6}, {"channels": 1}, {"form": "PNG", "channels": 1},
    ]  # fmt: skip
    made = []
    for i in range(21):
        kind = dict(kinds[i % len(kinds)])
        pixels = make_image(rng, 120 + 7 * i, 90 + 5 * i, kind.pop("channels", 3))
        made.append(encoded(pixels, kind.pop("form", "JPEG"), **kind))
    return made


def opened(file, upright=False):
    from PIL import ImageOps

    image = Image.open(io.BytesIO(file))
    return (ImageOps.exif_transpose(image) if upright else image).convert("RGB")


@pytest.mark.parametrize("dtype,layout", ALL)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_bytes_of_pillow_and_augmix_batch(files, dtype, layout, interpolation):
    arguments = {
        "seed": 3, "epoch": 2, "indices": range(100, 100 + len(files)), "views": JSD, "dtype": dtype, "layout": layout,
        "mean": MEAN, "std": STD, "severity": 5, "crop": halmix.RandomResizedCrop((48, 64), interpolation=interpolation),
    }  # fmt: skip
    want = halmix.augmix_batch([opened(file) for file in files], **arguments)
    for threads in 1, 3:
        got = halmix.decode_augment(files, **arguments, threads=threads)
        assert got.dtype == want.dtype and np.array_equal(got, want)


def test_clean_views_are_pillows_crops(files):
    crop = halmix.RandomResizedCrop(56, interpolation="bicubic")
    got = halmix.decode_augment(files, seed=1, views=("clean",), crop=crop)
    for i, file in enumerate(files):
        image = opened(file)
        box = halmix.sample(*image.size, seed=1, index=i, crop=crop).resized_crop
        corner = box["left"], box["top"]
        part = image.crop((*corner, corner[0] + box["width"], corner[1] + box["height"]))
        part = part.resize((56, 56), Image.Resampling.BICUBIC)
        if box["mirror"]:
            part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        assert np.array_equal(got[i], np.asarray(part))


@pytest.mark.parametrize("transform", [b"\0", b"\2"])  # stored as CMYK and as YCCK
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
@pytest.mark.parametrize("crop", [None, 48])
def test_cmyk(rng, transform, subsampling, crop):
    file = io.BytesIO()
    Image.fromarray(make_image(rng, 131, 97)).convert("CMYK").save(file, "JPEG", subsampling=subsampling)
    mark = b"Adobe\0d\0\0\0\0"
    parts = file.getvalue().split(mark + b"\0")
    assert len(parts) == 2
    changed = (mark + transform).join(parts)
    assert Image.open(io.BytesIO(changed)).mode == "CMYK"
    for channels, mode in (3, "RGB"), (1, "L"):
        want = halmix.augmix_batch([Image.open(io.BytesIO(changed)).convert(mode)] * 5, seed=3, crop=crop)
        got = halmix.decode_augment([changed] * 5, seed=3, crop=crop, out=np.empty_like(want))
        assert got.shape[3:] == ((3,) if channels == 3 else ()) and np.array_equal(got, want)


def test_whole_pictures(files):
    images = [opened(file) for file in files]
    want = halmix.augmix_batch(images, seed=3, views=JSD)
    got = halmix.decode_augment(files, seed=3, views=JSD)
    assert isinstance(got, list) and len(got) == len(want) == 3 * len(files)
    assert all(np.array_equal(a, b) for a, b in zip(got, want))
    one = halmix.decode_augment(files[:1] * 4, seed=3)
    assert isinstance(one, np.ndarray) and np.array_equal(one, halmix.augmix_batch(images[:1] * 4, seed=3))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(rng, orientation):
    file = encoded(make_image(rng, 90, 61), orientation=orientation)
    for crop in None, 32:
        for name in "stored", "upright":
            got = halmix.decode_augment([file], seed=3, crop=crop, orientation=name)
            want = halmix.augmix_batch([opened(file, name == "upright")], seed=3, crop=crop)
            assert np.array_equal(got, want)


SMALL = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 14  # each turn of it is another picture


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunks(*chunks, late=False):
    """A PNG with these chunks before its pixels, or behind them."""
    file = encoded(SMALL, form="PNG")
    at = file.index(b"IEND" if late else b"IDAT") - 4
    return file[:at] + b"".join(chunk(*each) for each in chunks) + file[at:]


def with_segments(*segments):
    """A JPEG with these APP1 segments."""
    file = encoded(np.repeat(np.repeat(SMALL, 8, 0), 8, 1))
    return file[:2] + b"".join(b"\xff\xe1" + struct.pack(">H", len(each) + 2) + each for each in segments) + file[2:]


def tiff(*entries, order="<", mark=None, behind=b""):
    """EXIF data of entries of a tag, a type, a count, and the values' bytes, or where they are; and what is behind."""
    listed = b"".join(
        struct.pack(order + "HHI", tag, kind, count)
        + (struct.pack(order + "I", value) if isinstance(value, int) else value.ljust(4, b"\0"))
        for tag, kind, count, value in entries
    )
    mark = mark or (b"II*\0" if order == "<" else b"MM\0*")
    return mark + struct.pack(order + "IH", 8, len(entries)) + listed + bytes(4) + behind


def orientation_of_pillow(file):
    """The file turned as Pillow does it; None where it ends with an error, as it does for some damaged metadata."""
    from PIL import ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(file))).convert("RGB"))
        except Exception:  # of many kinds
            return None


def turns_like_pillow(*files):
    """Checks that each is turned as Pillow turns it; returns how many pictures there are among them."""
    ways = set()
    for file in files:
        want = orientation_of_pillow(file)
        got = halmix.decode_augment([file], seed=1, views=("clean",), orientation="upright")[0]
        if want is None:
            continue
        assert got.shape == want.shape and np.array_equal(got, want), (file, got.shape)
        ways.add((got.shape, got.tobytes()))
    return len(ways)


FORMATS = {1: "B", 2: "c", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 99: "H"}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", FORMATS)
def test_types_of_orientation(order, kind):
    files = []
    for value in (*range(-1 if FORMATS[kind].islower() and kind != 2 else 0, 11), 127):
        for count in 0, 1, 2, 3, 5:
            one = struct.pack(order + FORMATS[kind], b"%d" % (value % 10) if kind == 2 else value)
            values = one * min(count, 1) + struct.pack(order + FORMATS[kind], b"3" if kind == 2 else 3) * (count - 1)
            field, behind = (values, b"") if len(values) <= 4 else (26, values)
            exif = tiff((0x112, kind, count, field), order=order, behind=behind)
            files += [with_chunks((b"eXIf", exif)), with_segments(b"Exif\0\0" + exif)]
    assert turns_like_pillow(*files) == (2 if kind in (1, 2, 7, 99) else 16)  # of PNG and JPEG


def test_forms_of_exif():
    turned = tiff((0x112, 3, 1, 6))
    short = (0x112, 3, 1, 8)
    xmp = b'<x tiff:Orientation="3"/>'
    tiffs = [
        turned, b"Exif\0\0" + turned, b"Exif\0\0" * 2 + turned, b"Exif\0" + turned, b"", b"II", b"II*\0", turned[:9],
        turned[:21], turned[:22], turned[:26], tiff((0x112, 3, 1, 6), mark=b"II\0*"), tiff((0x112, 3, 1, 6), mark=b"IM*\0"),
        tiff((0x112, 3, 1, b"\0\x06"), order=">", mark=b"MM*\0"), tiff((0x112, 3, 1, 6), mark=b"II+\0"), tiff(),
        tiff((0x112, 3, 1, 6), short), tiff((0x112, 3, 0, 6), short), tiff((0x112, 77, 1, 6), short),
        tiff((0x112, 3, 3, 38), short, behind=bytes(6)), tiff((0x112, 3, 9999, 38), short), tiff((0x112, 3, 3, 34), short),
        # An entry before it whose values are cut off, too many, or at no place.
        tiff((0x10E, 2, 30, 40), short), tiff((0x10E, 2, 2000, 8), short), tiff((0x10E, 2, 20, 2**32 - 1), short),
        tiff((0x10E, 2, 20, 8), (0x10F, 2, 20, 8), short), tiff((0x10E, 2, 30, 8), (0x112, 3, 3, 8), short),
        tiff((0x10E, 2**16 - 1, 2**32 - 1, 8), short), tiff((0x10E, 12, 2**32 - 1, 8), short),
    ]
    files = []
    for exif in tiffs:
        for more in (), (xmp,):
            packets = [b"http://ns.adobe.com/xap/1.0/\0" + each for each in more]
            texts = [(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + each) for each in more]
            files += [
                with_segments(b"Exif\0\0" + exif, *packets), with_segments(*packets, b"Exif\0\0" + exif),
                with_chunks((b"eXIf", exif), *texts), with_chunks(*texts, (b"eXIf", exif), late=True),
            ]  # fmt: skip
    # Pieces of it, of which the second goes on where the first ends.
    pieces = [b"Exif\0\0" + each for each in (turned[:9], turned[9:15], b"", turned[15:])]
    files += [with_segments(*pieces), with_segments(pieces[0], b"other", *pieces[1:]), with_segments(*pieces[1:])]
    files += [with_chunks((b"eXIf", turned), (b"eXIf", tiff(short))), with_chunks((b"eXIf", b""), (b"eXIf", turned))]
    assert turns_like_pillow(*files) == 8


def test_orientation_of_xmp():
    pictures = []
    for text in [
        b'<a tiff:Orientation="6"/>', b"<tiff:Orientation>8</tiff:Orientation>", b"<tiff:Orientation>0<", b"tiff:Orientation",
        b'tiff:Orientation="', b"tiff:Orientation='6'", b'tiff:Orientation="9"', b'tiff:Orientation=">7', b"", b"\0",
        b"tiff:Orientation tiff:Orientation>5", b"tiff:Orientation>x tiff:Orientation>25", b"tiff:Orientation>/", b"x" * 70000,
        b"tiff:tiff:Orientation>4", b"\0\0tiff:Orientation>3", b"tiff:Orientation>:",
    ]:  # fmt: skip
        packet = b"http://ns.adobe.com/xap/1.0/\0" + text[:60000]
        pictures += [with_segments(packet), with_segments(b"http://ns.adobe.com/xap/1.0/\0tiff:Orientation>2", packet)]
        key = b"XML:com.adobe.xmp\0"
        for late in False, True:
            pictures += [
                with_chunks((b"iTXt", key + b"\0\0\0\0" + text), late=late),
                with_chunks((b"iTXt", key + b"\0\7en\0title\0" + text), late=late),
                with_chunks((b"iTXt", key + b"\1\0en\0\0" + zlib.compress(text)), late=late),
                with_chunks((b"iTXt", key + b"\1\1\0\0" + zlib.compress(text)), late=late),
                with_chunks((b"iTXt", key + text), late=late),
                with_chunks((b"tEXt", key + text), late=late),
                with_chunks((b"zTXt", key + b"\0" + zlib.compress(text)), late=late),
                with_chunks((b"tEXt", key + b"tiff:Orientation>2"), (b"tEXt", key + text), late=late),
                with_chunks((b"tEXt", b"XML:com.adobe.xml\0" + text), late=late),
            ]
    assert turns_like_pillow(*pictures) > 10


def test_orientation_of_imagemagicks_text():
    pictures = []
    for exif in b"Exif\0\0" + tiff((0x112, 3, 1, 6)), tiff((0x112, 4, 1, 8)), b"", tiff():
        text = exif.hex().encode()
        lines = b"".join(text[i : i + 72] + b"\n" for i in range(0, len(text), 72))
        for body in [
            b"\nexif\n%8d\n" % len(exif) + lines, b"\nexif\n%8d\n" % len(exif) + lines.upper(), b"exif\n" + lines,
            b"\nexif\n8\n" + lines.replace(b"\n", b"\n\n"), b"\nexif\n8\nx" + lines, b"\n\n\n" + text, b"\n\n" + text,
        ]:
            for late in False, True:
                xmp = b"tEXt", b"XML:com.adobe.xmp\0tiff:Orientation>3"
                for kind, value in (b"tEXt", body), (b"zTXt", b"\0" + zlib.compress(body)):
                    raw = kind, b"Raw profile type exif\0" + value
                    pictures += [
                        with_chunks(raw, late=late), with_chunks(raw, xmp, late=late),
                        with_chunks(raw, (b"eXIf", tiff((0x112, 3, 1, 2))), late=late),
                        with_chunks((kind, b"Raw profile type APP1\0" + value), late=late),
                    ]  # fmt: skip
    assert turns_like_pillow(*pictures) == 5


def test_texts_that_are_not_read():
    """Too long ones, with which Pillow refuses the picture, and damaged ones."""
    xmp = b"XML:com.adobe.xmp\0\0" + zlib.compress(b"tiff:Orientation>6" + bytes(1 << 20))
    for text in xmp, xmp[:-7], xmp[:19], b"XML:com.adobe.xmp\0\1" + xmp[19:]:
        file = with_chunks((b"zTXt", text))
        assert halmix.decode_augment([file], seed=1, orientation="upright").shape == (1, 2, 3, 3)


def test_changed_metadata_turns_like_pillow(rng):
    """EXIF data with bytes changed at random."""
    base = tiff((0x100, 4, 1, 7), (0x10E, 2, 6, 62), (0x112, 3, 1, 6), (0x11A, 5, 1, 68), behind=b"Title\0" + bytes(range(8)))
    files = []
    for _ in range(1500):
        exif = bytearray(base[: rng.integers(20, len(base) + 1)] if rng.integers(4) == 0 else base)
        for at in rng.integers(4, len(exif), rng.integers(1, 4)):
            exif[at] = rng.choice([0, 1, 2, 3, 4, 5, 6, 8, 9, 16, 255, exif[at] ^ 1 << int(rng.integers(8))])
        files.append(with_chunks((b"eXIf", bytes(exif))))
    assert turns_like_pillow(*files) > 3


def test_what_files_may_be(files, tmp_path):
    want = halmix.decode_augment(files[:1], seed=3, crop=32)
    path = tmp_path / "ein Bild\udcff.jpg"
    path.write_bytes(files[0])
    array = np.frombuffer(files[0], np.uint8)
    for file in path, str(path), bytearray(files[0]), memoryview(files[0]), array:
        assert np.array_equal(halmix.decode_augment([file], seed=3, crop=32), want)
        assert np.array_equal(halmix.decode_augment((file,), seed=3, crop=32), want)
    torch = sys.modules.get("torch")
    if torch is not None:
        assert np.array_equal(halmix.decode_augment([torch.from_numpy(array.copy())], seed=3, crop=32), want)


def columns(values):
    yield np.array(values, object)
    for module, kinds in ("pandas", ("Series",)), ("pyarrow", ("array", "chunked_array")):
        try:
            module = importlib.import_module(module)
        except ImportError:
            continue
        yield from (getattr(module, kind)([values] if kind == "chunked_array" else values) for kind in kinds)


def test_columns_of_tables(files, tmp_path):
    """As Ray, Arrow and pandas have them, of files, of paths and of indices."""
    indices = [100 + i for i in range(len(files))]
    want = halmix.decode_augment(files, seed=3, indices=indices, crop=32)
    paths = [str(tmp_path / f"{i}") for i in indices]
    for path, file in zip(paths, files):
        pathlib.Path(path).write_bytes(file)
    for images in files, paths:
        for column, keys in zip(columns(images), columns(indices)):
            assert np.array_equal(halmix.decode_augment(column, seed=3, indices=keys, crop=32), want)


def test_gray_results(files):
    out = np.empty((len(files), 32, 32), np.uint8)
    assert halmix.decode_augment(files, seed=3, crop=32, out=out) is not None
    for i in 5, 6:  # gray files
        image = Image.open(io.BytesIO(files[i]))
        assert image.mode == "L"
        assert np.array_equal(out[i], halmix.augmix_batch([image], seed=3, indices=[i], crop=32)[0])


def test_out(files):
    want = halmix.decode_augment(files, seed=3, crop=32, views=JSD, dtype="float32")
    out = np.empty_like(want)
    got = halmix.decode_augment(files, seed=3, crop=32, views=JSD, dtype="float32", out=out)
    assert got.base is out or got is out
    assert np.array_equal(out, want)
    parts = [np.empty(want.shape[2:], np.float32) for _ in range(3 * len(files))]
    got = halmix.decode_augment(files, seed=3, crop=32, views=JSD, dtype="float32", out=parts)
    assert all(a is b for a, b in zip(got, parts))
    assert np.array_equal(np.stack(parts).reshape(want.shape), want)
    for views in ("aug",), JSD:
        assert halmix.decode_augment([], seed=3, crop=32, views=views).shape == (0,)
        assert halmix.augmix_batch([], seed=3, crop=32, views=views).shape == (0,)


def test_fast_is_near(files):
    photo = (pathlib.Path(__file__).parents[2] / "data" / "chelsea.jpg").read_bytes()
    exact = halmix.decode_augment([photo] * 20, seed=3, crop=64, views=("clean",))
    fast = halmix.decode_augment([photo] * 20, seed=3, crop=64, views=("clean",), mode="fast")
    error = np.abs(exact.astype(int) - fast).mean()
    assert 0 < error < 6
    pngs = [file for file in files if file.startswith(b"\x89PNG")]
    both = [halmix.decode_augment(pngs, seed=3, crop=32, mode=mode) for mode in ("exact", "fast")]
    assert np.array_equal(*both)


# Broken pictures.


def broken(files, tmp_path, at):
    """Files, of which some are cut off, empty, no picture, or not there."""
    kinds = [files[0][:200], b"", b"no picture", tmp_path / "missing.jpg"]
    return [kinds[at.index(i) % len(kinds)] if i in at else file for i, file in enumerate(files)]


def test_a_broken_picture_is_named(files, tmp_path):
    path = tmp_path / "half.jpg"
    path.write_bytes(files[0][:300])
    for bad, name in (files[0][:300], r"images\[4\]"), (path, str(path)):
        out = np.full((len(files), 32, 32, 3), 99, np.uint8)
        with pytest.raises(ValueError, match=f"^{name}: is damaged.*JPEG: .*; replace it with an intact copy$"):
            halmix.decode_augment([*files[:4], bad, *files[5:]], seed=3, crop=32, out=out)
        assert (out[4] == 99).all()
        with pytest.raises(ValueError, match=name):
            halmix.decode_augment([*files[:4], bad, *files[5:]], seed=3)
    with pytest.raises(FileNotFoundError, match="missing"):
        halmix.decode_augment([tmp_path / "missing.jpg"], seed=3, crop=32)


@pytest.mark.parametrize("views", [("aug",), JSD])
@pytest.mark.parametrize("form", ["new", "out", "list", "whole"])
@pytest.mark.parametrize("threads", [1, 2])
def test_skip_and_repeat(files, tmp_path, views, form, threads):
    count = len(files)
    at = [0, 3, 4, 10, count - 1]
    arguments = {"seed": 3, "views": views, "crop": None if form == "whole" else 32, "threads": threads}
    want = halmix.decode_augment(files, **arguments)
    ids = {"skip": [i for i in range(count) if i not in at], "repeat": list(range(count))}
    for i in at:
        ids["repeat"][i] = next(k for k in [*range(i, count), *range(count)] if k not in at)
    for on_error, positions in ids.items():
        out = None
        if form == "out":
            out = np.empty_like(want)
        if form == "list":
            out = [np.empty((32, 32, 3), np.uint8) for _ in range(count * len(views))]
        with pytest.warns(RuntimeWarning) as seen:
            got, shown = halmix.decode_augment(
                broken(files, tmp_path, at), **arguments, on_error=on_error, out=out
            )
        assert shown == positions
        assert len(seen) == len(at)
        told = "left out: " if on_error == "skip" else "replaced by another picture: "
        assert str(seen[0].message).startswith(told + "images[0]: ")
        assert str(seen[3].message).startswith(f"{told}{tmp_path / 'missing.jpg'}: cannot be read: No such file")
        if form in ("list", "whole"):
            expected = want if form == "whole" else list(want.reshape(-1, 32, 32, 3))
            expected = [expected[i * len(views) + v] for i in positions for v in range(len(views))]
            assert len(got) == len(expected) and all(np.array_equal(a, b) for a, b in zip(got, expected))
        else:
            assert np.array_equal(got, want[positions])


def test_skip_and_repeat_of_intact_pictures(files):
    want = halmix.decode_augment(files, seed=3, crop=32)
    for on_error in "skip", "repeat":
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            got, shown = halmix.decode_augment(files, seed=3, crop=32, on_error=on_error)
        assert np.array_equal(got, want) and shown == list(range(len(files)))


@pytest.mark.parametrize("crop", [None, 32])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_all_are_broken(crop):
    got, shown = halmix.decode_augment([b"", b"x"], seed=3, crop=crop, on_error="skip")
    assert len(got) == 0 and shown == []
    with pytest.raises(ValueError, match="all 2 pictures are broken, and none can be repeated: images.0.: is empty"):
        halmix.decode_augment([b"", b"x"], seed=3, crop=crop, on_error="repeat")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_parts_and_flips_never_become_something_else(files, rng):
    """A part that is decoded has the right bytes or is broken; nothing crashes."""
    for file in files[0], files[2], files[3]:
        parts = [file[:size] for size in range(0, len(file), max(1, len(file) // 60))]
        want = halmix.decode_augment([file] * len(parts), seed=5, crop=16)
        got, shown = halmix.decode_augment(parts, seed=5, crop=16, on_error="skip")
        assert np.array_equal(got, want[shown])
        flipped = []
        for _ in range(300):
            changed = bytearray(file)
            for at in rng.integers(0, len(file), 3):
                changed[at] ^= 1 << int(rng.integers(8))
            flipped.append(bytes(changed))
        got, shown = halmix.decode_augment(flipped, seed=5, crop=16, mode="fast", on_error="skip")
        assert len(got) == len(shown) < 300


@pytest.mark.parametrize("crop", [None, 16])
def test_max_pixels(rng, crop):
    from halmix._decode import MAX_PIXELS

    assert MAX_PIXELS == 2 * Image.MAX_IMAGE_PIXELS
    small, large = (encoded(make_image(rng, width, 40), form="PNG") for width in (50, 51))
    for limit in 2000, 2039:
        with pytest.raises(ValueError, match=rf"^images\[0\]: is 51 x 40 pixels, more than the {limit} that are allowed; .*max_pixels"):
            halmix.decode_augment([large], seed=3, crop=crop, max_pixels=limit)
    assert np.array_equal(
        halmix.decode_augment([large], seed=3, crop=crop, max_pixels=2040),
        halmix.decode_augment([large], seed=3, crop=crop),
    )
    with pytest.warns(RuntimeWarning, match="more than the 2000"):
        got, shown = halmix.decode_augment([large, small], seed=3, crop=crop, on_error="skip", max_pixels=2000)
    assert shown == [1] and len(got) == 1


@pytest.mark.parametrize("crop", [None, 16])
def test_damaged_pictures_are_pillows_or_refused(rng, scale, crop):
    """Whole, and in windows of which the last row is one: those read all of a file."""
    kinds = [
        {"quality": 90}, {"quality": 75, "subsampling": 2}, {"restart_marker_blocks": 3}, {"channels": 1},
        {"progressive": True}, {"progressive": True, "subsampling": 2, "quality": 60}, {"quality": 30, "optimize": True},
    ]  # fmt: skip
    accepted = differing = 0
    for kind in kinds:
        kind = dict(kind)
        file = encoded(make_image(rng, 90, 70, kind.pop("channels", 3)), **kind)
        for _ in range(60 * scale):
            changed = bytearray(file)
            for at in rng.integers(2, len(file), rng.integers(1, 4)):
                changed[at : at + int(rng.integers(2))] = bytes([int(rng.integers(256))]) * int(rng.integers(2))
            changed = bytes(changed)
            how = {"seed": 3, "crop": crop, "views": ("clean",)}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                whole, shown = halmix.decode_augment([changed, file], on_error="skip", seed=3, damaged="accept", views=("clean",))
                if shown[0] != 0:
                    continue
                strict, _ = halmix.decode_augment([changed, file], on_error="skip", **how)
            accepted += len(strict) == 1
            picture = Image.open(io.BytesIO(changed)).convert("RGB")
            got = halmix.decode_augment([changed], damaged="accept", **how)[0]
            expected = np.asarray(halmix.augmix_batch([picture], **how)[0]) if crop else np.asarray(picture)
            differing += not np.array_equal(np.asarray(got), expected)
    assert differing == 0
    assert accepted > 20


@pytest.mark.parametrize("upright", [False, True])
def test_transparency_and_16_bits(rng, upright):
    pixels = rng.integers(0, 256, (30, 40, 4), np.uint8)
    files = [encoded(pixels, "PNG"), encoded(pixels[..., :2].copy(), "PNG"), encoded(pixels, "PNG", orientation=6)]
    how = {"seed": 3, "views": ("clean",), "orientation": "upright" if upright else "stored"}
    for file in files:
        with pytest.raises(ValueError, match="has transparent pixels"):
            halmix.decode_augment([file], **how)
        got = halmix.decode_augment([file], unsupported="convert", **how)[0]
        assert np.array_equal(got, np.asarray(opened(file, upright)))
    deep = rng.integers(0, 65536, (30, 40), np.uint16)
    got = halmix.decode_augment([encoded(deep, "PNG")], unsupported="convert", **how)[0]
    assert np.array_equal(got, np.repeat((deep >> 8).astype(np.uint8)[..., None], 3, 2))


# Arguments.


@pytest.mark.parametrize("arguments,error,message", [
    ({"mode": "quick"}, ValueError, "mode: 'quick'; allowed are exact, fast"),
    ({"orientation": 1}, ValueError, "orientation: 1; allowed are stored, upright"),
    ({"on_error": None}, ValueError, "on_error: None; allowed are raise, repeat, skip"),
    ({"unsupported": "skip"}, ValueError, "unsupported: 'skip'; allowed are refuse, convert"),
    ({"damaged": True}, ValueError, "damaged: True; allowed are refuse, accept"),
    ({"max_pixels": 0}, ValueError, "max_pixels: 0; allowed are whole numbers 1..2147483647"),
    ({"images": b"x"}, TypeError, "images: bytes; allowed are lists of bytes and of paths"),
    ({"images": "x.jpg"}, TypeError, "images: str; allowed are lists"),
    ({"images": np.zeros(4, np.uint8)}, TypeError, "images: ndarray; allowed are lists"),
    ({"images": iter([b"x"])}, TypeError, "images: list_iterator; allowed are lists"),
    ({"images": [1]}, TypeError, r"images\[0\]: int; allowed are the bytes of JPEG and PNG files, and paths"),
    ({"images": [np.zeros((4, 4), np.uint8)[:, ::2]]}, ValueError, r"images\[0\]: memory with gaps"),
    ({"indices": [1, 2]}, ValueError, "indices: 2 for 1 images"),
    ({"indices": [-1]}, ValueError, "indices: -1; allowed are whole numbers"),
    ({"views": ("raw",)}, ValueError, "views: "),
    ({"dtype": "int8"}, ValueError, "dtype, layout"),
    ({"threads": -1}, ValueError, "threads: -1"),
    ({"out": np.zeros((1, 8, 8, 3), np.uint8)}, ValueError, "out: 8x8 pixels; allowed is the crop's size, 16x16"),
    ({"out": np.zeros((2, 16, 16, 3), np.uint8)}, ValueError, "out: room for 2 results; there are 1"),
])  # fmt: skip
def test_arguments(files, arguments, error, message):
    with pytest.raises(error, match=message):
        halmix.decode_augment(**{"images": files[:1], "seed": 1, "crop": 16, **arguments})


def test_without_the_decoder(files, monkeypatch):
    monkeypatch.delattr(_core, "decode_batch")
    with pytest.raises(ImportError, match="halmix was built without libjpeg-turbo and libpng.*reinstall halmix"):
        halmix.decode_augment(files, seed=3, crop=32)


# Threads.


def test_from_many_threads(files):
    want = halmix.decode_augment(files, seed=3, crop=32)
    results = [None] * 6

    def work(i):
        results[i] = halmix.decode_augment(files, seed=3, crop=32)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert all(np.array_equal(result, want) for result in results)


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c(threads):
    program = (
        "import halmix, io, os, signal, sys, threading, time\n"
        "file = open(sys.argv[1], 'rb').read()\n"
        "halmix.decode_augment([file], seed=1, crop=224)\n"
        "threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
        "try:\n"
        "    halmix.decode_augment([file] * 20000, seed=1, crop=32, threads=int(sys.argv[2]))\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    photo = pathlib.Path(__file__).parents[2] / "data" / "chelsea.jpg"
    begin = time.monotonic()
    printed = subprocess.check_output([sys.executable, "-c", program, photo, str(threads)], text=True)
    assert printed == "interrupted\n"
    assert time.monotonic() - begin < 5
