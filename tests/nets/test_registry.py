"""Nets by name: what is not what the zoo has is refused, and nothing of it stays; nothing is downloaded unasked."""

import hashlib
import http.server
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.numpy

from circuitkit.errors import NetError, UnknownNameError
from circuitkit.nets import registry, trained, zoo
from circuitkit.nets.onnx_net import OnnxNet
from circuitkit.nets.preprocessing import IMAGENET
from circuitkit.nets.weights_file import read_weights, write_weights
from circuitkit.nets.zoo import ZOO, ZooNet
from tests.nets.onnx_models import model, node

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NET = "tiny-1"
OTHER = b"<html>not found</html>"


@pytest.fixture(scope="module")
def content() -> bytes:
    kernel = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    return model(node("Conv", "image", "w", makes="a"), node("Relu", "a"), weights={"w": kernel}).SerializeToString()


class Server(http.server.ThreadingHTTPServer):
    """Serves what it is told to, and may say that there is more to come."""

    said: bytes = b""
    missing: int = 0
    asked: int = 0


class Answer(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.said) + self.server.missing))
        self.end_headers()
        self.wfile.write(self.server.said)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Answer) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


@pytest.fixture
def cache(content: bytes, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of a user who knows one net, which the server has."""
    url = f"http://127.0.0.1:{server.server_port}/tiny-1.onnx"

    class Tiny(ZooNet):
        urls = (url, url)  # type: ignore[assignment]

    net = Tiny(
        title="Tiny",
        path="tiny/tiny-1.onnx",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        preprocessing=IMAGENET,
        names={"conv1": ("Relu", 0)},
        counts={"Relu": 1},
    )
    for held in (registry, trained, zoo):
        if hasattr(held, "ZOO"):
            monkeypatch.setattr(held, "ZOO", {NET: net})
    monkeypatch.setitem(zoo.REGISTRY, NET, IMAGENET)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("CIRCUITKIT_NETS", raising=False)
    server.said = content
    return tmp_path / "circuitkit" / "nets"


def test_a_net_is_downloaded_once_checked_and_loaded(cache: Path, server: Server, content: bytes) -> None:
    seen: list[tuple[int, int]] = []
    path = registry.fetch(NET, progress=lambda done, total: seen.append((done, total)))
    assert path == cache / "tiny-1.onnx"
    assert seen[-1] == (len(content), len(content))
    net = registry.load(NET)
    assert net.name == NET
    assert net.layers == ("a", "conv1")  # the name that people use, where there is one
    assert net.unit_names("conv1")[:1] == ("conv1:0",)
    assert registry.fetch(NET) == path
    assert server.asked == 1


def test_nothing_is_downloaded_unasked(cache: Path, server: Server) -> None:
    assert not registry.is_here(NET)
    with pytest.raises(NetError, match="is not on this machine.*circuitkit nets tiny-1 --fetch.*CIRCUITKIT_NETS"):
        registry.load(NET)
    assert server.asked == 0


@pytest.mark.parametrize("kind", ["other", "truncated", "cut short"])
def test_what_is_not_the_net_is_refused_and_leaves_nothing(
    cache: Path, server: Server, content: bytes, kind: str
) -> None:
    server.said = OTHER if kind == "other" else content[: len(content) // 2]
    server.missing = len(content) - len(server.said) if kind == "cut short" else 0
    with pytest.raises(NetError, match="could not be downloaded, and nothing was kept"):
        registry.fetch(NET)
    assert server.asked == 2  # both sources were tried
    assert not cache.exists() or list(cache.iterdir()) == []


def test_a_server_that_is_gone_is_said(cache: Path, server: Server) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(NetError, match="could not be downloaded, and nothing was kept. http://127.0.0.1"):
        registry.fetch(NET)


def test_a_folder_of_ones_own_serves_without_a_network(
    cache: Path, server: Server, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.setenv("CIRCUITKIT_NETS", str(folder))
    (folder / "tiny-1.onnx").write_bytes(content)
    assert registry.load(NET).layers == ("a", "conv1")
    assert registry.fetch(NET) == folder / "tiny-1.onnx"
    (folder / "tiny-1.onnx").write_bytes(content[:-1])
    with pytest.raises(NetError, match=f"has {len(content) - 1} bytes and SHA-256 .*wanted {len(content)} bytes"):
        registry.load(NET)
    with pytest.raises(NetError, match="Delete it and download it again"):
        registry.fetch(NET)
    assert server.asked == 0


def test_a_file_of_a_known_name_that_is_another_net_is_refused(cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "tiny-1.onnx"
    path.write_bytes(model(node("Sigmoid", "image")).SerializeToString())
    with pytest.raises(NetError, match="has 0 layers made by Relu, but Tiny has 1: it is another net"):
        registry.load(path)


def test_names_that_are_none() -> None:
    with pytest.raises(UnknownNameError, match="no net 'squeezenet1.1'. Did you mean"):
        registry.fetch("squeezenet1.1")
    with pytest.raises(UnknownNameError, match="the registry of nets has no net 'small-9'. Did you mean 'small-"):
        registry.load("small-9")
    with pytest.raises(NetError, match="leave that out"):
        registry.load("small-0", preprocessing=IMAGENET)


def test_the_registry_says_what_the_zoo_says(data_folder: Path) -> None:
    import json

    manifest = {each["path"]: each for each in json.loads((data_folder / "nets" / "zoo-manifest.json").read_text())}
    for name, net in ZOO.items():
        assert (net.sha256, net.size) == (manifest[net.path]["sha256"], manifest[net.path]["bytes"]), name
        assert net.file == f"{name}.onnx"


@pytest.mark.parametrize(
    ("name", "light", "layer", "units", "rows"),
    [
        ("inception-v1-9", "inception_v1", "mixed3b", 480, 27),
        ("googlenet-9", "inception_v1", "conv2d2", 192, 55),
        ("squeezenet1.0-9", "squeezenet", "fire4", 256, 27),
        ("bvlcalexnet-9", "bvlc_alexnet", "conv5", 256, 12),
        ("zfnet512-9", "zfnet512", "conv5", 512, 12),
        ("vgg19-7", "vgg19", "conv4_1", 512, 28),
        ("resnet50-v1-7", "resnet50", "stage3_unit6", 1024, 14),
        ("densenet-9", "densenet121", "dense2", 512, 28),
    ],
)
def test_layers_have_the_names_that_people_use(name: str, light: str, layer: str, units: int, rows: int) -> None:
    net = OnnxNet.load(LIGHT / f"light_{light}.onnx")
    found = net.layer(trained.tensors_of(net, ZOO[name])[layer])
    assert found.channels == units
    assert found.size[0] == rows
    with pytest.raises(NetError, match="it is another net"):
        trained.tensors_of(OnnxNet.load(LIGHT / "light_shufflenet.onnx"), ZOO[name])


def test_weights_are_kept_as_they_are(tmp_path: Path) -> None:
    weights = {"conv.kernel": np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype(np.float32)}
    write_weights(tmp_path / "w.safetensors", weights, about={"seed": "0"})
    np.testing.assert_array_equal(read_weights(tmp_path / "w.safetensors")["conv.kernel"], weights["conv.kernel"])
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]
    for value, said in ((np.array([np.nan], np.float32), "holds NaN or infinity"), (np.array([1]), "wanted floats")):
        safetensors.numpy.save_file({"w": value}, tmp_path / "wrong")
        with pytest.raises(NetError, match=said):
            read_weights(tmp_path / "wrong")
    (tmp_path / "pickled").write_bytes(pickle.dumps(weights))
    with pytest.raises(NetError, match="It is a pickle"):
        read_weights(tmp_path / "pickled")
