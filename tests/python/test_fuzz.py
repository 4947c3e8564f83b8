"""Whatever the arguments, a function gives a result of the right shape, or raises what it documents."""

import tempfile

import halmix
import numpy as np
import pytest
from conftest import SCALE, SEED

hypothesis = pytest.importorskip("hypothesis", reason="arguments are drawn by Hypothesis")
st = pytest.importorskip("hypothesis.strategies")
Image = pytest.importorskip("PIL.Image", reason="files are written by Pillow")

drawn = hypothesis.settings(
    max_examples=300 * SCALE, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
)


def encoded(format, **options):
    with tempfile.SpooledTemporaryFile() as file:
        Image.radial_gradient("L").resize((19, 23)).convert("RGB").save(file, format, **options)
        file.seek(0)
        return file.read()


FILES = [encoded("JPEG"), encoded("JPEG", progressive=True), encoded("PNG")]

# Arguments that make no sense: every kind of thing that Python has, and numbers that fit no type of C's.
nonsense = st.one_of(
    st.sampled_from([10**400, -(2**63), 2**64, float("nan"), float("inf"), np.int8(-1)]),
    st.sampled_from([None, True, object(), np.zeros(3), 1j, [], {}, ("x",), range(3)]),
    st.one_of(st.integers(), st.floats(), st.text(max_size=9), st.binary(max_size=9)),
    st.lists(st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=9)), max_size=4),
)


def mostly(right):
    """What is right, and in one of ten cases what is not."""
    return st.integers(0, 9).flatmap(lambda number: nonsense if number == 0 else right)


def some(**arguments):
    """Any of the arguments, at most one of which makes no sense."""
    odd = st.one_of(st.just({}), st.dictionaries(st.sampled_from(sorted(arguments)), nonsense, min_size=1, max_size=1))
    return st.builds(lambda right, wrong: right | wrong, st.fixed_dictionaries({}, optional=arguments), odd)


whole = st.integers(-1, 40)
real = st.one_of(st.floats(-1, 11), st.integers(-1, 11))
op = st.sampled_from([*(op["name"] for op in halmix.ops()), "color_original", "no_op"])
images = st.builds(
    lambda shape, seed: np.random.default_rng(seed).integers(0, 256, shape, np.uint8),
    st.one_of(st.tuples(whole, whole), st.tuples(whole, whole, st.sampled_from([1, 3, 3, 3, 4]))).map(
        lambda shape: tuple(max(side, 0) for side in shape)
    ),
    st.integers(0, 9),
).flatmap(
    lambda image: st.sampled_from([image, image[::-1], image[:, ::-1], np.asfortranarray(image), image.astype(float)])
)
batches = st.one_of(
    st.lists(mostly(images), max_size=3),
    images.map(lambda image: np.stack([image] * 2)),
)
files = st.sampled_from(FILES).flatmap(
    lambda file: st.sampled_from(
        [file, bytearray(file), memoryview(file), np.frombuffer(file, np.uint8), file[: len(file) // 2]]
    )
)
policy = {
    "severity": real,
    "depth": st.integers(-2, 17),
    "alpha": st.floats(0.01, 100),
    "augmentation_set": st.one_of(st.sampled_from(["all", "safe", "original", "rotate:2"]), st.lists(op, max_size=3)),
    "fill": st.one_of(st.integers(-1, 256), st.tuples(whole, whole, whole)),
    "crop": st.one_of(st.none(), st.integers(-1, 30), st.tuples(whole, whole)),
}
key = {"seed": st.integers(-1, 2**64), "epoch": st.integers(-1, 2**32)}
batch = {
    **policy, **key,
    "width": st.integers(0, 17),
    "indices": st.one_of(st.none(), st.lists(st.integers(-1, 2**64), max_size=3)),
    "views": st.lists(st.sampled_from(["aug", "clean", "no view"]), max_size=3),
    "dtype": st.sampled_from(["uint8", "float16", "float32", "int8", np.float32]),
    "layout": st.sampled_from([None, "HWC", "CHW"]),
    "mean": st.one_of(real, st.lists(real, min_size=3, max_size=3)),
    "std": st.one_of(real, st.lists(real, min_size=3, max_size=3)),
    "threads": st.integers(-1, 3),
}  # fmt: skip
decoding = {
    "mode": st.sampled_from(["exact", "fast", "no mode"]),
    "orientation": st.sampled_from(["stored", "upright"]),
    "on_error": st.sampled_from(["raise", "repeat", "skip"]),
    "max_pixels": st.integers(0, 1000),
    "unsupported": st.sampled_from(["refuse", "convert", "skip"]),
    "damaged": st.sampled_from(["refuse", "accept", True]),
}


def outcome(function, *positional, **named):
    """The result, or None for what is refused with one line."""
    try:
        return function(*positional, **named)
    except (TypeError, ValueError) as error:
        assert str(error) and "\n" not in str(error), repr(error)
        return None


def settled(test):
    return hypothesis.seed(SEED)(drawn(test))


@settled
@hypothesis.example(30, 20, {"severity": 10**400})
@hypothesis.given(
    mostly(whole), mostly(whole), some(**policy, **key, index=st.integers(-1, 2**64), view=whole, chains=whole)
)
def test_sample_and_run(width, height, arguments):
    plan = outcome(halmix.sample, width, height, **arguments)
    if plan is None:
        return
    assert halmix.Plan.from_json(plan.to_json()) == plan
    crop = plan.resized_crop
    shape = (height, width, 3)
    assert (crop is None) == (arguments.get("crop") is None)
    if plan.width * plan.height > 10**5 or width * height > 10**5:
        return
    result = halmix.run(plan, np.zeros(shape, np.uint8))
    assert result.shape == (plan.height, plan.width, 3)
    assert outcome(halmix.run, plan, np.zeros((height + 1, width, 3), np.uint8)) is None


@settled
@hypothesis.given(
    mostly(images), st.lists(mostly(st.one_of(op, st.tuples(op, mostly(real)))), max_size=4), mostly(policy["fill"])
)
def test_apply(image, ops, fill):
    result = outcome(halmix.apply, image, ops, fill=fill)
    assert result is None or result.shape == image.shape


@settled
@hypothesis.given(mostly(batches), some(**batch))
def test_augmix_batch(images, arguments):
    result = outcome(halmix.augmix_batch, images, **{"seed": 1, **arguments})
    if result is not None:
        views = len(arguments.get("views", ["aug"]))
        assert len(result) in (len(images), len(images) * views)


@settled
@hypothesis.given(st.lists(mostly(files), max_size=3), some(**batch, **decoding))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_decode_augment(images, arguments):
    try:
        outcome(halmix.decode_augment, images, **{"seed": 1, **arguments})
    except OSError as error:
        assert error.filename is not None  # a path that is none
