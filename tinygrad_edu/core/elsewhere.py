"""What PyTorch's names are called here, for the errors of those who come from there."""

from __future__ import annotations

METHODS = {  # of a tensor of PyTorch's ↦ what to write
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
    "cpu": "x: there is no device, numbers are NumPy's",
    "cuda": "x: there is no device, numbers are NumPy's",
    "device": "nothing: there is no device, numbers are NumPy's",
    "contiguous": "x: how its numbers lie in memory is NumPy's concern",
    "clone": "x.copy()",
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
    "add", "allclose", "arccos", "arcsin", "arctan", "ceil", "cos", "cosh", "diag", "divide",
    "exp2", "expm1", "flip", "floor", "isfinite", "isnan", "log10", "log1p", "log2", "matmul",
    "maximum", "median", "minimum", "multiply", "outer", "power", "quantile", "roll", "sign", "sin",
    "sinh", "split", "square", "subtract", "tan", "tile", "tril", "triu", "unique", "where",
]
IN_PLACE = [
    "add_", "clamp_", "copy_", "div_", "exp_", "fill_", "mul_", "normal_", "relu_", "sqrt_", "sub_",
    "uniform_", "zero_",
]
# fmt: on
METHODS |= {name: f"np.{name}(x)" for name in NUMPYS}
METHODS |= dict.fromkeys(IN_PLACE, "x = x + 1, or the like: nothing changes a Tensor in place")
OPTIONS = {"dim": "axis=", "keepdim": "keepdims=", "input": "x, without a name"}
