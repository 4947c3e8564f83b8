"""Composer's AugMix for ops of any library, drawn from Python's `random`."""

import random
from random import uniform

seed = random.seed


def _either_sign(value):
    return -value if random.random() > 0.5 else value


def _factor(severity):
    return uniform(1, severity) if random.random() > 0.5 else uniform(1 - 0.09 * severity, 1)


def _brightness(severity):
    factor = _factor(severity)
    return factor * 0.75 if factor > 1 else factor


# The value of an op, for a severity and an image's width and height. The other ops have none.
_VALUES = {
    "posterize": lambda severity, width, height: 4 - int(uniform(0.1, severity) * 0.4),
    "rotate": lambda severity, width, height: _either_sign(int(uniform(0.1, severity) * 3)),
    "solarize": lambda severity, width, height: 256 - int(uniform(0.1, severity) * 25.6),
    "shear_x": lambda severity, width, height: _either_sign(uniform(0.1, severity) * 0.03),
    "shear_y": lambda severity, width, height: _either_sign(uniform(0.1, severity) * 0.03),
    "translate_x": lambda severity, width, height: _either_sign(int(uniform(0.1, severity) * width / 30)),
    "translate_y": lambda severity, width, height: _either_sign(int(uniform(0.1, severity) * height / 30)),
    "color": lambda severity, width, height: _factor(severity),
    "contrast": lambda severity, width, height: _factor(severity),
    "brightness": lambda severity, width, height: _brightness(severity),
    "sharpness": lambda severity, width, height: _factor(severity),
}


def augmix(ops, mix, image, policy):
    """A function that makes one augmented image; mix(image, chains, weights, m) is the library's own."""
    height, width, _ = image.shape
    severity, depth, alpha = policy["severity"], policy["depth"], policy["alpha"]
    choices = [(op, _VALUES.get(name)) for name, op in ops.items()]

    def run():
        weights = [random.gammavariate(alpha, 1) for _ in range(policy["width"])]
        total = sum(weights)
        m = random.betavariate(alpha, alpha)
        chains = []
        for _ in weights:
            chain = image
            for _ in range(depth if depth > 0 else random.randint(1, 3)):
                op, value = random.choice(choices)
                chain = op(chain, value(severity, width, height)) if value else op(chain)
            chains.append(chain)
        return mix(image, chains, [weight / total for weight in weights], m)

    return run
