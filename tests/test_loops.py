"""Loops compute what NumPy's calls compute: run by Python, and by a compiler if there is one."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from tinygrad_edu import nn, replay, special
from tinygrad_edu.programs import backends
from tinygrad_edu.programs.loops import cache as loop_cache
from tinygrad_edu.programs.loops import elementary
from tinygrad_edu.programs.loops.loops import FUNCTIONS

Array = np.ndarray[Any, Any]
F4, F8, I8, B1 = np.float32, np.float64, np.int64, np.bool_
LOOPED = [name for name in backends.installed() if name in ("numba", "loops in Python")]


@pytest.fixture(params=LOOPED)
def looped(request: Any) -> str:
    name: str = request.param
    return name


def drawn(dtype: Any, *shape: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    if dtype is B1:
        return rng.random(shape) < 0.5
    return (rng.normal(size=shape) * 3).astype(dtype)


def assert_same(a: Any, b: Any, ulps: int = 4) -> None:
    a, b = np.asarray(a), np.asarray(b)
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    eps = np.finfo(b.dtype).eps if b.dtype.kind == "f" else 0
    np.testing.assert_allclose(a, b, rtol=ulps * eps, atol=0)


def replayed(f: Any, backend: str, *args: Any) -> Any:
    """The second replay of f, and its program."""
    step = replay(f, backend=backend, audit=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for _ in range(3):
            result = step(*args)
    return result, step


# Every function of numbers

SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 0.5, 3.0, np.inf, -np.inf, np.nan, 1e-30])


@pytest.mark.parametrize("dtype", [F4, F8, I8, B1])
@pytest.mark.parametrize("name", [name for name in FUNCTIONS if hasattr(np, name)])
def test_a_function_gives_in_loops_what_it_gives_in_numpy(name: str, dtype: Any) -> None:
    function, n = getattr(np, name), FUNCTIONS[name]
    edges = SPECIAL.astype(dtype) if np.dtype(dtype).kind == "f" else drawn(dtype, 10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        args = [np.roll(np.concatenate([edges, drawn(dtype, 6, seed=i)]), 3 * i) for i in range(n)]
        try:
            expected = function(*args)
        except (TypeError, ValueError):
            return  # NumPy refuses it too
        found, _ = replayed(lambda *x: function(*x), "loops in Python", *args)
    assert_same(found, expected)


@pytest.mark.parametrize("dtype", [F4, F8])
def test_operands_are_broadcast_and_cast_as_by_numpy(dtype: Any, looped: str) -> None:
    def f(x: Any, y: Any, n: Any, b: Any) -> Any:
        return x * y + n, np.where(b, x, y) - 1, x / n, n * n + b, (x > y) * x, 2 - y

    args = drawn(dtype, 3, 4), drawn(F4, 4), drawn(I8, 3, 1) * 2 + 1, drawn(B1, 1, 4)
    found, step = replayed(f, looped, *args)
    for a, b in zip(found, f(*args), strict=True):
        assert_same(a, b)
    assert len(step.last.code.lines) == 1


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, 1, 2, -1, (0, 2), (0, 1)])
@pytest.mark.parametrize("name", ["sum", "mean", "prod", "max", "min"])
def test_reductions(name: str, axis: Any, keepdims: bool) -> None:
    x = drawn(F8, 2, 3, 4)
    f = lambda x: getattr(np, name)(x + 1, axis=axis, keepdims=keepdims) * 2  # noqa: E731
    assert_same(replayed(f, "loops in Python", x)[0], f(x), 64)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("shapes", [
    ((5, 3), (3, 4)), ((1, 3), (3, 4)), ((5, 3), (3, 1)), ((3,), (3, 4)), ((5, 3), (3,)),
    ((3,), (3,)), ((1, 3), (3, 1)), ((2, 5, 3), (3, 4)), ((2, 5, 3), (2, 3, 4)), ((0, 3), (3, 4)),
])  # fmt: skip
def test_products(shapes: Any, transposed: bool, looped: str) -> None:
    x, y = (drawn(F8, *shape, seed=i) for i, shape in enumerate(shapes))
    if transposed:
        x, y = x.T.copy(), y.T.copy()

    def f(x: Any, y: Any) -> Any:
        return ((x + 1).T @ (y * 2).T if transposed else (x + 1) @ (y * 2)) + 1

    if x.ndim < 3 or not transposed:
        assert_same(replayed(f, looped, x, y)[0], f(x, y), 64)


def test_matrices_with_gaps_are_copied_first(looped: str) -> None:
    def f(x: Any, y: Any) -> Any:
        return (x[:, ::2] @ y[1:, :-1].T)[::-1] + 1

    x, y = drawn(F8, 4, 6), drawn(F8, 5, 4)
    assert_same(replayed(f, looped, x, y)[0], f(x, y), 64)


def test_what_reads_what_it_writes_is_done_in_order(looped: str) -> None:
    def f(x: Any) -> Any:
        z = x * 2
        z[1:] += z[:-1]
        z[...] = z[::-1] + z
        z[0] = 7
        np.copyto(z[1:2], x[:1])
        return z

    assert_same(replayed(f, looped, drawn(F8, 9))[0], f(drawn(F8, 9)))


def test_arguments_in_any_order_of_memory(looped: str) -> None:
    f = lambda x, y, n: (x.T * y + n, x[1:].sum(0))  # noqa: E731
    for x in (drawn(F8, 3, 4), np.asfortranarray(drawn(F8, 3, 4)), drawn(F8, 6, 8)[::2, ::2]):
        y, n = drawn(F8, 4, 3), F8(2.5)
        for a, b in zip(replayed(f, looped, x, y, n)[0], f(x, y, n), strict=True):
            assert_same(a, b, 16)


def test_elements_by_index_and_what_is_out_of_bounds(looped: str) -> None:
    state = np.zeros(3)

    def f(x: Any, i: Any) -> Any:
        z = (x * 2)[np.arange(3), i]
        state[...] += z
        return z

    x = drawn(F8, 3, 4)
    step = replay(f, backend=looped, audit=False)
    for i in ([0, 1, 3], [-1, -4, 2], [3, 3, 3]):
        assert_same(step(x, np.array(i)), (x * 2)[np.arange(3), i])
    before = state.copy()
    with pytest.raises(IndexError, match="out of bounds"):
        step(x, np.array([0, 4, 0]))
    assert (state == before).all()


def test_an_argument_in_memory_that_the_step_writes_to_is_read_before_it_writes(
    looped: str,
) -> None:
    w = np.arange(4.0)

    def f(x: Any) -> Any:
        z = x + 0
        w[...] = 2 * w
        return z * x

    step = replay(f, backend=looped, audit=False)
    for x in [np.ones(4)] * 3 + [w[:], as_strided(w, (4,), (8,)), w[::-1]]:
        before = w.copy()
        expected = (f(x).copy(), w.copy())
        w[...] = before
        np.testing.assert_array_equal(expected, (step(x), w))


def test_a_label_that_is_no_class_raises_the_usual_error(looped: str) -> None:
    model = nn.Linear(4, 3, rng=np.random.default_rng(0))
    optimizer, loss = nn.optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropy()

    def f(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        cost = loss(model(x), y)
        cost.backward()
        optimizer.step()
        return cost

    x, y = drawn(F4, 5, 4), np.array([0, 1, 2, 1, 0])
    _, step = replayed(f, looped, x, y)
    before = model.weight.data.copy()
    with pytest.raises(ValueError, match="3"):
        step(x, y + 1)
    assert (model.weight.data == before).all()


def test_numbers_that_are_read_anew(looped: str) -> None:
    p = nn.Linear(2, 2, rng=np.random.default_rng(0), dtype=np.float64)
    optimizer = nn.optim.Adam(p.parameters(), lr=0.1)

    def f(x: Any) -> Any:
        optimizer.zero_grad()
        (p(x) ** 2).sum().backward()
        optimizer.step()
        return p.weight.data * 1

    step, results = replay(f, backend=looped, audit=False), []
    for i in range(5):
        optimizer.param_groups[0]["lr"] = 0.1 / (i + 1)
        results.append(step(drawn(F8, 3, 2, seed=i)))
    p.load_state_dict(nn.Linear(2, 2, rng=np.random.default_rng(0), dtype=np.float64).state_dict())
    optimizer = nn.optim.Adam(p.parameters(), lr=0.1)
    for i in range(5):
        optimizer.param_groups[0]["lr"] = 0.1 / (i + 1)
        assert_same(f(drawn(F8, 3, 2, seed=i)), results[i], 1 << 20)


def test_what_has_no_loops_is_a_call_of_numpy_between_them(looped: str) -> None:
    def f(x: Any) -> Any:
        return np.sort(x * 2 + 1, axis=0) * 3 - np.cumsum(x, axis=1)

    result, step = replayed(f, looped, drawn(F8, 3, 4))
    assert_same(result, f(drawn(F8, 3, 4)))
    assert str(step.program).count("loops") == 3 and "np.sort" in str(step.program)


def test_what_one_nest_needs_has_no_array(looped: str) -> None:
    result, step = replayed(lambda x: ((x * 2 + 1) ** 2 - x).sum(), looped, drawn(F8, 3, 4))
    assert_same(result, ((drawn(F8, 3, 4) * 2 + 1) ** 2 - drawn(F8, 3, 4)).sum(), 64)
    assert step.last.code.buffers.bytes == 64 and str(step.program).count("range(") == 1


def test_a_step_of_too_many_loops_stays_a_list_of_calls(looped: str) -> None:
    def f(x: Any) -> Any:
        for _ in range(300):
            x = x - x.sum() * 1e-3
        return x

    result, step = replayed(f, looped, drawn(F8, 5))
    assert_same(result, f(drawn(F8, 5)), 1 << 12)
    assert "loops" not in str(step.program)


def test_loops_that_give_other_numbers_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = backends.compiler("loops in Python")

    class Wrong(slow):  # type: ignore[misc, valid-type]
        @staticmethod
        def machine(lines: Any, *args: Any) -> Any:
            return slow.machine([line.replace("2.0", "2.001") for line in lines], *args)

        fall_back = slow.__mro__[1].fall_back  # type: ignore[attr-defined]

    monkeypatch.setitem(backends.BACKENDS, "wrong", (lambda: Wrong, ()))
    result, step = replayed(lambda x: x * 2 + x, "wrong", drawn(F8, 3))
    assert_same(result, drawn(F8, 3) * 3)
    assert step.last.falls_back and "np.add" in str(step.program)


def test_rounding_that_an_optimizer_blows_up_is_no_difference(looped: str) -> None:
    # the bias before a normalisation has a gradient of 0 but for rounding: Adam's step is lr
    model = nn.Sequential(nn.Linear(6, 5, rng=np.random.default_rng(0)), nn.BatchNorm1d(5))
    optimizer = nn.optim.Adam(model.parameters())

    def f(x: Any) -> Any:
        optimizer.zero_grad()
        loss = (special.softplus(model(x)) ** 2).sum()
        loss.backward()
        optimizer.step()
        return loss

    _, step = replayed(f, looped, drawn(F4, 64, 6))
    assert not step.last.falls_back


# Functions written as polynomials


def floats(per_exponent: int) -> Array:
    """float32 of every exponent, of both signs; zeros, infinities, NaN and the smallest numbers."""
    rng = np.random.default_rng(0)
    exponents = np.repeat(np.arange(256, dtype=np.uint32) << np.uint32(23), per_exponent)
    bits = exponents | rng.integers(0, 1 << 23, exponents.size, dtype=np.uint32)
    edges = np.array([0, 1, 0x7FFFFF, 0x800000, 0x7F7FFFFF, 0x7F800000, 0x7FC00000], np.uint32)
    bits = np.concatenate([bits, edges])
    return np.concatenate([bits, bits | np.uint32(1 << 31)]).view(F4)


def computed(name: str, x: Array) -> Array:
    f = getattr(elementary, f"{name}_f4")
    if "numba" in LOOPED:
        from tinygrad_edu.programs.loops import numba_loops

        f = numba_loops.NAMES[f"{name}_f4"]
    with np.errstate(all="ignore"):
        return np.array([f(item) for item in x], F4)


@pytest.mark.parametrize("name", ["exp", "log", "tanh"])
def test_a_polynomial_is_within_two_units_in_the_last_place(name: str) -> None:
    x = np.concatenate(
        [floats(8), np.linspace(-104, 89, 1501, dtype=F4), np.linspace(0.4, 2, 500, dtype=F4)]
    )
    found = computed(name, x)
    with np.errstate(all="ignore"):
        exact = getattr(np, name)(x.astype(F8))
        expected = exact.astype(F4)
        units = np.abs(found - exact) / np.maximum(np.spacing(np.abs(expected)), 2.0**-149)
    finite = np.isfinite(expected)
    assert (found[~finite] == expected[~finite]).all() or np.isnan(expected[~finite]).any()
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(found), np.isinf(expected))
    assert units[finite].max() <= 2


# What is kept on disk


@pytest.fixture
def cache(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "tinygrad_edu" / "loops"


def test_a_program_has_a_file_of_its_own_in_a_private_folder(cache: Any) -> None:
    a = loop_cache.file_for("text", "1")
    assert a == loop_cache.file_for("text", "1") and a.read_text() == "text"
    assert len({a, loop_cache.file_for("text", "2"), loop_cache.file_for("other", "1")}) == 3
    assert cache.stat().st_mode & 0o077 == 0 and a.stat().st_mtime == 0


def test_nothing_is_kept_where_others_can_write(cache: Any) -> None:
    loop_cache.file_for("text", "1")
    cache.chmod(0o777)
    assert loop_cache.file_for("text", "1") is None
    cache.chmod(0o700)
    assert loop_cache.file_for("text", "1")


def test_the_oldest_programs_make_room(cache: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_cache, "KEPT", 3)
    for i in range(5):
        loop_cache.file_for(f"{i}", "1")
    assert {path.read_text() for path in cache.glob("*.py")} >= {"4"}
    assert len([*cache.glob("*.py")]) == 3


def test_what_was_compiled_once_is_found_again_whole_or_not(cache: Any) -> None:
    numba = pytest.importorskip("numba")
    from tinygrad_edu.programs.loops import numba_loops

    text, signature = "def loops(table, n):\n    return 2 * n", (numba.int64, numba.int64)
    for _ in range(2):
        assert numba_loops.machine_code(text, signature)(0, 3) == 6
    (machine,) = cache.glob("__pycache__/*.nbc")
    date = machine.stat().st_mtime_ns
    assert numba_loops.machine_code(text, signature)(0, 4) == 8
    assert machine.stat().st_mtime_ns == date  # it was read
    machine.write_bytes(machine.read_bytes()[:100])
    assert numba_loops.machine_code(text, signature)(0, 5) == 10


def test_products_in_compiled_loops_run_in_one_thread() -> None:
    pytest.importorskip("numba")
    program = """
import ctypes
from tinygrad_edu.programs.loops import numba_loops
for library in numba_loops.libraries_of_scipy():
    print(ctypes.CDLL(library).scipy_openblas_get_num_threads())
"""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "2"}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True)
    assert set(run.stdout.split()) <= {b"1"} and not run.returncode
