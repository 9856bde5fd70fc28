"""The encoder against torch.autograd, at every tap, pooling, padding and odd size."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import TINY, random_image, tiny_weights
from impasto.encoder import (
    BUNDLED,
    PADDINGS,
    POOLINGS,
    Architecture,
    Conv,
    Encoder,
    Pool,
    Relu,
    Weights,
    bundled,
    vgg,
)
from impasto.encoder.convolutions import convolution
from impasto.errors import ImageTooSmall, SettingsError
from impasto.hardware.device import Hardware
from impasto.hardware.planner import plan
from impasto.images.spaces import CAFFE, SRGB
from impasto.objective.tiles import min_tile, windows
from impasto.run.build import encoder_for
from impasto.settings import Settings
from reference import POOLS, to_caffe
from reference import vgg as reference_vgg
from support.networks import depths

BOTH = sorted(TINY)


def reference_gradient(weights, image, cotangents, pooling, padding):
    leaf = image.clone().requires_grad_()
    blocks = depths(weights.architecture)
    features = reference_vgg(weights.layers, blocks, to_caffe(leaf), pooling, padding)
    taps = list(cotangents)
    outputs = [features[tap] for tap in taps]
    (gradient,) = torch.autograd.grad(outputs, leaf, [cotangents[tap] for tap in taps])
    return {tap: f.detach() for tap, f in features.items()}, gradient


def relative(a, b):
    return ((a - b).norm() / b.norm()).item()


def compare(network, taps, height, width, pooling, padding):
    weights, image = tiny_weights(network), random_image(height, width)
    encoder = Encoder(weights, pooling=pooling, padding=padding, dtype=torch.float64)
    tape, features = encoder.features(image, taps)
    generator = torch.Generator().manual_seed(1)
    cotangents = {
        tap: torch.randn(f.shape, generator=generator, dtype=f.dtype) for tap, f in features.items()
    }
    gradient = encoder.pullback(tape, dict(cotangents))
    expected, expected_gradient = reference_gradient(weights, image, cotangents, pooling, padding)
    assert set(features) == set(taps)
    for tap, f in features.items():
        assert relative(f, expected[tap]) < 1e-12
    assert gradient.shape == image.shape
    assert relative(gradient, expected_gradient) < 1e-10


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("network", BOTH)
def test_all_taps_at_once(network, pooling, padding):
    compare(network, TINY[network].taps, 37, 50, pooling, padding)


@pytest.mark.parametrize("network", BOTH)
def test_each_tap_alone(network):
    for tap in TINY[network].taps:
        compare(network, [tap], 33, 35, "max", "zero")


@settings(max_examples=40)
@given(
    height=st.integers(16, 45),
    width=st.integers(16, 45),
    pooling=st.sampled_from(sorted(POOLINGS)),
    padding=st.sampled_from(PADDINGS),
    taps=st.sets(st.sampled_from(TINY["vgg19"].taps[:-1]), min_size=1, max_size=5),
)
def test_any_size_and_taps(height, width, pooling, padding, taps):
    compare("vgg19", sorted(taps), height, width, pooling, padding)


@pytest.mark.parametrize("tap", TINY["vgg19"].taps)
def test_smallest_size_is_the_smallest(tap):
    least = TINY["vgg19"].min_side([tap])
    encoder = Encoder(tiny_weights(), dtype=torch.float64)
    _, features = encoder.features(random_image(least, least + 3), [tap])
    assert min(features[tap].shape[-2:]) == 1
    if least > 1:
        with pytest.raises(ImageTooSmall, match=rf"{tap} needs at least {least} px"):
            encoder.features(random_image(least + 3, least - 1), [tap])


def test_relu_taps_are_not_spoilt_by_their_conv_taps():
    encoder = Encoder(tiny_weights(), dtype=torch.float64)
    _, features = encoder.features(random_image(20, 20), ["conv2_1", "relu2_1"])
    assert (features["conv2_1"] < 0).any()
    assert torch.equal(features["conv2_1"].relu(), features["relu2_1"])


def test_a_cotangent_may_be_a_function_that_adds_it():
    encoder, image = Encoder(tiny_weights(), dtype=torch.float64), random_image(23, 30)
    tape, features = encoder.features(image, ["relu2_1", "relu3_1"])
    cotangents = {tap: torch.randn_like(f) for tap, f in features.items()}

    def adding(cotangent):
        return lambda g: cotangent.clone() if g is None else g.add_(cotangent)

    functions = {tap: adding(cotangent) for tap, cotangent in cotangents.items()}
    kept = {tap: cotangent.clone() for tap, cotangent in cotangents.items()}
    gradient = encoder.pullback(tape, dict(cotangents))
    assert tape.residuals == {}  # spent
    tape, _ = encoder.features(image, ["relu2_1", "relu3_1"])
    assert torch.equal(encoder.pullback(tape, functions), gradient)
    assert all(torch.equal(cotangents[tap], kept[tap]) for tap in kept)  # nor are they spoilt


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize(("height", "width"), [(8, 12), (7, 12), (8, 11), (3, 5), (2, 2)])
def test_max_pooling_is_torchs_even_among_equals(dtype, layout, height, width):
    """Few values, so that most windows hold equals; the first of them takes the cotangent."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randint(0, 3, (1, 5, height, width), generator=generator).to(dtype)
    x = x.contiguous(memory_format=layout).requires_grad_()
    expected = torch.nn.functional.max_pool2d(x, 2)
    g = torch.randn(expected.shape, generator=generator).to(dtype).contiguous(memory_format=layout)
    (pulled,) = torch.autograd.grad(expected, x, g)
    with torch.no_grad():
        y, residual = POOLINGS["max"].forward(x, 2, 2)
        assert torch.equal(y, expected)
        found = POOLINGS["max"].pullback(g.clone(memory_format=layout), residual)
    assert torch.equal(found, pulled * (x > 0))  # and the ReLU before it is in it
    if y.numel() > 5:  # else it has no one layout
        assert found.is_contiguous(memory_format=layout)


def test_fast_float32_is_float32():
    """To rounding, features and gradient; max pooling may choose otherwise between near equals."""
    image, taps = random_image(70, 61, dtype=torch.float32), ["relu1_1", "relu3_1", "relu5_1"]
    results = []
    for exact in (True, False):
        encoder = Encoder(bundled("vgg19"), exact=exact)
        tape, features = encoder.features(image, taps)
        gradient = encoder.pullback(tape, {tap: torch.ones_like(f) for tap, f in features.items()})
        results.append((*features.values(), gradient))
    for expected, found in zip(*results, strict=True):
        assert relative(found, expected) < 1e-4


@pytest.mark.parametrize("margin", [(0, 0), (1, 1), (0, 1), (1, 0)])
def test_packed_convolution_is_the_plain_one(margin):
    weight, bias = tiny_weights().layers["conv3_1"]
    x = random_image(9, 13, dtype=torch.float32).new_empty(1, weight.shape[1], 9, 13).normal_()
    x = x.bfloat16().contiguous(memory_format=torch.channels_last)
    rough = convolution(weight.bfloat16(), bias.bfloat16())
    plain = convolution(weight.bfloat16().float(), bias.bfloat16().float())
    for rectify in (False, True):
        y = plain(x.float(), margin, rectify=rectify)
        assert relative(rough(x, margin, rectify=rectify).float(), y) < 0.01
    g = torch.randn(y.shape).bfloat16().contiguous(memory_format=torch.channels_last)
    pulled = rough.pullback(g, margin, (9, 13)), plain.pullback(g.float(), margin, (9, 13))
    assert relative(pulled[0].float(), pulled[1]) < 0.01


def test_stops_at_the_deepest_tap():
    tape, _ = Encoder(tiny_weights(), dtype=torch.float64).features(random_image(9, 9), ["relu2_1"])
    assert tape.path[-1].name == "relu2_1"


@pytest.mark.parametrize("tap", ["relu1_2", "pool2"])
def test_a_spent_tape_is_refused(tap):
    encoder = Encoder(tiny_weights(), dtype=torch.float64)
    tape, features = encoder.features(random_image(9, 9), [tap])
    encoder.pullback(tape, {tap: torch.ones_like(features[tap])})
    with pytest.raises(ValueError, match="spent"):
        encoder.pullback(tape, {tap: torch.ones_like(features[tap])})


def test_pullback_wants_a_tap_of_the_tape():
    encoder = Encoder(tiny_weights(), dtype=torch.float64)
    tape, _ = encoder.features(random_image(9, 9), ["relu2_1"])
    with pytest.raises(ValueError, match="no cotangent is on the tape"):
        encoder.pullback(tape, {})


@pytest.mark.parametrize("name", ["relu9_1", "relu3_5", "block4", "22", "", "relu6_1", "pool6"])
def test_unknown_tap_is_refused(name):
    encoder = Encoder(tiny_weights())
    with pytest.raises(SettingsError, match="vgg19 has conv1_1"):
        encoder.features(random_image(40, 40), [name])


def test_unknown_choices_list_what_there_is():
    with pytest.raises(SettingsError, match="max, avg, l2"):
        Encoder(tiny_weights(), pooling="median")
    with pytest.raises(SettingsError, match="zero, replicate"):
        Encoder(tiny_weights(), padding="reflect")


@pytest.mark.parametrize("network", BOTH)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.03)])
def test_lower_precision_on_the_real_weights(network, dtype, tolerance):
    """bfloat16 keeps 8 bits: features within 3 %, as stated in the documentation."""
    image = torch.nn.functional.avg_pool2d(random_image(128, 128, dtype=torch.float32), 5, 1, 2)
    taps = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
    _, exact = Encoder(bundled(network), dtype=torch.float64).features(image, taps)
    _, rough = Encoder(bundled(network), dtype=dtype).features(image, taps)
    for tap in taps:
        assert rough[tap].dtype == dtype
        assert relative(rough[tap].double(), exact[tap]) < tolerance


@pytest.mark.parametrize("network", sorted(BUNDLED))
def test_float32_is_that_of_a_plain_torch_program(network):
    """Features to the bit, gradients to a few parts in ten million."""
    weights, taps = bundled(network), ["conv1_2", "relu2_1", "pool3", "relu5_1"]
    canvas = to_caffe(random_image(70, 61, dtype=torch.float32)).requires_grad_()
    expected = reference_vgg(weights.layers, depths(weights.architecture), canvas)
    encoder = Encoder(weights)
    tape, features = encoder.features(canvas.detach(), taps, CAFFE)
    for tap in taps:
        assert torch.equal(features[tap], expected[tap])
    cotangents = {tap: torch.ones_like(f) for tap, f in features.items()}
    outputs = [expected[tap] for tap in taps]
    (gradient,) = torch.autograd.grad(outputs, canvas, [cotangents[tap] for tap in taps])
    assert relative(encoder.pullback(tape, cotangents), gradient) < 1e-6


@pytest.mark.parametrize("network", sorted(BUNDLED))
def test_replicate_padding_leaves_a_flat_picture_flat(network):
    """Law: with edge padding the first layer cannot see where a flat picture ends."""
    flat = torch.full((3, 16, 16), 0.7)
    _, features = Encoder(bundled(network), padding="replicate").features(flat, ["relu1_1"])
    assert (features["relu1_1"] - features["relu1_1"][..., :1, :1]).abs().max() < 1e-3


@pytest.mark.parametrize("network", sorted(BUNDLED))
def test_with_edges_everywhere_no_layer_sees_a_border(network):
    flat = torch.full((3, 64, 48), 0.7)
    encoder = Encoder(bundled(network), padding="replicate-all")
    taps = [f"relu{block}_1" for block in range(1, 6)]
    for features in encoder.features(flat, taps)[1].values():
        assert (features - features[..., :1, :1]).abs().max() < 1e-3 * features.abs().max()


# Networks of other shapes, each one table

SHAPES = {
    "deep": Architecture(
        "deep",
        (
            Conv("stem", 3, 6, kernel=7),
            Relu("stem_relu"),
            Pool("half"),
            Conv("narrow", 6, 4, kernel=1),
            Relu("narrow_relu"),
            Conv("wide", 4, 8, kernel=5),
            Relu("wide_relu"),
            Pool("quarter"),
            Pool("eighth"),
            Conv("last", 8, 5),
            Relu("last_relu"),
        ),
    ),
    "linear": Architecture(
        "linear",
        (
            Conv("first", 3, 4, kernel=1),
            Conv("second", 4, 5, kernel=5),
            Relu("second_relu"),
            Conv("third", 5, 6),
        ),
    ),
    "vgg13": vgg("vgg13", (2, 2, 2, 2, 2), (3, 4, 5, 6, 7)),
}


def shaped_weights(net, seed=0, dtype=torch.float64):
    """He-initialised weights for sRGB in [0, 1]."""
    generator, layers = torch.Generator().manual_seed(seed), {}
    for name, conv in net.convolutions.items():
        weight = torch.randn(conv.shape, generator=generator, dtype=dtype)
        bias = torch.randn(conv.outward, generator=generator, dtype=dtype)
        layers[name] = (weight * (2 * conv.outward / weight.numel()) ** 0.5, bias / 10)
    return Weights(net, layers, input=SRGB)


def torch_features(weights, image, pooling, padding):
    """Every tap, by torch's functions, for autograd."""
    x, features = image[None], {}
    for place, operation in enumerate(weights.architecture.operations):
        match operation:
            case Conv(name, _, _, kernel):
                margin = [kernel // 2] * 4
                edge = padding == "replicate-all" or (padding == "replicate" and place == 0)
                mode = "replicate" if edge else "constant"
                x = torch.nn.functional.conv2d(
                    torch.nn.functional.pad(x, margin, mode=mode), *weights.layers[name]
                )
            case Relu():
                x = x.relu()
            case Pool():
                x = POOLS[pooling](x)
        features[operation.name] = x
    return features


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("shape", SHAPES)
def test_another_network_is_one_table(shape, pooling, padding):
    """Features and gradient against autograd, all taps at once and the last alone."""
    net, image = SHAPES[shape], random_image(37, 41)
    weights = shaped_weights(net)
    encoder = Encoder(weights, pooling=pooling, padding=padding, dtype=torch.float64)
    for taps in (net.taps, net.taps[-1:]):
        leaf = image.clone().requires_grad_()
        expected = torch_features(weights, leaf, pooling, padding)
        tape, features = encoder.features(image, taps)
        assert set(features) == set(taps)
        generator = torch.Generator().manual_seed(1)
        cotangents = {
            tap: torch.randn(f.shape, generator=generator, dtype=f.dtype)
            for tap, f in features.items()
        }
        outputs, given = [expected[tap] for tap in taps], [cotangents[tap] for tap in taps]
        (gradient,) = torch.autograd.grad(outputs, leaf, given)
        for tap, f in features.items():
            assert f.shape[1] == net.channels(tap)
            assert relative(f, expected[tap].detach()) < 1e-12
        assert relative(encoder.pullback(tape, cotangents), gradient) < 1e-10


@pytest.mark.parametrize("shape", SHAPES)
def test_its_tiles_are_exact(shape):
    """Features of windows, put together, are those of the whole; so are the gradients added up."""
    net, image = SHAPES[shape], random_image(310, 90)
    encoder, taps = Encoder(shaped_weights(net), dtype=torch.float64), net.taps[-3:]
    tape, whole = encoder.features(image, taps)
    gradient = encoder.pullback(tape, {tap: 2 * f for tap, f in whole.items()})
    added = torch.zeros_like(image)
    parts = windows(tuple(image.shape[1:]), net, taps, min_tile(net, taps) + 3)
    assert len(parts) > 2
    for window in parts:
        tape, features = encoder.features(window.of(image), taps, ends=window.ends)
        cotangents = {}
        for tap in taps:
            core = window.core(tap, features[tap])
            assert relative(core, whole[tap][(..., *window.place(tap))]) < 1e-12
            cotangents[tap] = torch.zeros_like(features[tap])
            window.core(tap, cotangents[tap]).copy_(2 * core)
        window.add(encoder.pullback(tape, cotangents), added)
    assert relative(added, gradient) < 1e-12


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.1)])
def test_its_fast_arithmetic_is_near(dtype, tolerance):
    """Kernels of 1, 5 and 7 in the order of whichever library is the fastest."""
    weights = shaped_weights(SHAPES["deep"], dtype=torch.float32)
    image, tap = random_image(40, 48, dtype=torch.float32), weights.architecture.taps[-1]
    results = []
    for arithmetic in (torch.float64, dtype):
        encoder = Encoder(weights, pooling="avg", dtype=arithmetic, exact=False)
        tape, features = encoder.features(image, [tap])
        gradient = encoder.pullback(tape, {tap: torch.ones_like(features[tap])})
        results.append((features[tap].double(), gradient.double()))
    for exact, rough in zip(*results, strict=True):
        assert relative(rough, exact) < tolerance


def test_its_memory_is_planned():
    weights = shaped_weights(SHAPES["deep"], dtype=torch.float32)
    choices = Settings.of("standard", style_layers="wide_relu", content_layers="last_relu")
    hardware = replace(Hardware.choose(choices), memory=3 * 10**9)
    encoder = encoder_for(choices, hardware, weights)
    found = plan(choices, (4096, 3072), (4096, 3072), hardware, 0, encoder)
    assert found.windows > 1
    assert found.peak <= 3 * 10**9


MALFORMED = {
    "nothing": (),
    "no channels": (Conv("a", 4, 5),),
    "channels that do not match": (Conv("a", 3, 5), Relu("b"), Conv("c", 4, 5)),
    "a stride beyond its kernel": (Conv("a", 3, 5, kernel=1, stride=2),),
    "half its kernel of padding": (Conv("a", 3, 5, kernel=2, padding=1),),
    "no stride": (Conv("a", 3, 5, stride=0),),
    "no kernel": (Conv("a", 3, 5, kernel=-1),),
    "a name twice": (Conv("a", 3, 5), Relu("a")),
    "a name with a comma": (Conv("a,b", 3, 5),),
    "the picture's name": (Conv("image", 3, 5),),
    "a ReLU first": (Relu("a"),),
    "a ReLU after a ReLU": (Conv("a", 3, 5), Relu("b"), Relu("c")),
    "pooling of negative values": (Conv("a", 3, 5), Pool("b")),
    "a string": ("conv1_1",),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_what_is_no_network_is_refused(kind):
    with pytest.raises(SettingsError, match=r"^odd: "):
        Architecture("odd", MALFORMED[kind])


def test_surroundings_make_no_difference():
    """Inference mode, autocast, default dtype and device, grad mode: torch's ambient state."""
    weights, image = tiny_weights(dtype=torch.float32), random_image(20, 24, dtype=torch.float32)

    def work():
        encoder = Encoder(weights, exact=False)
        tape, features = encoder.features(image, ["relu2_1", "pool3"])
        found = list(features.values())
        cotangents = {tap: f / 2 for tap, f in features.items()}
        return [*found, encoder.pullback(tape, cotangents)]

    expected = work()
    default = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        with torch.device("meta"), torch.autocast("cpu"), torch.inference_mode():
            found = work()
    finally:
        torch.set_default_dtype(default)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)
        assert not one.is_inference()
        assert not one.requires_grad
