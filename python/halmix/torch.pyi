from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
import torch.utils.data

from . import Fill, OpSet, RandomResizedCrop

__all__ = ["AugMixDataset", "DataLoader", "jsd_loss"]

class AugMixDataset(torch.utils.data.Dataset[Any]):
    dataset: Any
    views: tuple[str, ...]
    seed: int
    dtype: str
    crop: RandomResizedCrop | None
    def __init__(
        self,
        dataset: Any,
        views: Sequence[Literal["clean", "aug"]] = ("aug",),
        *,
        seed: int = 0,
        dtype: Any = "float32",
        mean: float | Sequence[float] = (0, 0, 0),
        std: float | Sequence[float] = (1, 1, 1),
        severity: float = 3,
        width: int = 3,
        depth: int = -1,
        alpha: float = 1.0,
        augmentation_set: OpSet = "all",
        fill: Fill = 0,
        crop: RandomResizedCrop | int | tuple[int, int] | None = None,
        mode: Literal["exact", "fast"] = "exact",
        orientation: Literal["stored", "upright"] = "stored",
        on_error: Literal["raise", "repeat", "skip"] = "raise",
        max_pixels: int = 178_956_970,
        unsupported: Literal["refuse", "convert"] = "refuse",
        damaged: Literal["refuse", "accept"] = "refuse",
    ) -> None: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Any: ...
    def __getitems__(self, indices: Sequence[int]) -> Any: ...
    @property
    def epoch(self) -> int: ...
    def set_epoch(self, epoch: int) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...

class DataLoader(torch.utils.data.DataLoader[Any]):
    copy: bool
    # What follows `batch_size` are the arguments of torch's DataLoader.
    def __init__(
        self, dataset: AugMixDataset, batch_size: int = 1, *args: Any, copy: bool = False, **kwargs: Any
    ) -> None: ...
    def __iter__(self) -> Iterator[Any]: ...  # type: ignore[override]
    def set_epoch(self, epoch: int) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...

def jsd_loss(
    logits: torch.Tensor, targets: torch.Tensor, views: int = 3, alpha: float = 12.0, smoothing: float = 0.1
) -> torch.Tensor: ...
