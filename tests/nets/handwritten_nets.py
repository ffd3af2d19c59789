"""Two published nets in Flax NNX, as a user writes them, for weights from a file."""

import jax
import jax.numpy as jnp
from flax import nnx


class Fire(nnx.Module):
    def __init__(self, inputs: int, squeezed: int, expanded: int, *, rngs: nnx.Rngs) -> None:
        self.squeeze1x1 = nnx.Conv(inputs, squeezed, (1, 1), rngs=rngs)
        self.expand1x1 = nnx.Conv(squeezed, expanded, (1, 1), rngs=rngs)
        self.expand3x3 = nnx.Conv(squeezed, expanded, (3, 3), rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu(self.squeeze1x1(x))
        return jnp.concatenate([nnx.relu(self.expand1x1(x)), nnx.relu(self.expand3x3(x))], axis=-1)


class SqueezeNet(nnx.Module):
    """SqueezeNet 1.1: Iandola et al., arXiv:1602.07360; the smaller version of its authors' repository."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.conv1 = nnx.Conv(3, 64, (3, 3), strides=2, padding="VALID", rngs=rngs)
        self.fire2, self.fire3 = Fire(64, 16, 64, rngs=rngs), Fire(128, 16, 64, rngs=rngs)
        self.fire4, self.fire5 = Fire(128, 32, 128, rngs=rngs), Fire(256, 32, 128, rngs=rngs)
        self.fire6, self.fire7 = Fire(256, 48, 192, rngs=rngs), Fire(384, 48, 192, rngs=rngs)
        self.fire8, self.fire9 = Fire(384, 64, 256, rngs=rngs), Fire(512, 64, 256, rngs=rngs)
        self.conv10 = nnx.Conv(512, 1000, (1, 1), rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        x = pool(nnx.relu(self.conv1(images)), 3)
        x = pool(self.fire3(self.fire2(x)), 3)
        x = pool(self.fire5(self.fire4(x)), 3)
        x = self.fire9(self.fire8(self.fire7(self.fire6(x))))
        return nnx.relu(self.conv10(x)).mean((1, 2))


class TinyVGG(nnx.Module):
    """The net of CNN Explainer: Wang et al., IEEE TVCG 27 (2021)."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.conv_1_1, self.conv_1_2, self.conv_2_1, self.conv_2_2, self.conv_3_1, self.conv_3_2 = (
            nnx.Conv(inputs, 10, (3, 3), padding="VALID", rngs=rngs) for inputs in (3, 10, 10, 10, 10, 10)
        )
        self.output = nnx.Linear(160, 10, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        x = pool(nnx.relu(self.conv_1_2(nnx.relu(self.conv_1_1(images)))), 2)
        x = pool(nnx.relu(self.conv_2_2(nnx.relu(self.conv_2_1(x)))), 2)
        x = pool(nnx.relu(self.conv_3_2(nnx.relu(self.conv_3_1(x)))), 2)
        return self.output(x.reshape(x.shape[0], -1))


def pool(x: jax.Array, side: int) -> jax.Array:
    return nnx.max_pool(x, (side, side), strides=(2, 2))
