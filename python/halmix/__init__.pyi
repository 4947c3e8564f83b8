from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

__version__: Final[str]

# A PIL image, a NumPy array, a torch tensor or a tv_tensor, none of which need be installed but NumPy.
Image = TypeVar("Image")

# A set's name, or ops with or without weights.
OpSet = str | Iterable[str | tuple[str, float] | Callable[..., Any]]
OpCall = str | tuple[str] | tuple[str, float]
Fill = int | Sequence[int]

class AugMix:
    severity: float
    width: int
    depth: int
    alpha: float
    augmentation_set: str
    fill: Fill
    seed: int | None
    crop: RandomResizedCrop | None
    def __init__(
        self,
        severity: float = 3,
        width: int = 3,
        depth: int = -1,
        alpha: float = 1.0,
        augmentation_set: OpSet = "all",
        fill: Fill = 0,
        seed: int | None = None,
        crop: RandomResizedCrop | int | tuple[int, int] | None = None,
        **torchvision: Any,
    ) -> None: ...
    @overload
    def __call__(self, image: Image, *, index: int | None = None, epoch: int = 0, view: int = 0) -> Image: ...
    @overload
    def __call__(
        self, image: Image, *others: Any, index: int | None = None, epoch: int = 0, view: int = 0
    ) -> tuple[Any, ...]: ...

class AugmentAndMixTransform:
    severity: float
    depth: int
    width: int
    alpha: float
    augmentation_set: str
    def __init__(
        self, severity: float = 3, depth: int = -1, width: int = 3, alpha: float = 1.0, augmentation_set: str = "all"
    ) -> None: ...
    def __call__(self, img: Image) -> Image: ...
    def forward(self, img: Image) -> Image: ...

class Engine:
    def __init__(self, target: str, /) -> None: ...
    @property
    def target(self) -> str: ...
    @property
    def device(self) -> str | None: ...
    @property
    def reason(self) -> str: ...

class Plan:
    def __init__(
        self,
        width: int,
        height: int,
        mix: float,
        chains: Sequence[tuple[float, Sequence[OpCall]]],
        fill: Sequence[int] = (0, 0, 0),
        resized_crop: Mapping[str, int | str] | None = None,
    ) -> None: ...
    @staticmethod
    def from_json(text: str | bytes, /) -> Plan: ...
    def to_json(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def mix(self) -> float: ...
    @property
    def fill(self) -> tuple[int, int, int]: ...
    @property
    def chains(self) -> tuple[tuple[float, tuple[tuple[str] | tuple[str, float], ...]], ...]: ...
    @property
    def resized_crop(self) -> dict[str, Any] | None: ...

class RandomResizedCrop:
    size: tuple[int, int]
    scale: tuple[float, float]
    ratio: tuple[float, float]
    interpolation: str
    flip: float
    order: str
    def __init__(
        self,
        size: int | tuple[int, int],
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (0.75, 1.3333333333333333),
        interpolation: str = "bilinear",
        flip: float = 0.5,
        order: str = "pillow_13",
    ) -> None: ...

augmentation_sets: Final[dict[str, list[str]]]

def augmix_image(
    img: Image,
    severity: float = 3,
    depth: int = -1,
    width: int = 3,
    alpha: float = 1.0,
    augmentation_set: OpSet = "all",
    *,
    rng: np.random.RandomState | np.random.Generator | None = None,
) -> Image: ...
def sample(
    width: int,
    height: int,
    *,
    seed: int = 0,
    epoch: int = 0,
    index: int = 0,
    view: int = 0,
    severity: float = 3,
    depth: int = -1,
    chains: int = 3,
    alpha: float = 1.0,
    augmentation_set: OpSet = "all",
    fill: Fill = 0,
    crop: RandomResizedCrop | int | tuple[int, int] | None = None,
) -> Plan: ...
def run(plan: Plan, image: Image, *, engine: Engine | None = None) -> Image: ...
def apply(image: Image, ops: Sequence[OpCall], *, fill: Fill = 0, engine: Engine | None = None) -> Image: ...
def figure(image: Any, plan: Plan) -> Any: ...
def augmix_batch(
    images: Any,
    *,
    seed: int,
    epoch: int = 0,
    indices: Iterable[int] | None = None,
    views: Sequence[Literal["clean", "aug"]] = ("aug",),
    out: Any = None,
    dtype: Any = "uint8",
    layout: Literal["HWC", "CHW"] | None = None,
    mean: float | Sequence[float] = (0, 0, 0),
    std: float | Sequence[float] = (1, 1, 1),
    threads: int = 1,
    progress: bool = False,
    engine: Engine | None = None,
    severity: float = 3,
    width: int = 3,
    depth: int = -1,
    alpha: float = 1.0,
    augmentation_set: OpSet = "all",
    fill: Fill = 0,
    crop: RandomResizedCrop | int | tuple[int, int] | None = None,
) -> NDArray[Any] | list[NDArray[Any]] | Any: ...
def decode_augment(
    images: Any,
    *,
    seed: int,
    epoch: int = 0,
    indices: Iterable[int] | None = None,
    views: Sequence[Literal["clean", "aug"]] = ("aug",),
    out: Any = None,
    dtype: Any = "uint8",
    layout: Literal["HWC", "CHW"] | None = None,
    mean: float | Sequence[float] = (0, 0, 0),
    std: float | Sequence[float] = (1, 1, 1),
    threads: int = 1,
    engine: Engine | None = None,
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
) -> NDArray[Any] | list[NDArray[Any]] | tuple[NDArray[Any] | list[NDArray[Any]], list[int]]: ...
def ops() -> list[dict[str, Any]]: ...
def targets() -> list[dict[str, Any]]: ...
