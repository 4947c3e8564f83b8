"""AugMix for torch: a data set, a loader whose batches stay in one ring of shared memory, the loss of its views.

    import halmix.torch

    images = ImageFolder(root, transforms.Compose([RandomResizedCrop(224), RandomHorizontalFlip()]))
    dataset = halmix.torch.AugMixDataset(images, seed=7, dtype="float32", mean=mean, std=std)
    loader = halmix.torch.DataLoader(dataset, batch_size=64, shuffle=True, num_workers=8)
    for epoch in range(epochs):
        loader.set_epoch(epoch)
        for pixels, labels in loader:
            ...

With ``views=("clean", "aug", "aug")`` a batch has three views of each image, for `jsd_loss`.
"""

import contextlib
import hashlib
import itertools
import mmap
import os
import random
import struct
import sys
import weakref
from multiprocessing.reduction import DupFd

import numpy as np
import torch
import torch.nn.functional as F
import torch.utils.data
from torch._utils import ExceptionWrapper
from torch.utils.data._utils.pin_memory import pin_memory

from . import _core
from ._decode import MAX_PIXELS, Pictures, choices, is_encoded, move
from ._engine import engine
from ._functional import LAYOUTS, _result_shape, _sources, normalization, view_numbers
from ._policy import crop_of, in_range, make_policy

__all__ = ["AugMixDataset", "DataLoader", "jsd_loss"]


class AugMixDataset(torch.utils.data.Dataset):
    """Another data set's images, augmented and normalised in one pass, by the key (seed, epoch, index, view).

    Args:
        dataset: has ``dataset[index]`` and ``len(dataset)``. A sample is an image, or a tuple whose first member is the
            image; what an image may be says `halmix.augmix_batch`. Its transforms crop and flip, and make no tensors.
            An image may also be a JPEG or PNG file: its bytes, also as an array or a tensor of them, or its path; all
            images of a batch then are.
        views: of each image: ``"aug"`` an augmented one, the k-th of them with view k; ``"clean"`` the image itself.
        seed: 0 to 2^64 - 1.
        dtype, mean, std: of results, as in `halmix.augmix_batch`; they lie as (C, H, W).
        severity, width, depth, alpha, augmentation_set, fill: as in `halmix.AugMix`.
        crop: a `halmix.RandomResizedCrop`, or its size: a part of each image, drawn by its key, resized and flipped, which
            all of its views are of. Then the data set need not crop, and its images may have any sizes.
        mode, orientation, on_error, max_pixels, unsupported, damaged: of files, as in `halmix.decode_augment`. What is
            repeated is another sample of the batch, with all its members; what is left out makes the batch smaller. A
            batch without an intact picture is a ValueError, as is a broken one that is asked for alone.

    ``self[index]`` is the sample with a tensor (C, H, W) in the image's place, or with a tuple of them, one for each
    view, if there are several.

    Before a sample is loaded, the global generators of torch, NumPy and random are seeded by (seed, epoch, index), so
    random crops are those of the key as well: any worker, any rank, and a run that goes on later make the same tensors.
    Outside workers the generators are then put back. Threads share these generators: crops of samples that are loaded
    by several threads at once are not repeatable.

    May be forked and pickled. All processes that share it, by fork or as a worker's argument, see `set_epoch`.
    """

    def __init__(
        self, dataset, views=("aug",), *, seed=0, dtype="float32", mean=(0, 0, 0), std=(1, 1, 1),
        severity=3, width=3, depth=-1, alpha=1.0, augmentation_set="all", fill=0, crop=None,
        mode="exact", orientation="stored", on_error="raise", max_pixels=MAX_PIXELS,
        unsupported="refuse", damaged="refuse",
    ):  # fmt: skip
        if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
            raise TypeError(f"dataset: {type(dataset).__name__}; allowed has dataset[index] and len(dataset)")
        self.dataset = dataset
        self._numbers = view_numbers(views)
        self.views = tuple(views)
        self.seed = in_range("seed", seed, 0, 2**64 - 1)
        self.dtype = np.dtype(dtype).name
        if (self.dtype, "CHW") not in LAYOUTS:
            raise ValueError(f"dtype: {dtype!r}; allowed are uint8, float16, float32")
        if not isinstance(augmentation_set, str):
            augmentation_set = list(augmentation_set)
        self.crop = crop_of(crop)
        self._decoding = choices(
            mode=mode, orientation=orientation, on_error=on_error, max_pixels=max_pixels, unsupported=unsupported,
            damaged=damaged,
        )  # fmt: skip
        self._arguments = (severity, width, depth, alpha, augmentation_set, fill, self.crop), (mean, std)
        self._make_native()
        # In shared memory, for workers that live on.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def _make_native(self):
        policy, scale = self._arguments
        self._policy, self._normalization = make_policy(*policy), normalization(*scale)

    def __len__(self):
        return len(self.dataset)

    @property
    def epoch(self):
        return int(self._epoch)

    def set_epoch(self, epoch):
        """Says which pass over the data comes next, 0 to 2^32 - 1: augmentations and crops are others in each.

        Workers see it from their next sample on; `DataLoader` gives a whole pass the epoch that it began with.
        """
        self._epoch.fill_(in_range("epoch", epoch, 0, 2**32 - 1))

    def state_dict(self):
        """Seed and epoch, all that results depend on beside the data and the arguments."""
        return {"seed": self.seed, "epoch": self.epoch}

    def load_state_dict(self, state):
        """Takes the epoch. Raises ValueError if the seed is not this data set's."""
        if state["seed"] != self.seed:
            raise ValueError(f"state: seed {state['seed']!r}; allowed is that of the data set, {self.seed}")
        self.set_epoch(state["epoch"])

    def __getitem__(self, index):
        return self.__getitems__([index])[0]

    def __getitems__(self, indices):
        """The samples of a batch, as a list; views of a batch that is computed at once."""
        if isinstance(indices, _Task):  # of our DataLoader, whose collate_fn does the rest
            return self, indices
        images, others = self._load(indices, self.epoch)
        results, others = self._augment(images, others, indices, self.epoch, _new)
        results = torch.from_numpy(results)
        views = results.unflatten(0, (len(self.views), -1)).unbind(1)
        views = [sample[0] if len(self.views) == 1 else tuple(sample) for sample in views]
        return views if others is None else [(image, *rest) for image, rest in zip(views, others)]

    def _load(self, indices, epoch):
        """Images, and what else is in each sample: tuples, or None if samples are images alone."""
        samples = []
        with contextlib.nullcontext() if torch.utils.data.get_worker_info() else _kept_generators():
            for index in indices:
                _seed_generators(self.seed, epoch, in_range("index", index, 0, 2**64 - 1))
                samples.append(self.dataset[index])
        if not any(isinstance(sample, (tuple, list)) for sample in samples):
            return samples, None
        for index, sample in zip(indices, samples):
            if not isinstance(sample, (tuple, list)) or not sample:
                raise TypeError(f"dataset[{index}]: {type(sample).__name__}; allowed, as for others, is (image, ...)")
        return [sample[0] for sample in samples], [tuple(sample[1:]) for sample in samples]

    def _augment(self, images, others, indices, epoch, new):
        """Results, (V * N, C, H, W): all images' first view, all second ones, ..., in ``new(shape, dtype)``; and the
        other members of the samples that they are of."""
        pictures = self._pictures(images, indices)
        if pictures is not None:
            shapes = [(3, *size) for size in pictures.sizes(self.crop)]
        else:
            sources, layout, shapes = _sources(images)
            shapes = [_result_shape(shape, layout, "CHW", self.crop) for shape in shapes]
        for index, shape in zip(indices, shapes):
            if shape != shapes[0]:
                raise ValueError(
                    f"dataset: (C, H, W) is {shapes[0]} for index {indices[0]}, {shape} for index {index}; allowed is "
                    "one size and mode for a batch, as crop= and convert make it"
                )
        count, views = len(images), len(self.views)
        out = new((views * count, *shapes[0]), self.dtype)
        results = out
        if views > 1:
            results = [view for views_of_one in zip(*np.split(out, views)) for view in views_of_one]
        draws = self._policy, self.seed, epoch, list(indices), self._numbers
        into = results, LAYOUTS[self.dtype, "CHW"], self._normalization, 1
        if pictures is None:
            _core.batch(engine(), *draws, sources, layout, *into)
            return out, others
        shown = pictures.decode(engine(), draws, *into)
        if not shown:
            raise ValueError(f"dataset: no picture of indices {list(indices)} is intact; the warnings say what they are")
        move(out, enumerate(view * count + i for view in range(views) for i in shown))
        return out[: views * len(shown)], others and [others[i] for i in shown]

    def _pictures(self, images, indices):
        """The images of a batch if they are files."""
        encoded = [is_encoded(image) for image in images]
        if not any(encoded):
            return None
        if not all(encoded):
            index, image = next((index, image) for index, image in zip(indices, images) if not is_encoded(image))
            raise TypeError(f"dataset[{index}]: {type(image).__name__}; allowed, as for others, are bytes and paths")
        return Pictures(images, "dataset", indices, self._decoding)

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name not in ("_policy", "_normalization")}

    def __setstate__(self, state):
        vars(self).update(state)
        self._epoch = self._epoch.share_memory_()  # a copy's, if it was pickled into a file
        self._make_native()


class DataLoader(torch.utils.data.DataLoader):
    """torch's DataLoader, whose workers write `AugMixDataset`'s batches into memory that is shared once and used again.

    A batch is ``[pixels, *others]``, or ``pixels`` if samples are images alone. ``pixels`` has shape (V * N, C, H, W)
    for N samples of V views: all first views, all second ones, and so on, as timm's ``fast_collate`` has them (its
    "split batch"). ``others`` is what ``collate_fn`` makes of the list of tuples of the other members, N of each.

    How long a batch is valid: as long as anything refers to it, be it a view or an array. Its memory is written again
    after that. A loop needs ``num_workers * prefetch_factor + 2`` batches of memory; four more are made for loops that
    hold some; for yet more, workers send batches as torch does, which costs more.

    Args, beside torch's, which mean what they mean there:
        dataset: an AugMixDataset.
        copy: whether each batch is copied to memory of its own, so that the shared memory is free at once: for
            programs that keep most batches.

    With ``pin_memory`` batches are copied to pinned memory, as torch does. Not allowed is ``batch_size=None``. With
    ``num_workers=0`` all is done by the caller, without shared memory.

    The same (seed, epoch, index) gives the same pixels for any workers, batch size and number of ranks. `set_epoch`
    is called before each pass; without it all passes have one epoch's augmentations. A loop may be left and begun
    again. What a worker raises is raised here, and the loop may go on with the next batch. If a worker is killed,
    torch raises, a RuntimeError as a rule and wherever the loop is, and the next loop has new workers: from the
    beginning, or from the last `state_dict` if `load_state_dict` takes it. Not for several threads at once.
    """

    def __init__(self, dataset, batch_size=1, *args, copy=False, **kwargs):
        if not isinstance(dataset, AugMixDataset):
            raise TypeError(f"dataset: {type(dataset).__name__}; allowed is halmix.torch.AugMixDataset")
        if batch_size is None:
            raise ValueError("batch_size: None; allowed are whole numbers from 1 on")
        super().__init__(dataset, batch_size, *args, **kwargs)
        self.copy = copy
        self._pass = _Pass()
        self._inner = None  # the torch loader that does the work, when no iterator uses it or workers are persistent

    def set_epoch(self, epoch):
        """`AugMixDataset.set_epoch`, and that of the sampler if it has one, as DistributedSampler does."""
        if not self._pass.begun and epoch != self._pass.epoch:
            self._pass = _Pass()  # not the epoch of a state that was loaded
        self.dataset.set_epoch(epoch)
        if hasattr(self._index_source, "set_epoch"):
            self._index_source.set_epoch(epoch)

    def state_dict(self):
        """Where the newest loop is: the data set's state, ``"batches"`` that were handed out in this pass, and
        ``"generator"``, the state that the sampler's order began with. `torch.save` takes it."""
        state = self.dataset.state_dict() | {"batches": self._pass.batches, "generator": self._pass.generator}
        return state if self._pass.generator is None else state | {"epoch": self._pass.epoch}

    def load_state_dict(self, state):
        """The next loop goes on after the batch that the state was taken at, in the same order, with the same pixels.

        Loader, batch size and ranks are those of the state. The order is kept for samplers that take it from
        `set_epoch`, from torch's global generator (which is left as it is), or from one they have as ``generator``.
        """
        batches = in_range("state['batches']", state["batches"], 0, 2**63 - 1)
        self.dataset.load_state_dict(state)
        self.set_epoch(state["epoch"])
        self._pass = _Pass(batches, state["generator"], state["epoch"])

    @property
    def _index_source(self):
        """The sampler that orders samples."""
        return getattr(self.batch_sampler, "sampler", self.batch_sampler)

    def __iter__(self):
        if self._pass.begun:
            self._pass = _Pass()
        self._pass.begun = True
        inner = self._inner
        if not self.persistent_workers:
            self._inner = None  # until the iterator gives it back
        elif inner is not None:
            inner.batch_sampler.current = self._pass
            try:
                return _Iterator(self, inner, iter(inner))
            except RuntimeError:  # a worker has died since
                self._inner = inner = None
        if inner is None:
            inner = self._make_inner()
        inner.batch_sampler.current = self._pass
        batches = iter(inner)
        if self.persistent_workers:
            self._inner = inner
        return _Iterator(self, inner, batches)

    def _make_inner(self):
        ring = _Ring(self.num_workers * self.prefetch_factor + 6) if self.num_workers > 0 else None
        generator = getattr(self._index_source, "generator", None) or self.generator or torch.default_generator
        return torch.utils.data.DataLoader(
            self.dataset,
            batch_sampler=_Tasks(self.batch_sampler, self.dataset, generator, ring),
            collate_fn=_Work(self.collate_fn, ring),
            **{name: getattr(self, name) for name in HANDED_ON},
        )


HANDED_ON = (
    "num_workers", "pin_memory", "timeout", "worker_init_fn", "multiprocessing_context", "generator", "prefetch_factor",
    "persistent_workers", "in_order",
)  # fmt: skip


class _Pass:
    """A pass over the data: how many batches were handed out, and what the order of samples began with."""

    def __init__(self, batches=0, generator=None, epoch=0):
        self.batches, self.generator, self.epoch = batches, generator, epoch
        self.begun = False


class _Iterator:
    """Hands out the batches of one pass."""

    def __init__(self, loader, inner, batches):
        self._loader, self._inner, self._batches = loader, inner, batches
        self._pass, self._copy = inner.batch_sampler.current, loader.copy

    def __iter__(self):
        return self

    def __len__(self):
        return len(self._loader)

    def __next__(self):
        if self._batches is None:
            raise StopIteration
        if self._inner.batch_sampler.current is not self._pass:
            raise RuntimeError("this iterator's workers have begun another pass; allowed is its newest iterator")
        try:
            batch = next(self._batches)
        except StopIteration:
            # Every batch has been received: no worker writes any more, so the next pass may have the ring.
            self._pass.batches, self._pass.generator = 0, None
            self._loader._inner, self._inner, self._batches = self._inner, None, None
            raise
        except BaseException:
            if self._loader._inner is self._inner:
                self._loader._inner = None  # workers may have died
            raise
        self._pass.batches += 1
        return batch.unpack(self._inner.batch_sampler.ring, self._copy)


class _Task(list):
    """A batch's indices, and where its pixels go: a slot of the ring, or None for memory of its own."""

    def __init__(self, indices, epoch, slot):
        super().__init__(indices)
        self.epoch, self.slot = epoch, slot

    def __reduce__(self):
        return _Task, (list(self), self.epoch, self.slot)


class _Tasks:
    """The batch sampler within: the user's batches as tasks."""

    def __init__(self, batch_sampler, dataset, generator, ring):
        self.batch_sampler, self.dataset, self.generator, self.ring = batch_sampler, dataset, generator, ring
        self.current = None  # the _Pass

    def __len__(self):
        return len(self.batch_sampler)

    def __iter__(self):
        # Begins when the first task is asked for. Persistent workers have by then ended all tasks of a pass that was
        # left: torch waits for each of them to acknowledge the new pass, in a queue behind those tasks.
        if self.ring is not None:
            self.ring.reclaim()
        this, now = self.current, self.generator.get_state()
        this.epoch = self.dataset.epoch
        batches = iter(self.batch_sampler)
        if this.generator is None:
            this.generator = now
        else:
            self.generator.set_state(this.generator)
            rest = list(itertools.islice(batches, this.batches + 1))[this.batches :]
            batches = itertools.chain(rest, batches)
            if self.generator is torch.default_generator:
                self.generator.set_state(now)
        for indices in batches:
            yield _Task(indices, this.epoch, self.ring and self.ring.take())


class _Work:
    """The collate_fn within, which does all of a batch's work: it is the one that knows the ring in a worker."""

    def __init__(self, collate_fn, ring):
        self.collate_fn, self.ring = collate_fn, ring

    def __call__(self, job):
        dataset, task = job
        batch = _Batch(self.ring and self.ring.name, task.slot)
        try:
            images, others = dataset._load(task, task.epoch)

            def new(shape, dtype):
                pixels = self.ring.pixels(task.slot, shape, dtype) if task.slot is not None else None
                batch.pixels = (shape, dtype) if pixels is not None else None
                return _new(shape, dtype) if pixels is None else pixels

            pixels, others = dataset._augment(images, others, task, task.epoch, new)
            batch.pixels = torch.from_numpy(pixels) if batch.pixels is None else (pixels.shape, dataset.dtype)
            batch.others = others and self.collate_fn(others)
        except Exception:
            worker = torch.utils.data.get_worker_info()
            if worker is None:
                raise
            batch.pixels = batch.others = None
            batch.error = ExceptionWrapper(where=f"in DataLoader worker process {worker.id}")
        return batch


class _Batch:
    """What a worker sends: pixels, or their shape and dtype if they are in the ring; other members; or an error."""

    def __init__(self, ring, slot):
        self.ring, self.slot = ring, slot
        self.pixels = self.others = self.error = None

    def pin_memory(self):
        """Called by torch's thread for pinning."""
        if self.error is None:
            self.pixels = self._received(_rings[self.ring] if self.ring is not None else None, torch.Tensor.pin_memory)
            self.others = pin_memory(self.others)
        return self

    def unpack(self, ring, copy):
        pixels = self._received(ring, torch.clone if copy else None)
        if self.error is not None:
            try:
                self.error.reraise()
            except Exception as error:
                # Without torch's frame, which refers to the error: a cycle of references would keep the loader, until
                # workers that wait for its last word are asked to end by a queue that has been closed.
                raise error.with_traceback(None)
        if self.others is None:
            return pixels
        return [pixels, *self.others] if isinstance(self.others, (list, tuple)) else [pixels, self.others]

    def _received(self, ring, copied):
        """The pixels as a tensor, in memory of their own if there is a function that copies."""
        slot, self.slot = self.slot, None
        pixels = self.pixels
        if slot is None:
            return pixels
        if not isinstance(pixels, tuple):  # an error, or pixels that do not fit in the ring
            ring.give_back(slot)
            return pixels
        if copied is None:
            return ring.lend(slot, *pixels)
        pixels = copied(torch.from_numpy(ring.pixels(slot, *pixels)))
        ring.give_back(slot)
        return pixels


class _Ring:
    """Batches in memory that processes share: slots, each written by the worker that has its task, then lent.

    A slot is free, or busy from when its task is made until its batch is received, or lent until the last tensor and
    array that refer to it are gone. `take` gives free slots only, so no worker writes what somebody holds. With f tasks
    on their way (workers * prefetch_factor at most), torch makes the next task when it has received a batch and has
    not returned it yet, and the loop still holds the one before: f + 2 slots serve a plain loop.

    A loop that is left: its torch loader, and with it the ring, is not used again unless workers are persistent, for
    which see `_Tasks`. So a worker that outlives its loop writes to memory that nobody reads.

    The memory is a file without a name, so it ends with its last user, however that one ends; it does not count
    as /dev/shm. Slots are mapped one by one as they are needed, SLOT apart in the file, which has no pages in between.
    """

    SLOT = 1 << 36
    _names = itertools.count()

    def __init__(self, slots):
        self.file, self.name = os.memfd_create("halmix"), next(self._names)
        os.ftruncate(self.file, slots * self.SLOT)
        self._maps, self._free, self._busy, self._unused = {}, [], set(), iter(range(slots))
        _rings[self.name] = self

    def __reduce__(self):
        return _attached_ring, (DupFd(self.file), self.name)

    def __del__(self):
        if hasattr(self, "file"):
            os.close(self.file)

    def pixels(self, slot, shape, dtype):
        """The array at the start of a slot; None if it is too large for one."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if size > self.SLOT:
            return None
        if slot not in self._maps or len(self._maps[slot]) < size:
            untracked = {"trackfd": False} if sys.version_info >= (3, 13) else {}  # else a descriptor for each
            self._maps[slot] = mmap.mmap(self.file, size, offset=slot * self.SLOT, **untracked)
        return np.frombuffer(self._maps[slot], np.uint8, size).view(dtype).reshape(shape)

    def take(self):
        """A slot that nobody uses, or None. The one that was freed last is taken first: its pages are mapped."""
        slot = self._free.pop() if self._free else next(self._unused, None)
        if slot is not None:
            self._busy.add(slot)
        return slot

    def lend(self, slot, shape, dtype):
        """A tensor in a slot that a worker has written."""
        pixels = self.pixels(slot, shape, dtype)
        self._busy.discard(slot)
        weakref.finalize(pixels, self._free.append, slot).atexit = False  # the tensor's memory refers to this array
        return torch.from_numpy(pixels)

    def give_back(self, slot):
        self._busy.discard(slot)
        self._free.append(slot)

    def reclaim(self):
        """Frees the slots of tasks that were never received and on which nobody works any more."""
        self._free += self._busy
        self._busy.clear()


#: The rings of this process, for torch's thread for pinning.
_rings = weakref.WeakValueDictionary()


def _attached_ring(file, name):
    """A ring in a worker that was not forked."""
    ring = _Ring.__new__(_Ring)
    ring.file, ring.name, ring._maps = file.detach(), name, {}
    return ring


def _new(shape, dtype):
    return np.empty(shape, dtype)


def _seed_generators(seed, epoch, index):
    """Seeds what transforms draw from."""
    words = struct.unpack("<QQQ", hashlib.blake2b(struct.pack("<QQQ", seed, epoch, index), digest_size=24).digest())
    torch.default_generator.manual_seed(words[0])
    random.seed(words[1])
    np.random.seed(words[2] % 2**32)


@contextlib.contextmanager
def _kept_generators():
    kept = torch.default_generator.get_state(), random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        torch.default_generator.set_state(kept[0])
        random.setstate(kept[1])
        np.random.set_state(kept[2])


def jsd_loss(logits, targets, views=3, alpha=12.0, smoothing=0.1):
    """The loss of AugMix: cross entropy of the first view, and how far the views' predictions lie apart.

    Args:
        logits: (V * N, classes), of a `DataLoader`'s batch: all first views, all second ones, ...
        targets: classes, (N,) or (V * N,), of which the first N are used.
        views: V, 2 at least.
        alpha: the factor of the Jensen-Shannon divergence.
        smoothing: of labels, 0 to 1.

    Equals timm's JsdCrossEntropy. Value and gradient are finite for all finite logits; float16 and bfloat16 are
    computed as float32.
    """
    views = in_range("views", views, 2, 2**16)
    if logits.ndim != 2 or logits.shape[0] % views:
        raise ValueError(f"logits: shape {tuple(logits.shape)}; allowed is ({views} * N, classes)")
    logs = F.log_softmax(logits if logits.dtype == torch.float64 else logits.float(), 1)
    clean, *_ = logs = logs.chunk(views)
    # cross_entropy of log-probabilities is that of logits.
    loss = F.cross_entropy(clean, targets[: len(clean)], label_smoothing=smoothing)
    mixture = torch.stack([log.exp() for log in logs]).mean(0).clamp(1e-7, 1).log()
    divergence = sum((log.exp() * (log - mixture)).sum() for log in logs) / (views * len(clean))
    return loss + alpha * divergence
