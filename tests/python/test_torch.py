"""halmix.torch: pixels are a function of the key, whatever loads them; the ring never shows a batch that is not there.

HALMIX_TEST_SCALE=20 runs the long proofs: all ways to start 7 workers, 200 starts, 1,000 epochs.
"""

import collections
import contextlib
import functools
import gc
import io
import itertools
import os
import pathlib
import pickle
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="halmix.torch needs torch")
pytest.importorskip("PIL", reason="the data of these tests are PIL images")

from PIL import Image  # noqa: E402

import halmix  # noqa: E402
import halmix.torch  # noqa: E402

SCALE = int(os.environ.get("HALMIX_TEST_SCALE", 1))
LONG = SCALE >= 20
COUNT = 41
SEED, EPOCH = 3, 5
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
JSD = ("clean", "aug", "aug")

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


class Photos(torch.utils.data.Dataset):
    """PIL images of noise, and their numbers; cropped by each of the generators that transforms draw from."""

    def __init__(self, crop=False, bad=(), fatal=()):
        self.crop, self.bad, self.fatal = crop, bad, fatal

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        if index in self.bad:
            raise ZeroDivisionError(f"photo {index}")
        if index in self.fatal and torch.utils.data.get_worker_info():
            os.kill(os.getpid(), signal.SIGKILL)
        image = Image.fromarray(np.random.default_rng(index).integers(0, 256, (24, 20, 3), dtype=np.uint8))
        if self.crop:
            x, y, flip = int(torch.randint(5, ())), random.randrange(5), np.random.randint(2)
            image = image.crop((x, y, x + 16, y + 20))
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else image
        return image, int(index)


class Alone(Photos):
    def __getitem__(self, index):
        return super().__getitem__(index)[0]


class Rich(Photos):
    def __getitem__(self, index):
        image, label = super().__getitem__(index)
        return image, {"label": label, "name": f"photo {label}"}, torch.tensor([label, 0.5])


class Growing(Photos):
    def __getitem__(self, index):
        image, label = super().__getitem__(index)
        return image.resize((8 * (1 + label // 10), 8)), label


class Told(Photos):
    def __getitem__(self, index):
        image, label = super().__getitem__(index)
        return image, label, os.getpid()


def make(photos=None, **arguments):
    dataset = halmix.torch.AugMixDataset(
        photos or Photos(crop=True), **{"seed": SEED, "mean": MEAN, "std": STD, **arguments}
    )
    dataset.set_epoch(EPOCH)
    return dataset


@functools.cache
def expected(epoch=EPOCH, crop=True, **arguments):
    """Every sample's tensors, one by one in this process: (COUNT, V, C, H, W)."""
    dataset = make(Photos(crop), **arguments)
    dataset.set_epoch(epoch)
    samples = [dataset[i][0] for i in range(COUNT)]
    return torch.stack([torch.stack(one if isinstance(one, tuple) else (one,)) for one in samples])


def equal(batch, want):
    pixels, labels = batch
    views = want.shape[1]
    return torch.equal(pixels.view(views, len(labels), *pixels.shape[1:]), want[labels].transpose(0, 1))


def loader(dataset=None, batch_size=4, **arguments):
    return halmix.torch.DataLoader(dataset or make(), batch_size, **arguments)


def error_of(iterator):
    """What using an iterator up raises; unlike pytest.raises, this keeps nothing that refers to the iterator."""
    try:
        collections.deque(iterator, maxlen=0)
    except Exception as error:
        return type(error), str(error)
    return None


def labels_of(batches):
    return [int(label) for _, labels in batches for label in labels]


class Files(torch.utils.data.Dataset):
    """JPEG files of noise, in memory or by their paths, and their numbers; some are gray, some broken."""

    def __init__(self, folder=None, broken=()):
        self.folder, self.broken = folder, broken

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        pixels = np.random.default_rng(index).integers(0, 256, (50 + index, 90 - index, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels[..., 0] if index % 5 == 4 else pixels).save(file, "JPEG")
        file = file.getvalue()[: 200 if index in self.broken else None]
        if self.folder is None:
            return file, int(index)
        path = self.folder / f"{index}.jpg"
        path.write_bytes(file)
        return path, int(index)


class Bytes(Files):
    """As torchvision.io.read_file has them, and numpy.fromfile."""

    def __getitem__(self, index):
        file, label = super().__getitem__(index)
        file = np.frombuffer(file, np.uint8)
        return torch.from_numpy(file.copy()) if label % 2 else file, label


class Opened(Files):
    def __getitem__(self, index):
        file, label = super().__getitem__(index)
        return Image.open(io.BytesIO(file)).convert("RGB"), label


# What results are.


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
def test_pixels_are_those_of_augmix_batch(dtype):
    images = [Photos()[i][0] for i in range(COUNT)]
    want = halmix.augmix_batch(
        images, seed=SEED, epoch=EPOCH, views=JSD, dtype=dtype, layout="CHW", mean=MEAN, std=STD, severity=5
    )
    got = expected(crop=False, views=JSD, dtype=dtype, severity=5)
    assert got.dtype == getattr(torch, dtype)
    assert torch.equal(got, torch.from_numpy(want))


def test_clean_views_are_totensor_and_normalize():
    transforms = pytest.importorskip("torchvision.transforms", reason="compared with torchvision's transforms")
    usual = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    want = torch.stack([usual(Photos()[i][0]) for i in range(COUNT)])
    assert torch.equal(expected(crop=False, views=("clean",))[:, 0], want)


@pytest.mark.parametrize("workers", [0, 1])
def test_images_alone(workers):
    batches = list(loader(make(Alone()), num_workers=workers))
    assert torch.equal(torch.cat(batches), expected(crop=False)[:, 0])


def test_images_of_every_kind():
    pixels = np.random.default_rng(SEED).integers(0, 256, (2, 3, 9, 8), dtype=np.uint8)
    hwc = [np.ascontiguousarray(one.transpose(1, 2, 0)) for one in pixels]
    kinds = [hwc, [Image.fromarray(one) for one in hwc], [torch.from_numpy(one) for one in pixels]]
    tensors = [torch.stack(list(halmix.torch.AugMixDataset(kind, seed=1))) for kind in kinds]
    assert torch.equal(tensors[0], tensors[1]) and torch.equal(tensors[0], tensors[2])
    gray = halmix.torch.AugMixDataset([Image.fromarray(pixels[0, 0])], mean=(0.5,), std=(0.5,))
    assert gray[0].shape == (1, 9, 8)


def test_batches_are_timms_split_batch():
    collate = pytest.importorskip("timm.data.loader", reason="compared with timm's fast_collate").fast_collate
    dataset = make(views=JSD, dtype="uint8")
    want, targets = collate([dataset[i] for i in range(8)])
    pixels, labels = next(iter(loader(dataset, 8, num_workers=2)))
    assert torch.equal(pixels, want)
    assert torch.equal(labels.repeat(3), targets)


def test_other_members_are_collated_as_torch_does():
    pixels, info, vector = next(iter(loader(make(Rich()), num_workers=1)))
    assert info["name"] == [f"photo {i}" for i in range(4)] and info["label"].tolist() == [0, 1, 2, 3]
    assert vector.shape == (4, 2)
    got = next(iter(loader(make(Rich()), num_workers=1, collate_fn=len)))
    assert got[1] == 4


# The same pixels, whatever loads them.

STARTS = [(0, None), (2, "fork"), (7, "fork")]
FEW = [(1, "spawn"), (1, "forkserver")]
MANY = [(workers, start) for workers in (2, 7) for start in ("spawn", "forkserver")]


@pytest.mark.parametrize("workers, start", STARTS + (MANY if LONG else FEW))
def test_workers_and_batch_sizes(workers, start):
    for batch_size in (1, 4, 64) if LONG or start in (None, "fork") else (4,):
        for views in (("aug",), JSD):
            if start in ("spawn", "forkserver") and not LONG and views != JSD:
                continue
            batches = loader(
                make(views=views), batch_size, num_workers=workers, multiprocessing_context=start,
                persistent_workers=workers > 0, shuffle=True,
            )  # fmt: skip
            for epoch in (EPOCH, EPOCH + 1):
                batches.set_epoch(epoch)
                seen = []
                for batch in batches:
                    assert equal(batch, expected(epoch, views=views))
                    seen.append(batch[1])
                assert sorted(torch.cat(seen).tolist()) == list(range(COUNT))
    assert not torch.equal(expected(EPOCH), expected(EPOCH + 1))


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_ranks(ranks):
    labels = []
    for rank in range(ranks):
        dataset = make()
        sampler = torch.utils.data.DistributedSampler(dataset, num_replicas=ranks, rank=rank)
        batches = loader(dataset, sampler=sampler, num_workers=2)
        batches.set_epoch(EPOCH)
        assert sampler.epoch == EPOCH
        for batch in batches:
            assert equal(batch, expected())
            labels += batch[1].tolist()
    assert set(labels) == set(range(COUNT))


def test_order_is_that_of_torchs_loader():
    def order(cls, dataset, **arguments):
        torch.manual_seed(11)
        return [labels_of(cls(dataset, 4, shuffle=True, **arguments)) for _ in range(2)], torch.rand(())

    plain = make(Photos(), views=("clean",), dtype="uint8")
    for workers in (0, 2):
        ours = order(halmix.torch.DataLoader, plain, num_workers=workers)
        assert ours == order(torch.utils.data.DataLoader, plain, num_workers=workers)


@pytest.mark.parametrize("workers", [0, 2])
def test_in_torchs_loader(workers):
    dataset = make(views=JSD)
    batches = torch.utils.data.DataLoader(dataset, 4, num_workers=workers, persistent_workers=workers > 0)
    for epoch in (EPOCH, 8):
        dataset.set_epoch(epoch)
        for views, labels in batches:
            assert equal((torch.cat(views), labels), expected(epoch, views=JSD))


def test_pickled_and_subset():
    dataset = pickle.loads(pickle.dumps(make()))
    assert dataset.epoch == EPOCH
    subset = torch.utils.data.Subset(dataset, [7, 3])
    assert torch.equal(subset[0][0], expected()[7, 0])
    batches = torch.utils.data.DataLoader(dataset, 4, num_workers=1, persistent_workers=True)
    assert all(equal(batch, expected()) for batch in batches)
    dataset.set_epoch(6)
    assert all(equal(batch, expected(6)) for batch in batches)


def test_generators_of_the_caller_stay():
    dataset = make()
    torch.manual_seed(1), random.seed(1), np.random.seed(1)
    want = torch.rand(3).tolist(), random.random(), np.random.rand()
    torch.manual_seed(1), random.seed(1), np.random.seed(1)
    dataset[3]
    assert want == (torch.rand(3).tolist(), random.random(), np.random.rand())


# Going on in the middle.


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
def test_resume(workers, own, tmp_path):
    def begin():
        generator = torch.Generator().manual_seed(9) if own else None
        return loader(shuffle=True, num_workers=workers, generator=generator)

    torch.manual_seed(4)
    whole = begin()
    whole.set_epoch(EPOCH)
    passes, state = [], None
    for epoch in (EPOCH, EPOCH + 1):
        whole.set_epoch(epoch)
        passes.append([])
        for k, (pixels, labels) in enumerate(whole):
            passes[-1].append((pixels.clone(), labels))
            if (epoch, k) == (EPOCH, 3):
                torch.save(whole.state_dict(), tmp_path / "state")
                assert whole.state_dict()["batches"] == 4
    assert whole.state_dict()["batches"] == 0

    torch.manual_seed(1234)
    again = begin()
    state = torch.load(tmp_path / "state")
    again.load_state_dict(state)
    again.set_epoch(EPOCH)  # as loops do
    assert again.state_dict().keys() == state.keys()
    before = torch.get_rng_state()
    rest = list(again)
    if workers == 0:  # else torch draws a seed for its workers
        assert own or torch.equal(before[:8], torch.get_rng_state()[:8])
    assert len(rest) == len(passes[0]) - 4
    for got, want in zip(rest, passes[0][4:]):
        assert torch.equal(got[0], want[0]) and torch.equal(got[1], want[1])
    if own:
        again.set_epoch(EPOCH + 1)
        assert labels_of(again) == labels_of(passes[1])
    else:
        assert len(list(again)) == len(passes[0])


def test_resume_with_distributed_sampler():
    def begin():
        dataset = make()
        return loader(dataset, sampler=torch.utils.data.DistributedSampler(dataset, 2, 1), num_workers=1)

    first = begin()
    first.set_epoch(8)
    seen = []
    for batch in itertools.islice(first, 2):
        seen += batch[1].tolist()
    second = begin()
    second.load_state_dict(first.state_dict())
    rest = list(second)
    assert all(equal(batch, expected(8)) for batch in rest)
    assert seen + labels_of(rest) == labels_of(first)


def test_states_of_others_are_refused():
    state = make(seed=8).state_dict()
    with pytest.raises(ValueError, match="seed 8; allowed is that of the data set, 3"):
        make().load_state_dict(state)
    other = loader()
    other.load_state_dict({**other.state_dict(), "epoch": 7, "batches": 3})
    other.set_epoch(8)
    assert len(list(other)) == len(other)


# The ring.


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("copy", [False, True])
def test_batches_that_are_kept(persistent, copy):
    batches = loader(num_workers=2, persistent_workers=persistent, copy=copy, batch_size=2)
    kept = list(batches)
    views = [(pixels[:1], labels[:1]) for pixels, labels in batches]
    arrays = [(pixels.numpy(), labels) for pixels, labels in batches]
    assert len(kept) == len(views) == len(arrays) == 21
    assert all(equal(batch, expected()) for batch in kept + views)
    assert all(equal((torch.from_numpy(pixels), labels), expected()) for pixels, labels in arrays)
    del batches, kept
    gc.collect()
    assert all(equal(batch, expected()) for batch in views)


@pytest.mark.parametrize("persistent", [False, True])
def test_any_use_of_the_ring(persistent):
    """Loops of all kinds, in a random order, while some batches are held: none ever changes."""
    rng = random.Random(SEED)
    batches = loader(
        make(Photos(crop=True, bad=(17,))), 2, num_workers=3, prefetch_factor=2, persistent_workers=persistent,
        shuffle=True, in_order=not persistent,
    )  # fmt: skip
    held = collections.deque(maxlen=12)
    for epoch in range(EPOCH, EPOCH + 6 * (SCALE if persistent else min(SCALE, 4))):
        want = expected(epoch) if epoch < EPOCH + 12 else None
        batches.set_epoch(epoch if want is not None else EPOCH)
        want = expected() if want is None else want
        iterator, stop, keep = iter(batches), rng.choice([1, 5, 100]), rng.choice([0, 0.3, 1])
        seen = failed = 0
        for _ in range(stop):
            try:
                batch = next(iterator)
            except StopIteration:
                break
            except ZeroDivisionError:
                failed += 1
                continue
            seen += 1
            assert equal(batch, want)
            if rng.random() < keep:
                held.append((batch, want))
            assert all(equal(*pair) for pair in held)
        assert failed <= 1
        assert stop < 100 or (seen, failed) == (20, 1)


def test_a_loop_needs_no_memory_of_its_own():
    """After the first pass: batches lie in a fixed number of places, in the file of the ring."""
    batches = loader(batch_size=1, num_workers=2, persistent_workers=True)
    places = {pixels.data_ptr() for _ in range(3) for pixels, _ in batches}
    assert len(places) <= 2 * 2 + 2
    inode = os.fstat(batches._inner.batch_sampler.ring.file).st_ino
    maps = pathlib.Path("/proc/self/maps").read_text()
    assert sum(line.split()[4] == str(inode) for line in maps.splitlines()) == len(places)


def test_sizes_may_change_from_batch_to_batch():
    got = list(loader(make(Growing()), batch_size=10, num_workers=2))
    assert [pixels.shape[3] for pixels, _ in got] == [8, 16, 24, 32, 40]
    dataset = make(Growing())
    assert all(torch.equal(pixels[0], dataset[int(labels[0])][0]) for pixels, labels in got)


def test_batches_too_large_for_the_ring(monkeypatch):
    monkeypatch.setattr(halmix.torch._Ring, "SLOT", 1 << 12)
    forked = loader(num_workers=2, multiprocessing_context="fork")  # with the size that is set here
    assert all(equal(batch, expected()) for batch in forked)


@pytest.mark.parametrize("persistent", [False, True])
def test_loops_within_loops(persistent):
    batches = loader(num_workers=2, persistent_workers=persistent)
    outer = iter(batches)
    first = next(outer)
    inner = list(batches)
    assert all(equal(batch, expected()) for batch in [first, *inner])
    if persistent:
        kind, text = error_of(outer)
        assert kind is RuntimeError and "newest iterator" in text
    else:
        assert all(equal(batch, expected()) for batch in outer)
    with pytest.raises(StopIteration):
        finished = iter(batches)
        collections.deque(finished, maxlen=0)
        next(finished)


def test_pinning(monkeypatch):
    """What torch's thread does, with a copy in place of what needs a device."""
    monkeypatch.setattr(torch.Tensor, "pin_memory", torch.Tensor.clone)
    batches = loader(num_workers=2, batch_size=2)
    ring_batches, places = iter(batches), set()
    for batch in ring_batches._batches:
        slot = batch.slot
        got = batch.pin_memory().unpack(ring_batches._inner.batch_sampler.ring, False)
        assert equal(got, expected())
        places.add(slot)
    assert len(places) <= 2 * 2 + 2


@pytest.mark.skipif(not torch.accelerator.is_available(), reason="pinned memory needs an accelerator")
def test_pinned():
    for batch in loader(num_workers=2, pin_memory=True):
        assert batch[0].is_pinned() and equal(batch, expected())


# What goes wrong.


@pytest.mark.parametrize("workers, persistent", [(0, False), (2, False), (2, True)])
def test_exceptions(workers, persistent):
    batches = loader(make(Photos(crop=True, bad=(5, 6))), num_workers=workers, persistent_workers=persistent)
    for _ in range(2):
        kind, text = error_of(batches)
        assert kind is ZeroDivisionError and "photo 5" in text
        assert workers == 0 or "in DataLoader worker process" in text
    iterator, seen = iter(batches), 0
    for k in range(len(batches)):
        if k == 1:
            assert error_of(itertools.islice(iterator, 1))[0] is ZeroDivisionError
        else:
            seen += equal(next(iterator), expected())
    assert seen == 10


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # SIGCHLD, while something ends
@pytest.mark.parametrize("persistent", [False, True])
def test_killed_workers(persistent):
    photos = Photos(crop=True, fatal=[20])
    batches = loader(make(photos), num_workers=2, persistent_workers=persistent)
    with contextlib.suppress(RuntimeError):  # torch's handler of SIGCHLD raises it wherever this thread is
        assert error_of(batches) is not None
        time.sleep(1)
    photos.fatal = []
    assert all(equal(batch, expected()) for batch in batches)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # SIGCHLD, while something ends
def test_workers_killed_between_loops():
    batches = loader(make(Told()), num_workers=2, persistent_workers=True)
    pid = next(iter(batches))[2][0]
    with contextlib.suppress(RuntimeError):
        os.kill(int(pid), signal.SIGKILL)
        time.sleep(1)
    assert len(list(batches)) == len(batches)


def test_errors_name_what_is_wrong():
    sized = halmix.torch.AugMixDataset([np.zeros((4, 5, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)])
    for workers in (0, 1):
        kind, text = error_of(loader(sized, batch_size=2, num_workers=workers))
        assert kind is ValueError and "(3, 4, 5) for index 0, (3, 4, 6) for index 1" in text
    with pytest.raises(TypeError, match=r"dataset\[1\]: ndarray; allowed, as for others, is \(image, ...\)"):
        list(loader(halmix.torch.AugMixDataset([(np.zeros((4, 5, 3), np.uint8), 1), np.zeros((4, 5, 3), np.uint8)])))
    with pytest.raises(TypeError, match="dataset: Photos; allowed is halmix.torch.AugMixDataset"):
        halmix.torch.DataLoader(Photos())
    with pytest.raises(TypeError, match=r"dataset: generator; allowed has dataset\[index\]"):
        halmix.torch.AugMixDataset(i for i in range(3))
    for arguments, message in [
        ({"dtype": "int8"}, "dtype: 'int8'"), ({"views": "aug"}, "views: 'aug'"), ({"views": ()}, r"views: \(\)"),
        ({"seed": -1}, "seed: -1"), ({"mean": (1, 2)}, r"mean: \(1, 2\)"), ({"severity": 11}, "severity"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            make(**arguments)
    with pytest.raises(ValueError, match="epoch: -1; allowed are whole numbers"):
        make().set_epoch(-1)
    with pytest.raises(ValueError, match="batch_size: None"):
        loader(batch_size=None)
    with pytest.raises(ValueError, match="index: -1"):
        make()[-1]


# For long.


def test_starts_after_the_parent_has_used_the_library():
    """In a process of its own, which is killed if it hangs."""
    starts = 200 if LONG else 10
    source = f"""
import sys
sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})
import numpy as np, halmix, test_torch
images = np.zeros((8, 64, 64, 3), np.uint8)
halmix.augmix_batch(images, seed=1, threads=2)
want = test_torch.expected()
for i in range({starts}):
    halmix.augmix_batch(images, seed=i, threads=2)
    batches = test_torch.loader(num_workers=2, multiprocessing_context="fork")
    assert all(test_torch.equal(batch, want) for batch in batches)
print("done")
"""
    run = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=30 + 5 * starts)
    assert run.stdout == "done\n", run.stderr


@pytest.mark.parametrize("persistent", [False, True])
def test_nothing_grows(persistent):
    def used():
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd"))

    epochs = 1000 if LONG else 40
    batches = loader(batch_size=16, num_workers=1, persistent_workers=persistent)
    for epoch in range(epochs):
        if epoch == epochs // 4:
            gc.collect()
            before = used()
        for k, _ in enumerate(batches):
            if epoch % 5 == 4 and k == 1:
                break
    gc.collect()
    after = used()
    assert after[0] - before[0] < 4 << 20
    assert after[1] <= before[1] + 1


# The loss.


def test_jsd_loss_is_timms():
    timm_loss = pytest.importorskip("timm.loss", reason="compared with timm's JsdCrossEntropy").JsdCrossEntropy
    generator = torch.Generator().manual_seed(SEED)
    for views, alpha, smoothing in itertools.product((2, 3, 4), (1.0, 12.0), (0.0, 0.1)):
        logits = 5 * torch.randn(views * 8, 10, generator=generator, dtype=torch.float64)
        targets = torch.randint(10, (views * 8,), generator=generator)
        want = timm_loss(views, alpha, smoothing)(logits, targets)
        got = halmix.torch.jsd_loss(logits, targets, views, alpha, smoothing)
        torch.testing.assert_close(got, want, rtol=1e-12, atol=0)
        assert halmix.torch.jsd_loss(logits, targets[:8], views, alpha, smoothing) == got
    torch.testing.assert_close(halmix.torch.jsd_loss(logits[:24], targets), timm_loss()(logits[:24], targets))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_jsd_loss_is_finite(dtype):
    generator = torch.Generator().manual_seed(SEED)
    logits = (2000.0 * torch.randint(2, (12, 10), generator=generator) - 1000).to(dtype).requires_grad_()
    loss = halmix.torch.jsd_loss(logits, torch.arange(4))
    loss.backward()
    assert loss.isfinite() and logits.grad.isfinite().all()


def test_jsd_loss_of_other_shapes():
    with pytest.raises(ValueError, match=r"logits: shape \(7, 10\); allowed is \(3 \* N, classes\)"):
        halmix.torch.jsd_loss(torch.zeros(7, 10), torch.zeros(7, dtype=torch.int64))
    with pytest.raises(ValueError, match="views: 1"):
        halmix.torch.jsd_loss(torch.zeros(7, 10), torch.zeros(7, dtype=torch.int64), views=1)


# Files.

needs_decoder = pytest.mark.skipif(
    not hasattr(halmix._core, "decode_batch"), reason="this build has no libjpeg-turbo or libpng"
)


@needs_decoder
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("views", [("aug",), JSD])
def test_files_are_as_decoded_images(tmp_path, workers, views):
    want = [(pixels.clone(), labels) for pixels, labels in loader(make(Opened(), views=views, crop=32))]
    for photos in Files(), Files(tmp_path), Bytes():
        got = 0
        for (pixels, labels), (want_pixels, want_labels) in zip(
            loader(make(photos, views=views, crop=32), num_workers=workers), want, strict=True
        ):
            assert torch.equal(pixels, want_pixels) and torch.equal(labels, want_labels)
            got += len(labels)
        assert got == COUNT
    single = make(Files(), views=views, crop=32)[7]
    assert single[1] == 7
    batches = torch.utils.data.DataLoader(make(Files(), views=views, crop=32), 4, num_workers=workers)
    for (pixels, labels), (want_pixels, _) in zip(batches, want, strict=True):
        assert torch.equal(torch.cat(pixels) if isinstance(pixels, (list, tuple)) else pixels, want_pixels)


@needs_decoder
def test_image_folder_with_paths(tmp_path):
    datasets = pytest.importorskip("torchvision.datasets")
    for label in "cat", "dog":
        (tmp_path / label).mkdir()
        for i in range(4):
            Image.fromarray(np.random.default_rng(i).integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(
                tmp_path / label / f"{i}.jpg"
            )
    want = make(datasets.ImageFolder(tmp_path), crop=32)
    for path in str, pathlib.Path:
        dataset = pickle.loads(pickle.dumps(make(datasets.ImageFolder(tmp_path, loader=path), crop=32)))
        pixels, labels = next(iter(loader(dataset, 8, num_workers=2)))
        assert labels.tolist() == [0] * 4 + [1] * 4
        assert torch.equal(pixels, torch.stack([want[i][0] for i in range(8)]))


@needs_decoder
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("views", [("aug",), JSD])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_broken_files(workers, views):
    bad = (1, 7, 8, 20)
    whole = make(Files(), views=views, crop=32)
    want = {i: whole[i][0] if len(views) > 1 else (whole[i][0],) for i in range(COUNT)}
    for on_error in "skip", "repeat":
        labels_seen = []
        for pixels, labels in loader(
            make(Files(broken=bad), views=views, crop=32, on_error=on_error), num_workers=workers
        ):
            assert len(pixels) == len(views) * len(labels)
            for k, view in enumerate(pixels.unflatten(0, (len(views), -1))):
                for one, label in zip(view, labels):
                    assert torch.equal(one, want[int(label)][k])
            labels_seen += labels.tolist()
        assert not set(labels_seen) & set(bad)
        assert len(labels_seen) == (COUNT if on_error == "repeat" else COUNT - len(bad))
    message = r"dataset\[1\]: is damaged"
    with pytest.raises(ValueError, match=message):
        list(loader(make(Files(broken=bad), views=views, crop=32), num_workers=workers))
    dataset = make(Files(broken=bad), views=views, crop=32, on_error="skip")
    with pytest.raises(ValueError, match=r"dataset: no picture of indices \[7\] is intact"):
        dataset[7]
    assert len(dataset.__getitems__([6, 7, 9])) == 2


@needs_decoder
@pytest.mark.parametrize("workers", [0, 2])
def test_files_that_are_converted_or_accepted(workers):
    pixels = np.arange(40 * 50 * 4, dtype=np.uint8).reshape(40, 50, 4)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    jpeg = Files()[0][0]
    assert jpeg[:4] == b"\xff\xd8\xff\xe0"
    odd = [(file.getvalue(), 0), (jpeg[:20] + b"\0" * 5 + jpeg[20:], 1)]
    accepting = make(odd, crop=32, unsupported="convert", damaged="accept")
    usual = make([(Image.fromarray(pixels[..., :3].copy()), 0), (Image.open(io.BytesIO(jpeg)).convert("RGB"), 1)], crop=32)
    for (got, _), (want, _) in zip(loader(accepting, num_workers=workers), loader(usual)):
        assert torch.equal(got, want)
    for index, message in (0, "has transparent pixels"), (1, "extraneous bytes"):
        with pytest.raises(ValueError, match=message):
            make(odd, crop=32)[index]


@needs_decoder
def test_files_of_one_size_without_a_crop():
    class Alike(Files):
        def __getitem__(self, index):
            return super().__getitem__(3)

    pixels, _ = next(iter(loader(make(Alike()))))
    assert pixels.shape == (4, 3, 53, 87)
    with pytest.raises(ValueError, match="dataset: .C, H, W. is .3, 50, 90. for index 0, .3, 51, 89. for index 1"):
        list(loader(make(Files())))


@needs_decoder
def test_arguments_of_files():
    for name in "mode", "orientation", "on_error", "unsupported", "damaged":
        with pytest.raises(ValueError, match=f"{name}: 'none'; allowed are"):
            make(Files(), **{name: "none"})
    with pytest.raises(ValueError, match="more than the 99 that are allowed"):
        make(Files(), crop=8, max_pixels=99)[0]
    fast = make(Files(), crop=8, mode="fast")
    assert not torch.equal(fast[0][0], make(Files(), crop=8)[0][0])

    class Mixed(Files):
        def __getitem__(self, index):
            return (Opened() if index == 2 else Files())[index]

    with pytest.raises(TypeError, match=r"dataset\[2\]: Image; allowed, as for others, are bytes and paths"):
        next(iter(loader(make(Mixed(), crop=8))))
