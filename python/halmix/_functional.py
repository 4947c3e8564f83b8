"""Pure functions: plans, single images, batches."""

import functools
import os
import sys
from collections.abc import Iterable, Sequence

import numpy as np

from . import _core
from ._cuda import CHW, HWC, queue
from ._engine import chosen
from ._images import compute, is_cuda, is_pillow, is_tensor, pillow_source, tensor_levels
from ._policy import crop_of, fill_color, in_range, make_policy, real

#: Layouts of results by dtype and layout.
LAYOUTS = {
    ("uint8", "HWC"): HWC,
    ("uint8", "CHW"): CHW,
    ("float16", "CHW"): _core.Layout.f16_chw,
    ("float32", "CHW"): _core.Layout.f32_chw,
}
VIEWS = ("clean", "aug")


def sample(
    width, height, *, seed=0, epoch=0, index=0, view=0,
    severity=3, depth=-1, chains=3, alpha=1.0, augmentation_set="all", fill=0, crop=None,
):  # fmt: skip
    """The plan that is drawn for an image of a size: a function of its arguments, the same on every machine.

    Args:
        width, height: of the image, in pixels.
        seed, epoch, index, view: name the draw: of the run, of the pass over the data, of the sample, of its views.
        chains: how many chains are mixed (`AugMix`'s ``width``).
        severity, depth, alpha, augmentation_set, fill: as in `AugMix`.
        crop: a `RandomResizedCrop`, or its size, of which the image is then the source.
    """
    return _core.sample(
        make_policy(severity, chains, depth, alpha, augmentation_set, fill, crop_of(crop)),
        in_range("width", width, 1, 2**31 - 1),
        in_range("height", height, 1, 2**31 - 1),
        (seed, epoch, index, view),
    )


def run(plan, image, *, engine=None):
    """What a plan makes of an image: an image of the same type, computed by an `Engine` if one is named. The image has
    the plan's size, or that of its resized crop's source."""
    if not isinstance(plan, _core.Plan):
        raise TypeError(f"plan: {type(plan).__name__}; allowed is a halmix.Plan")
    call = functools.partial(_core.run, chosen(engine), plan)
    size = (plan.width, plan.height) if plan.resized_crop is not None else None
    return compute(image, call, lambda width, height: plan, engine, size)


def apply(image, ops, *, fill=0, engine=None):
    """Ops one after another: ``apply(image, [("rotate", -12), "equalize"])``. Values have the units of `ops`. Computed
    by an `Engine` if one is named."""
    fill = fill_color(fill)
    # A chain that is all of the mixture: exactly the ops.
    return compute(
        image, functools.partial(_core.apply, chosen(engine), ops, fill),
        lambda width, height: _core.Plan(width, height, 1, [(1, ops)], fill), engine,
    )  # fmt: skip


def augmix_batch(
    images, *, seed, epoch=0, indices=None, views=("aug",), out=None, dtype="uint8", layout=None,
    mean=(0, 0, 0), std=(1, 1, 1), threads=1, progress=False, engine=None,
    severity=3, width=3, depth=-1, alpha=1.0, augmentation_set="all", fill=0, crop=None,
):  # fmt: skip
    """AugMix for a batch, normalised in the same pass: a function of (seed, epoch, index, view) and the pixels.

    Args:
        images: an array of uint8 (N, H, W, C), or a list of images of any sizes: arrays of uint8 (H, W), (H, W, C), PIL
            images (L, RGB), torch tensors of uint8 (C, H, W). A tensor (N, C, H, W) is a batch as well, on the CPU or
            on a GPU of CUDA; see below.
        seed, epoch: of the run; of the pass over the data.
        indices: of each image in the data, N whole numbers; None is 0, 1, 2, ...
        views: of each image: ``"aug"`` an augmented one, the k-th of them with view k; ``"clean"`` the image itself.
        out: an array to write to, or a list of them; None makes new ones.
        dtype: ``"uint8"``; or ``"float32"`` and ``"float16"``, which are ``(level / 255 - mean) / std`` in float32,
            as torchvision's ToTensor and Normalize have it, for float16 rounded once more.
        layout: ``"HWC"`` or ``"CHW"``; None is HWC for uint8, CHW for floats, which have no other.
        mean, std: a number for each channel.
        threads: how many compute on a CPU, the calling one among them; 0 is one for each processor that may be used.
        progress: whether tqdm shows a bar of the images that are done; the batch is then computed in slices. Not for a
            tensor on a GPU, where a batch is only queued.
        engine: the `Engine` that computes; None is the one that ``HALMIX_TARGET`` names, or the processor's best, and
            for a tensor on a GPU that GPU's.
        severity, width, depth, alpha, augmentation_set, fill: as in `AugMix`.
        crop: a `RandomResizedCrop`, or its size, which all views are then of, clean ones as well.

    Returns an array (N, H, W, C) or (N, C, H, W), with more than one view (N, V, ...); a list of N * V arrays for a
    list whose images differ in size or channels. A batch that takes long ends within a twentieth of a second when
    Ctrl-C is pressed; results are then complete or untouched. The GIL is released.

    A tensor on a GPU gives a tensor there, and is not copied, be its memory NCHW or channels_last (others are copied on
    the GPU). The call returns when all is queued in torch's current stream, as torch's own operations do.
    """
    crop = crop_of(crop)
    policy = make_policy(severity, width, depth, alpha, augmentation_set, fill, crop)
    dtype, layout = result_kind(dtype, layout)
    numbers = view_numbers(views)

    sources, source_layout, shapes = _sources(images)
    indices = indices_of(indices, len(shapes))
    shapes = [_result_shape(shape, source_layout, layout, crop) for shape in shapes for _ in views]
    shape = _batch_shape(len(indices), len(views), shapes)
    draws = policy, seed, epoch, indices, numbers
    made_floats = normalization(mean, std)
    threads = in_range("threads", threads, 0, 1024)
    bar = _progress_bar() if progress else None
    if is_cuda(images):
        if progress:
            raise ValueError(f"progress: True for images on {images.device}; allowed are images on the CPU")
        results = _cuda_results(out, sources.device, shape, dtype)
        if shapes:
            flat = results.flatten(0, 1) if len(views) > 1 else results
            queue(_core.augment_whole, engine, draws, sources, flat, LAYOUTS[dtype, layout], made_floats)
        return results

    if is_cuda(out):
        raise ValueError(f"out: a tensor on {out.device}; the images are on the CPU")
    one_shape = len(set(shapes)) <= 1 or not isinstance(sources, list)
    results = out if out is not None else _new_results(shapes, shape if one_shape else None, dtype)
    flat = _flat(results, len(shapes), len(views))
    if bar is not None and shapes:
        _slices(bar, chosen(engine), draws, sources, source_layout, flat, LAYOUTS[dtype, layout], made_floats, threads)
    elif shapes:
        _core.batch(chosen(engine), *draws, sources, source_layout, flat, LAYOUTS[dtype, layout], made_floats, threads)
    return results


def _progress_bar():
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError("progress: True needs tqdm, which is not installed: pip install tqdm") from None
    return tqdm


def _slices(bar, engine, draws, sources, source_layout, flat, layout, made_floats, threads):
    """A batch in slices, each with work enough for all threads, and a bar of them."""
    *key, indices, numbers = draws
    count, views = len(indices), len(numbers)
    size = max(64, 8 * (threads or len(os.sched_getaffinity(0))))
    if not hasattr(flat, "__len__") or len(flat) != count * views:
        size = count  # the library says what is wrong
    with bar(total=count, unit="image") as shown:
        for i in range(0, count, size):
            end = min(i + size, count)
            _core.batch(
                engine, *key, indices[i:end], numbers, sources[i:end], source_layout,
                flat if size >= count else flat[i * views : end * views], layout, made_floats, threads,
            )  # fmt: skip
            shown.update(end - i)


def _cuda_results(out, device, shape, dtype):
    """A tensor for a batch's results: a new one, or the caller's if it is as it must be."""
    torch = sys.modules["torch"]
    wanted = getattr(torch, dtype)
    if out is None:
        return torch.empty(shape, dtype=wanted, device=device)
    if not is_tensor(out):
        raise TypeError(f"out: {type(out).__name__}; allowed is a tensor on {device}, where the images are")
    if out.device != device:
        raise ValueError(f"out: a tensor on {out.device}; allowed is one on {device}, where the images are")
    if out.dtype != wanted or out.shape != shape or not out.is_contiguous():
        raise ValueError(
            f"out: a tensor of {out.dtype}, shape {tuple(out.shape)}; allowed is {wanted}, {shape}, without gaps"
        )
    return out


def result_kind(dtype, layout):
    """The names of dtype and layout, which is the usual one if it is None."""
    if type(dtype).__module__ == "torch":
        dtype = str(dtype).removeprefix("torch.")
    dtype = np.dtype(dtype).name if not isinstance(dtype, str) else dtype
    if layout is None:
        layout = "HWC" if dtype == "uint8" else "CHW"
    if (dtype, layout) not in LAYOUTS:
        raise ValueError(
            f"dtype, layout: {dtype!r}, {layout!r}; allowed are " + " and ".join(f"{d} {order}" for d, order in LAYOUTS)
        )
    return dtype, layout


def indices_of(indices, count):
    """The index of each of `count` images, as a list; what is in it, the library looks at."""
    if indices is None:
        return list(range(count))
    if isinstance(indices, np.ndarray):
        indices = indices.tolist()
    if not isinstance(indices, Iterable):
        raise TypeError(f"indices: {indices!r}; allowed are None and a list of whole numbers")
    indices = list(indices)
    if len(indices) != count:
        raise ValueError(f"indices: {len(indices)} for {count} images; allowed is one for each")
    return indices


def _batch_shape(count, views, shapes):
    """The shape of a batch's results, all of which have that of the first; `shapes` is empty if the batch is."""
    if not shapes:
        return (0,)
    return (count, views, *shapes[0]) if views > 1 else (count, *shapes[0])


def _new_results(shapes, shape, dtype):
    """An array of this shape; without one, a list of arrays."""
    return [np.empty(each, dtype) for each in shapes] if shape is None else np.empty(shape, dtype)


def _flat(results, count, views):
    """A batch's results, one after another: (N * V, ...) of (N, V, ...)."""
    if not isinstance(results, np.ndarray) or views == 1 or results.ndim < 2:
        return results
    flat = results.reshape(count, *results.shape[2:])
    if not np.shares_memory(flat, results):
        raise ValueError("out: views do not lie one after another; allowed are arrays without gaps between them")
    return flat


def view_numbers(views):
    """The number of each view's draw; -1 for clean ones."""
    if not isinstance(views, (tuple, list)) or not views or any(view not in VIEWS for view in views):
        raise ValueError(f'views: {views!r}; allowed are tuples of "clean" and "aug"')
    numbers, augmented = [], 0
    for view in views:
        numbers.append(-1 if view == "clean" else augmented)
        augmented += view != "clean"
    return numbers


def normalization(mean, std):
    """The library's, of numbers for each channel."""
    values = []
    for name, given in ("mean", mean), ("std", std):
        channels = [real(name, value) for value in (given if isinstance(given, Sequence | np.ndarray) else (given,))]
        if len(channels) not in (1, 3):
            raise ValueError(f"{name}: {given!r}; allowed are 1 and 3 numbers")
        values.append(tuple(channels * 3 if len(channels) == 1 else channels))
    return _core.Normalization(*values)


def _sources(images):
    """What the library reads, its layout, and the shape of each image."""
    if is_tensor(images):
        if images.is_floating_point() or images.ndim != 4:
            raise TypeError(f"images: a tensor of {images.dtype}, shape {tuple(images.shape)}; allowed is uint8 NCHW")
        levels = tensor_levels(images)
        return levels if is_cuda(levels) else levels.numpy(), CHW, [levels.shape[1:]] * len(levels)
    if isinstance(images, np.ndarray):
        return images, HWC, [images.shape[1:]] * (len(images) if images.ndim else 0)
    if not isinstance(images, Sequence) or isinstance(images, (str, bytes)):
        raise TypeError(f"images: {type(images).__name__}; allowed are an array, a tensor, and a list of images")
    if len(images) and all(is_tensor(image) for image in images):
        if any(is_cuda(image) for image in images):
            raise ValueError(
                f"images: a list of tensors on {images[0].device}; allowed there is one tensor (N, C, H, W), as "
                "torch.stack makes it"
            )
        levels = [tensor_levels(image).numpy() for image in images]
        return levels, CHW, [one.shape for one in levels]
    sources, shapes = [], []
    for i, image in enumerate(images):
        if is_pillow(image):
            source = pillow_source(image)
            width, height = image.size
            shape = (height, width) if image.mode == "L" else (height, width, 3)
        elif isinstance(image, np.ndarray):
            source, shape = image, image.shape
        else:
            raise TypeError(f"images[{i}]: {type(image).__name__}; allowed are arrays, PIL images, or tensors only")
        sources.append(source)
        shapes.append(shape)
    return sources, HWC, shapes


def _result_shape(shape, source_layout, layout, crop=None):
    """The shape of an image's result, (H, W), (H, W, C) or (C, H, W)."""
    if crop is not None:
        shape = (*shape[:-2], *crop.size) if source_layout is CHW else (*crop.size, *shape[2:])
    if source_layout is CHW:
        return tuple(shape) if layout == "CHW" else (*shape[1:], shape[0])
    if layout == "HWC":
        return tuple(shape)
    return (1, *shape) if len(shape) == 2 else (*shape[2:], *shape[:2])


def ops():
    """The ops, as dictionaries: name, value's range (None if it has none), unit, what it does."""
    names = ("name", "range", "unit", "about")
    return [
        dict(zip(names, (name, (low, high) if valued else None, unit, about)))
        for name, valued, low, high, unit, about in _core.ops()
    ]


def targets():
    """What this build is compiled for, as dictionaries, best first. Loads GPUs' drivers: not before a fork."""
    names = ("name", "available", "needs", "devices", "problem", "pipelines")
    return [dict(zip(names, target)) for target in _core.targets()]
