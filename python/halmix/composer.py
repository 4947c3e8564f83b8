"""AugMix as an algorithm for MosaicML's Composer, with its names and arguments."""

import weakref

import torch.utils.data
from composer.core import Algorithm, Event
from composer.utils import add_vision_dataset_transform
from torchvision.datasets import VisionDataset

from ._composer import AugmentAndMixTransform, augmentation_sets, augmix_image

__all__ = ["AugMix", "AugmentAndMixTransform", "augmentation_sets", "augmix_image"]


class AugMix(Algorithm):
    """Inserts `AugmentAndMixTransform` into the training data's transforms when training starts.

    On ``Event.FIT_START``, once for each data set, before what makes tensors of images. The data set must be a
    torchvision VisionDataset. Arguments are `AugmentAndMixTransform`'s.
    """

    def __init__(self, severity=3, depth=-1, width=3, alpha=1.0, augmentation_set="all"):
        self.transform = AugmentAndMixTransform(severity, depth, width, alpha, augmentation_set)
        self._transformed = weakref.WeakSet()

    def match(self, event, state):
        if event != Event.FIT_START:
            return False
        if not isinstance(state.dataloader, torch.utils.data.DataLoader):
            raise TypeError(f"halmix.composer.AugMix: {type(state.dataloader).__name__}; needs a torch DataLoader")
        return state.dataloader.dataset not in self._transformed

    def apply(self, event, state, logger):
        dataset = state.dataloader.dataset
        if not isinstance(dataset, VisionDataset):
            raise TypeError(f"halmix.composer.AugMix: {type(dataset).__name__}; needs a torchvision VisionDataset")
        add_vision_dataset_transform(dataset, self.transform, is_tensor_transform=False)
        self._transformed.add(dataset)
