"""Recurrent layers and attention equal their equations; what comes later never reaches what came
before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import Tensor, check_gradients, nn

Array = np.ndarray[Any, Any]
FEATURES, HIDDEN, HEADS = 4, 6, 2


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


def options() -> dict[str, Any]:
    return {"rng": np.random.default_rng(1), "dtype": np.float64}


def attention() -> nn.MultiHeadAttention:
    layer = nn.MultiHeadAttention(FEATURES, HEADS, **options())
    nn.init.initialize(
        layer, np.random.default_rng(2), in_proj_bias=nn.init.normal, bias=nn.init.normal
    )  # zeros hide mistakes
    return layer


RECURRENT = {
    "rnn": lambda: nn.RNN(FEATURES, HIDDEN, **options()),
    "relu": lambda: nn.RNN(FEATURES, HIDDEN, nonlinearity="relu", **options()),
    "lstm": lambda: nn.LSTM(FEATURES, HIDDEN, **options()),
    "gru": lambda: nn.GRU(FEATURES, HIDDEN, **options()),
}
every_recurrent = pytest.mark.parametrize("make", RECURRENT.values(), ids=RECURRENT)
CAUSAL = {
    **{name: lambda x, make=make: make()(x)[0] for name, make in RECURRENT.items()},
    "attention": lambda x: attention()(x, causal=True),
}
every_causal = pytest.mark.parametrize("outputs", CAUSAL.values(), ids=CAUSAL)
positions = st.integers(1, 4)


def initial(layer: nn.Module, batch: int) -> Any:
    """A state that is not zero."""
    h, c = numbers(2, 1, batch, HIDDEN, seed=3)
    return (h, c) if isinstance(layer, nn.LSTM) else h


def parts(state: Any) -> tuple[Any, ...]:
    return state if isinstance(state, tuple) else (state,)


def arrays(layer: nn.Module) -> Any:
    return layer.state_dict().values()


def σ(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax(x: Array) -> Array:
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


def with_parameters(layer: nn.Module, f: Any) -> Any:
    """f(layer, *inputs) as a function of the parameters too: (parameters…, inputs…) ↦ f."""
    names = [name for name, _ in layer.named_parameters()]

    def of_all(*values: Any) -> Any:
        for name, value in zip(names, values, strict=False):
            owner, _, attribute = name.rpartition(".")
            setattr(getattr(layer, owner) if owner else layer, attribute, value)
        return f(layer, *values[len(names) :])

    return of_all


# Recurrent layers: one step of each, written out


def rnn_step(layer: Any, x: Array, h: Array, nonlinearity: Any = np.tanh) -> tuple[Array, ...]:
    w, u, b, d = arrays(layer)
    return (nonlinearity(w @ x + b + u @ h + d),)


def relu_step(layer: Any, x: Array, h: Array) -> tuple[Array, ...]:
    return rnn_step(layer, x, h, lambda y: np.maximum(y, 0))


def lstm_step(layer: Any, x: Array, h: Array, c: Array) -> tuple[Array, ...]:
    (wi, wf, wg, wo), (ui, uf, ug, uo), (bi, bf, bg, bo), (di, df, dg, do) = [
        np.split(array, 4) for array in arrays(layer)
    ]
    i, f = σ(wi @ x + bi + ui @ h + di), σ(wf @ x + bf + uf @ h + df)
    g, o = np.tanh(wg @ x + bg + ug @ h + dg), σ(wo @ x + bo + uo @ h + do)
    return o * np.tanh(f * c + i * g), f * c + i * g


def gru_step(layer: Any, x: Array, h: Array) -> tuple[Array, ...]:
    (wr, wz, wn), (ur, uz, un), (br, bz, bn), (dr, dz, dn) = [
        np.split(array, 3) for array in arrays(layer)
    ]
    r, z = σ(wr @ x + br + ur @ h + dr), σ(wz @ x + bz + uz @ h + dz)
    return ((1 - z) * np.tanh(wn @ x + bn + r * (un @ h + dn)) + z * h,)


STEPS = {"rnn": rnn_step, "relu": relu_step, "lstm": lstm_step, "gru": gru_step}


@pytest.mark.parametrize("name", RECURRENT)
def test_each_step_is_its_equation(name: str) -> None:
    layer, x = RECURRENT[name](), numbers(3, 5, FEATURES)
    start = initial(layer, 3)
    outputs, last = layer(x, start)
    for example in range(3):
        state = tuple(part[0, example] for part in parts(start))
        for t in range(5):
            state = STEPS[name](layer, x[example, t], *state)
            np.testing.assert_allclose(outputs.data[example, t], state[0])
        for found, part in zip(parts(last), state, strict=True):
            np.testing.assert_allclose(found.data[0, example], part)


@every_recurrent
def test_the_state_starts_at_zero_and_has_pytorch_s_shape(make: Any) -> None:
    layer, x = make(), numbers(3, 5, FEATURES)
    zero = tuple(np.zeros((1, 3, HIDDEN)) for _ in parts(initial(layer, 3)))
    outputs, last = layer(x)
    np.testing.assert_array_equal(
        outputs.data, layer(x, zero if len(zero) > 1 else zero[0])[0].data
    )
    assert outputs.shape == (3, 5, HIDDEN) and [part.shape for part in parts(last)] == [
        (1, 3, HIDDEN)
    ] * len(zero)
    np.testing.assert_array_equal(parts(last)[0].data[0], outputs.data[:, -1])


def reversed_layer(layer: Any) -> Any:
    """A layer of one direction with the weights that this one uses backwards."""
    other = type(layer)(FEATURES, HIDDEN, **options())
    state = layer.state_dict()
    other.load_state_dict({key: state[f"{key}_reverse"] for key in other.state_dict()})
    return other


@every_recurrent
def test_a_second_direction_is_the_layer_on_the_reversed_sequence(make: Any) -> None:
    kind, x = type(make()), numbers(3, 5, FEATURES)
    layer = kind(FEATURES, HIDDEN, bidirectional=True, **options())
    outputs, last = layer(x)
    ahead, end = kind(FEATURES, HIDDEN, **options())(x)  # it draws the same first weights
    back, start = reversed_layer(layer)(x[:, ::-1])
    np.testing.assert_array_equal(outputs.data[..., :HIDDEN], ahead.data)
    np.testing.assert_allclose(outputs.data[..., HIDDEN:], back.data[:, ::-1])
    for both, one, other in zip(*map(parts, (last, end, start)), strict=True):
        np.testing.assert_allclose(both.data, np.concatenate([one.data, other.data]))


@every_recurrent
def test_a_second_layer_takes_the_outputs_of_the_first(make: Any) -> None:
    kind, x = type(make()), numbers(3, 5, FEATURES)
    both, first = (kind(FEATURES, HIDDEN, n, **options()) for n in (2, 1))
    second, state = kind(HIDDEN, HIDDEN, **options()), both.state_dict()
    second.load_state_dict({key: state[f"{key[:-1]}1"] for key in second.state_dict()})
    outputs, last = both(x)
    between, end = first(x)
    expected, top = second(between)
    np.testing.assert_allclose(outputs.data, expected.data)
    for found, one, other in zip(*map(parts, (last, end, top)), strict=True):
        np.testing.assert_allclose(found.data, np.concatenate([one.data, other.data]))


@every_recurrent
@pytest.mark.parametrize("more", [{"bias": False}, {"num_layers": 2, "bidirectional": True}])
def test_gradients_of_recurrent_layers_with_options(make: Any, more: dict[str, Any]) -> None:
    layer, x = type(make())(FEATURES, 2, **more, **options()), numbers(2, 3, FEATURES)
    assert more.get("bias", True) == any("bias" in name for name in layer.state_dict())
    f = with_parameters(layer, lambda layer, x: layer(x)[0])
    check_gradients(f, *arrays(layer), x, order=1)


@every_recurrent
def test_one_sequence_without_a_batch_is_a_batch_of_one(make: Any) -> None:
    layer, x = make(), numbers(5, FEATURES)
    start = initial(layer, 1)
    outputs, last = layer(x[None], start)
    alone = tuple(part[:, 0] for part in parts(start))
    found, end = layer(x, alone if len(alone) > 1 else alone[0])
    np.testing.assert_array_equal(found.data, outputs.data[0])
    for one, batch in zip(parts(end), parts(last), strict=True):
        np.testing.assert_array_equal(one.data, batch.data[:, 0])
    np.testing.assert_array_equal(layer(x)[0].data, layer(x[None])[0].data[0])


@pytest.mark.parametrize("name", RECURRENT)
def test_a_cell_is_one_step_of_its_layer(name: str) -> None:
    layer, x = RECURRENT[name](), numbers(3, FEATURES)
    kind = {"lstm": nn.LSTMCell, "gru": nn.GRUCell}.get(name, nn.RNNCell)
    more = {"nonlinearity": "relu"} if name == "relu" else {}
    cell: Any = kind(FEATURES, HIDDEN, **more, **options())
    np.testing.assert_equal(list(arrays(cell)), list(arrays(layer)))
    start = tuple(part[0] for part in parts(initial(layer, 3)))
    found = parts(cell(x, start if len(start) > 1 else start[0]))
    for part, expected in zip(found, parts(layer(x[:, None], initial(layer, 3))[1]), strict=True):
        np.testing.assert_allclose(part.data, expected.data[0])
    one = parts(cell(x[0], tuple(p[0] for p in start) if len(start) > 1 else start[0][0]))
    np.testing.assert_allclose(one[0].data, found[0].data[0])


def test_dropout_is_between_layers_and_in_training_only() -> None:
    layer, x = nn.GRU(FEATURES, 40, 2, dropout=0.5, **options()), numbers(2, 5, FEATURES)
    plain = nn.GRU(FEATURES, 40, 2, **options())
    assert not np.allclose(layer(x)[0].data, plain(x)[0].data)
    np.testing.assert_array_equal(layer(x)[1].data[0], plain(x)[1].data[0])
    np.testing.assert_array_equal(layer.eval()(x)[0].data, plain(x)[0].data)


@every_recurrent
@given(cut=positions)
def test_a_sequence_in_two_pieces_is_one_sequence(make: Any, cut: int) -> None:
    layer, x = make(), numbers(3, 5, FEATURES)
    whole, last = layer(x)
    first, state = layer(x[:, :cut])
    second, end = layer(x[:, cut:], state)
    np.testing.assert_allclose(
        np.concatenate([first, second], axis=1).data, whole.data, rtol=1e-12, atol=1e-14
    )
    for a, b in zip(parts(end), parts(last), strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-12, atol=1e-14)


@every_recurrent
def test_gradients_of_recurrent_layers(make: Any) -> None:
    layer, x = make(), numbers(2, 3, FEATURES)
    start = parts(initial(layer, 2))

    def all_results(layer: Any, x: Any, *state: Any) -> Any:
        outputs, last = layer(x, state if len(state) > 1 else state[0])
        return np.concatenate([np.ravel(y) for y in (outputs, *parts(last))])

    check_gradients(with_parameters(layer, all_results), *arrays(layer), x, *start, order=1)


@pytest.mark.parametrize("layer", [nn.RNN, nn.LSTM, nn.GRU])
def test_second_derivatives_of_recurrent_layers(layer: Any) -> None:
    check_gradients(lambda x: layer(1, 2, **options())(x)[0], numbers(1, 3, 1))


@pytest.mark.parametrize("layer, gates", [(nn.RNN, 1), (nn.LSTM, 4), (nn.GRU, 3)])
def test_recurrent_parameters_have_pytorch_s_names_shapes_and_spread(
    layer: Any, gates: int
) -> None:
    state = layer(30, 100, rng=np.random.default_rng(0)).state_dict()
    assert {name: array.shape for name, array in state.items()} == {
        "weight_ih_l0": (gates * 100, 30),
        "weight_hh_l0": (gates * 100, 100),
        "bias_ih_l0": (gates * 100,),
        "bias_hh_l0": (gates * 100,),
    }
    for array in state.values():
        assert array.dtype == np.float32 and np.abs(array).max() <= np.float32(0.1)
        assert array.var() == pytest.approx(0.1**2 / 3, rel=0.2)


# Nothing looks ahead


@every_causal
@given(t=positions, seed=st.integers(1, 100))
def test_a_later_token_never_changes_an_earlier_output(outputs: Any, t: int, seed: int) -> None:
    x, changed = numbers(2, 5, FEATURES), numbers(2, 5, FEATURES)
    changed[:, t:] = numbers(2, 5 - t, FEATURES, seed=seed)
    before, after = outputs(x).data, outputs(changed).data
    np.testing.assert_array_equal(before[:, :t], after[:, :t])
    assert not np.allclose(before[:, t:], after[:, t:])


@every_causal
@given(t=st.integers(0, 3))
def test_an_earlier_output_has_gradient_exactly_0_by_later_tokens(outputs: Any, t: int) -> None:
    x = Tensor(numbers(2, 5, FEATURES), requires_grad=True)
    g = outputs(x)[:, t].sum().gradient(x).data
    assert not g[:, t + 1 :].any() and g[:, t].all()


# Attention


@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_its_equation(causal: bool) -> None:
    layer, query, key, value = (
        attention(),
        numbers(2, 3, 4),
        numbers(2, 5, 4, seed=1),
        numbers(2, 5, 4, seed=2),
    )
    w, b, out, c = arrays(layer)
    found, weights = (
        layer(query, key, value, causal=causal).data,
        layer.weights(query, key, causal=causal).data,
    )
    for i in range(2):
        q, k, v = (
            x[i] @ w[rows].T + b[rows]
            for x, rows in zip((query, key, value), np.split(np.arange(12), 3), strict=True)
        )
        heads = []
        for head, columns in enumerate([[0, 1], [2, 3]]):
            scores = q[:, columns] @ k[:, columns].T / np.sqrt(2)
            if causal:
                scores[[0, 0, 0, 0, 1, 1, 1, 2, 2], [1, 2, 3, 4, 2, 3, 4, 3, 4]] = -np.inf
            np.testing.assert_allclose(weights[i, head], softmax(scores))
            heads.append(softmax(scores) @ v[:, columns])
        np.testing.assert_allclose(found[i], np.concatenate(heads, axis=1) @ out.T + c)


def test_key_is_query_and_value_is_key_when_left_out() -> None:
    layer, x, y = attention(), numbers(2, 3, FEATURES), numbers(2, 5, FEATURES, seed=1)
    np.testing.assert_array_equal(layer(x).data, layer(x, x, x).data)
    np.testing.assert_array_equal(layer(x, y).data, layer(x, y, y).data)
    np.testing.assert_array_equal(layer.weights(x).data, layer.weights(x, x).data)


@given(order=st.permutations(range(5)))
def test_self_attention_is_permuted_as_its_tokens_are(order: list[int]) -> None:
    layer, x = attention(), numbers(2, 5, FEATURES)
    np.testing.assert_allclose(
        layer(x[:, order]).data, layer(x).data[:, order], rtol=1e-12, atol=1e-14
    )


@given(order=st.permutations(range(5)))
def test_the_order_of_what_is_looked_at_does_not_matter(order: list[int]) -> None:
    layer, x, y = attention(), numbers(2, 3, FEATURES), numbers(2, 5, FEATURES, seed=1)
    np.testing.assert_allclose(layer(x, y[:, order]).data, layer(x, y).data, rtol=1e-12, atol=1e-14)


def test_weights_add_up_to_1_and_are_exactly_0_where_hidden() -> None:
    layer, x, mask = attention(), numbers(2, 5, FEATURES), np.eye(5, k=-1, dtype=bool)
    weights = layer.weights(x, causal=True, mask=mask).data
    assert weights.shape == (2, HEADS, 5, 5)
    np.testing.assert_allclose(weights.sum(axis=-1), 1)
    np.testing.assert_array_equal(
        weights > 0, np.broadcast_to(np.tri(5, dtype=bool) & ~mask, weights.shape)
    )


@pytest.mark.parametrize("wrap", [np.asarray, np.ndarray.tolist, Tensor])
def test_hidden_padding_is_as_if_it_were_not_there(wrap: Any) -> None:
    layer, x, padded = attention(), numbers(2, 5, FEATURES), np.zeros((2, 1, 1, 5), bool)
    padded[0, ..., 3:] = True
    found = layer(x, mask=wrap(padded)).data
    np.testing.assert_allclose(found[0, :3], layer(x[:1, :3]).data[0])
    np.testing.assert_allclose(found[1], layer(x).data[1])


def test_a_mask_of_floats_is_added_and_may_learn() -> None:
    layer, x = attention(), numbers(2, 5, FEATURES)
    hidden = np.triu(np.ones((5, 5), bool), 1)
    additive = np.where(hidden, -np.inf, 0.0)
    np.testing.assert_allclose(layer(x, mask=additive).data, layer(x, causal=True).data)
    slopes = -np.abs(np.subtract.outer(np.arange(5.0), np.arange(5.0)))
    plain, sloped = layer.weights(x).data, layer.weights(x, mask=slopes).data
    expected = plain * np.exp(slopes)
    np.testing.assert_allclose(sloped, expected / expected.sum(axis=-1, keepdims=True))
    check_gradients(lambda mask: layer(x, mask=mask, causal=True), slopes + 0.1, order=1)


def test_padding_of_keys_is_a_mask_of_all_heads_and_targets() -> None:
    layer, x = attention(), numbers(2, 5, FEATURES)
    padding = np.zeros((2, 5), bool)
    padding[0, 3:] = True
    expected = layer(x, mask=padding[:, None, None, :]).data
    np.testing.assert_array_equal(layer(x, key_padding_mask=padding).data, expected)
    by_heads = np.repeat(padding[:, None, None, :], HEADS, axis=1).repeat(5, axis=2)
    np.testing.assert_array_equal(layer(x, mask=by_heads.reshape(-1, 5, 5)).data, expected)
    alone = layer(x[0], key_padding_mask=padding[0], mask=np.zeros((5, 5), bool)).data
    np.testing.assert_allclose(alone, expected[0])


def test_attention_without_biases_and_with_dropout() -> None:
    layer, x = nn.MultiHeadAttention(4, 2, bias=False, **options()), numbers(2, 5, FEATURES)
    assert [*layer.state_dict()] == ["in_proj_weight", "out_proj.weight"]
    check_gradients(with_parameters(layer, lambda layer, x: layer(x)), *arrays(layer), x, order=1)
    dropping = nn.MultiHeadAttention(4, 2, 0.5, **options())
    assert not np.allclose(dropping(x).data, dropping(x).data)
    np.testing.assert_array_equal(dropping.eval()(x).data, dropping(x).data)


@pytest.mark.parametrize("norm_first", [False, True])
def test_an_encoder_layer_is_its_equation(norm_first: bool) -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 6, 0.0, "gelu", norm_first=norm_first, **options())
    x, f = numbers(2, 3, FEATURES), nn.GELU()
    feed = lambda x: layer.linear2(f(layer.linear1(x)))  # noqa: E731
    if norm_first:
        y = x + layer.self_attn(layer.norm1(x), causal=True)
        expected = y + feed(layer.norm2(y))
    else:
        y = layer.norm1(x + layer.self_attn(x, causal=True))
        expected = layer.norm2(y + feed(y))
    np.testing.assert_array_equal(layer(x, causal=True).data, expected.data)
    np.testing.assert_allclose(layer(x[0], causal=True).data, expected.data[0])
    check_gradients(lambda x: layer(x, causal=True), x, order=1)


@pytest.mark.parametrize("causal", [False, True])
def test_gradients_of_attention(causal: bool) -> None:
    x, y, z = (
        numbers(2, 3, FEATURES),
        numbers(2, 2, FEATURES, seed=1),
        numbers(2, 2, FEATURES, seed=2),
    )
    for inputs in ([x], [x, y, z]):
        layer = attention()
        f = with_parameters(layer, lambda layer, *inputs: layer(*inputs, causal=causal))
        check_gradients(f, *arrays(layer), *inputs, order=1)


def test_second_derivatives_of_attention() -> None:
    check_gradients(lambda x: attention()(x, causal=True), numbers(1, 2, FEATURES))


def test_attention_has_pytorch_s_names_shapes_and_spread() -> None:
    state = nn.MultiHeadAttention(60, 4, rng=np.random.default_rng(0)).state_dict()
    assert {name: array.shape for name, array in state.items()} == {
        "in_proj_weight": (180, 60),
        "in_proj_bias": (180,),
        "out_proj.weight": (60, 60),
        "out_proj.bias": (60,),
    }
    assert not state["in_proj_bias"].any() and not state["out_proj.bias"].any()
    assert np.abs(state["in_proj_weight"]).max() == pytest.approx(
        (6 / 240) ** 0.5, rel=1e-2
    )  # √(6/(180 + 60))
    assert np.abs(state["out_proj.weight"]).max() == pytest.approx(60**-0.5, rel=1e-2)


# Both


@pytest.mark.parametrize(
    "make",
    [
        lambda **o: nn.RNN(4, 6, **o),
        lambda **o: nn.LSTM(4, 6, **o),
        lambda **o: nn.GRU(4, 6, **o),
        lambda **o: nn.MultiHeadAttention(4, 2, **o),
    ],
    ids=["rnn", "lstm", "gru", "attention"],
)
def test_float32_stays_and_the_rng_decides(make: Any) -> None:
    one, same = (make(rng=np.random.default_rng(7)) for _ in range(2))
    x = Tensor(numbers(2, 3, 4).astype(np.float32), requires_grad=True)
    options = {"causal": True} if isinstance(one, nn.MultiHeadAttention) else {}
    y = one(x, **options)
    outputs = y[0] if isinstance(y, tuple) else y
    assert outputs.dtype == outputs.sum().gradient(x).dtype == np.float32
    np.testing.assert_equal(one.state_dict(), same.state_dict())
    assert [p.name for p in one.parameters()] == [
        name.rpartition(".")[2] for name, _ in one.named_parameters()
    ]


MISTAKES = {  # what is called, the error, and what it says
    "four axes": (
        lambda: nn.GRU(4, 6)(np.zeros((1, 2, 5, 4))),
        r"GRU\(4, 6\) takes \(batch, time, 4\).*found \(1, 2, 5, 4\).*swapaxes",
    ),
    "a cell's features": (
        lambda: nn.GRUCell(4, 6)(np.zeros((2, 5))),
        r"GRUCell\(4, 6\) takes \(batch, 4\) or \(4,\), found \(2, 5\)",
    ),
    "a cell's state": (
        lambda: nn.LSTMCell(4, 6)(np.zeros((2, 4)), np.zeros((2, 6))),
        r"LSTMCell\(4, 6\) takes a state \(h, c\) of shape \(2, 6\) each, found",
    ),
    "no layers": (lambda: nn.LSTM(4, 6, 0), r"num_layers of at least 1.*found num_layers=0"),
    "features": (
        lambda: nn.RNN(4, 6)(np.zeros((2, 5, 3))),
        r"\(batch, time, 4\).*found \(2, 5, 3\)",
    ),
    "no time": (lambda: nn.LSTM(4, 6)(np.zeros((2, 0, 4))), r"time ≥ 1, found \(2, 0, 4\)"),
    "batch of the state": (
        lambda: nn.GRU(4, 6)(np.zeros((2, 5, 4)), np.zeros((1, 3, 6))),
        r"state \(h\) of shape \(1, 2, 6\) each, found shapes \[\(1, 3, 6\)\]",
    ),
    "layers of the state": (
        lambda: nn.RNN(4, 6)(np.zeros((2, 5, 4)), np.zeros((2, 6))),
        r"found shapes \[\(2, 6\)\]",
    ),
    "no c": (
        lambda: nn.LSTM(4, 6)(np.zeros((2, 5, 4)), np.zeros((1, 2, 6))),
        r"state \(h, c\).*found shapes \[\(1, 2, 6\)\]",
    ),
    "nonlinearity": (
        lambda: nn.RNN(4, 6, nonlinearity="gelu"),
        r"among \['tanh', 'relu'\], found 'gelu'",
    ),
    "sizes": (lambda: nn.LSTM(4, 0), r"at least 1, found LSTM\(4, 0\)"),
    "heads": (
        lambda: nn.MultiHeadAttention(6, 4),
        r"num_heads that divides embed_dim, found MultiHeadAttention\(6, 4\)",
    ),
    "no heads": (lambda: nn.MultiHeadAttention(6, 0), r"found MultiHeadAttention\(6, 0\)"),
    "embed_dim": (
        lambda: attention()(np.zeros((2, 5, 3))),
        r"takes query \(batch, targets, 4\).*found query \(2, 5, 3\)",
    ),
    "another rank of the key": (
        lambda: attention()(np.zeros((5, 4)), np.zeros((1, 5, 4))),
        r"found query \(5, 4\), key \(1, 5, 4\)",
    ),
    "padding": (
        lambda: attention()(np.zeros((2, 5, 4)), key_padding_mask=np.zeros((2, 4), bool)),
        r"key_padding_mask is \(batch, sources\), here \(2, 5\), found \(2, 4\)",
    ),
    "all is hidden by −∞": (
        lambda: attention()(np.zeros((2, 5, 4)), mask=np.full((5, 5), -np.inf)),
        "has all keys hidden",
    ),
    "activation": (
        lambda: nn.TransformerEncoderLayer(4, 2, activation="tanh"),
        r"among \['relu', 'gelu'\], or a function, found 'tanh'",
    ),
    "a number": (lambda: attention()(np.zeros(())), r"found query \(\)"),
    "batch of the key": (
        lambda: attention()(np.zeros((2, 5, 4)), np.zeros((1, 5, 4))),
        r"key \(1, 5, 4\)",
    ),
    "value": (
        lambda: attention()(np.zeros((2, 5, 4)), np.zeros((2, 3, 4)), np.zeros((2, 5, 4))),
        r"value \(2, 5, 4\)",
    ),
    "no keys": (
        lambda: attention()(np.zeros((2, 5, 4)), np.zeros((2, 0, 4))),
        r"sources ≥ 1, found .*key \(2, 0, 4\)",
    ),
    "weights": (
        lambda: attention().weights(np.zeros((2, 5, 4)), np.zeros((1, 5, 4))),
        r"key \(1, 5, 4\)",
    ),
    "shape of the mask": (
        lambda: attention()(np.zeros((2, 5, 4)), mask=np.zeros((2, 5), bool)),
        r"here \(5, 5\).*here \(2, 2, 5, 5\).*found \(2, 5\).*mask\[:, None, None, :\]",
    ),
    "4-d mask": (
        lambda: attention()(np.zeros((2, 5, 4)), mask=np.zeros((3, 1, 1, 5), bool)),
        r"found \(3, 1, 1, 5\)",
    ),
    "all is hidden": (
        lambda: attention()(np.zeros((2, 5, 4)), mask=np.tri(5, dtype=bool)),
        "has all keys hidden",
    ),
}


@pytest.mark.parametrize("call, says", MISTAKES.values(), ids=MISTAKES)
def test_errors_say_what_came_and_what_was_expected(call: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()


def test_a_mask_of_numbers_is_refused_as_it_could_mean_either() -> None:
    with pytest.raises(TypeError, match=r"True where not to look, found float64: write mask == 0"):
        attention()(np.zeros((2, 5, 4)), mask=np.tri(5))
    with pytest.raises(TypeError, match="found int64"):
        attention()(np.zeros((2, 5, 4)), mask=np.tri(5, dtype=int))


def test_a_cell_is_all_that_a_recurrent_layer_of_one_s_own_needs() -> None:
    from tinygrad_edu.nn.recurrent import Recurrent

    class Sum(Recurrent):
        def cell(self, x: Any, hidden: Any, *state: Any) -> tuple[Any, ...]:
            return (state[0] + x,)

    layer, x = Sum(4, 6, **options()), numbers(2, 5, 4)
    w, _, b, _ = arrays(layer)
    np.testing.assert_allclose(layer(x)[0].data, np.cumsum(x @ w.T + b, axis=1))
    with pytest.raises(NotImplementedError, match="def cell"):
        Recurrent(4, 6)(x)
