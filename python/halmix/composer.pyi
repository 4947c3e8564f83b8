from typing import Any

from . import AugmentAndMixTransform, augmentation_sets, augmix_image

__all__ = ["AugMix", "AugmentAndMixTransform", "augmentation_sets", "augmix_image"]

# One of composer.core.Algorithm, whose package need not be there for this to be checked.
class AugMix:
    transform: AugmentAndMixTransform
    def __init__(
        self, severity: float = 3, depth: int = -1, width: int = 3, alpha: float = 1.0, augmentation_set: str = "all"
    ) -> None: ...
    def match(self, event: Any, state: Any) -> bool: ...
    def apply(self, event: Any, state: Any, logger: Any) -> None: ...
