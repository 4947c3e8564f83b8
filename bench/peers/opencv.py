"""AugMix in OpenCV, each op in the fastest formulation found. It is not exact: color, sharpness and brightness differ
from Pillow by up to 1, warps by 1 and by much at the border, into which they mix black, and equalize by up to 13."""

import functools
import math

import cv2
import numpy as np

from . import sampling

cv2.setNumThreads(0)

VERSIONS = {"OpenCV": cv2.__version__}
seed = sampling.seed


def from_array(array):
    return array


def autocontrast(image):
    rows = image.reshape(image.shape[0], -1)
    low = rows.min(0).reshape(-1, 3).min(0).astype(np.float32)
    high = rows.max(0).reshape(-1, 3).max(0).astype(np.float32)
    matrix = np.zeros((3, 4), np.float32)
    for c in range(3):
        scale = 255 / (high[c] - low[c]) if high[c] > low[c] else 1
        matrix[c, c], matrix[c, 3] = scale, -low[c] * scale if high[c] > low[c] else 0
    return cv2.transform(image, matrix)


def equalize(image):
    return cv2.merge([cv2.equalizeHist(channel) for channel in cv2.split(image)])


def posterize(image, bits):
    return image & np.uint8(0xFF & ~(2 ** (8 - bits) - 1))


def solarize(image, threshold):
    return cv2.bitwise_xor(image, cv2.threshold(image, threshold - 1, 255, cv2.THRESH_BINARY)[1])


def warp_matrix(a, b, c, d, e, f):
    """Pillow's coefficients, for pixels' corners, as OpenCV's, for their centres."""
    return np.array([[a, b, c + (a + b - 1) / 2], [d, e, f + (d + e - 1) / 2]])


def rotation(image, degrees):
    """Pillow's coefficients of a rotation."""
    height, width = image.shape[:2]
    angle = -math.radians(degrees)
    c, s = math.cos(angle), math.sin(angle)
    return c, s, (width - c * width - s * height) / 2, -s, c, (height + s * width - c * height) / 2


def _warp(image, *coefficients):
    # OpenCV 5 warps four channels twice as fast as three.
    height, width = image.shape[:2]
    image = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)
    image = cv2.warpAffine(
        image, warp_matrix(*coefficients), (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    return cv2.cvtColor(image, cv2.COLOR_RGBA2RGB)


def rotate(image, degrees):
    return _warp(image, *rotation(image, degrees))


def shear_x(image, slope):
    return _warp(image, 1, slope, 0, 0, 1, 0)


def shear_y(image, slope):
    return _warp(image, 1, 0, 0, slope, 1, 0)


def translate_x(image, pixels):
    pixels = max(-image.shape[1], min(image.shape[1], pixels))
    if pixels >= 0:
        return cv2.copyMakeBorder(image[:, pixels:], 0, 0, 0, pixels, cv2.BORDER_CONSTANT)
    return cv2.copyMakeBorder(image[:, :pixels], 0, 0, -pixels, 0, cv2.BORDER_CONSTANT)


def translate_y(image, pixels):
    pixels = max(-image.shape[0], min(image.shape[0], pixels))
    if pixels >= 0:
        return cv2.copyMakeBorder(image[pixels:], 0, pixels, 0, 0, cv2.BORDER_CONSTANT)
    return cv2.copyMakeBorder(image[:pixels], -pixels, 0, 0, 0, cv2.BORDER_CONSTANT)


def color(image, factor):
    matrix = np.float32([[0.299, 0.587, 0.114]] * 3) * np.float32(1 - factor)
    for c in range(3):
        matrix[c, c] += factor
    return cv2.transform(image, matrix)


def contrast(image, factor):
    mean = int(cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[0] + 0.5)
    return cv2.addWeighted(image, factor, image, 0, mean * (1 - factor))


def brightness(image, factor):
    return cv2.convertScaleAbs(image, alpha=factor)


def sharpness(image, factor):
    # Pillow's kernel is (9 * box + 4 * centre) / 13.
    rest = 1 - factor
    result = cv2.addWeighted(image, factor + rest * 4 / 13, cv2.blur(image, (3, 3)), rest * 9 / 13, 0)
    result[0], result[-1], result[:, 0], result[:, -1] = image[0], image[-1], image[:, 0], image[:, -1]
    return result


OPS = {
    op.__name__: op
    for op in (
        *(autocontrast, equalize, posterize, rotate, solarize, shear_x, shear_y, translate_x, translate_y),
        *(color, contrast, brightness, sharpness),
    )
}


def mix_chains(image, chains, weights, m):
    """(1 - m) * image + m * sum of weight * chain, as running weighted averages."""
    total = image.astype(np.float32)
    share = 1 - m
    for chain, weight in zip(chains, weights):
        share += m * weight
        cv2.accumulateWeighted(chain, total, m * weight / max(share, 1e-12))
    return total.astype(np.uint8)


def mix(image):
    chains = [np.roll(image, shift) for shift in range(3)]
    return functools.partial(mix_chains, image, chains, [0.2, 0.3, 0.5], 0.4)


augmix = functools.partial(sampling.augmix, OPS, mix_chains)
