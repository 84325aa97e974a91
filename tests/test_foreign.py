"""Lists of Tensors, and arrays of other libraries and classes, as arguments."""

import warnings

import numpy as np
import pytest

from tinygrad_edu import Tensor, grad
from tinygrad_edu.core.engine import plain

X = np.array([1.0, 2.0])


class Column:
    """An array of a library that knows no Tensors: arithmetic of its own, and __array__."""

    __array_priority__ = 10_000

    def __array__(self, dtype=None, copy=None):
        return np.array(X, dtype)

    def __radd__(self, other):
        raise AssertionError("took the call")

    __rmul__ = __rmatmul__ = __radd__


def masked(mask):
    return np.ma.array(X, mask=mask)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    MATRIX = np.matrix(X)

OPERATIONS = [
    lambda t, x: t + x,
    lambda t, x: t * x,
    lambda t, x: t @ x,
    lambda t, x: np.multiply(x, t),
    lambda t, x: np.dot(t, x),
    lambda t, x: np.where(t > 1, t, x),
    lambda t, x: np.interp(t, x, x),
    lambda t, x: np.concatenate([t, x]),
]


@pytest.mark.parametrize(
    "make", [Column, lambda: masked([False, False]), lambda: X.view(np.memmap)]
)
@pytest.mark.parametrize("f", OPERATIONS)
def test_an_array_of_another_library_is_taken_as_an_array(f, make):
    z = f(Tensor(X, requires_grad=True), make())
    assert type(z.data) in (np.ndarray, np.float64)
    np.testing.assert_array_equal(z.data, plain(f(Tensor(X), X)))
    np.testing.assert_array_equal(Tensor(make()).data, X)


@pytest.mark.parametrize("f", OPERATIONS)
@pytest.mark.parametrize(
    ("x", "message"), [(masked([True, False]), "masked elements"), (MATRIX, "np.matrix")]
)
def test_what_would_lose_its_meaning_is_refused(f, x, message):
    with pytest.raises(TypeError, match=message):
        f(Tensor(X), x)


def test_masked_elements_become_no_tensor():
    with pytest.raises(TypeError, match="where=~x"):
        Tensor(masked([True, False]))


def test_a_list_of_tensors_is_their_stack():
    def f(x):
        first, second = x * x, x + 1.0
        z = np.add(np.add([first], x), [second])
        return (
            np.sum(z * [[first], [second]])
            + np.dot([first, second], Tensor(X))
            + ([x, 2.0] * x).sum()
        )

    def by_hand(x):
        first, second = x * x, x + 1.0
        z = np.stack([first]) + x + second
        both = np.stack([first, second])
        return np.sum(z * both[:, None]) + np.dot(both, X) + (x * x + 2.0 * x)

    np.testing.assert_allclose(f(Tensor(3.0)).data, by_hand(3.0))
    np.testing.assert_allclose(grad(f)(3.0), grad(by_hand)(3.0))


@pytest.mark.parametrize(
    "f", [lambda x, y: np.array([x, y]), lambda x, y: np.mean([x, y]), lambda x, y: np.r_[x, y]]
)
def test_a_list_that_numpy_shows_to_nobody_names_np_stack(f):
    x = Tensor(1.0, requires_grad=True)
    with pytest.raises(TypeError, match=r"np\.stack"):
        f(x, x)


def test_a_list_of_numbers_in_place_of_a_tensor_is_an_array():
    t = Tensor(X, requires_grad=True)
    np.testing.assert_array_equal(np.add(t, [1, 2]).data, np.add(X, [1, 2]))
    np.testing.assert_array_equal(np.cross([1, 2, 3], Tensor([1.0, 0.0, 2.0])).data, [4, 1, -2])
