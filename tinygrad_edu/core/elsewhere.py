"""What names of PyTorch's tensors and NumPy's arrays are called here, for the errors."""

from __future__ import annotations

import numpy as np

METHODS = {  # of a tensor of PyTorch's, or an array ↦ what to write
    "view": "x.reshape(…)",
    "permute": "x.transpose(…)",
    "t": "x.T",
    "dim": "x.ndim",
    "numel": "x.size",
    "unsqueeze": "x[None], or np.expand_dims(x, axis)",
    "expand": "np.broadcast_to(x, shape)",
    "type": "x.astype(dtype)",
    "float": "x.astype(np.float32)",
    "double": "x.astype(np.float64)",
    "long": "x.astype(int)",
    "to": "x.astype(dtype); there is no device: numbers are NumPy's",
    "to_device": "x: there is no device, numbers are NumPy's",
    "cpu": "x: there is no device, numbers are NumPy's",
    "cuda": "x: there is no device, numbers are NumPy's",
    "device": "nothing: there is no device, numbers are NumPy's",
    "contiguous": "x: how its numbers lie in memory is NumPy's concern",
    "clone": "x.copy()",
    "conj": "np.conjugate(x)",
    "flat": "x.ravel()",
    "gather": "np.take_along_axis(x, indices, axis)",
    "clamp": "x.clip(low, high)",
    "norm": "np.linalg.norm(x)",
    "det": "np.linalg.det(x)",
    "inverse": "np.linalg.inv(x)",
    "neg": "-x",
    "amax": "x.max(axis)",
    "amin": "x.min(axis)",
    "logsumexp": "special.logsumexp(x, axis)",
    "select": "x[…, index], with as many : as axes stand before",
    "index_select": "x.take(indices, axis)",
    "narrow": "x[start:stop], with as many : as axes stand before",
    "unbind": "[*x]",
    "topk": "x[np.argsort(-x.numpy())[:k]]",
    "movedim": "np.moveaxis(x, source, destination)",
    "view_as": "x.reshape(y.shape)",
    "reshape_as": "x.reshape(y.shape)",
    "expand_as": "np.broadcast_to(x, y.shape)",
    "type_as": "x.astype(y.dtype)",
    "half": "x.astype(np.float16)",
    "int": "x.astype(int)",
    "bool": "x.astype(bool)",
    "is_cuda": "nothing: there is no device, numbers are NumPy's",
    "register_hook": "loss.gradient(x), for any x",
    "masked_fill": "np.where(mask, value, x)",
    "chunk": "np.split(x, parts, axis)",
    "is_leaf": "x.operation is None",
    "grad_fn": "x.operation",
    "requires_grad_": "Tensor(…, requires_grad=True)",
    "retain_grad": "loss.gradient(x), for any x",
}
# fmt: off
NUMPYS = [  # functions of NumPy's, methods there; of one array, if nothing else is said
    "allclose(x, y)", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2(x, y)",
    "arctanh", "argpartition(x, kth)", "argwhere", "ceil", "choose(x, choices)",
    "compress(condition, x)", "conjugate", "cos", "cosh", "cross(x, y)", "diag", "diff", "exp2",
    "expm1", "flip(x, axis)", "floor", "fmod(x, y)", "hypot(x, y)", "imag", "isclose(x, y)",
    "isfinite", "isinf", "isnan", "kron(x, y)", "log10", "log1p", "log2", "logaddexp(x, y)",
    "maximum(x, y)", "median", "minimum(x, y)", "moveaxis(x, source, destination)", "nan_to_num",
    "outer(x, y)", "partition(x, kth)", "quantile(x, q)", "real", "reciprocal", "resize(x, shape)",
    "roll(x, shift)", "sign", "sin", "sinc", "sinh", "sort", "split(x, sections)", "square", "tan",
    "tile(x, reps)", "tril", "triu", "trunc", "unique", "vdot(x, y)", "where(condition, x, y)",
]
OF_MEMORY = [
    "base", "byteswap", "ctypes", "dump", "dumps", "flags", "getfield", "itemsize", "nbytes",
    "setflags", "strides", "tobytes", "tofile",
]
OPERATORS = {
    "add": "+", "sub": "-", "subtract": "-", "mul": "*", "multiply": "*", "div": "/", "divide": "/",
    "pow": "**", "power": "**", "mm": "@", "bmm": "@", "mv": "@", "matmul": "@", "eq": "==",
    "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
}
IN_PLACE = [
    "add_", "clamp_", "copy_", "div_", "exp_", "fill", "fill_", "mul_", "normal_", "put", "relu_",
    "setfield", "sqrt_", "sub_", "uniform_", "zero_",
]
# fmt: on
METHODS |= {call.partition("(")[0]: f"np.{call}" + "(x)" * ("(" not in call) for call in NUMPYS}
METHODS |= {name: f"x {sign} y" for name, sign in OPERATORS.items()}
METHODS |= {name: f"x.data.{name}" for name in OF_MEMORY}
METHODS |= dict.fromkeys(IN_PLACE, "x = x + 1, or the like: nothing changes a Tensor in place")
OPTIONS = {"dim": "axis=", "keepdim": "keepdims=", "input": "x, without a name"}

FUNCTIONS = {  # of torch itself ↦ what to write
    "tensor": "Tensor(…)",
    "as_tensor": "Tensor(…)",
    "from_numpy": "Tensor(array)",
    "cat": "np.concatenate(list, axis)",
    "stack": "np.stack(list, axis)",
    "rand": "rng.random(shape), with rng = np.random.default_rng(0)",
    "randn": "rng.normal(size=shape), with rng = np.random.default_rng(0)",
    "randint": "rng.integers(low, high, shape), with rng = np.random.default_rng(0)",
    "randperm": "rng.permutation(n), with rng = np.random.default_rng(0)",
    "manual_seed": "rng = np.random.default_rng(0), and rng=rng for each that takes it",
    "device": "nothing: there is no device, numbers are NumPy's",
    "cuda": "nothing: there is no device, numbers are NumPy's",
    "inference_mode": "no_grad()",
    "autograd": "grad, or check_gradients in place of gradcheck",
    "func": "grad, jacobian, vjp and their kind, of tinygrad_edu itself",
    "optim": "nn.optim",
    "utils": "nn.DataLoader, in place of utils.data.DataLoader",
    "save": "nn.save(path, model)",
    "load": "nn.load(path, model)",
    "float": "np.float32",
    "long": "np.int64",
    "clamp": "np.clip(x, low, high)",
    "sigmoid": "special.sigmoid(x)",
    "relu": "special.relu(x)",
    "softmax": "special.softmax(x, axis)",
}


def no_such_function(name: str) -> AttributeError:
    """The error for a name that the package lacks; with what to write, if torch has it."""
    numpys = f"np.{name}" if name in np.__all__ else METHODS.get(name, "")
    hint = FUNCTIONS.get(name, numpys)
    return AttributeError(
        f"module 'tinygrad_edu' has no attribute {name!r}" + (f": write {hint}" if hint else "")
    )
