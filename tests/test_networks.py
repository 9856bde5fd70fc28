"""Other networks: described, normalised and published ones, against torch's own modules."""

import re
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

import impasto
from conftest import TINY, random_image, tiny_weights
from impasto.encoder import (
    ARCHITECTURES,
    POOLINGS,
    Architecture,
    Conv,
    Encoder,
    Ends,
    Pool,
    Relu,
    read_weights,
    weights_of,
)
from impasto.encoder.weights.folding import Norm, folded
from impasto.encoder.weights.formats.description import Description, tomllib
from impasto.errors import SettingsError, WeightsError
from impasto.images.spaces import IMAGENET
from impasto.objective.statistics import Moments
from impasto.objective.tiles import Tiling, min_tile, windows
from impasto.run.layers import with_layers_of
from impasto.settings import Settings
from support.objectives import make_objective

DOCS = Path(__file__).parents[1] / "docs" / "weights.md"
EXAMPLE = re.search(r"```toml\n(.+?)```", DOCS.read_text("utf-8"), re.DOTALL)[1]
ALEXNET = ARCHITECTURES["alexnet"]


def relative(a, b):
    return float((a - b).norm() / b.norm())


# The same networks as torch's modules


def module(operation, pooling, normed):
    match operation:
        case Conv(_, inward, outward, kernel, stride, padding):
            conv = torch.nn.Conv2d(inward, outward, kernel, stride, padding)
            return [conv, torch.nn.BatchNorm2d(outward)] if normed else [conv]
        case Relu():
            return [torch.nn.ReLU()]
        case Pool(_, kernel, stride):
            kinds = {
                "max": torch.nn.MaxPool2d(kernel, stride),
                "avg": torch.nn.AvgPool2d(kernel, stride),
                "l2": torch.nn.LPPool2d(2, kernel, stride),
            }
            return [kinds[pooling]]


def modules(net, pooling="max", normed=False, seed=0):
    """A torch module whose state has torchvision's names, with settled statistics."""
    torch.manual_seed(seed)
    layers = [m for each in net.operations for m in module(each, pooling, normed)]
    for layer in layers:
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.weight, 0.5, 2)
            torch.nn.init.uniform_(layer.bias, 0.2, 1)  # so that ReLUs have something
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.2, 3)
    whole = torch.nn.ModuleDict({"features": torch.nn.Sequential(*layers)})
    return whole.eval().requires_grad_(False)


def by_torch(whole, net, image, taps, pooling, normed, mean=None):
    """Features at taps of sRGB in [0, 1], by torch's modules in float64."""
    x = image[None].to(torch.float64)
    gain, shift = (
        torch.tensor(v, dtype=x.dtype).view(3, 1, 1) for v in (IMAGENET.gain, IMAGENET.shift)
    )
    x, features, layers = gain * x + shift, {}, iter(whole["features"])
    for operation in net.operations:
        x = next(layers)(x)
        if isinstance(operation, Conv) and normed:
            x = next(layers)(x)
        if isinstance(operation, Pool) and pooling == "l2":  # root mean square: torch has the sum's
            x = x / operation.kernel
        features[operation.name] = x
    return {tap: features[tap] for tap in taps}


NARROW = {
    "vgg13": impasto.encoder.vgg("vgg13", (2, 2, 2, 2, 2), (4, 5, 6, 7, 8)),
    "vgg11": impasto.encoder.vgg("vgg11", (1, 1, 2, 2, 2), (4, 5, 6, 7, 8)),
    "vgg19": TINY["vgg19"],
    "alexnet": Architecture(
        "alexnet",
        (
            Conv("conv1", 3, 6, kernel=11, stride=4, padding=2),
            Relu("relu1"),
            Pool("pool1", kernel=3),
            Conv("conv2", 6, 5, kernel=5),
            Relu("relu2"),
            Pool("pool2", kernel=3),
            Conv("conv3", 5, 7),
            Relu("relu3"),
        ),
    ),
    "strided": Architecture(
        "strided",
        (
            Conv("stem", 3, 6, kernel=7, stride=2),
            Relu("stem_relu"),
            Conv("even", 6, 5, kernel=4, stride=1, padding=1),
            Relu("even_relu"),
            Pool("three", kernel=3, stride=3),
            Conv("valid", 5, 4, kernel=3, padding=0),
            Relu("valid_relu"),
        ),
    ),
}


@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("name", NARROW)
def test_a_file_has_the_features_of_torchs_modules(tmp_path, name, pooling, normed):
    """Through the file, in float64: features and gradient, normalisation folded."""
    net = NARROW[name]
    whole = modules(net, pooling, normed).double()
    state = {k: v.float() for k, v in whole.state_dict().items() if v.dtype == torch.float64}
    whole.load_state_dict(state, strict=False)  # the file's digits
    torch.save(state, tmp_path / "w.pth")
    weights = read_weights(tmp_path / "w.pth", net)
    taps = [tap for tap in net.relus if tap != net.relus[0]]
    leaf = random_image(83, 95).requires_grad_()
    expected = by_torch(whole, net, leaf, taps, pooling, normed)
    encoder = Encoder(weights, pooling=pooling, dtype=torch.float64)
    tape, features = encoder.features(leaf.detach(), taps)
    tolerance = 1e-5 if normed else 1e-10  # folded weights are rounded to float32
    outputs = list(expected.values())
    cotangents = [torch.randn_like(f) for f in outputs]
    (gradient,) = torch.autograd.grad(outputs, leaf, cotangents)
    for tap in taps:
        assert relative(features[tap], expected[tap].detach()) < tolerance
    pulled = encoder.pullback(tape, dict(zip(taps, cotangents, strict=True)))
    assert relative(pulled, gradient) < (1e-3 if normed else 1e-9)  # a ReLU may flip


@settings(max_examples=25)
@given(
    name=st.sampled_from(["alexnet", "strided", "vgg11"]),
    size=st.tuples(st.integers(64, 260), st.integers(64, 140)),
    room=st.integers(0, 60),
    pooling=st.sampled_from(sorted(POOLINGS)),
    padding=st.sampled_from(["zero", "replicate-all"]),
)
def test_any_chain_is_exact_in_windows(name, size, room, pooling, padding):
    net, taps = NARROW[name], NARROW[name].style_taps
    weights = read_from(net)
    encoder = Encoder(weights, pooling=pooling, padding=padding, dtype=torch.float64)
    style = dict.fromkeys(taps, 1.0)
    whole = make_objective(
        encoder,
        random_image(*size, 5),
        random_image(70, 90, 2),
        style_weights=style,
        content_weights={net.content_tap: 2.0},
    )
    canvas = random_image(*size, 3) * 200 - 100
    at = whole(canvas)
    tiled = whole.retiled(Tiling(min_tile(net, taps) + room))(canvas)
    assert relative(tiled.loss, at.loss) < 1e-10
    assert relative(tiled.gradient, at.gradient) < 1e-9


@pytest.mark.parametrize("axes", [(True, True), (False, True)])
@pytest.mark.parametrize("name", ["alexnet", "strided"])
def test_any_chain_is_seamless(name, axes):
    """Whole circles and windows of them agree; a rolled picture has rolled features."""
    net, tap = NARROW[name], NARROW[name].relus[-1]
    encoder, step = Encoder(read_from(net), dtype=torch.float64), net.stride(tap)
    image = random_image(12 * step, 14 * step)
    tape, features = encoder.features(image, [tap], ends=Ends(wraps=axes))
    shape = [
        net.positions(tap, side, wraps=around)
        for side, around in zip(image.shape[1:], axes, strict=True)
    ]
    assert [*features[tap].shape[2:]] == shape
    moved = encoder.features(image.roll(2 * step, 2), [tap], ends=Ends(wraps=axes))[1][tap]
    torch.testing.assert_close(moved, features[tap].roll(2, 3))
    gradient = encoder.pullback(tape, {tap: features[tap].clone()})
    added = torch.zeros_like(image)
    for window in windows((12 * step, 14 * step), net, (tap,), min_tile(net, [tap]) + 9, axes):
        tape, part = encoder.features(window.of(image), [tap], ends=window.ends)
        core = window.core(tap, part[tap])
        assert relative(core, features[tap][(..., *window.place(tap))]) < 1e-12
        cotangent = torch.zeros_like(part[tap])
        window.core(tap, cotangent).copy_(core)
        window.add(encoder.pullback(tape, {tap: cotangent}), added)
    assert relative(added, gradient) < 1e-12


def read_from(net):
    """Seeded weights of a network, as tiny_weights makes them."""
    state = modules(net).double().state_dict()
    layers = {}
    for name in net.convolutions:
        place = net.taps.index(name)
        weight, bias = (state[f"features.{place}.{part}"] for part in ("weight", "bias"))
        layers[name] = (weight / (1 if layers else 100), bias)
    return impasto.encoder.Weights(net, layers)


# Batch normalisation


@given(seed=st.integers(0, 1000), epsilon=st.sampled_from([1e-5, 1e-3]))
@settings(max_examples=20)
def test_folding_is_the_modules_in_eval_mode(seed, epsilon):
    torch.manual_seed(seed)
    conv, norm = torch.nn.Conv2d(4, 6, 3, padding=1), torch.nn.BatchNorm2d(6, eps=epsilon)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.01, 4)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    both = torch.nn.Sequential(conv, norm).double().eval()
    parts = Norm(norm.weight, norm.bias, norm.running_mean, norm.running_var, epsilon)
    weight, bias = (x.detach() for x in folded(conv.weight, conv.bias, parts))
    x = torch.randn(1, 4, 9, 8, dtype=torch.float64)
    torch.testing.assert_close(
        torch.nn.functional.conv2d(x, weight, bias, padding=1), both(x).detach()
    )


def test_the_layout_of_each_published_file():
    """torchvision counts modules: what comes after convolutions moves the numbers."""
    for name, net in ARCHITECTURES.items():
        whole = {"plain": 0, "normed": 1}
        for kind, more in whole.items():
            held = {key.rpartition(".")[0] for key in counted(net, more)}
            assert len(held) == len(net.convolutions) * (1 + more), (name, kind)


def counted(net, normed):
    keys, place = [], 0
    for operation in net.operations:
        if isinstance(operation, Conv):
            keys += [f"features.{place}.weight"]
            keys += [f"features.{place + 1}.running_mean"] * normed
            place += normed
        place += 1
    return keys


@pytest.mark.parametrize("name", ["vgg11", "alexnet"])
def test_a_published_file_is_recognised_by_its_layers(tmp_path, name, monkeypatch):
    """Among all networks, here narrow ones of the same operations."""
    from impasto.encoder.weights.formats import reading

    others = {key: net for key, net in NARROW.items() if key.startswith("vgg")}
    net = NARROW[name]
    monkeypatch.setattr(reading, "ARCHITECTURES", {**others, name: net})
    for normed in {False, name == "vgg11"}:
        path = tmp_path / f"{normed}.pth"
        torch.save(modules(net, normed=normed).state_dict(), path)
        found = weights_of(str(path))
        assert found.architecture == net
        assert found.input == IMAGENET


def test_negative_variance_is_refused(tmp_path):
    net = NARROW["vgg11"]
    state = modules(net, normed=True).state_dict()
    state["features.1.running_var"].neg_()
    torch.save(state, tmp_path / "w")
    with pytest.raises(WeightsError, match="running_var is not above 0"):
        read_weights(tmp_path / "w", net)


# Layers


def test_the_layers_of_a_recipe_follow_the_network():
    usual = Settings.of("standard")
    for name in ("vgg19", "vgg16", "vgg13", "vgg11"):
        net = ARCHITECTURES[name]
        assert (*usual.style_layers,) == net.style_taps
        assert (*usual.content_layers,) == (net.content_tap,)
        assert with_layers_of(usual, net) is usual
    found = with_layers_of(usual, ALEXNET)
    assert found.content_layers == {"relu3": 1.0}
    assert {*found.style_layers} == {"relu1", "relu2", "relu3"}
    assert sum(found.style_layers.values()) == pytest.approx(sum(usual.style_layers.values()))
    chosen = usual.replaced(style_layers="relu9_1")
    assert with_layers_of(chosen, ALEXNET).style_layers == {"relu9_1": 1.0}


# Descriptions


def described(tmp_path, text=EXAMPLE, change=lambda state: None):
    state = {k: v.contiguous() for k, v in modules(ALEXNET).state_dict().items()}
    change(state)
    save_file(state, tmp_path / "alexnet.safetensors")
    (tmp_path / "alexnet.toml").write_text(text, "utf-8")
    return tmp_path / "alexnet.safetensors"


def test_the_example_of_the_documentation(tmp_path, photo, painting):
    """It describes torchvision's AlexNet, and a picture is painted with it."""
    assert Description(tomllib.loads(EXAMPLE)).architecture == ALEXNET
    path = described(tmp_path)
    weights = weights_of(str(path))
    assert (weights.architecture, weights.input) == (ALEXNET, IMAGENET)
    run = impasto.Run(photo, painting, Settings.of(size=96, iterations=1), encoder=path)
    told = [event.text for event in run.events() if isinstance(event, impasto.run.Notice)]
    assert any("content is compared at relu3, style at relu1, relu2, relu3" in t for t in told)
    assert run.result().settings.content_layers == {"relu3": 1.0}
    layer = {"style_layers": "relu5_1"}
    with pytest.raises(SettingsError, match="layer is 'relu5_1'; alexnet has conv1, relu1"):
        impasto.stylize(photo, painting, size=96, iterations=1, encoder=path, **layer)


def test_a_changed_description_is_read_again(tmp_path):
    path = described(tmp_path)
    assert weights_of(path).architecture.name == "alexnet"
    other = EXAMPLE.replace('"alexnet"', '"other"').replace('"rgb"', '"bgr"')
    path.with_suffix(".toml").write_text(other, "utf-8")
    assert weights_of(path).architecture.name == "other"
    assert weights_of(path).input.order == (2, 1, 0)


def test_normalisation_is_described(tmp_path):
    net = NARROW["vgg11"]
    torch.save(modules(net, normed=True).state_dict(), tmp_path / "w.pth")
    place, lines = 0, ['network = "own"', "mean = [0.485, 0.456, 0.406]", "operations = ["]
    lines.insert(2, "deviation = [0.229, 0.224, 0.225]")
    for each in net.operations:
        if isinstance(each, Conv):
            key, norm, place = f"features.{place}", f"features.{place + 1}", place + 1
            keys = f'key = "{key}", norm = "{norm}"'
            lines += [f'{{ conv = "{each.name}", {keys}, channels = {each.outward} }},']
        else:
            lines += [f'{{ {"relu" if isinstance(each, Relu) else "pool"} = "{each.name}" }},']
        place += 1
    (tmp_path / "w.toml").write_text("\n".join([*lines, "]"]), "utf-8")
    found, expected = read_weights(tmp_path / "w.pth"), read_weights(tmp_path / "w.pth", net)
    assert found.input == expected.input == IMAGENET
    for name, layer in expected.layers.items():
        assert all(map(torch.equal, layer, found.layers[name]))


CONV = '{ conv = "conv1", key = "features.0", channels = 64, kernel = 11, stride = 4, padding = 2 }'
HOSTILE = {
    "no TOML": ("network = ", "is no TOML"),
    "not text": ("\udcff", "is no TOML"),
    "deep": ("a = " + "[" * 5000, "is no TOML"),
    "long": ("#" * 70000, "more than 65536 bytes"),
    "nothing": ("", "network: Field required"),
    "another key": (f"strange = 1\n{EXAMPLE}", "strange is not supported"),
    "dilation": (EXAMPLE.replace("padding = 2", "dilation = 2", 1), "dilation is not supported"),
    "a branch": (EXAMPLE.replace("{ relu = ", "{ add = ", 1), "branch, such as ResNets"),
    "two kinds": (EXAMPLE.replace("{ relu = ", '{ pool = "p", relu = ', 1), "operation 2 has pool"),
    "huge": (EXAMPLE.replace("channels = 64", "channels = 99999999", 1), "less than or equal"),
    "many weights": (
        EXAMPLE.replace("= 64,", "= 8192,", 1).replace("= 192,", "= 8192,", 1),
        "describes [0-9]+ weights; expected at most 1 GB",
    ),
    "text for a number": (EXAMPLE.replace("= 64", '= "64"', 1), "valid integer"),
    "no deviation": (EXAMPLE.replace("[0.229,", "[0,", 1), "deviation: expected positive"),
    "not finite": (EXAMPLE.replace("[0.229,", "[nan,", 1), "finite"),
    "padding": (EXAMPLE.replace("padding = 2", "padding = 6", 1), "not less than half its kernel"),
    "stride": (EXAMPLE.replace("stride = 4", "stride = 12", 1), "kernel smaller than its stride"),
    "a name": (EXAMPLE.replace('"conv1"', '"con v"', 1), "lower-case letters"),
    "a key": (EXAMPLE.replace('"features.0"', '"features.1"', 1), "lacks features.1.weight"),
    "a shape": (EXAMPLE.replace("channels = 384", "channels = 383"), "expected floats"),
    "pooling of negative values": (EXAMPLE.replace('{ relu = "relu1" },', ""), "follow a Relu"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_does_not_describe_the_file_is_refused(tmp_path, kind):
    text, message = HOSTILE[kind]
    path = described(tmp_path)
    path.with_suffix(".toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(WeightsError, match=message) as caught:
        read_weights(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_residual_network_is_refused(tmp_path):
    torch.save({"layer1.0.conv1.weight": torch.zeros(4, 4, 3, 3)}, tmp_path / "resnet.pth")
    with pytest.raises(WeightsError, match="such as a ResNet, is not supported"):
        read_weights(tmp_path / "resnet.pth")


def test_moments_of_alexnet_are_those_of_its_positions():
    net = NARROW["alexnet"]
    encoder = Encoder(read_from(net), dtype=torch.float64)
    picture = random_image(131, 150)
    measured = impasto.objective.measure_statistics(
        encoder, picture, net.style_taps, min_tile(net, net.style_taps)
    )
    _, features = encoder.features(picture, net.style_taps)
    for tap, f in features.items():
        assert measured[tap].count == f.shape[2] * f.shape[3]
        torch.testing.assert_close(measured[tap].outer, Moments.of(f).outer)


def test_tiny_is_as_it_was():
    assert tiny_weights().architecture.min_side(["relu5_1"]) == 16
