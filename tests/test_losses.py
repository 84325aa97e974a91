"""Losses equal their equations, written out for one number or one example; their gradients are
right to second order."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import array

from tinygrad_edu import Tensor, check_gradients, nn, replay, special, value_and_grad


def sigma(x):
    return 1 / (1 + math.exp(-x))


EQUATIONS = {  # of one prediction x and one target y
    "mse": (nn.MSE, {}, lambda x, y: (x - y) ** 2),
    "l1": (nn.L1, {}, lambda x, y: x - y if x > y else y - x),
    "huber": (
        nn.Huber,
        {},
        lambda x, y: (x - y) ** 2 / 2 if abs(x - y) <= 1 else abs(x - y) - 1 / 2,
    ),
    "narrow huber": (
        nn.Huber,
        {"delta": 0.3},
        lambda x, y: (x - y) ** 2 / 2 if abs(x - y) <= 0.3 else 0.3 * (abs(x - y) - 0.15),
    ),
    "bce": (
        nn.BCEWithLogits,
        {},
        lambda x, y: -y * math.log(sigma(x)) - (1 - y) * math.log(1 - sigma(x)),
    ),
    "weighted bce": (
        nn.BCEWithLogits,
        {"weight": 0.5, "pos_weight": 3.0},
        lambda x, y: -(3 * y * math.log(sigma(x)) + (1 - y) * math.log(1 - sigma(x))) / 2,
    ),
    "smooth l1": (
        nn.SmoothL1,
        {"beta": 0.3},
        lambda x, y: (x - y) ** 2 / 0.6 if abs(x - y) < 0.3 else abs(x - y) - 0.15,
    ),
    "kl of logarithms": (
        nn.KLDiv,
        {"log_target": True},
        lambda x, y: math.exp(y) * (y - x),
    ),
    "kl": (nn.KLDiv, {}, lambda x, y: y * (math.log(y) - x) if y else 0.0),
}
every_equation = pytest.mark.parametrize(
    ("loss", "options", "equation"), EQUATIONS.values(), ids=EQUATIONS
)
SMOOTHINGS = st.sampled_from([0.0, 0.1, 1.0])


@st.composite
def pairs(draw, inside=False):
    """Predictions and targets from 0 to 1 of the same shape; if `inside`, off 0, 1 and every
    kink."""
    x = draw(
        array(
            hnp.array_shapes(min_dims=0, max_dims=3, max_side=3).filter(
                lambda shape: math.prod(shape) <= 6
            )
        )
    )
    offset = 1 / 32 if inside else 0.0
    return x, draw(
        hnp.arrays(
            np.float64,
            x.shape,
            elements=st.integers(0, 15 + (not inside)).map(lambda n: n / 16 + offset),
        )
    )


@st.composite
def examples(draw):
    """Logits, class indices, and probabilities with zeros among them."""
    x = draw(array(st.tuples(st.integers(1, 4), st.integers(2, 3))))
    labels = draw(
        hnp.arrays(
            draw(st.sampled_from([np.uint8, np.int64])),
            len(x),
            elements=st.integers(0, x.shape[1] - 1),
        )
    )
    weights = (
        draw(hnp.arrays(np.float64, x.shape, elements=st.integers(0, 4)))
        + np.eye(x.shape[1])[labels]
    )
    return x, labels, weights / weights.sum(axis=1, keepdims=True)


def assert_reductions(loss, x, y, each, **options):
    """The loss of x and y is `each`, its sum and its mean, for arrays and for Tensors."""
    for reduction, expected in {
        "none": each,
        "sum": np.sum(each),
        "mean": np.sum(each) / np.size(each),
    }.items():
        np.testing.assert_allclose(loss(reduction, **options)(x, y), expected, atol=1e-14)
        np.testing.assert_allclose(
            loss(reduction, **options)(Tensor(x), Tensor(y)).data, expected, atol=1e-14
        )


def negative_log_softmax(x):
    return np.log(np.exp(x).sum(1, keepdims=True)) - x


# Number by number


@every_equation
@given(pair=pairs())
def test_losses_of_numbers_are_their_equations(loss, options, equation, pair):
    assert_reductions(loss, *pair, np.vectorize(equation, otypes=[float])(*pair), **options)


@every_equation
@given(pair=pairs(inside=True), reduction=st.sampled_from(["mean", "sum", "none"]))
def test_gradients_reach_predictions_and_targets(loss, options, equation, pair, reduction):
    check_gradients(loss(reduction, **options), *pair)


@every_equation
@pytest.mark.parametrize("shapes", [((4, 1), (4,)), ((4,), (4, 1)), ((4,), ()), ((1, 4), (4, 4))])
def test_nothing_is_broadcast_and_the_error_says_both_shapes(loss, options, equation, shapes):
    with pytest.raises(ValueError) as error:
        loss()(Tensor(np.zeros(shapes[0])), np.zeros(shapes[1]))
    assert (
        f"{loss.__name__} takes equal shapes, found prediction {shapes[0]} and target {shapes[1]}"
        in str(error.value)
    )


@pytest.mark.parametrize("x", [-1000.0, -40.0, 40.0, 1000.0])
def test_bce_and_its_slope_are_exact_where_the_probability_underflows(x):
    logit, surprise = Tensor(x, requires_grad=True), max(x, 0.0) + math.log1p(math.exp(-abs(x)))
    nn.BCEWithLogits()(logit, 0).backward()
    assert (
        nn.BCEWithLogits()(logit, 0).item()
        == nn.BCEWithLogits()(-logit, 1).item()
        == pytest.approx(surprise, rel=1e-15)
    )
    assert logit.grad.item() == pytest.approx(float(x > 0), abs=1e-15)


def test_huber_is_half_of_mse_within_delta_and_delta_times_l1_far_beyond():
    x = np.array([0.5, -2.0])
    assert nn.Huber(delta=10.0)(x, np.zeros(2)) == nn.MSE()(x, np.zeros(2)) / 2
    assert nn.Huber(delta=1e-9)(x, np.zeros(2)) / 1e-9 == pytest.approx(nn.L1()(x, np.zeros(2)))
    assert nn.Huber()(np.float32([1e30]), np.float32([0])) == np.float32(
        1e30
    )  # the square would overflow


def test_slopes_at_kinks_are_pytorch_s():
    for loss, at in ((nn.L1("sum"), [0.0]), (nn.Huber("sum"), [-1.0, 0.0, 1.0])):
        x = Tensor(at, requires_grad=True)
        loss(x, np.zeros(len(at))).backward()
        assert x.grad.tolist() == at


@pytest.mark.parametrize("delta", [0, -1.0, math.nan])
def test_huber_s_delta_is_positive(delta):
    with pytest.raises(ValueError, match="expected delta > 0, found"):
        nn.Huber(delta=delta)


@given(examples(), examples())
def test_kl_is_at_least_0_and_0_for_the_target_itself(one, other):
    for logits, _, p in (one, other):
        log_p = -negative_log_softmax(logits)
        assert nn.KLDiv("batchmean")(log_p, p) >= -1e-15
        assert nn.KLDiv("batchmean")(log_p, np.exp(log_p)) == pytest.approx(0, abs=1e-15)


def test_kl_s_batchmean_divides_by_the_examples_and_mean_by_all_numbers():
    log_p, p = np.log(np.full((5, 3), 1 / 3)), np.eye(3)[[0, 1, 2, 0, 0]]
    assert nn.KLDiv("batchmean")(Tensor(log_p), p).item() == pytest.approx(math.log(3))
    assert nn.KLDiv()(log_p, p) == pytest.approx(math.log(3) / 3)
    check_gradients(lambda x: nn.KLDiv("batchmean")(x, p), log_p)
    with pytest.raises(ValueError, match="found 'batchmean'"):
        nn.MSE("batchmean")


# Class by class


@given(examples(), SMOOTHINGS)
def test_cross_entropy_and_nll_are_their_equations(drawn, smoothing):
    x, labels, p = drawn
    for target, q in ((labels, np.eye(x.shape[1])[labels]), (p, p)):
        smooth = (1 - smoothing) * q + smoothing / x.shape[1]
        assert_reductions(
            nn.CrossEntropy,
            x,
            target,
            (smooth * negative_log_softmax(x)).sum(1),
            label_smoothing=smoothing,
        )
    assert_reductions(nn.NLL, x, labels, -x[range(len(x)), labels])


@given(examples(), SMOOTHINGS, st.sampled_from(["mean", "sum", "none"]))
def test_gradients_of_cross_entropy_and_nll(drawn, smoothing, reduction):
    x, labels, p = drawn
    check_gradients(nn.CrossEntropy(reduction, smoothing), x, p)
    check_gradients(nn.CrossEntropy(reduction, smoothing), x, labels)
    check_gradients(nn.NLL(reduction), x, labels)


@given(examples())
def test_losses_of_classes_are_each_other(drawn):
    x, labels, p = drawn
    log_p = nn.LogSoftmax()(x)
    plain = nn.CrossEntropy()(x, labels)
    assert nn.CrossEntropy(label_smoothing=0.0)(x, labels) == plain == nn.NLL()(log_p, labels)
    assert nn.CrossEntropy()(x, np.eye(x.shape[1])[labels]) == pytest.approx(plain)
    entropy = -(p * np.log(np.where(p == 0, 1, p))).sum(1).mean()
    assert nn.KLDiv("batchmean")(log_p, p) == pytest.approx(
        nn.CrossEntropy()(x, p) - entropy, abs=1e-14
    )


@given(array(hnp.array_shapes(min_dims=1, max_dims=1)))
def test_bce_is_the_cross_entropy_of_two_classes(x):
    logits, labels = np.stack([np.zeros_like(x), x], axis=1), (x > 1).astype(int)
    assert nn.BCEWithLogits()(x, labels) == pytest.approx(nn.CrossEntropy()(logits, labels))


def test_cross_entropy_stays_exact_where_softmax_underflows():
    assert nn.CrossEntropy()(np.array([[0.0, 1000.0]]), [0]) == 1000


def test_no_smoothing_leaves_impossible_classes_alone():
    assert nn.CrossEntropy()(np.array([[0.0, 0.0, -np.inf]]), [1]) == np.log(2)


@pytest.mark.parametrize("smoothing", [-0.1, 1.1, math.nan])
def test_label_smoothing_is_a_part(smoothing):
    with pytest.raises(ValueError, match="expected 0 ≤ label_smoothing ≤ 1, found"):
        nn.CrossEntropy(label_smoothing=smoothing)


@pytest.mark.parametrize(
    "shapes",
    [((4, 3), (4, 1)), ((4, 3), (3,)), ((4, 3), (4, 2)), ((3,), (3, 1)), ((2, 3, 4), (2,))],
)
def test_losses_of_classes_say_both_shapes(shapes):
    for loss, what in ((nn.CrossEntropy(), "logits"), (nn.NLL(), "log-probabilities")):
        with pytest.raises(ValueError) as error:
            loss(np.zeros(shapes[0]), np.zeros(shapes[1], int))
        assert f"found {what} {shapes[0]} and target {shapes[1]}" in str(error.value)


WEIGHTS = np.array([0.5, 0.0, 2.0])
SHAPES = [((3,), ()), ((4, 3), (4,)), ((2, 3, 5), (2, 5)), ((2, 3, 2, 2), (2, 2, 2))]


def one_by_one(x, target, options, smoothing):
    """The losses and weights of all examples, written for one at a time."""
    rows = np.moveaxis(x, min(x.ndim - 1, 1), -1).reshape(-1, 3)
    w, skipped = np.asarray(options.get("weight", np.ones(3))), options.get("ignore_index")
    losses, weights = [], []
    for row, t in zip(rows, np.ravel(target), strict=True):
        log_p = row - math.log(sum(math.exp(value) for value in row))
        kept = float(t != skipped)
        plain, smooth = w[t] * log_p[t], (w * log_p).mean()
        losses.append(-kept * ((1 - smoothing) * plain + smoothing * smooth))
        weights.append(kept * w[t])
    return np.reshape(losses, np.shape(target)), np.sum(weights)


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize(
    "options", [{}, {"weight": [0.5, 1.0, 2.0]}, {"ignore_index": 1}, {"ignore_index": -100}]
)
def test_classes_can_be_weighted_and_left_out_in_any_shape(shapes, smoothing, options):
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=shapes[0]), rng.integers(0, 3, shapes[1])
    if target.size:
        target.flat[0] = 2  # not all are left out
    losses, total = one_by_one(x, target, options, smoothing)
    for reduction, expected in {
        "none": losses,
        "sum": losses.sum(),
        "mean": losses.sum() / total,
    }.items():
        loss = nn.CrossEntropy(reduction, smoothing, **options)
        np.testing.assert_allclose(loss(x, target), expected)
        np.testing.assert_allclose(loss(Tensor(x), Tensor(target)).data, expected)
        check_gradients(loss, x, target)
        if not smoothing:
            log_p = nn.LogSoftmax(min(x.ndim - 1, 1))(x)
            np.testing.assert_allclose(nn.NLL(reduction, **options)(log_p, target), expected)


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("weight", [None, WEIGHTS])
def test_probabilities_of_any_shape_are_targets_and_one_hot_ones_are_classes(shapes, weight):
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=shapes[0]), rng.integers(0, 3, shapes[1])
    p = np.moveaxis(np.eye(3)[labels], -1, min(x.ndim - 1, 1))
    loss = nn.CrossEntropy("none", 0.2, weight=weight)
    np.testing.assert_allclose(loss(x, p), loss(x, labels))
    mean = nn.CrossEntropy(label_smoothing=0.2, weight=weight)(x, p)
    assert mean == pytest.approx(loss(x, labels).mean())


def test_weights_are_as_many_as_the_classes_and_a_buffer():
    loss = nn.CrossEntropy(weight=WEIGHTS)
    with pytest.raises(ValueError, match=r"each of 2 classes, found \(3,\)"):
        loss(np.zeros((4, 2)), [0, 1, 0, 1])
    assert [*loss.state_dict()] == ["weight"] and not [*loss.parameters()]


def test_a_batch_that_is_left_out_has_no_mean_and_no_gradient():
    x = Tensor(np.zeros((2, 3)), requires_grad=True)
    loss = nn.CrossEntropy(ignore_index=1)(x, [1, 1])
    loss.backward()
    assert math.isnan(loss.item()) and not x.grad.any()


def test_the_label_100_that_pytorch_leaves_out_says_so():
    with pytest.raises(ValueError, match="found -100: write ignore_index=-100"):
        nn.CrossEntropy()(np.zeros((2, 3)), [0, -100])


def test_bce_s_logarithms_end_at_100_and_it_takes_probabilities_only():
    x = Tensor([0.0, 1.0, 1e-300], requires_grad=True)
    loss = nn.BCE("none")(x, [1.0, 0.0, 1.0])
    assert loss.tolist() == [100, 100, 100]
    loss.sum().backward()
    assert x.grad.tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match=r"found -0.5 to 0.5: put a Sigmoid"):
        nn.BCE()(np.array([-0.5, 0.5]), [0, 1])


def test_bce_of_a_sigmoid_is_bce_with_logits():
    rng = np.random.default_rng(0)
    x, y, w = rng.normal(size=(3, 4)), rng.random((3, 4)), rng.random(4)
    expected = nn.BCEWithLogits(weight=w)(x, y)
    assert nn.BCE(weight=w)(nn.Sigmoid()(x), y) == pytest.approx(expected)
    check_gradients(lambda x, y: nn.BCE(weight=w)(nn.Sigmoid()(x), y), x, y)


@pytest.mark.parametrize("shape", [(3, 4), (3, 1), (3,), ()])
def test_gaussian_nll_is_the_logarithm_of_a_density(shape):
    rng = np.random.default_rng(0)
    x, y, v = rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), 0.5 + rng.random(shape)
    wide = v[:, None] if shape == (3,) else v
    density = np.exp(-np.square(x - y) / (2 * wide)) / np.sqrt(2 * np.pi * wide)
    np.testing.assert_allclose(nn.GaussianNLL("none", full=True)(x, y, v), -np.log(density))
    check_gradients(nn.GaussianNLL(), x, y, v)
    for small in (0.0, 1e-7, 1e-6):  # all are 1e-6, and ask for a greater one: ½ (1/v − d²/v²)
        value, slope = value_and_grad(nn.GaussianNLL(), 2)(np.ones(1), [3.0], np.full(1, small))
        np.testing.assert_allclose((value, slope[0]), (math.log(1e-6) / 2 + 2e6, 5e5 - 2e12))
    for wrong, error in ((np.ones((4, 3)), "variance of shape"), (-v, "not negative")):
        with pytest.raises(ValueError, match=error):
            nn.GaussianNLL()(x, y, wrong)


def test_special_s_losses_check_as_these_do():
    x, log_p = Tensor([[1.0], [2.0]], requires_grad=True), Tensor(np.log(np.full((2, 3), 1 / 3)))
    with pytest.raises(ValueError, match=r"found \(2, 1\) and \(2,\): reshape one"):
        special.squared_error(x, [1.0, 2.0])
    assert special.squared_error(x, [[1.0], [4.0]]).item() == 4
    for wrong, error in (([0, -1], "0 to 2, found -1"), ([0, 3], "found 3"), ([[0], [1]], "1\\)")):
        with pytest.raises(ValueError, match=error):
            special.nll(log_p, wrong)
    with pytest.raises(TypeError, match="integers"):
        special.nll(log_p, [0.0, 1.0])
    check_gradients(lambda x: special.nll(x, [2, 0]), log_p.data)


@pytest.mark.parametrize("index", [3, -1])
@pytest.mark.parametrize("loss", [nn.CrossEntropy, nn.NLL])
def test_an_index_that_is_no_class_is_refused(loss, index):
    for target in ([0, index], Tensor([0, index])):
        with pytest.raises(ValueError, match=f"from 0 to 2, found {index}"):
            loss()(np.zeros((2, 3)), target)


@pytest.mark.parametrize("loss", [nn.CrossEntropy, nn.NLL])
def test_class_indices_are_integers(loss):
    for target in ([0.0, 1.0], [True, False]):
        with pytest.raises(TypeError, match=r"integers.*: write target.astype\(int\)"):
            loss()(np.zeros((2, 3)), target)


@pytest.mark.parametrize(
    ("scores", "target", "write"),
    [
        ((4, 3), (4, 1), "target[:, 0]"),
        ((4, 7, 3), (4, 7), "np.moveaxis(x, -1, 1), as classes are the second axis"),
        ((4,), (4, 3), "logits first, then the target"),
        ((4, 3), (5,), ""),
    ],
)
def test_shapes_that_are_usual_mistakes_say_what_to_write(scores, target, write):
    with pytest.raises(ValueError) as caught:
        nn.CrossEntropy()(np.zeros(scores), np.zeros(target, int))
    message = f"found logits {scores} and target {target}"
    assert str(caught.value).endswith(message + f": write {write}" * bool(write))


# All of them


@pytest.mark.parametrize(
    "loss",
    [
        nn.MSE(),
        nn.L1(),
        nn.Huber(delta=np.float64(0.5)),
        nn.BCEWithLogits(),
        nn.KLDiv(),
        nn.NLL(),
        nn.KLDiv("batchmean"),
        nn.CrossEntropy(label_smoothing=np.float64(0.1)),
    ],
)
def test_losses_keep_float32_whatever_kind_the_labels_are(loss):
    x, labels = (
        Tensor(np.float32([[0.5, -0.25]]), requires_grad=True),
        [1] if isinstance(loss, nn.NLL) else [[0, 1]],
    )
    kinds = [np.int64, np.uint8] if isinstance(loss, nn.NLL) else [np.int64, np.uint8, np.bool_]
    for target in (*[np.array(labels, kind) for kind in kinds], Tensor(labels)):
        z = loss(x, target)
        z.backward()
        assert z.dtype == x.grad.dtype == np.float32


def test_truth_values_are_targets_and_whole_predictions_are_not_truncated():
    assert nn.BCEWithLogits()(np.zeros(2), [True, False]) == pytest.approx(math.log(2))
    assert nn.L1("sum")(np.uint8([0, 3]), [1, 5]) == 3
    assert nn.BCEWithLogits()(np.uint8([3]), [1]) == pytest.approx(math.log1p(math.exp(-3)))


@pytest.mark.parametrize(
    "loss", [nn.MSE, nn.L1, nn.Huber, nn.BCEWithLogits, nn.KLDiv, nn.NLL, nn.CrossEntropy]
)
def test_an_unknown_reduction_lists_the_choices(loss):
    with pytest.raises(ValueError, match=r"'mean', 'sum', 'none'.*found 'max'"):
        loss(reduction="max")


def test_a_loss_of_one_s_own_is_its_equation():
    class Quartic(nn.losses.Elementwise):
        def each(self, x, y):
            return (x - y) ** 4

    assert Quartic("sum")(np.array([1.0, 3.0]), [0, 1]) == 17
    with pytest.raises(NotImplementedError, match="def each"):
        nn.losses.Elementwise()(np.zeros(1), [0])


@pytest.mark.parametrize("p", [1, 2])
def test_the_weight_of_a_class_multiplies_what_a_margin_costs(p):
    x, target, weight = np.array([[0.5, 0.75, -2.0], [1.0, 0.0, 0.5]]), [1, 0], [3.0, 0.25, 2.0]
    costs = [0.25 * 0.75**p / 3, 3.0 * 0.5**p / 3]  # 1 − 0.75 + 0.5, and 1 − 1 + 0.5
    loss = nn.MultiMargin("none", p=p, weight=weight)
    np.testing.assert_allclose(loss(x, target), costs)
    with pytest.raises(ValueError, match=r"each of 2 classes, found \(3,\)"):
        loss(x[:, :2], target)


RECORDED = {
    "weights": nn.CrossEntropy(weight=[0.5, 1.0, 2.0], ignore_index=1),
    "smoothing": nn.CrossEntropy("sum", 0.1, weight=[1.0, 2.0, 3.0]),
    "nll": nn.NLL(ignore_index=-100),
    "bce": nn.BCEWithLogits(pos_weight=2.0),
    "kl": nn.KLDiv(log_target=True),
    "smooth": nn.SmoothL1(),
}


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_step_has_the_same_losses_and_refuses_the_same_labels(name):
    def world():
        model = nn.Linear(4, 3, rng=np.random.default_rng(1), dtype=np.float64)

        def step(x, y):
            (loss := RECORDED[name](model(x), y)).backward()
            return loss

        return step, model

    (written, a), (step, b) = world(), world()
    replayed, rng, classes = replay(step), np.random.default_rng(0), name in ("weights", "nll")
    for _ in range(3):
        x, y = rng.normal(size=(5, 4)), rng.integers(0, 3, 5) if classes else rng.random((5, 3))
        assert replayed(x, y).item() == pytest.approx(written(x, y).item())
        np.testing.assert_allclose(a.weight.grad, b.weight.grad)
    assert len(replayed.programs) == 1
    if classes:
        with pytest.raises(ValueError, match="found -1"):
            replayed(x, y * 0 - 1)
