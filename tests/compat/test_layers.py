"""replace_layers: layers of the port's and of the Lifespan-Age project's kind keep their values and their state."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from importlib import import_module
from itertools import product
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylelayers.compat import replace_layers
from tests.compat import lifespan_kind as lifespan
from tests.compat import port_kind as port
from tests.conftest import assert_same, randn

Inputs = list[tuple[int, ...]]
IMAGE, LATENT = (2, 4, 6, 8), (2, 5)


def conv(style_dim: int = 5, size: int = 3, **options: Any) -> port.ModulatedConv2d:
    return port.ModulatedConv2d(4, 6, size, style_dim, **options)


PORT: dict[str, tuple[Callable[[], nn.Module], Inputs]] = {
    "PixelNorm": (port.PixelNorm, [LATENT]),
    "PixelNorm images": (port.PixelNorm, [IMAGE]),
    "Blur": (lambda: port.Blur([1, 3, 3, 1], (2, 1)), [IMAGE]),
    "Blur up": (lambda: port.Blur([1, 2, 3], (1, 1), 2), [IMAGE]),
    "Blur crop": (lambda: port.Blur([1, 3, 3, 1], (-1, 2)), [IMAGE]),
    "Upsample": (lambda: port.Upsample([1, 3, 3, 1]), [IMAGE]),
    "Upsample 3": (lambda: port.Upsample([1, 2, 3, 4, 1], 3), [IMAGE]),
    "Downsample": (lambda: port.Downsample([1, 3, 3, 1]), [IMAGE]),
    "Downsample 3": (lambda: port.Downsample([1, 2, 3, 4], 3), [IMAGE]),
    "EqualLinear": (lambda: port.EqualLinear(5, 3, bias_init=1), [LATENT]),
    "EqualLinear no bias": (lambda: port.EqualLinear(5, 3, bias=False), [LATENT]),
    "EqualLinear rank 3": (lambda: port.EqualLinear(5, 3), [(2, 4, 5)]),
    "EqualLinear act": (lambda: port.EqualLinear(5, 3, lr_mul=0.01, activation="fused_lrelu"), [LATENT]),
    "EqualLinear act rank 3": (lambda: port.EqualLinear(5, 3, activation="fused_lrelu"), [(2, 3, 5)]),
    "FusedLeakyReLU": (lambda: port.FusedLeakyReLU(4), [IMAGE]),
    "FusedLeakyReLU flat": (lambda: port.FusedLeakyReLU(5, negative_slope=0.1, scale=0.5), [LATENT]),
    "FusedLeakyReLU no bias": (lambda: port.FusedLeakyReLU(4, bias=False), [IMAGE]),
    "ModulatedConv2d": (conv, [IMAGE, LATENT]),
    "ModulatedConv2d plain": (lambda: conv(demodulate=False, size=1), [IMAGE, LATENT]),
}
for way, size, taps in product(("upsample", "downsample"), (1, 3, 5), ((1, 3, 3, 1), (1, 1), (1, 2, 3, 2, 1))):
    options: dict[str, Any] = {way: True, "blur_kernel": taps}
    PORT[f"{way} {size} {len(taps)}"] = (partial(conv, size=size, **options), [IMAGE, LATENT])

LIFESPAN: dict[str, tuple[Callable[[], nn.Module], Inputs]] = {
    "PixelNorm": (lambda: lifespan.PixelNorm(3), [IMAGE]),
    "Blur": (lambda: lifespan.Blur(4), [IMAGE]),
    "EqualLinear": (lambda: lifespan.EqualLinear(5, 3), [LATENT]),
}
for size, mode, way, normal in product((1, 3), lifespan.PADDINGS, ("", "upsample", "downsample"), (False, True)):
    options = {"normalize_mlp": normal, **({way: True} if way else {})}
    LIFESPAN[f"ModulatedConv2d {size} {mode} {way} {normal}"] = (
        partial(lifespan.ModulatedConv2d, 4, 4, size, mode, latent_dim=5, **options),
        [IMAGE, LATENT],
    )
CASES = {f"{of} {name}": case for of, cases in (("port", PORT), ("lifespan", LIFESPAN)) for name, case in cases.items()}


def randomized(module: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    return module


def orders(module: nn.Module, inputs: list[Tensor]) -> list[Tensor]:
    """The value, the gradients of a sum of squares, and the gradients of theirs."""
    leaves = [x.clone().requires_grad_() for x in inputs] + list(module.parameters())
    y = module(*leaves[: len(inputs)])
    first = torch.autograd.grad(y.pow(3).sum(), leaves, create_graph=True, materialize_grads=True)
    total = torch.stack([g.square().sum() for g in first]).sum()
    return [y, *first, *torch.autograd.grad(total, leaves, materialize_grads=True)]


@pytest.mark.parametrize(("build", "shapes"), CASES.values(), ids=CASES.keys())
def test_values_and_two_derivatives_stay(build: Callable[[], nn.Module], shapes: Inputs) -> None:
    network = randomized(build()).double()
    inputs = [randn(*shape) for shape in shapes]
    expected = orders(network, inputs)
    report = replace_layers(network)
    assert not report.left
    assert type(network).__module__.startswith("stylelayers.")
    for actual, before in zip(orders(network, inputs), expected, strict=True):
        torch.testing.assert_close(actual, before, rtol=1e-9, atol=1e-9 * float(before.detach().abs().max()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_stay_in_other_dtypes(dtype: torch.dtype) -> None:
    network = randomized(conv(upsample=True)).to(dtype)
    inputs = [randn(*IMAGE).to(dtype), randn(*LATENT).to(dtype)]
    expected = network(*inputs)
    assert not replace_layers(network).left
    tolerance = 1e-5 if dtype == torch.float32 else 3e-2
    assert network(*inputs).dtype == dtype
    assert (network(*inputs) - expected).abs().max() <= tolerance * expected.abs().max()


class Network(nn.Module):
    """Shared layers, tied weights, a list, a hook, frozen parameters and a part in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.mapping = nn.Sequential(port.PixelNorm(), port.EqualLinear(5, 5, activation="fused_lrelu"))
        self.convs = nn.ModuleList([conv(), port.ModulatedConv2d(6, 4, 3, 5, upsample=True)])
        self.act = self.same_act = port.FusedLeakyReLU(6)
        self.head, self.tied = port.EqualLinear(4, 3), port.EqualLinear(4, 3)
        self.tied.weight = self.head.weight
        self.head.bias.requires_grad_(False)  # type: ignore[union-attr]
        self.mapping.eval()

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        w = self.mapping(z)
        y = self.convs[1](self.same_act(self.act(self.convs[0](x, style=w))), style=w)
        return self.head(input=y.mean((2, 3))) + self.tied(y.amax((2, 3)))


def state(network: nn.Module) -> list[Any]:
    parameters = [(name, id(p), p.requires_grad) for name, p in network.named_parameters(remove_duplicate=False)]
    modules = [(name, id(m), m.training) for name, m in network.named_modules(remove_duplicate=False)]
    return [parameters, modules, {k: v.clone() for k, v in network.state_dict().items()}.keys()]


def test_objects_keys_modes_and_flags_stay() -> None:
    network: Any = randomized(Network())
    calls: list[str] = []
    network.head.register_forward_hook(lambda *_: calls.append("head"))
    before, random_state, tensors = state(network), torch.get_rng_state(), deepcopy(network.state_dict())
    report = replace_layers(network)
    assert state(network) == before and not calls
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(network.state_dict()[name], value) for name, value in tensors.items())
    assert sum(name.endswith("act") for name in report.replaced) == 1
    assert report.replaced["convs.1"] == "ModulatedConv2d of the PyTorch port" and "convs.1.blur" in report.replaced
    network(randn(2, 4, 4, 4).float(), randn(2, 5).float())
    assert calls == ["head"]


def test_an_optimizer_goes_on_as_without() -> None:
    torch.manual_seed(0)
    networks = [randomized(Network()).double()]
    networks.append(deepcopy(networks[0]))
    x, z = randn(2, 4, 4, 4), randn(2, 5)
    for network in networks:
        adam = torch.optim.Adam(network.parameters(), 0.01)
        for step in range(4):
            if step == 2 and network is networks[1]:
                assert not replace_layers(network).left
            adam.zero_grad()
            network(x, z).square().mean().backward()
            adam.step()
    for actual, expected in zip(networks[1].parameters(), networks[0].parameters(), strict=True):
        assert_same(actual, expected, 1e-8)


def test_a_second_call_finds_nothing() -> None:
    network = Network()
    replace_layers(network)
    report = replace_layers(network)
    assert not report.replaced and not report.left


def test_networks_copy_pickle_and_load_files_of_before() -> None:
    network, other = randomized(Network()), randomized(Network())
    inputs = (randn(2, 4, 4, 4).float(), randn(2, 5).float())
    expected = other(*inputs)
    replace_layers(network)
    network.load_state_dict(other.state_dict())
    for copy in (network, deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert_same(copy(*inputs), expected, 1e-5)


def test_a_loaded_file_brings_its_taps() -> None:
    blur, other = port.Blur([1, 3, 3, 1], (2, 1)), port.Blur([1, 2, 4, 1], (2, 1))
    replace_layers(blur)
    blur.load_state_dict(other.state_dict())
    x = randn(1, 2, 5, 5).float()
    assert_same(blur(x), other(x), 1e-6)


def test_weights_that_a_hook_computes_stay() -> None:
    linear = nn.utils.spectral_norm(port.EqualLinear(5, 3)).eval()
    x = randn(2, 5).float()
    expected = linear(x)
    assert not replace_layers(linear).left
    assert_same(linear(x), expected, 1e-6)


def test_biases_of_rank_4_stay() -> None:
    class FusedLeakyReLU(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias, self.negative_slope, self.scale = nn.Parameter(torch.randn(1, 4, 1, 1)), 0.1, 2.0

        def forward(self, input: Tensor) -> Tensor:
            return F.leaky_relu(input + self.bias, self.negative_slope) * self.scale

    act, x = FusedLeakyReLU(), randn(*IMAGE).float()
    expected = act(x)
    assert not replace_layers(act).left and act.bias.shape == (1, 4, 1, 1)
    assert_same(act(x), expected, 1e-6)


class Wide(port.PixelNorm):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * 2


class Same(port.PixelNorm):
    """A subclass that adds nothing."""


class More(port.PixelNorm):
    def halved(self, x: Tensor) -> Tensor:
        return self(x) / 2


def other_values() -> type[nn.Module]:
    class PixelNorm(nn.Module):
        def forward(self, input: Tensor) -> Tensor:
            return input / (input.abs().mean(1, keepdim=True) + 1e-8)

    return PixelNorm


def other_attributes() -> type[nn.Module]:
    class EqualLinear(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return super().forward(input) * 2

    return EqualLinear


def broken() -> type[nn.Module]:
    class PixelNorm(nn.Module):
        def forward(self, input: Tensor) -> Tensor:
            raise RuntimeError("no extension")

    return PixelNorm


def hooked() -> nn.Module:
    module = conv(upsample=True)
    module.blur.register_forward_hook(lambda *_: None)
    return module


def patched() -> nn.Module:
    module = port.PixelNorm()
    module.forward = lambda input: input  # type: ignore[method-assign]
    return module


LEFT: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "overridden": (Wide, "its class Wide overrides forward"),
    "more methods": (More, "its class More has halved of its own"),
    "other values": (lambda: other_values()(), "its values are not those of PixelNorm of the Lifespan-Age project"),
    "other attributes": (
        lambda: other_attributes()(4, 3),
        "its attributes, or a child that was left, are those of no EqualLinear",
    ),
    "failing": (lambda: broken()(), "trying it failed: RuntimeError: no extension"),
    "hooked child": (hooked, "its blur has hooks, which would not be called"),
    "patched": (patched, "its forward was set on the object"),
    "meta": (lambda: port.EqualLinear(4, 3).to("meta"), "its tensors are on the meta device"),
}


@pytest.mark.parametrize(("build", "reason"), LEFT.values(), ids=LEFT.keys())
def test_other_layers_are_left_with_a_reason(build: Callable[[], nn.Module], reason: str) -> None:
    network = build()
    before, attributes = type(network), dict(vars(network))
    report = replace_layers(network)
    assert report.left[""].startswith(reason)
    assert type(network) is before and dict(vars(network)) == attributes
    assert str(report).startswith(f"{len(report.replaced)} replaced\n1 left\n")


def test_the_example_has_biases_that_are_not_zero() -> None:
    class EqualLinear(nn.Module):
        """Forgets that `lr_mul` applies to the bias too."""

        def __init__(self) -> None:
            super().__init__()
            self.weight, self.bias = nn.Parameter(torch.ones(3, 4)), nn.Parameter(torch.zeros(3))
            self.scale, self.lr_mul, self.activation = 0.25, 0.5, None

        def forward(self, input: Tensor) -> Tensor:
            return F.linear(input, self.weight * self.scale, self.bias)

    assert replace_layers(EqualLinear()).left[""].startswith("its values are not those")


def test_subclasses_that_add_nothing_are_replaced() -> None:
    assert replace_layers(Same()).replaced == {"": "PixelNorm of the PyTorch port"}


def test_layers_of_torch_are_not_reported() -> None:
    report = replace_layers(nn.Sequential(nn.Upsample(scale_factor=2), nn.Linear(3, 3)))
    assert not report.replaced and not report.left


def test_no_network_raises() -> None:
    with pytest.raises(ValueError, match=r"replace_layers: network must be a torch.nn.Module, got list"):
        replace_layers([port.PixelNorm()])  # type: ignore[arg-type]


# The projects themselves, from a folder of checkouts -------------------------------------------------------------


def peer(folder: str, module: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    path = Path(os.environ.get("STYLELAYERS_PEERS", "")) / folder
    if "STYLELAYERS_PEERS" not in os.environ or not path.is_dir():
        pytest.skip(f"needs {folder}/ in the folder STYLELAYERS_PEERS")
    monkeypatch.syspath_prepend(str(path))
    monkeypatch.setitem(sys.modules, "op", operators())
    return import_module(module)


def operators() -> ModuleType:
    module: Any = ModuleType("op")
    module.upfirdn2d = lambda x, kernel, up=1, down=1, pad=(0, 0): port.resampled(x, kernel, up, down, pad)
    module.FusedLeakyReLU = port.FusedLeakyReLU
    module.fused_leaky_relu = lambda x, bias: F.leaky_relu(x + bias.reshape(1, -1, *[1] * (x.ndim - 2)), 0.2) * 2**0.5
    module.conv2d_gradfix = SimpleNamespace(conv2d=F.conv2d, conv_transpose2d=F.conv_transpose2d)
    return module


def compare(network: nn.Module, least: int, call: Callable[[nn.Module], Tensor]) -> None:
    """Values and gradients of R1 or path length within 1e-9 in float64; float32 adds its own rounding errors."""
    replaced, exact = deepcopy(network), deepcopy(network).double()
    report = replace_layers(replaced)
    assert len(report.replaced) >= least and not report.left
    assert list(replaced.state_dict()) == list(network.state_dict())
    single, actual = (call(each) for each in (network, replaced))
    expected = call(exact)
    rounding = (single - expected).abs().max()
    assert (actual - expected).abs().max() <= 1e-5 * expected.abs().max() + 2 * rounding
    assert_same(call(replaced.double()), expected, 1e-9)
    gradients = [second_order(each, call) for each in (exact, replaced)]
    for wanted, got in zip(*gradients, strict=True):
        assert (got - wanted).abs().max() <= 1e-9 * max(1.0, float(wanted.detach().abs().max()))


def second_order(network: nn.Module, call: Callable[[nn.Module], Tensor]) -> list[Tensor]:
    parameters = [p for p in network.parameters() if p.requires_grad]
    first = torch.autograd.grad(call(network).square().sum(), parameters, create_graph=True, materialize_grads=True)
    total = torch.stack([gradient.square().sum() for gradient in first]).sum()
    return [*first, *torch.autograd.grad(total, parameters, materialize_grads=True)]


def inputs_of(network: nn.Module, *shapes: tuple[int, ...]) -> list[Tensor]:
    like = next(network.parameters())
    return [torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(like) for shape in shapes]


def test_networks_of_the_port_keep_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    model = peer("rosinality", "model", monkeypatch)
    generator, discriminator = model.Generator(16, 32, 2, channel_multiplier=1), model.Discriminator(16)
    compare(generator, 28, lambda g: g([inputs_of(g, (2, 32))[0]], randomize_noise=False)[0])
    compare(discriminator, 12, lambda d: d(inputs_of(d, (2, 3, 16, 16))[0]))


@pytest.mark.parametrize("options", [{}, {"normalize_mlp": True, "use_pixel_norm": True}])
def test_networks_of_lifespan_keep_their_values(options: dict[str, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    networks = peer("lifespan", "models.networks", monkeypatch)
    decoder = networks.StyledDecoder(3, ngf=4, style_dim=6, latent_dim=8, modulated_conv=True, **options)
    compare(decoder, 40, lambda d: d(*inputs_of(d, (2, 16, 8, 8), (2, 6))))
