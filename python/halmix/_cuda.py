"""torch's tensors on a GPU: computed where they are, in the order of torch's current stream, without a copy.

What is handed over is DLPack's capsule. It is made with ``stream=-1``, "no other stream will use this", which is so:
with a stream torch would look whether it has to wait, and in older versions have the default stream wait.
"""

import contextlib
import sys

from . import _core
from ._engine import of_gpu

HWC = _core.Layout.u8_hwc
CHW = _core.Layout.u8_chw
LEVELS = _core.Normalization((0, 0, 0), (1, 1, 1))


def pieces(tensor, layout):
    """A tensor (N, C, H, W), or (N, H, W, C) if that is its layout, in the order that its memory has."""
    torch = sys.modules["torch"]
    if layout is CHW and not tensor.is_contiguous() and tensor.is_contiguous(memory_format=torch.channels_last):
        return tensor.permute(0, 2, 3, 1), HWC
    return tensor, layout


def queue(call, engine, draws, images, out, layout, normalization=LEVELS):
    """Has the results for levels (N, C, H, W) written to `out`; ``call(engine, *draws, ...)`` is one of `_core`'s."""
    torch = sys.modules["torch"]
    source, source_layout = pieces(images, CHW)
    result, layout = pieces(out, layout)
    on_device, stream = contextlib.nullcontext(), 0
    if images.is_cuda:
        engine = of_gpu(images.device.index, engine)
        on_device, stream = torch.cuda.device(images.device), torch.cuda.current_stream(images.device).cuda_stream

    def compute():
        call(
            engine, *draws, source.contiguous().__dlpack__(stream=-1), source_layout,
            result.__dlpack__(stream=-1), layout, normalization, stream,
        )  # fmt: skip

    with on_device:
        try:
            compute()
        except MemoryError:
            # What torch keeps for its next tensors may be what lacks.
            torch.cuda.empty_cache()
            compute()


def run_plans(levels, plan, engine, size=None):
    """The results of ``plan(width, height)``, called for each image of levels (C, H, W) or (N, C, H, W); they have the
    images' size unless there is one, (width, height)."""
    torch = sys.modules["torch"]
    images = levels if levels.ndim == 4 else levels[None]
    count, channels, height, width = images.shape
    if channels not in (1, 3) or width < 1 or height < 1:
        raise ValueError(
            f"image: a tensor of shape {tuple(levels.shape)}; allowed are 1 or 3 channels, and at least one pixel"
        )
    out = torch.empty_like(images) if size is None else images.new_empty((count, channels, *size[::-1]))
    if count:
        queue(_core.run_whole, engine, ([plan(width, height) for _ in range(count)],), images, out, CHW)
    return out if levels.ndim == 4 else out[0]
