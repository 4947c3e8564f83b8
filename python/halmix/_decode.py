"""From the bytes of pictures to a batch's results, by the library's own decoder."""

import os
import warnings

import numpy as np

from . import _core
from ._engine import chosen
from ._functional import (
    HWC, LAYOUTS, _batch_shape, _flat, _new_results, _result_shape, indices_of, normalization, result_kind,
    view_numbers,
)  # fmt: skip
from ._images import is_tensor
from ._policy import crop_of, in_range, make_policy

CHOICES = {
    "mode": ("exact", "fast"),
    "orientation": ("stored", "upright"),
    "on_error": ("raise", "repeat", "skip"),
    "unsupported": ("refuse", "convert"),
    "damaged": ("refuse", "accept"),
}
MAX_PIXELS = 178_956_970  # Pillow opens no picture that has more


def decode_augment(
    images, *, seed, epoch=0, indices=None, views=("aug",), out=None, dtype="uint8", layout=None,
    mean=(0, 0, 0), std=(1, 1, 1), threads=1, engine=None,
    severity=3, width=3, depth=-1, alpha=1.0, augmentation_set="all", fill=0, crop=None,
    mode="exact", orientation="stored", on_error="raise", max_pixels=MAX_PIXELS,
    unsupported="refuse", damaged="refuse",
):  # fmt: skip
    """`augmix_batch` for JPEG and PNG files: each is decoded once for all its views, and only what the crop needs.

    Args:
        images: a list of files' bytes (bytes, bytearray, memoryview, arrays and tensors of uint8) and of paths; or a column
            of them, an array of NumPy's, pandas' or Arrow's.
        seed, epoch, indices, views, dtype, layout, mean, std, threads: as in `augmix_batch`.
        out: an array to write to, or a list of them; None makes new ones, of RGB. With one channel it gets gray levels.
        engine: an `Engine` of a CPU; None is the one that ``HALMIX_TARGET`` names, or the processor's best.
        severity, width, depth, alpha, augmentation_set, fill: as in `AugMix`.
        crop: a `RandomResizedCrop`, or its size; None keeps whole pictures.
        mode: ``"exact"``: the bytes that `augmix_batch` gives for ``PIL.Image.open(file).convert("RGB")``; ``"fast"``:
            of a JPEG, a part that the crop makes smaller is decoded at the lowest resolution, of 1, 2, 4 and 8 eighths,
            that still has the crop's size. It differs as another filter does, and by up to a pixel in its place.
        orientation: ``"stored"``: which way up pixels are in the file, as with ``Image.open``; ``"upright"``: as EXIF
            or XMP say, with ``ImageOps.exif_transpose``.
        on_error: what happens if a picture is broken, or its file cannot be read. ``"raise"``: ValueError, or OSError,
            with its path, or ``images[i]``; other results are then complete or untouched. ``"repeat"``: the next intact
            picture's results are taken instead, and ``"skip"``: it is left out; both with a RuntimeWarning about it.
        max_pixels: a picture of more, width times height before the crop, is broken; a few bytes can claim any size, and
            memory and time grow with it. The default is Pillow's; up to 2^31 - 1 can be allowed.
        unsupported: PNGs with transparency or 16 bits a channel. ``"refuse"``: they are broken; ``"convert"``: transparency
            is dropped, as ``convert("RGB")`` does it, and the higher 8 bits are taken, as Pillow does it for colours; gray
            ones of 16 bits it would cut off at 255.
        damaged: JPEGs with damage that libjpeg can pass over. ``"refuse"``: they are broken; ``"accept"``: they are read
            where the pixels are Pillow's, and broken where Pillow refuses them or versions of libjpeg-turbo differ.

    Returns what `augmix_batch` does; but with ``on_error`` of ``"repeat"`` and ``"skip"`` a pair: that, and for each
    image of it the position in `images` of the picture that it shows. Raises ValueError if there is none to repeat, and
    ImportError if halmix was built without libjpeg-turbo and libpng. Damage outside the part that is decoded is not
    noticed. The GIL is released, and Ctrl-C ends the batch between two pictures. May be called from many threads, and
    after a fork.
    """
    how = choices(
        mode=mode, orientation=orientation, on_error=on_error, max_pixels=max_pixels, unsupported=unsupported,
        damaged=damaged,
    )  # fmt: skip
    crop = crop_of(crop)
    policy = make_policy(severity, width, depth, alpha, augmentation_set, fill, crop)
    dtype, layout = result_kind(dtype, layout)
    numbers = view_numbers(views)
    made_floats = normalization(mean, std)
    threads = in_range("threads", threads, 0, 1024)
    if is_encoded(images) or not hasattr(images, "__len__"):
        raise TypeError(f"images: {type(images).__name__}; allowed are lists of bytes and of paths")
    if hasattr(images, "to_pylist"):
        images = images.to_pylist()  # of Arrow's, whose strings would be read as bytes
    pictures = Pictures(images, "images", range(len(images)), how)
    indices = indices_of(indices, len(pictures))

    shapes = [_result_shape((*size, 3), HWC, layout) for size in pictures.sizes(crop) for _ in views]
    shape = None
    if len(set(shapes)) <= 1:
        shape = _batch_shape(len(pictures), len(views), shapes)
    results = out if out is not None else _new_results(shapes, shape, dtype)
    shown = []
    if shapes:
        flat = _flat(results, len(shapes), len(views))
        draws = policy, seed, epoch, indices, numbers
        shown = pictures.decode(chosen(engine), draws, flat, LAYOUTS[dtype, layout], made_floats, threads)
        if isinstance(flat, list):
            results = [flat[i * len(views) + v] for i in shown for v in range(len(views))]
        else:
            move(np.asarray(results), enumerate(shown))
            results = results[: len(shown)]
    return results if how["on_error"] == "raise" else (results, shown)


def choices(**given):
    """The arguments that say how files are read, checked."""
    for name, names in CHOICES.items():
        if given[name] not in names:
            raise ValueError(f"{name}: {given[name]!r}; allowed are {', '.join(names)}")
    return {**given, "max_pixels": in_range("max_pixels", given["max_pixels"], 1, 2**31 - 1)}


def is_encoded(image):
    """Whether a sample's image is a file's bytes, be they an array's, or a path."""
    if isinstance(image, np.ndarray) or is_tensor(image):
        return image.ndim == 1 and str(image.dtype).endswith("uint8")
    return isinstance(image, (str, os.PathLike, bytes, bytearray, memoryview))


def move(results, places):
    """Copies results to where they go; places are pairs of that and of where they are, in ascending order."""
    for to, at in places:
        if to != at:
            results[to] = results[at]


class Pictures:
    """The bytes of files; `owner` and `numbers` name those that have no path."""

    def __init__(self, images, owner, numbers, how):
        if not hasattr(_core, "decode_batch"):
            raise ImportError(
                "halmix was built without libjpeg-turbo and libpng, which decode; install them and their headers (on "
                "Debian: apt-get install libjpeg-dev libpng-dev) and reinstall halmix from source"
            )
        self.how = how
        self.files, self.names, self.problems = [], [], []
        for number, image in zip(numbers, images):
            name, problem = f"{owner}[{number}]", ""
            if isinstance(image, (str, os.PathLike)):
                name = os.fsdecode(image).encode(errors="replace").decode()
                try:
                    with open(image, "rb", buffering=0) as file:
                        image = file.read()
                except OSError as error:
                    if how["on_error"] == "raise":
                        raise
                    image, problem = b"", f"{name}: cannot be read: {error.strerror}; check the path"
            elif is_tensor(image):
                image = image.numpy()
            self.files.append(image)
            self.names.append(name)
            self.problems.append(problem)

    def __len__(self):
        return len(self.files)

    def _reading(self):
        how = self.how
        accept = _core.Acceptance(how["max_pixels"], how["unsupported"] == "convert", how["damaged"] == "accept")
        return getattr(_core.Orientation, how["orientation"]), accept

    def sizes(self, crop):
        """Height and width of each one's results. What cannot be read is as large as the first that can."""
        if crop is not None:
            return [crop.size] * len(self)
        sizes = _core.picture_sizes(self.files, self.names, *self._reading())
        usual = next((size for size in sizes if size != (0, 0)), (1, 1))
        return [size[::-1] if size != (0, 0) else usual[::-1] for size in sizes]

    def decode(self, engine, draws, flat, layout, made_floats, threads):
        """Fills in results, all views of a picture one after another. Returns the numbers of the pictures that they
        should show, in the order of the results: `move` then makes it so."""
        on_error = self.how["on_error"]
        problems = _core.decode_batch(
            engine, *draws, self.files, self.names, flat, layout, made_floats, threads,
            getattr(_core.Mode, self.how["mode"]), *self._reading(), on_error != "raise",
        )  # fmt: skip
        problems = [known or found for known, found in zip(self.problems, problems)]
        count = len(self)
        broken = {i for i, problem in enumerate(problems) if problem}
        for i in sorted(broken):
            what = "left out" if on_error == "skip" else "replaced by another picture"
            warnings.warn(f"{what}: {problems[i]}", RuntimeWarning, stacklevel=3)
        if on_error == "skip":
            return [i for i in range(count) if i not in broken]
        if len(broken) == count:
            raise ValueError(f"all {count} pictures are broken, and none can be repeated: {problems[0]}")
        return [next((i + k) % count for k in range(count) if (i + k) % count not in broken) for i in range(count)]
