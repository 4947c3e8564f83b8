"""Images of other libraries: what they hold is handed to the library, and the result is what they were."""

import functools
import sys

import numpy as np

from . import _core
from ._cuda import CHW, HWC, run_plans

#: Channels of the modes of Pillow that have one byte for each.
MODES = {"L": 1, "RGB": 3}

ALLOWED = "PIL images (L, RGB), NumPy arrays (uint8; HW, HWC) and torch tensors (uint8 or floats 0..1; CHW, NCHW)"


def is_pillow(image):
    """Whether this is an image of Pillow, which need not be there."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(image, pillow.Image)


def is_tensor(image):
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(image, torch.Tensor)


def is_cuda(image):
    return is_tensor(image) and image.is_cuda


def compute(image, call, plan, engine=None, size=None):
    """The result of `call(source, layout, out)` for an image, as an image of the same type, and of the same size unless
    there is one, (width, height).

    Images on a GPU are computed together: of each, the plan that `plan(width, height)` gives, on that engine.
    """
    if isinstance(image, np.ndarray):
        out = np.empty(image.shape if size is None else (*size[::-1], *image.shape[2:]), np.uint8)
        call(image, HWC, out)
        return out
    if is_pillow(image):
        return _compute_pillow(image, call, size or image.size)
    if is_tensor(image):
        return _like_tensor(compute_levels(image, call, plan, engine, size), image)
    raise TypeError(f"image: {type(image).__name__}; allowed are {ALLOWED}")


def size_of(source, layout):
    """Width and height of what `compute` hands to its call."""
    if type(source) is tuple:
        return source[1:3]
    if source.ndim < 2 or source.size == 0:
        raise ValueError(f"image: shape {source.shape}; allowed are HW and HWC, with one pixel at least")
    return source.shape[:0:-1] if layout is CHW else source.shape[1::-1]


def pillow_source(image):
    """What the library reads a Pillow image from: its own memory if Pillow shows it, else a copy of it."""
    channels = MODES.get(image.mode)
    if channels is None:
        raise ValueError(f'image: mode {image.mode}; allowed are L and RGB, which image.convert("RGB") makes')
    width, height = image.size
    if width < 1 or height < 1:
        raise ValueError(f"image: {width}x{height}; allowed are images of one pixel at least")
    if _shows_memory() and (_shows_borrowed_memory() or _owns_memory(image)):
        try:
            image.load()
            return (image.im.__arrow_c_array__(), width, height, channels)
        except ValueError:
            pass  # in several blocks: larger than 16 MB
    pixels = np.frombuffer(image.tobytes(), np.uint8)
    return pixels.reshape((height, width) if channels == 1 else (height, width, channels))


@functools.cache
def _shows_memory():
    """Whether this Pillow hands out its memory, rightly: since 11.2.1, and up to 12.3 for rows without padding only."""
    pillow = sys.modules["PIL.Image"]
    return hasattr(pillow, "fromarrow") and pillow.core.get_alignment() == 1


@functools.cache
def _shows_borrowed_memory():
    """Whether this Pillow hands out memory that is not its own: before 13 that was a read of address 0."""
    return int(sys.modules["PIL.Image"].core.PILLOW_VERSION.split(".")[0]) >= 13


def _owns_memory(image):
    """Whether Pillow has allocated it; it may be an array's, a mapped file's, or our own, which are read-only."""
    image.load()
    return not image.readonly


def _compute_pillow(image, call, size):
    pillow = sys.modules["PIL.Image"]
    source = pillow_source(image)
    if type(source) is tuple:
        pixels = _core.Pixels(*size, source[3])
        call(source, HWC, pixels)
        return pillow.fromarrow(pixels, image.mode, size)
    out = np.empty((*size[::-1], *source.shape[2:]), np.uint8)
    call(source, HWC, out)
    return pillow.frombytes(image.mode, size, out)


def tensor_levels(image):
    """The levels of a tensor, (N,) C, H, W, as a tensor of bytes; floats are 0..1, and their 255th parts dropped."""
    torch = sys.modules["torch"]
    plain = image.detach().as_subclass(torch.Tensor)
    if plain.device.type not in ("cpu", "cuda"):
        raise ValueError(
            f"image: a tensor on {plain.device}; allowed are those on the CPU and with CUDA: image.cpu() makes one"
        )
    if plain.is_floating_point():
        low, high = (float("nan"),) * 2 if plain.numel() == 0 else plain.aminmax()
        if not (low >= 0 and high <= 1):
            raise ValueError(f"image: floats {float(low)}..{float(high)}; allowed are 0..1")
        plain = plain.mul(255).to(torch.uint8)
    elif plain.dtype != torch.uint8:
        raise TypeError(f"image: a tensor of {plain.dtype}; allowed are torch.uint8 and floats 0..1")
    return plain


def compute_levels(image, call, plan, engine=None, size=None):
    """The results for each image of a tensor, as a tensor of bytes; the rest as in `compute`."""
    levels = tensor_levels(image)
    if levels.ndim not in (3, 4):
        raise ValueError(f"image: a tensor of shape {tuple(levels.shape)}; allowed are CHW and NCHW")
    if is_cuda(levels):
        return run_plans(levels, plan, engine, size)
    levels = levels.numpy()
    out = np.empty(levels.shape if size is None else (*levels.shape[:-2], *size[::-1]), np.uint8)
    for source, result in zip(levels, out) if levels.ndim == 4 else [(levels, out)]:
        call(source, CHW, result)
    return sys.modules["torch"].from_numpy(out)


def _like_tensor(levels, image):
    """Levels as a tensor of the image's kind."""
    result = levels
    if image.is_floating_point():
        result = unit_floats(levels, image.dtype)
    tv_tensors = sys.modules.get("torchvision.tv_tensors")
    if tv_tensors is not None and isinstance(image, tv_tensors.TVTensor):
        result = tv_tensors.wrap(result, like=image)
    return result


def unit_floats(levels, dtype):
    """level / 255, as the CPU rounds it: by a plain number, CUDA multiplies with its reciprocal."""
    return levels.to(dtype).div_(levels.new_full((), 255, dtype=dtype))
