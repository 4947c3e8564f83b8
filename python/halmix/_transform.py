"""AugMix as a transform: one callable for every kind of image."""

import math
import sys

import numpy as np

from . import _core
from ._engine import engine
from ._images import compute, is_cuda, size_of
from ._policy import crop_of, in_range, make_policy, op_list


class AugMix:
    """AugMix (Hendrycks et al., 2020, https://arxiv.org/abs/1912.02781, as Composer ships it) for single images.

    ``transform(image)`` returns an image of the same type, shape and dtype::

        transform = transforms.Compose([RandomResizedCrop(224), halmix.AugMix(), ToTensor()])

    Args:
        severity: how strong ops are, 0 to 10.
        width: how many chains are mixed, 1 to 16.
        depth: ops in a chain, 1 to 16; -1 draws 1, 2 or 3 for each chain.
        alpha: of the Dirichlet and Beta distributions that weights are drawn from, above 0.
        augmentation_set: ``"all"``, ``"safe"`` (without what ImageNet-C tests) or ``"original"`` (the paper's values),
            or a list of ops, each a name or ``(name, weight)``; `halmix.ops` lists them.
        fill: the level, or red, green and blue, that warps uncover.
        seed: ``None``, or a whole number for results that can be repeated; see below.
        crop: a `RandomResizedCrop`, or its size: a part of the image is cut out, resized and flipped first, all in one
            go. Results are then of that size. With torch's generator the boxes are those of torchvision's
            RandomResizedCrop and RandomHorizontalFlip before this transform, and so are the bytes for PIL images. Not for
            tensors on a GPU.

    torchvision's names ``mixture_width``, ``chain_depth``, ``all_ops`` and ``interpolation`` are understood as well.

    Images are PIL images of mode L or RGB; NumPy arrays of uint8 and shape (H, W), (H, W, 1) or (H, W, 3); torch tensors
    and tv_tensors of shape (C, H, W) or (N, C, H, W), where each image has a draw of its own, of uint8 or of floats
    0 to 1, of which the levels are ``floor(255 x)``, as in Composer. Tensors on a GPU of CUDA are computed there, in torch's
    current stream, with the draws and the bytes of the CPU. Lists of images give lists. Beside an image may
    stand other arguments, such as a label, which are returned as they are.

    What is drawn: with ``seed=None`` each image takes one number from torch's global generator if torch is imported,
    else from NumPy's; so ``torch.manual_seed``, and the seeds that a DataLoader gives its workers, work as for other
    transforms. With a seed, the n-th image that this object is given has the n-th draw of that seed; in a worker of a
    DataLoader the worker's own seed joins in, so that workers and epochs differ. ``index=``, ``epoch=`` and ``view=``
    name a draw instead: its result is a function of them and of ``seed`` (0 if it is None) alone.

    Raises TypeError and ValueError, which name the argument, its value and what is allowed. May be used by many
    threads, after a fork, and pickled; the GIL is released.
    """

    def __init__(
        self, severity=3, width=3, depth=-1, alpha=1.0, augmentation_set="all", fill=0, seed=None, crop=None,
        **torchvision,
    ):  # fmt: skip
        for name, value in torchvision.items():
            if name == "mixture_width":
                width = value
            elif name == "chain_depth":
                depth = value
            elif name == "all_ops":
                augmentation_set = "all" if value else "safe"
            elif name == "interpolation":
                if getattr(value, "value", value) not in ("bilinear", 2):
                    raise ValueError(f"interpolation: {value!r}; allowed is bilinear, which AugMix is defined with")
            else:
                raise TypeError(
                    f"AugMix has no argument {name!r}; it has severity, width, depth, alpha, augmentation_set, fill, "
                    "seed, crop"
                )
        self.severity, self.width, self.depth, self.alpha = severity, width, depth, alpha
        self.augmentation_set = op_list(augmentation_set)
        self.fill = 0 if fill is None else fill
        self.seed = None if seed is None else in_range("seed", seed, 0, 2**64 - 1)
        self.crop = crop_of(crop)
        self._calls = 0
        self._policy = self._make_policy()

    def _make_policy(self):
        return make_policy(
            self.severity, self.width, self.depth, self.alpha, self.augmentation_set, self.fill, self.crop
        )

    def __call__(self, image, *others, index=None, epoch=0, view=0):
        if isinstance(image, (list, tuple)):
            if index is not None:
                raise TypeError(f"index: allowed for single images; this is a list of {len(image)}")
            result = [self(one) for one in image]
            result = tuple(result) if type(image) is tuple else result
        elif index is None:
            result = self._augment(image)
        else:
            result = self._augment(image, (self.seed or 0, epoch, index, view))
        return (result, *others) if others else result

    def _augment(self, image, key=None):
        """Without a key, each image of a batch has the next one."""

        crop = self.crop
        if crop is not None and is_cuda(image):
            raise ValueError(f"crop: {crop!r} for a tensor on {image.device}; allowed there is None")
        torch = sys.modules.get("torch") if crop is not None and key is None and self.seed is None else None

        def call(source, layout, out):
            # In the order of torchvision's transforms: first the crop, then what is done to it.
            box = None if torch is None else _torchvision_box(torch, crop, *size_of(source, layout))
            _core.augment(engine(), self._policy, key or self._next_key(), source, layout, out, box)

        def plan(width, height):
            return _core.sample(self._policy, width, height, key or self._next_key())

        return compute(image, call, plan, size=None if crop is None else crop.size[::-1])

    def _next_key(self):
        """Seed, epoch, index and view of the next draw."""
        torch = sys.modules.get("torch")
        if self.seed is None:
            return _random_seed(torch), 0, 0, 0
        index = self._calls
        self._calls += 1
        worker = torch.utils.data.get_worker_info() if torch is not None else None
        return (self.seed, 0, index, 0) if worker is None else (self.seed ^ worker.seed % 2**64, 1, index, 0)

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "_policy"}

    def __setstate__(self, state):
        vars(self).update(state)
        self._policy = self._make_policy()

    def __repr__(self):
        parts = [f"severity={self.severity}", f"width={self.width}", f"depth={self.depth}", f"alpha={self.alpha}"]
        parts.append(f"augmentation_set={self.augmentation_set!r}")
        parts += [f"fill={self.fill!r}"] if self.fill != 0 else []
        parts += [f"seed={self.seed}"] if self.seed is not None else []
        parts += [f"crop={self.crop!r}"] if self.crop is not None else []
        return f"AugMix({', '.join(parts)})"


def _random_seed(torch):
    """A number from the generator that people seed."""
    if torch is not None:
        return int(torch.empty((), dtype=torch.int64).random_())
    return int(np.random.randint(0, 2**63 - 1, dtype=np.int64))


def _torchvision_box(torch, crop, width, height):
    """Left, top, width, height and flip, drawn from torch's global generator in torchvision's order, in its arithmetic."""

    def uniform(low, high):
        return torch.empty(1).uniform_(low, high)

    def find():
        ratios = torch.log(torch.tensor(crop.ratio))
        for _ in range(10):
            area = width * height * uniform(*crop.scale).item()
            ratio = torch.exp(uniform(*ratios)).item()
            w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < w <= width and 0 < h <= height:
                top = torch.randint(0, height - h + 1, (1,)).item()
                return torch.randint(0, width - w + 1, (1,)).item(), top, w, h
        w, h = width, height
        if width / height < min(crop.ratio):
            h = max(round(width / min(crop.ratio)), 1)
        elif width / height > max(crop.ratio):
            w = max(round(height * max(crop.ratio)), 1)
        return (width - w) // 2, (height - h) // 2, w, h

    return *find(), crop.flip > 0 and torch.rand(1).item() < crop.flip
