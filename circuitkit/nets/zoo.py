"""Nets of the ONNX model zoo that circuitkit knows: where they are, what they must hash to, how they are fed and named.

Sizes and SHA-256 are those of the zoo's own manifest (github.com/onnx/models, ONNX_HUB_MANIFEST.json, commit b1eeaa1).
The zoo says how images are prepared for the nets that come from MXNet alone. For those that come from Caffe it is what
the Caffe models were trained with: BGR from 0 to 255, less the mean.

Layers get the names that people use for them. A file numbers its tensors as its exporter pleased, so names are given by
the place among all layers that one operator makes: `mixed3b` is what the second Concat makes.
"""

import dataclasses
from collections.abc import Mapping

from circuitkit.errors import NetError
from circuitkit.nets.preprocessing import CAFFE, CAFFE_DENSE, IMAGENET, Preprocessing

FOLDER = "validated/vision/classification"

Names = Mapping[str, tuple[str, int]]
"""Layer names: the operator that makes the layer, and which of all layers that it makes it is, from 0."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ZooNet:
    """A net of the zoo.

    Attributes:
        title: What people call it.
        path: Of its file, in the zoo.
        sha256: Of its file.
        size: Of its file, in bytes.
        preprocessing: What it wants its images to be like.
        names: Names of layers.
        counts: How many layers each operator of `names` makes; a file with other numbers is another net.
    """

    title: str
    path: str
    sha256: str
    size: int
    preprocessing: Preprocessing
    names: Names = dataclasses.field(default_factory=dict)
    counts: Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def file(self) -> str:
        """Name of its file."""
        return self.path.rpartition("/")[2]

    @property
    def urls(self) -> tuple[str, ...]:
        """Where it can be had: the zoo itself, and its copy at Hugging Face."""
        stem = self.file.removesuffix(".onnx")
        return (
            f"https://github.com/onnx/models/raw/main/{self.path}",
            f"https://huggingface.co/onnxmodelzoo/{stem}/resolve/main/{self.file}",
        )


def _relus(*names: str, first: int = 0) -> Names:
    return {name: ("Relu", place) for place, name in enumerate(names, first)}


MIXED = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
INCEPTION: Names = {
    **_relus("conv2d0", "conv2d1", "conv2d2"),
    **{f"mixed{block}": ("Concat", place) for place, block in enumerate(MIXED)},
}
"""As Distill's articles on InceptionV1 call them."""

FIRES: Names = {**_relus("conv1"), **{f"fire{n}": ("Concat", n - 2) for n in range(2, 10)}}
FIVE: Names = _relus("conv1", "conv2", "conv3", "conv4", "conv5")
VGG: Names = _relus(
    *(f"conv{block}_{n}" for block, depth in enumerate((2, 2, 4, 4, 4), 1) for n in range(1, depth + 1))
)
RESNET: Names = {
    "conv1": ("Relu", 0),
    **{
        f"stage{stage}_unit{unit}": ("Relu", 3 * (before + unit))
        for stage, before, units in ((1, 0, 3), (2, 3, 4), (3, 7, 6), (4, 13, 3))
        for unit in range(1, units + 1)
    },
}
DENSE: Names = {"conv1": ("Relu", 0), **{f"dense{n}": ("Concat", at) for n, at in enumerate((5, 17, 41, 57), 1)}}
"""Each dense block ends in the concatenation of all its layers."""

ZOO: dict[str, ZooNet] = {
    "squeezenet1.1-7": ZooNet(
        title="SqueezeNet 1.1",
        path=f"{FOLDER}/squeezenet/model/squeezenet1.1-7.onnx",
        sha256="1eeff551a67ae8d565ca33b572fc4b66e3ef357b0eb2863bb9ff47a918cc4088",
        size=4956208,
        preprocessing=IMAGENET,
        names=FIRES,
        counts={"Relu": 26, "Concat": 8},
    ),
    "squeezenet1.0-9": ZooNet(
        title="SqueezeNet 1.0",
        path=f"{FOLDER}/squeezenet/model/squeezenet1.0-9.onnx",
        sha256="f2d3201f013b72988109e677e9244250f4cc02394529432972f05e1f6dcc7b62",
        size=4952222,
        preprocessing=CAFFE,
        names=FIRES,
        counts={"Relu": 26, "Concat": 8},
    ),
    "googlenet-9": ZooNet(
        title="GoogLeNet",
        path=f"{FOLDER}/inception_and_googlenet/googlenet/model/googlenet-9.onnx",
        sha256="bd979d99d10d9acf84c5a67252bcae4992bf4e1afdab046cb0ea370e6f01ee38",
        size=28020232,
        preprocessing=CAFFE,
        names=INCEPTION,
        counts={"Relu": 57, "Concat": 9},
    ),
    "inception-v1-9": ZooNet(
        title="Inception-1",
        path=f"{FOLDER}/inception_and_googlenet/inception_v1/model/inception-v1-9.onnx",
        sha256="f8b7bb4040377b83089eef98800a15303325ed75ced468a8972a87e0bc23692e",
        size=28020356,
        preprocessing=CAFFE,
        names=INCEPTION,
        counts={"Relu": 57, "Concat": 9},
    ),
    "bvlcalexnet-9": ZooNet(
        title="AlexNet",
        path=f"{FOLDER}/alexnet/model/bvlcalexnet-9.onnx",
        sha256="ef3c82dad5c512f969dbf701fe35c0b3feb1585687d541f765eb68730c0a8af7",
        size=243863542,
        preprocessing=CAFFE,
        names=FIVE,
        counts={"Relu": 7},
    ),
    "caffenet-9": ZooNet(
        title="CaffeNet",
        path=f"{FOLDER}/caffenet/model/caffenet-9.onnx",
        sha256="802138332cf3e423c82a9a80c76e4f9227dd4effb3aba55413601fa4345cfd36",
        size=243863553,
        preprocessing=CAFFE,
        names=FIVE,
        counts={"Relu": 7},
    ),
    "zfnet512-9": ZooNet(
        title="ZFNet-512",
        path=f"{FOLDER}/zfnet-512/model/zfnet512-9.onnx",
        sha256="55e3cb74e3d1744e0a8d9fecadd79e9f52887891e2e17df639670ac7293d99ba",
        size=349005372,
        preprocessing=CAFFE,
        names=FIVE,
        counts={"Relu": 7},
    ),
    "vgg19-7": ZooNet(
        title="VGG-19",
        path=f"{FOLDER}/vgg/model/vgg19-7.onnx",
        sha256="692f9f927f1df1b89033787a77a73eac59fd9b3344f9ecdf0b13221e41c2046f",
        size=574677321,
        preprocessing=IMAGENET,
        names=VGG,
        counts={"Relu": 18},
    ),
    "resnet50-v1-7": ZooNet(
        title="ResNet-50",
        path=f"{FOLDER}/resnet/model/resnet50-v1-7.onnx",
        sha256="af16a04a6ec48ac494065d4439fe9dea590d337b9ca6dc328160ccf04a217b9c",
        size=102583340,
        preprocessing=IMAGENET,
        names=RESNET,
        counts={"Relu": 49},
    ),
    "resnet50-v2-7": ZooNet(
        title="ResNet-50 v2",
        path=f"{FOLDER}/resnet/model/resnet50-v2-7.onnx",
        sha256="79102261eb6e5fd7af5d27f41316293e388c5cb691e5d25bfb035c4f64fefe31",
        size=102442452,
        preprocessing=IMAGENET,
    ),
    "densenet-9": ZooNet(
        title="DenseNet-121",
        path=f"{FOLDER}/densenet-121/model/densenet-9.onnx",
        sha256="875fb597a9f0f79cca8a9db610a355920b13959fbe7dc35b759dd35f4d25e291",
        size=32719461,
        preprocessing=CAFFE_DENSE,
        names=DENSE,
        counts={"Relu": 121, "Concat": 58},
    ),
}

REGISTRY: dict[str, Preprocessing] = {
    **{name: net.preprocessing for name, net in ZOO.items()},
    "squeezenet1_1": IMAGENET,
    "resnet50v2_stage3": IMAGENET,
}
"""Preprocessing by the name of a net's file, without its ending."""


def preprocessing_of(name: str) -> Preprocessing:
    """Returns the preprocessing of a net that the registry knows.

    Raises:
        NetError: If it does not; a net that is fed wrongly runs all the same, so nothing is guessed.
    """
    if name not in REGISTRY:
        raise NetError(
            f"no preprocessing is known for net {name!r}: say how it wants its images (scale, mean, std, colours). "
            f"Known by file name: {', '.join(REGISTRY)}."
        )
    return REGISTRY[name]
