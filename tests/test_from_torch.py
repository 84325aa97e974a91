"""Models of PyTorch's, taken over: the same results and gradients; or a refusal that says what is
in the way."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import Tensor, draw, nn, replay

torch = pytest.importorskip("torch")
from torch_models import GPT, MODELS, LeNet, mlp  # noqa: E402

F = torch.nn.functional


@pytest.fixture(autouse=True)
def doubles() -> Any:
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def leaves(value: Any) -> list[Any]:
    """The results in tuples of tuples."""
    nested = isinstance(value, tuple | list)
    return [leaf for x in value for leaf in leaves(x)] if nested else [value]


def arrays(value: Any) -> list[Any]:
    """The numbers in a result, in whatever it is."""
    return [np.asarray(x.detach() if torch.is_tensor(x) else x.numpy()) for x in leaves(value)]


def cost(result: Any, sin: Any) -> Any:
    """One number in which every number of a result counts differently."""
    return sum([sin(x).sum() for x in leaves(result)])


def close(one: Any, other: Any) -> bool:
    return bool(np.allclose(one, other, rtol=1e-9, atol=1e-11))


def without_dropout(theirs: Any) -> Any:
    for m in theirs.modules():
        if hasattr(m, "p"):
            m.p = 0.0
    return theirs


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("training", [False, True])
def test_results_and_all_gradients_are_pytorch_s(name: str, training: bool) -> None:
    make, example = MODELS[name]
    theirs = without_dropout(make())
    ours = nn.from_torch(theirs, *example(3))
    theirs.train(training)
    ours.train(training)
    inputs = example(4)  # another batch than the one that it was taken over with
    z1, z2 = ours(*inputs), theirs(*inputs)
    assert all(map(close, arrays(z1), arrays(z2)))
    cost(z1, np.sin).backward()
    cost(z2, torch.sin).backward()
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    for p1, p2 in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert close(p1.grad, p2.grad)
    state = theirs.state_dict()
    assert [*ours.state_dict()] == [*state]
    assert all(close(a, b) for a, b in zip(ours.state_dict().values(), state.values(), strict=True))


@pytest.mark.parametrize("name", MODELS)
def test_float32_stays_float32(name: str) -> None:
    torch.set_default_dtype(torch.float32)
    make, example = MODELS[name]
    theirs, inputs = make(), example(3)
    ours = nn.from_torch(theirs, *inputs)
    assert {x.dtype for x in arrays(ours(*inputs))} == {np.dtype(np.float32)}


def written(forward: Any, **parts: Any) -> Any:
    """A Module of PyTorch's with this forward."""

    class Written(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, part in parts.items():
                setattr(self, name, part)

    Written.forward = forward
    return Written()


X = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(3, 4)


def test_all_that_has_no_twin_is_named_with_its_path_and_its_line() -> None:
    def forward(self: Any, x: Any) -> Any:
        return torch.fft.fft(self.inner(torch.special.bessel_j0(x))).real

    inner = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Softshrink())
    with pytest.raises(TypeError) as caught:
        nn.from_torch(written(forward, inner=inner), X)
    title, *lines = str(caught.value).splitlines()
    assert title.startswith("these have no twin here")
    assert lines[0] == "  inner.1: torch.nn.Softshrink: softshrink"
    assert "fft_fft, in test_from_torch.py:" in lines[2] and "torch.fft.fft(self.inner" in lines[2]


def test_options_that_are_unknown_here_are_named() -> None:
    layer = torch.nn.Embedding(5, 3, padding_idx=0, max_norm=1.0)
    with pytest.raises(TypeError, match=r"the model: torch\.nn\.Embedding with max_norm=1\.0"):
        nn.from_torch(layer, torch.tensor([1]))
    call = written(lambda self, x: torch.cumsum(x, 0, dtype=torch.float32))
    with pytest.raises(
        TypeError, match=r"Written: cumsum, got an unexpected keyword argument 'dtype'"
    ):
        nn.from_torch(call, X)


def test_a_change_in_place_that_reaches_another_name_is_noticed() -> None:
    def forward(self: Any, x: Any) -> Any:
        y = x * 1
        y.view(-1).add_(1)
        return y

    with pytest.raises(ValueError, match=r"the results differ for the example.*change in place"):
        nn.from_torch(written(forward), X)
    kept = nn.from_torch(written(lambda self, x: [y := x * 1, y.add_(1), y][-1]), X)
    assert close(kept(X).numpy() if isinstance(kept(X), Tensor) else kept(X), X + 1)


def test_a_decision_of_the_code_holds_for_inputs_that_decide_alike() -> None:
    def forward(self: Any, x: Any) -> Any:
        if x.shape[0] > 2:
            x = x * 2
        return [x + i for i in range(x.shape[1])][-1]

    ours = nn.from_torch(written(forward), X)
    assert close(ours(X[:3]), X * 2 + 3)
    with pytest.raises(ValueError, match=r"bool\(…\) is True here, and now it is False"):
        ours(X[:2])
    with pytest.raises(ValueError, match=r"int\(…\) is 4 here, and now it is 3"):
        ours(X[:, :3])


def test_dropout_draws_while_training_from_the_rng() -> None:
    model = torch.nn.Sequential(
        torch.nn.Dropout(0.5), written(lambda self, x: F.dropout(x, 0.5, self.training))
    )
    one, other = (nn.from_torch(model, X, rng=np.random.default_rng(0)) for _ in range(2))
    x = np.ones(1000)
    assert np.array_equal(one(x), other(x)) and 0.15 < np.mean(one(x) > 0) < 0.35
    assert np.array_equal(one.eval()(x), x)


def test_the_model_is_left_as_it_was() -> None:
    theirs = GPT().eval()
    theirs.transformer["h"][0].train()
    modes, names = [m.training for m in theirs.modules()], [{*vars(m)} for m in theirs.modules()]
    ours = nn.from_torch(theirs, torch.tensor([[1, 2, 3]]))
    assert [m.training for m in theirs.modules()] == modes
    assert [{*vars(m)} for m in theirs.modules()] == names
    assert ours.transformer["h"][0].training and not ours.transformer["h"][1].training
    before = theirs.lm_head.weight.detach().clone()
    ours.lm_head.weight.data += 1.0
    assert torch.equal(theirs.lm_head.weight, before)


def test_weights_that_are_tied_stay_tied_and_frozen_ones_frozen() -> None:
    theirs = GPT()
    theirs.transformer["wpe"].weight.requires_grad = False
    ours = nn.from_torch(theirs, np.array([[1, 2, 3]]))
    assert ours.lm_head.weight is ours.transformer["wte"].weight
    assert "transformer.wpe.weight" not in dict(ours.named_parameters())


def test_what_is_taken_over_trains_is_replayed_saved_and_drawn(tmp_path: Any) -> None:
    x, y = torch.randn(8, 1, 28, 28), np.arange(8)
    ours, plain = (nn.from_torch(LeNet(), x[:1]) for _ in range(2))
    plain.load_state_dict(ours.state_dict())
    costs = {}
    for model, mark in ((ours, replay), (plain, lambda step: step)):
        optimizer = nn.optim.SGD(model.parameters(), lr=0.1)

        @mark
        def step(x: Any, model: Any = model, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = nn.NLL()(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        costs[model] = [float(step(x.numpy())) for _ in range(6)]
    assert np.allclose(costs[ours], costs[plain]) and costs[ours][-1] < costs[ours][0]
    nn.save(tmp_path / "lenet.safetensors", ours)
    from safetensors.torch import load_file

    theirs = LeNet()
    theirs.load_state_dict(load_file(tmp_path / "lenet.safetensors"))
    assert close(theirs(x).detach(), ours(x).numpy())
    picture = draw(ours, x[:1].numpy())
    assert {call.kind for call in picture.graph.modules} >= {"LeNet", "Conv2d", "Linear"}
    assert "conv1: Conv2d" in nn.summary(ours, (1, 1, 28, 28))


def test_an_mlp_is_drawn_with_pytorch_s_names() -> None:
    theirs = without_dropout(mlp())
    model, x = nn.from_torch(theirs, torch.randn(2, 3, 4)), np.ones((2, 3, 4))
    names = {node.name for node in draw(model, x).graph.nodes}
    assert {f"model.{n}" for n, _ in theirs.named_parameters()} <= names


def test_a_module_under_two_names_keeps_both() -> None:
    shared = torch.nn.Linear(4, 4)
    theirs = written(lambda self, x: self.second(self.first(x)), first=shared, second=shared)
    ours = nn.from_torch(theirs, X)
    assert ours.first is ours.second
    assert [*ours.state_dict()] == [*theirs.state_dict()]
    assert close(ours(X).numpy(), theirs(X).detach())


def test_named_layers_and_arguments_by_name() -> None:
    inner = written(
        lambda self, x, scale=1.0, shift=None: x * scale + (0 if shift is None else shift)
    )
    layers = {"first": torch.nn.Linear(4, 4), "second": torch.nn.Tanh()}
    named = torch.nn.Sequential(OrderedDict(layers))
    theirs = written(
        lambda self, x: self.inner(x=self.named(x), shift=x, scale=2.0), inner=inner, named=named
    )
    ours = nn.from_torch(theirs, X)
    assert close(ours(X).numpy(), theirs(X).detach())
    assert [*ours.state_dict()] == ["named.first.weight", "named.first.bias"]


def test_a_buffer_that_is_not_saved_is_found_from_outside_too() -> None:
    inner = written(lambda self, x: x + self.offset)
    inner.register_buffer("offset", torch.ones(4), persistent=False)
    theirs = written(lambda self, x: self.inner(x) * self.inner.offset, inner=inner)
    ours = nn.from_torch(theirs, X)
    assert close(ours(X), X + 1) and not ours.state_dict()


def test_what_numpy_lacks_is_explained() -> None:
    theirs = torch.nn.Linear(4, 4).bfloat16()
    with pytest.raises(TypeError, match=r"NumPy has no torch.bfloat16: take over model.float\(\)"):
        nn.from_torch(theirs, X.bfloat16())
