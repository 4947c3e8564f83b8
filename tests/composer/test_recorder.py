"""The recorder tells the truth."""

import collections

import numpy as np

import cases
import model
import recorder


def test_replayed_plans_equal_composer(seed):
    """A recorded plan, replayed by Pillow and NumPy, gives Composer's bytes."""
    ops_seen = collections.Counter()
    for number in range(1000):
        case = cases.composer(seed, number)
        plan, result = recorder.record(case.image, **case.arguments)
        assert (model.run(case.image, plan) == result).all(), f"{case}: {plan}"
        ops_seen.update(call["op"] for chain in plan["chains"] for call in chain["ops"])
    assert set(ops_seen) == {primitive.__name__ for primitive in recorder.PRIMITIVES.augmentation_sets["all"]}
    assert min(ops_seen.values()) >= 100, ops_seen


def test_recording_changes_nothing(seed):
    """Composer gives the same bytes unwatched, and the caller's random numbers go on as if nothing had been recorded."""
    for number in range(200):
        case = cases.composer(seed, number)
        arguments = dict(case.arguments)
        np.random.seed(arguments.pop("seed"))
        op_set = recorder.PRIMITIVES.augmentation_sets[arguments.pop("op_set")]
        unwatched = recorder.AUGMIX.augmix_image(model.to_pillow(case.image), augmentation_set=op_set, **arguments)
        before = np.random.get_state()
        _, result = recorder.record(case.image, **case.arguments)
        assert (model.to_array(unwatched) == result).all(), case
        after = np.random.get_state()
        assert before[2] == after[2] and (before[1] == after[1]).all()
