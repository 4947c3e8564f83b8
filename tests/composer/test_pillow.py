"""halmix gives Pillow's bytes for random chains of ops, on every target."""

import collections
import functools
import itertools

import cases
import model
from comparison import compared

CHAINS = 5000


def by_pillow(case):
    return case.arguments, model.apply(case.image, **case.arguments)


def test_chains(seed, scale, targets, ops):
    pairs = collections.Counter()
    images = 0
    for request in compared(by_pillow, functools.partial(cases.chain, seed), CHAINS * scale, targets):
        images += 1
        pairs.update(itertools.pairwise(call["op"] for call in request["ops"]))
    print(f"seed {seed}: {images} images compared on each of {', '.join(targets)}")
    print(f"pairs of ops: {len(pairs)}, each at least {min(pairs.values())} times")
    assert images == CHAINS * scale
    assert set(pairs) == set(itertools.product(ops, repeat=2))
