"""The test images of ../contents.h, byte for byte. Golden data holds the two together."""

import functools

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
    "near_flat",
    "stripes",
    "text",
)


def mix_bits(values):
    """The finalizer of MurmurHash3 on an array of integers, modulo 2**32."""
    h = np.asarray(values, dtype=np.int64).astype(np.uint32)
    h = (h ^ (h >> 16)) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> 13)) * np.uint32(0xC2B2AE35)
    return (h ^ (h >> 16)).astype(np.int64)


def make(content, width, height, channels, seed=1):
    """A uint8 array of shape (height, width, channels)."""
    y, x, c = np.ogrid[:height, :width, :channels]
    pixel = y * width + x
    key = int(mix_bits([seed])[0])
    channel_noise = mix_bits(0xFFFFFFFF - key - c)
    dark, light = channel_noise % 128, 128 + (channel_noise >> 25)

    @functools.cache
    def noise():
        return mix_bits(key + pixel * channels + c)

    def gradient():
        diagonal = 255 - (x + y) * 255 // max(width + height - 2, 1)
        return np.select([c == 0, c == 1], [x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1)], diagonal)

    match content:
        case "constant":
            levels = channel_noise >> 24
        case "ramp":
            levels = pixel % 256
        case "gradient":
            levels = gradient()
        case "noise":
            levels = noise() >> 24
        case "smooth":
            levels = 40 + gradient() // 2 + (noise() >> 29)
        case "checkerboard":
            levels = (x + y) % 2 * 255
        case "two_levels":
            levels = np.where(noise() % 2 == 0, dark, light)
        case "levels_0_25":
            levels = np.select([pixel == 0, pixel == width * height - 1], [0, 25], noise() % 26)
        case "huge_bin":
            levels = np.where(noise() % 8 < 5, 200, (noise() >> 8) % 200)
        case "saturated":
            levels = np.select([noise() % 4 == 0, noise() % 4 == 1], [0, 255], noise() >> 24)
        case "near_flat":
            levels = (channel_noise >> 24) * 254 // 256 + noise() % 3
        case "stripes":
            across = (x, y, x + y)[key // 16 % 3]
            levels = np.where(across // (1 + key % 5) % 2 == 0, dark, light)
        case "text":
            # A character is 3 by 5 dots of 2 by 2 pixels, and as much space as a dot takes on its right and below.
            column, row = x % 8 // 2, y % 12 // 2
            dots = mix_bits(key + y // 12 * 4096 + x // 8)
            ink = (column < 3) & (row < 5) & ((dots >> (3 * row + column)) % 2 != 0)
            levels = np.where(ink, 20, 245)
        case _:
            raise ValueError(f"no content is called {content!r}")
    return np.broadcast_to(levels, (height, width, channels)).astype(np.uint8)
