"""AugMix for training vision models: Composer's images, byte for byte, at a fraction of the cost.

    import halmix

    transform = halmix.AugMix()                     # wherever a transform fits
    image = halmix.augmix_image(image)              # Composer's function
    batch = halmix.augmix_batch(images, seed=7, dtype="float32", mean=mean, std=std)

`halmix.composer` has Composer's algorithm. Importing takes NumPy only; Pillow, torch and torchvision are looked for when
an image is theirs.
"""

from ._composer import AugmentAndMixTransform, augmentation_sets, augmix_image
from ._core import Engine, Plan, __version__
from ._decode import decode_augment
from ._figure import figure
from ._functional import apply, augmix_batch, ops, run, sample, targets
from ._policy import RandomResizedCrop
from ._transform import AugMix

__all__ = [
    "AugMix",
    "AugmentAndMixTransform",
    "Engine",
    "Plan",
    "RandomResizedCrop",
    "apply",
    "augmentation_sets",
    "augmix_batch",
    "augmix_image",
    "decode_augment",
    "figure",
    "ops",
    "run",
    "sample",
    "targets",
]
