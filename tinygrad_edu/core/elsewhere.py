"""What names of PyTorch's tensors and NumPy's arrays are called here, for the errors."""

from __future__ import annotations

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
    "pow": "x ** y",
    "mm": "x @ y",
    "bmm": "x @ y",
    "gather": "np.take_along_axis(x, indices, axis)",
    "masked_fill": "np.where(mask, value, x)",
    "chunk": "np.split(x, parts, axis)",
    "is_leaf": "x.operation is None",
    "grad_fn": "x.operation",
    "requires_grad_": "Tensor(…, requires_grad=True)",
    "retain_grad": "loss.gradient(x), for any x",
}
# fmt: off
NUMPYS = [  # functions of NumPy's, methods there
    "add", "allclose", "arccos", "arcsin", "arctan", "argpartition", "ceil", "choose", "compress",
    "conjugate", "cos", "cosh", "diag", "divide", "exp2", "expm1", "flip", "floor", "imag",
    "isfinite", "isnan", "log10", "log1p", "log2", "matmul", "maximum", "median", "minimum",
    "multiply", "outer", "partition", "power", "quantile", "real", "resize", "roll", "sign", "sin",
    "sinh", "sort", "split", "square", "subtract", "tan", "tile", "tril", "triu", "unique", "where",
]
OF_MEMORY = [
    "base", "byteswap", "ctypes", "dump", "dumps", "flags", "getfield", "itemsize", "nbytes",
    "setflags", "strides", "tobytes", "tofile",
]
IN_PLACE = [
    "add_", "clamp_", "copy_", "div_", "exp_", "fill", "fill_", "mul_", "normal_", "put", "relu_",
    "setfield", "sqrt_", "sub_", "uniform_", "zero_",
]
# fmt: on
METHODS |= {name: f"np.{name}(x)" for name in NUMPYS}
METHODS |= {name: f"x.data.{name}" for name in OF_MEMORY}
METHODS |= dict.fromkeys(IN_PLACE, "x = x + 1, or the like: nothing changes a Tensor in place")
OPTIONS = {"dim": "axis=", "keepdim": "keepdims=", "input": "x, without a name"}
