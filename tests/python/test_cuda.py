"""Tensors on a GPU give what they give on the CPU, byte for byte, in the order of torch's stream.

Needs torch with CUDA and an installed halmix, nothing else: python3 -m pytest tests/python/test_cuda.py
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import halmix

torch = pytest.importorskip("torch", reason="torch is not installed")
if not torch.cuda.is_available():
    pytest.skip("torch finds no GPU of CUDA", allow_module_level=True)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RESULTS = [("uint8", "CHW"), ("uint8", "HWC"), ("float16", "CHW"), ("float32", "CHW")]
SIZES = [(1, 1, 3), (7, 5, 3), (7, 5, 1), (33, 21, 1), (224, 224, 3)]  # width, height, channels
VIEWS = [("aug",), ("clean", "aug", "aug")]


def make_images(count, width, height, channels=3, seed=0):
    """Noise on ramps, (N, C, H, W), on the CPU."""
    rng = np.random.default_rng([seed, width, height, channels])
    ramp = np.linspace(0, 200, width * height).reshape(height, width)
    noise = rng.integers(0, 56, (count, channels, height, width))
    return torch.from_numpy((ramp + noise).astype(np.uint8))


def on_cpu(images, **named):
    """What the CPU makes of a batch, as a tensor."""
    return torch.from_numpy(halmix.augmix_batch(images, **named))


def equal(tensor, expected):
    """Whether all bits are, of floats too."""
    assert tensor.is_cuda and tensor.dtype == expected.dtype and tensor.shape == expected.shape
    return torch.equal(tensor.cpu().contiguous().view(torch.uint8), expected.contiguous().view(torch.uint8))


def keep_busy():
    """Has the current stream do nothing for a while: some 50 ms."""
    torch.cuda._sleep(100_000_000)


@pytest.mark.parametrize("views", VIEWS)
@pytest.mark.parametrize("dtype,layout", RESULTS)
@pytest.mark.parametrize("width,height,channels", SIZES)
def test_batches(width, height, channels, dtype, layout, views):
    images = make_images(5, width, height, channels)
    named = {"seed": 3, "epoch": 1, "indices": [4, 2**40, 0, 7, 9], "views": views, "severity": 6}
    named |= {"dtype": dtype, "layout": layout, "mean": MEAN, "std": STD}
    expected = on_cpu(images, **named)
    planes = images.cuda()
    last = planes.contiguous(memory_format=torch.channels_last)
    gaps = torch.stack([planes, planes], 1)[:, 1]
    turned = planes.transpose(2, 3).contiguous().transpose(2, 3)
    for given in planes, last, gaps, turned:
        assert equal(halmix.augmix_batch(given, **named), expected)
    out = torch.empty_like(expected, device="cuda")
    assert halmix.augmix_batch(last, out=out, **named) is out and equal(out, expected)
    assert equal(planes, images)


def test_no_copy_is_made():
    images = make_images(64, 224, 224).cuda()
    named = {"seed": 1, "dtype": "float16", "out": torch.empty(images.shape, dtype=torch.float16, device="cuda")}
    for given in images, images.contiguous(memory_format=torch.channels_last):
        halmix.augmix_batch(given, **named)
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        halmix.augmix_batch(given, **named)
        assert torch.cuda.max_memory_allocated() == before


@pytest.mark.parametrize("kind", ["current", "side"])
def test_the_order_of_the_current_stream(kind):
    """Images that are made by what waits in the stream, and are overwritten by what comes after."""
    images = make_images(64, 64, 48)
    expected = on_cpu(images, seed=5, dtype="float32")
    source = images.cuda()
    named = {"seed": 5, "dtype": "float32"}
    halmix.augmix_batch(source, **named)  # compiles
    stream = torch.cuda.current_stream() if kind == "current" else torch.cuda.Stream()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        halmix.augmix_batch(source, **named)
        given = torch.zeros_like(source)
        done = torch.cuda.Event()
        keep_busy()
        given.copy_(source)
        result = halmix.augmix_batch(given, **named)
        kept = result.clone()
        result.zero_()
        given.zero_()
        done.record()
        assert not done.query(), "the call waited for the stream"
    done.synchronize()
    assert equal(kept, expected) and not result.any()


def test_several_batches_under_way():
    """Each reads what the one before has written, in one stream; two streams at a time."""
    images = make_images(48, 40, 56)
    rounds = 8
    expected = [images]
    for i in range(rounds):
        expected.append(on_cpu(expected[-1], seed=i, layout="CHW"))
    streams = [torch.cuda.Stream() for _ in range(2)]
    results = [[images.cuda()] for _ in streams]
    torch.cuda.synchronize()
    for stream in streams:
        with torch.cuda.stream(stream):
            keep_busy()
    for i in range(rounds):
        for stream, chain in zip(streams, results):
            with torch.cuda.stream(stream):
                chain.append(halmix.augmix_batch(chain[-1], seed=i, layout="CHW"))
    torch.cuda.synchronize()
    for chain in results:
        assert all(equal(*pair) for pair in zip(chain, expected))


@pytest.mark.parametrize("engines", ["shared", "own"])
def test_threads(engines):
    images = make_images(16, 48, 32)
    expected = [on_cpu(images, seed=seed) for seed in range(12)]

    def wrong(_):
        engine = halmix.Engine("cuda:0") if engines == "own" else None
        source = images.to("cuda:0")
        with torch.cuda.stream(torch.cuda.Stream("cuda:0")):
            torch.cuda.current_stream().wait_stream(torch.cuda.default_stream())
            return [
                seed
                for seed, result in enumerate(expected)
                if not equal(halmix.augmix_batch(source, seed=seed, engine=engine), result)
            ]

    with ThreadPoolExecutor(3) as pool:
        assert not sum(pool.map(wrong, range(3)), [])


@pytest.mark.parametrize("shape", ["CHW", "NCHW", "channels_last"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float16])
def test_transforms_draw_as_on_the_cpu(shape, dtype):
    images = make_images(6, 31, 45)
    images = images if dtype == torch.uint8 else images.to(dtype) / 255
    images = images[0] if shape == "CHW" else images
    given = images.cuda()
    if shape == "channels_last":
        given = given.contiguous(memory_format=torch.channels_last)
    transform = halmix.AugMix(severity=5)
    torch.manual_seed(8)
    expected = transform(images)
    torch.manual_seed(8)
    result = transform(given)
    assert equal(result, expected) and result.stride() == given.stride()
    assert equal(transform(given, index=3, epoch=2), transform(images, index=3, epoch=2))
    kept, moved = halmix.AugMix(seed=1), halmix.AugMix(seed=1)
    assert all(equal(moved(given), kept(images)) for _ in range(3))


def test_plans_and_ops():
    images = make_images(3, 61, 47)
    plan = halmix.sample(61, 47, seed=4, severity=7)
    ops = [("rotate", -12.5), "equalize", ("posterize", 3), ("color", 1.7)]
    for given in images, images[0], make_images(2, 61, 47, 1):
        assert equal(halmix.run(plan, given.cuda()), halmix.run(plan, given))
        assert equal(halmix.apply(given.cuda(), ops, fill=(9, 8, 7)), halmix.apply(given, ops, fill=(9, 8, 7)))
    assert equal(halmix.apply(images.cuda(), []), images)
    for op in halmix.ops():
        value = () if op["range"] is None else (int(sum(op["range"]) / 2) or op["range"][1],)
        assert equal(halmix.apply(images.cuda(), [(op["name"], *value)]), halmix.apply(images, [(op["name"], *value)]))


def test_composers_draws():
    images = make_images(3, 20, 30)
    np.random.seed(2)
    expected = halmix.augmix_image(images)
    np.random.seed(2)
    assert equal(halmix.augmix_image(images.cuda()), expected)


def test_tv_tensors_stay_what_they_are():
    tv_tensors = pytest.importorskip("torchvision.tv_tensors", reason="torchvision is not installed")
    image = tv_tensors.Image(make_images(1, 20, 30)[0].cuda())
    result = halmix.AugMix(seed=1)(image)
    assert isinstance(result, tv_tensors.Image) and equal(result, halmix.AugMix(seed=1)(image.cpu()))


def test_memory_that_lacks_does_no_harm():
    """Torch holds nearly all; then a batch is computed in parts, or MemoryError is raised."""
    images = make_images(64, 224, 224)
    source, out = images.cuda(), torch.empty(images.shape, dtype=torch.float16, device="cuda")
    expected = on_cpu(images, seed=1, dtype="float16")
    engine = halmix.Engine("cuda:0")  # one that keeps no memory yet
    halmix.augmix_batch(source[:1], seed=1, engine=engine)
    torch.cuda.synchronize()
    hogs, size = [], torch.cuda.mem_get_info()[0]
    while size > 2**20:
        try:
            hogs.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
            size = min(size, torch.cuda.mem_get_info()[0])
        except torch.cuda.OutOfMemoryError:
            size //= 2
    refused = False
    try:
        halmix.augmix_batch(source, seed=1, dtype="float16", out=out, engine=engine)
    except MemoryError as error:
        refused = True
        assert "cuda:0" in str(error)
    assert refused or equal(out, expected)
    hogs.clear()
    # What torch keeps of freed memory is given back when there is no other.
    assert equal(halmix.augmix_batch(source, seed=1, dtype="float16", out=out, engine=engine), expected)
    assert equal(halmix.augmix_batch(source, seed=1, dtype="float16"), expected)


BATCH = torch.zeros(2, 3, 5, 6, dtype=torch.uint8)


@pytest.mark.parametrize(
    "arguments,error,message",
    [
        ({"out": BATCH.permute(0, 2, 3, 1).contiguous()}, ValueError, "out: a tensor on cpu; allowed is one on cuda:0"),
        ({"out": np.zeros((2, 5, 6, 3), np.uint8)}, TypeError, "out: ndarray; allowed is a tensor on cuda:0"),
        ({"out": torch.zeros(2, 3, 5, 6, device="cuda")}, ValueError, "out: a tensor of torch.float32"),
        ({"out": torch.zeros(1, 5, 6, 3, dtype=torch.uint8, device="cuda")}, ValueError, "out: .*without gaps"),
        ({"images": BATCH.cuda().float()}, TypeError, "images: a tensor of torch.float32"),
        ({"images": BATCH.cuda()[0]}, TypeError, "images: "),
        ({"images": BATCH.cuda()[:, :2]}, ValueError, "channels"),
        ({"images": list(BATCH.cuda())}, ValueError, "torch.stack"),
        ({"images": BATCH, "out": BATCH.cuda()}, ValueError, "out: a tensor on cuda:0; the images are on the CPU"),
        ({"indices": [1]}, ValueError, "indices"),
        ({"std": 0}, ValueError, "std"),
        ({"engine": halmix.Engine("auto")}, ValueError, "engine: .*; the images are on cuda:0"),
        ({"engine": "cuda"}, TypeError, "engine: 'cuda'"),
    ],
)
def test_arguments_that_are_not_allowed(arguments, error, message):
    with pytest.raises(error, match=message):
        halmix.augmix_batch(**{"images": BATCH.cuda(), "seed": 0, **arguments})


def test_images_that_are_not_allowed():
    image = make_images(1, 6, 5)[0].cuda()
    for wrong in image[:2], image[:, :0], image / 2, image.float() * float("nan"), image[0]:
        with pytest.raises(ValueError, match="image"):
            halmix.AugMix()(wrong)
    with pytest.raises(TypeError, match="image"):
        halmix.AugMix()(image.int())
    with pytest.raises(ValueError, match="plan"):
        halmix.run(halmix.sample(9, 9), image)


def test_empty_batches():
    empty = torch.empty(0, 3, 8, 8, dtype=torch.uint8, device="cuda")
    assert halmix.augmix_batch(empty, seed=1).shape[0] == 0
    assert halmix.AugMix()(empty).shape == empty.shape


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="one GPU only")
def test_each_gpu_has_an_engine():
    images = make_images(4, 33, 21)
    expected = on_cpu(images, seed=3)
    for index in range(torch.cuda.device_count()):
        assert equal(halmix.augmix_batch(images.to(f"cuda:{index}"), seed=3), expected)
    with pytest.raises(ValueError, match="cuda:1"):
        halmix.augmix_batch(images.to("cuda:1"), seed=3, engine=halmix.Engine("cuda:0"))


def test_the_engine_of_a_gpu_takes_images_on_the_host():
    images = make_images(4, 33, 21)
    engine = halmix.Engine("cuda")
    assert engine.target == "cuda" and engine.device.startswith("cuda:0 (") and engine.device in repr(engine)
    assert np.array_equal(halmix.augmix_batch(images, seed=3, engine=engine), halmix.augmix_batch(images, seed=3))
