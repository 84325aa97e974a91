"""Every entry of the table against numerical derivatives, to second order; and the check itself against broken entries."""

import itertools

import numpy as np
import pytest
from cases import CASES, OPERATIONS, case
from cases_special import CASES as OURS
from hypothesis import HealthCheck, Phase, given, settings

from tinygrad_edu import Tensor, check_gradients, grad, operation, special
from tinygrad_edu.engine import REGISTRY, Operation, apply

CASES |= OURS
NAMES = {function: f"{run.name}" for function, run in OPERATIONS.items()}
ALL = pytest.mark.parametrize("function", OPERATIONS, ids=NAMES.get)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def check_many(function, how_many):
    """The gradients of sin ∘ f, so that a partial that forgets to differentiate g is caught, for many arguments."""
    @how_many
    @given(case(function))
    def check(drawn):
        arguments, options = drawn
        check_gradients(lambda *args: np.sin(apply(function, *args, **options)), *arguments)
    check()


@ALL
def test_every_derivative_agrees_with_differences_to_second_order(function): check_many(function, QUICK)


@ALL
def test_a_result_on_tensors_is_numpys_own(function):
    @QUICK
    @given(case(function))
    def agrees(drawn):
        arguments, options = drawn
        tensors = [Tensor(x) if isinstance(x, np.ndarray) and x.dtype == float else x for x in arguments]
        expected = OPERATIONS[function].forward(*arguments, **options)
        np.testing.assert_array_equal(apply(function, *tensors, **options).data, expected)
    agrees()


# Mutants: a broken partial must be caught by the very check above. A partial that is zero everywhere cannot be scaled.

def scaled(partial): return lambda *args, **options: partial(*args, **options) * 1.001
def negated(partial): return lambda *args, **options: -partial(*args, **options)


def with_ones_for_g(place):
    def forgets_g(partial):
        def broken(*args, **options):
            g = args[place]
            ones = np.ones(g.shape)
            return partial(*args[:place], Tensor(ones) if isinstance(g, Tensor) else ones, *args[place + 1:], **options)
        return broken
    return forgets_g


def first_order_only(partial):
    def broken(*args, **options):
        result = partial(*[x.data if isinstance(x, Tensor) else x for x in args], **options)
        return Tensor(result) if any(isinstance(x, Tensor) for x in args) else result
    return broken


BREAKS = {"scaled": lambda place: scaled, "negated": lambda place: negated, "forgets g": with_ones_for_g,
          "first order only": lambda place: first_order_only}
PARTIALS = [(function, number) for function, run in OPERATIONS.items()
            for number in ([0] if run.each else range(len(run.partials))) if run.each or run.partials[number]]
MUTANTS = list(itertools.product(PARTIALS, BREAKS))


@pytest.mark.parametrize(("entry", "how"), MUTANTS, ids=[f"{NAMES[f]}-{n}-{how}" for (f, n), how in MUTANTS])
def test_every_broken_partial_is_caught(entry, how, monkeypatch):
    function, number = entry
    run = OPERATIONS[function]
    broken = Operation(run.name, run.forward, run.partials, run.each, run.domain)
    if run.each: broken.each = BREAKS[how](1)(run.each)
    else: broken.partials = tuple(BREAKS[how](0)(p) if n == number else p for n, p in enumerate(run.partials))
    monkeypatch.setitem(REGISTRY, function, broken)
    search = settings(max_examples=100, deadline=None, database=None, phases=[Phase.generate], derandomize=True,
                      suppress_health_check=list(HealthCheck), report_multiple_bugs=False)
    with pytest.raises(AssertionError, match=r"the derivative is"):
        check_many(function, search)


def test_an_entry_without_a_case_fails(monkeypatch):
    @operation
    def without_case(x): return x
    monkeypatch.setitem(OPERATIONS, without_case, REGISTRY[without_case])
    with pytest.raises(KeyError, match="without_case is in the registry and has no case"): case(without_case)


# Kinks: the values are PyTorch's

KINKS = [
    (special.relu, 0.0, 0.0), (np.absolute, 0.0, 0.0),
    (lambda x: np.maximum(x, 2.0), 2.0, 0.5), (lambda x: np.minimum(2.0, x), 2.0, 0.5), (lambda x: np.maximum(x, x), 1.0, 1.0),
    (lambda x: x ** 0, 0.0, 0.0), (lambda x: x ** 2, 0.0, 0.0), (lambda x: x ** 1, 0.0, 1.0), (lambda x: 0.0 ** x, 2.0, 0.0),
    (lambda x: np.where(x > 0, x, 0.0), 0.0, 0.0), (lambda x: (x * np.ones(4)).max(), 1.0, 1.0),
]


@pytest.mark.parametrize(("f", "x", "slope"), KINKS)
def test_slopes_at_kinks_are_pytorchs(f, x, slope): assert grad(f)(x) == slope


def test_the_slope_of_the_root_at_zero_is_infinite():
    with np.errstate(divide="ignore"): assert grad(np.sqrt)(0.0) == np.inf


def test_elements_that_tie_share_the_gradient_of_the_maximum():
    assert (grad(np.max)(np.array([1.0, 3.0, 3.0])) == [0, 0.5, 0.5]).all()


def test_repeated_indices_add_up():
    assert (grad(lambda x: x[[0, 0, 1]].sum())(np.ones(3)) == [2, 1, 0]).all()


COMPOSED = [(np.mean, {}), (np.mean, {"axis": 0}), (np.mean, {"axis": (0, 1), "keepdims": True}), (np.mean, {"axis": -1})]


@pytest.mark.parametrize(("f", "options"), COMPOSED)
def test_a_composed_function_agrees_with_numpy_and_with_differences(f, options):
    x = np.random.default_rng(0).normal(size=(2, 3, 2))
    np.testing.assert_allclose(f(Tensor(x), **options).data, f(x, **options))
    check_gradients(lambda x: f(x, **options), x)


@pytest.mark.parametrize("f", [np.concatenate, np.stack])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_joining_agrees_with_numpy_and_with_differences(f, axis):
    x, y = np.random.default_rng(0).normal(size=(2, 3, 2))
    np.testing.assert_array_equal(f([Tensor(x), y], axis=axis).data, f([x, y], axis=axis))
    check_gradients(lambda x, y: f([x, y, x], axis=axis), x, y)


@pytest.mark.parametrize("f", [np.sign, np.floor, np.isnan, np.argmax])
def test_piecewise_constant_functions_give_plain_arrays(f):
    assert not isinstance(f(Tensor([1.5, -2.0], requires_grad=True)), Tensor)
