"""Engines that calls name, and the way of tensors on a GPU as far as it goes without one; test_cuda.py has the rest."""

import ctypes
import itertools
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import make_image

import halmix
from halmix import _core, _cuda
from halmix._policy import make_policy

HWC, CHW = _core.Layout.u8_hwc, _core.Layout.u8_chw
LAYOUTS = [CHW, HWC, _core.Layout.f16_chw, _core.Layout.f32_chw]
DTYPES = ["uint8", "uint8", "float16", "float32"]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
POLICY = make_policy(3, 3, -1, 1.0, "all")

ENGINES = [halmix.Engine(t["name"]) for t in halmix.targets() if t["available"] and t["name"] != "cuda"]
GPUS = [engine for engine in ENGINES if engine.device]
each_engine = pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.target)


def make_batch(rng, count, width, height, channels=3):
    """Arrays (N, C, H, W)."""
    images = [make_image(rng, width, height, channels).reshape(height, width, channels) for _ in range(count)]
    return np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))


def test_what_an_engine_says():
    cpu = halmix.Engine("auto")
    assert cpu.device is None
    assert repr(cpu) == f"<halmix.Engine {cpu.target}: {cpu.reason}>"
    for engine in GPUS:
        assert engine.device.startswith(f"{engine.target}:0 (") and repr(engine).startswith(
            f"<halmix.Engine {engine.device}: "
        )


@each_engine
def test_calls_that_name_an_engine(engine, photo, rng):
    plan = halmix.sample(photo.shape[1], photo.shape[0], seed=5)
    assert np.array_equal(halmix.run(plan, photo, engine=engine), halmix.run(plan, photo))
    ops = [("rotate", -12.5), "equalize"]
    assert np.array_equal(
        halmix.apply(photo, ops, fill=(3, 4, 5), engine=engine), halmix.apply(photo, ops, fill=(3, 4, 5))
    )
    images = [make_image(rng, 20 + i, 30) for i in range(3)]
    for given in images, np.stack(images[:1] * 4):
        named = {"seed": 2, "views": ("clean", "aug"), "dtype": "float32", "mean": MEAN, "std": STD}
        results, expected = halmix.augmix_batch(given, **named, engine=engine), halmix.augmix_batch(given, **named)
        assert all(np.array_equal(*pair) for pair in zip(results, expected))


@pytest.mark.parametrize("wrong", ["cpu-avx2", 0, halmix.Engine])
def test_engines_that_are_none(photo, wrong):
    plan = halmix.sample(photo.shape[1], photo.shape[0])
    calls = [
        lambda: halmix.run(plan, photo, engine=wrong),
        lambda: halmix.apply(photo, [], engine=wrong),
        lambda: halmix.augmix_batch(photo[None], seed=0, engine=wrong),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="engine: .*; allowed is a halmix.Engine"):
            call()


@each_engine
@pytest.mark.parametrize("layout,dtype", list(zip(LAYOUTS, DTYPES)))
@pytest.mark.parametrize("size", [(1, 1), (7, 5, 1), (33, 21)])
def test_whole_batches(rng, engine, layout, dtype, size):
    """The calls that tensors on a GPU take, for arrays on the host."""
    images = make_batch(rng, 4, *size)
    named = {"seed": 3, "epoch": 2, "indices": [7, 2**40, 0, 1], "views": ("clean", "aug", "aug"), "dtype": dtype}
    named |= {"layout": "HWC" if layout is HWC else "CHW", "mean": MEAN, "std": STD}
    expected = halmix.augmix_batch(np.ascontiguousarray(images.transpose(0, 2, 3, 1)), **named)
    flat = expected.reshape(-1, *expected.shape[2:])
    draws = POLICY, 3, 2, named["indices"], [-1, 0, 1]
    plain = _core.Normalization(MEAN, STD)
    for source, source_layout in (images, CHW), (np.ascontiguousarray(images.transpose(0, 2, 3, 1)), HWC):
        out = np.zeros_like(flat)
        _core.augment_whole(engine, *draws, source, source_layout, out, layout, plain, 0)
        assert np.array_equal(out.view(np.uint8), flat.view(np.uint8))
    height, width = images.shape[2:]
    plans = [halmix.sample(width, height, seed=3, epoch=2, index=i, view=1) for i in named["indices"]]
    out = np.zeros_like(flat[::3])
    _core.run_whole(engine, plans, images, CHW, out, layout, plain, 0)
    assert np.array_equal(out.view(np.uint8), flat[2::3].view(np.uint8))


@each_engine
@pytest.mark.parametrize("layout,dtype", list(zip(LAYOUTS, DTYPES)))
def test_whole_batches_of_crops(rng, engine, layout, dtype):
    images, crop, count = make_batch(rng, 6, 45, 31), halmix.RandomResizedCrop((20, 28)), 6
    hwc = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    named = {"seed": 3, "views": ("clean", "aug"), "dtype": dtype, "layout": "HWC" if layout is HWC else "CHW"}
    expected = halmix.augmix_batch(hwc, **named, crop=crop, mean=MEAN, std=STD)
    flat = expected.reshape(-1, *expected.shape[2:])
    draws = make_policy(3, 3, -1, 1.0, "all", 0, crop), 3, 0, list(range(count)), [-1, 0]
    out = np.zeros_like(flat)
    _core.augment_whole(engine, *draws, images, CHW, out, layout, _core.Normalization(MEAN, STD), 0)
    assert np.array_equal(out.view(np.uint8), flat.view(np.uint8))


def test_whole_batches_that_are_not_allowed():
    engine, plans = ENGINES[0], [halmix.sample(6, 5)] * 2
    image = np.zeros((2, 5, 6, 3), np.uint8)

    def call(images=image, layout=HWC, out=None, out_layout=HWC):
        out = np.zeros((2, 5, 6, 3), np.uint8) if out is None else out
        _core.run_whole(engine, plans, images, layout, out, out_layout, _cuda.LEVELS, 0)

    call()
    for wrong, error, message in [
        ({"images": image.view(np.int8)}, TypeError, "images: allowed are elements of uint8"),
        ({"images": image[0]}, ValueError, "images: 3 dimensions"),
        ({"images": image[:, :, ::-1]}, ValueError, "images: .*without gaps"),
        ({"out": image[:, ::2]}, ValueError, "out: .*without gaps"),
        ({"out": image.astype(np.float32)}, TypeError, "out: allowed are elements of uint8"),
        ({"out": image[:1].copy()}, ValueError, "output batch: 1 images for 2 plans"),
        ({"out": image}, ValueError, "overlaps"),
        ({"layout": CHW}, ValueError, "channels"),
        (
            {"images": on_gpu(image), "out": on_gpu(image.copy())},
            ValueError,
            "its memory is cuda; target cpu-.* takes host",
        ),
        ({"images": on_gpu(image)}, ValueError, "out: on another device"),
        ({"images": on_gpu(image), "out": on_gpu(image.copy(), number=1)}, ValueError, "out: on another device"),
        ({"images": on_gpu(image, kind=7)}, ValueError, "images: memory of DLPack's device 7"),
    ]:
        with pytest.raises(error, match=message):
            call(**wrong)


class Tensor(ctypes.Structure):
    """DLManagedTensor of DLPack, whose layout is fixed."""

    _fields_ = [
        ("data", ctypes.c_void_p), ("kind", ctypes.c_int), ("number", ctypes.c_int), ("dimensions", ctypes.c_int),
        ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
        ("shape", ctypes.c_void_p), ("strides", ctypes.c_void_p), ("offset", ctypes.c_uint64),
        ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p),
    ]  # fmt: skip


_alive = []


def on_gpu(array, kind=2, number=0):
    """An array as DLPack would hand it over if it were on a GPU of CUDA, which is kind 2."""
    shape = (ctypes.c_int64 * array.ndim)(*array.shape)
    code = {"u": 1, "f": 2}[array.dtype.kind]
    tensor = Tensor(
        array.ctypes.data, kind, number, array.ndim, code, 8 * array.itemsize, 1, ctypes.addressof(shape),
    )  # fmt: skip
    _alive.extend((array, shape, tensor))
    make = ctypes.pythonapi.PyCapsule_New
    make.restype, make.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    return make(ctypes.addressof(tensor), b"dltensor", None)


def queue_on(stream):
    """A batch in memory that is said to be a GPU's, for a driver that only tells what it is told."""
    images, out = np.zeros((4, 3, 20, 30), np.uint8), np.zeros((8, 3, 20, 30), np.float16)
    draws = POLICY, 3, 0, [0, 1, 2, 3], [-1, 0]
    arrays = on_gpu(images, number=1), CHW, on_gpu(out, number=1), _core.Layout.f16_chw
    _core.augment_whole(halmix.Engine("cuda:1"), *draws, *arrays, _cuda.LEVELS, stream)


def tell(folder, program):
    """What CUDA's driver is told by a program, and what that prints."""
    if not any(target["name"] == "cuda" for target in halmix.targets()):
        pytest.skip("this build lacks the target cuda")
    source, library = pathlib.Path(__file__).with_name("driver.c"), folder / "libcuda.so.1"
    subprocess.check_call([shutil.which("cc") or "gcc", "-shared", "-fPIC", "-O1", "-o", library, source])
    paths = [str(pathlib.Path(halmix.__file__).parents[1]), *sys.path]
    program = f"import sys\nsys.path[:0] = {paths!r}\nimport test_engines, halmix\n{program}"
    environment = {"LD_LIBRARY_PATH": str(folder)}
    return subprocess.check_output([sys.executable, "-c", program], env=environment, text=True).splitlines()


@pytest.mark.parametrize("stream,name", [(0, 1), (0x1230, 0x1230)])  # 1 is CUDA's own for the default stream
def test_a_batch_is_queued_in_its_stream(tmp_path, stream, name):
    lines = tell(tmp_path, f"test_engines.queue_on({stream})")
    assert {line.rsplit(" ", 1)[0] for line in lines} == {"copy", "launch"}, "it waits"
    assert {line.rsplit(" ", 1)[1] for line in lines} == {hex(name)}
    assert sum(line.startswith("copy") for line in lines) == 1, "parameters, not images"


def queue_every_op():
    """An image for each op, as `queue_on` has it."""
    ops = [(op["name"], *(op["range"] or ())[:1]) for op in halmix.ops()]
    plans = [halmix.Plan(30, 20, 1, [(1, [op])]) for op in ops]
    images = np.zeros((len(plans), 3, 20, 30), np.uint8)
    arrays = on_gpu(images, number=1), CHW, on_gpu(images.copy(), number=1), CHW
    _core.run_whole(halmix.Engine("cuda:1"), plans, *arrays, _cuda.LEVELS, 0)


def test_what_is_launched_fits_a_device(tmp_path):
    """The driver takes no more threads than a block has, and no address in shared memory that is the system's."""
    assert sum(line.startswith("launch") for line in tell(tmp_path, "test_engines.queue_every_op()")) >= 13


def test_numbers_are_cudas(tmp_path):
    """Also where a GPU before is too old."""
    assert tell(tmp_path, "print(halmix.Engine('cuda:1').device, halmix.Engine('cuda').device)") == [
        "cuda:1 (No GPU) cuda:1 (No GPU)"
    ]
    with pytest.raises(subprocess.CalledProcessError):
        tell(tmp_path, "halmix.Engine('cuda:0')")


def fail_each_call(code):
    """Batches of which one call of the driver fails, the next one each time; then one that goes well. Memory that has
    been had is kept, so each begins with an engine of its own."""
    driver = ctypes.CDLL("libcuda.so.1")
    until_failure = ctypes.c_int.in_dll(driver, "until_failure")
    ctypes.c_int.in_dll(driver, "failure").value = code
    images = np.zeros((4, 20, 30, 3), np.uint8)
    for n in itertools.count():
        engine = halmix.Engine("cuda:1")
        until_failure.value = n
        try:
            halmix.augmix_batch(images, seed=3, engine=engine)
        except (RuntimeError, MemoryError) as error:
            print("error", type(error).__name__, error)
        failed = until_failure.value < 0
        until_failure.value = -1
        halmix.augmix_batch(images, seed=3, engine=engine)
        if not failed:
            return


# Out of memory, an address that is not there, a launch that failed, a lost device, something unknown.
@pytest.mark.parametrize("code", [2, 700, 719, 46, 999])
def test_a_driver_that_fails(tmp_path, code):
    lines = [line for line in tell(tmp_path, f"test_engines.fail_each_call({code})") if line.startswith("error")]
    assert len(lines) > 10
    for line in lines:
        assert line.startswith("error MemoryError" if code == 2 else "error RuntimeError"), line
        assert "cuda:1 (No GPU)" in line and "CUDA" in line, line


def test_no_gpu_is_an_error_that_says_so():
    if any(target["name"] == "cuda" and target["available"] for target in halmix.targets()):
        pytest.skip("this machine has a GPU of CUDA")
    from halmix._engine import of_gpu

    with pytest.raises(RuntimeError, match='target (cuda:0: .*driver|"cuda:0": unknown)'):
        of_gpu(0, None)
    with pytest.raises(ValueError, match=re.escape('on cuda:0, for which is halmix.Engine("cuda:0")')):
        of_gpu(0, ENGINES[0])


@pytest.fixture
def as_if_on_gpu(monkeypatch):
    """Tensors on the CPU take the way of those on a GPU, to an engine for batches on the host."""
    pytest.importorskip("torch", reason="torch is not installed: scripts/setup --python-extras")
    if not GPUS:
        pytest.skip("no driver of OpenCL")
    from halmix import _functional, _images

    for module in _functional, _images:
        monkeypatch.setattr(module, "is_cuda", _images.is_tensor)
    real = _cuda.queue

    def queue(call, engine, *others):
        return real(call, engine or GPUS[0], *others)

    monkeypatch.setattr(_cuda, "queue", queue)
    monkeypatch.setattr(_functional, "queue", queue)


@pytest.mark.parametrize("views", [("aug",), ("clean", "aug")])
@pytest.mark.parametrize("channels", [1, 3])
def test_tensors_on_a_gpu(rng, as_if_on_gpu, views, channels):
    import torch

    arrays = make_batch(rng, 5, 23, 37, channels)
    pixels = torch.from_numpy(arrays)
    last, turned = (
        pixels.contiguous(memory_format=torch.channels_last),
        pixels.transpose(2, 3).contiguous().transpose(2, 3),
    )
    hwc = np.ascontiguousarray(arrays.transpose(0, 2, 3, 1))
    for dtype in "uint8", "float16", torch.float32:
        name = str(dtype).removeprefix("torch.")
        named = {"seed": 4, "views": views, "mean": MEAN, "std": STD, "layout": "CHW"}
        expected = torch.from_numpy(halmix.augmix_batch(hwc, dtype=name, **named))
        for given in pixels, last, turned:
            assert torch.equal(halmix.augmix_batch(given, dtype=dtype, **named), expected)
            out = torch.empty_like(expected)
            assert halmix.augmix_batch(given, dtype=dtype, out=out, **named) is out and torch.equal(out, expected)
    assert torch.equal(halmix.augmix_batch(last, seed=4), torch.from_numpy(halmix.augmix_batch(hwc, seed=4)))
    cropped = halmix.augmix_batch(hwc, seed=4, views=views, crop=(12, 30))
    assert torch.equal(halmix.augmix_batch(last, seed=4, views=views, crop=(12, 30)), torch.from_numpy(cropped))
    assert len(halmix.augmix_batch(pixels[:0], seed=4)) == 0
    wrong = [
        ({"out": hwc}, TypeError, "out: ndarray; allowed is a tensor on cpu"),
        ({"out": torch.zeros(5, 37, 23, channels)}, ValueError, "out: a tensor of torch.float32"),
        ({"out": pixels}, ValueError, "without gaps"),
        (
            {"out": torch.zeros(5, 37, 23, channels, dtype=torch.uint8, device="meta")},
            ValueError,
            "out: a tensor on meta",
        ),
        ({"images": list(pixels)}, ValueError, "torch.stack"),
    ]
    for arguments, error, message in wrong:
        with pytest.raises(error, match=message):
            halmix.augmix_batch(**{"images": pixels, "seed": 4, **arguments})


def test_images_on_a_gpu(rng, as_if_on_gpu):
    import torch

    arrays = make_batch(rng, 4, 23, 37)
    pixels = torch.from_numpy(arrays)
    images = arrays.transpose(0, 2, 3, 1)

    def stacked(results):
        return torch.from_numpy(np.stack(results)).permute(0, 3, 1, 2)

    plan, ops = halmix.sample(23, 37, seed=1, severity=8), [("rotate", -12.5), "equalize", ("color", 1.7)]
    assert torch.equal(halmix.run(plan, pixels), stacked([halmix.run(plan, image) for image in images]))
    expected = stacked([halmix.apply(image, ops, fill=(9, 8, 7)) for image in images])
    assert torch.equal(halmix.apply(pixels, ops, fill=(9, 8, 7)), expected)
    assert torch.equal(halmix.apply(pixels[0], []), pixels[0])
    plan = halmix.sample(23, 37, seed=1, crop=(12, 30))
    assert torch.equal(halmix.run(plan, pixels), stacked([halmix.run(plan, image) for image in images]))

    transform = halmix.AugMix()
    for dtype in torch.uint8, torch.float32, torch.float64:
        given = pixels if dtype == torch.uint8 else pixels.to(dtype) / 255
        levels = given if dtype == torch.uint8 else given.mul(255).to(torch.uint8)
        torch.manual_seed(7)
        expected = stacked([transform(image.permute(1, 2, 0).numpy()) for image in levels])
        expected = expected if dtype == torch.uint8 else expected.to(dtype) / 255
        for memory in torch.contiguous_format, torch.channels_last:
            given = given.contiguous(memory_format=memory)
            torch.manual_seed(7)
            result = transform(given)
            assert torch.equal(result, expected) and result.stride() == given.stride()
    np.random.seed(3)
    expected = np.stack([halmix.augmix_image(image) for image in images]).transpose(0, 3, 1, 2)
    np.random.seed(3)
    assert torch.equal(halmix.augmix_image(pixels), torch.from_numpy(expected).float().div(255))
    for wrong in pixels[:, :2], pixels[:, :, :0]:
        with pytest.raises(ValueError, match="image: a tensor of shape"):
            transform(wrong)
    assert transform(pixels[:0]).shape == (0, 3, 37, 23)
