"""From files to batches: the bytes of Pillow's decoder and augmix_batch; what happens to broken ones."""

import importlib
import io
import pathlib
import subprocess
import sys
import threading
import time
import warnings

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


# Arguments.


@pytest.mark.parametrize("arguments,error,message", [
    ({"mode": "quick"}, ValueError, "mode: 'quick'; allowed are exact, fast"),
    ({"orientation": 1}, ValueError, "orientation: 1; allowed are stored, upright"),
    ({"on_error": None}, ValueError, "on_error: None; allowed are raise, repeat, skip"),
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
