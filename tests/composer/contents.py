"""The test images of ../contents.h, byte for byte. Golden data holds the two together."""

import numpy as np

NAMES = (
    "constant",
    "ramp",
    "gradient",
    "noise",
    "smooth",
    "checkerboard",
    "two_levels",
    "levels_0_25",
    "huge_bin",
    "saturated",
)


def mix_bits(values):
    """The finalizer of MurmurHash3 on an array of integers, modulo 2**32."""
    h = np.asarray(values, dtype=np.int64).astype(np.uint32)
    h = (h ^ (h >> 16)) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> 13)) * np.uint32(0xC2B2AE35)
    return (h ^ (h >> 16)).astype(np.int64)


def make(content, width, height, channels, seed=1):
    """A uint8 array of shape (height, width, channels)."""
    shape = (height, width, channels)
    y, x, c = np.indices(shape)
    pixel = y * width + x
    key = int(mix_bits([seed])[0])
    noise = mix_bits(key + pixel * channels + c)
    channel_noise = mix_bits(0xFFFFFFFF - key - c)
    gradient = np.select(
        [c == 0, c == 1],
        [x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1)],
        255 - (x + y) * 255 // max(width + height - 2, 1),
    )
    match content:
        case "constant":
            levels = channel_noise >> 24
        case "ramp":
            levels = pixel % 256
        case "gradient":
            levels = gradient
        case "noise":
            levels = noise >> 24
        case "smooth":
            levels = 40 + gradient // 2 + (noise >> 29)
        case "checkerboard":
            levels = (x + y) % 2 * 255
        case "two_levels":
            levels = np.where(noise % 2 == 0, channel_noise % 128, 128 + (channel_noise >> 25))
        case "levels_0_25":
            levels = np.select([pixel == 0, pixel == width * height - 1], [0, 25], noise % 26)
        case "huge_bin":
            levels = np.where(noise % 8 < 5, 200, (noise >> 8) % 200)
        case "saturated":
            levels = np.select([noise % 4 == 0, noise % 4 == 1], [0, 255], noise >> 24)
        case _:
            raise ValueError(f"no content is called {content!r}")
    return levels.astype(np.uint8)
