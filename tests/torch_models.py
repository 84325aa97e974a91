"""Models of PyTorch's, as people write them: what from_torch is tried on, with an input of each."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F


def mlp() -> Any:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 8), nn.GELU(),
        nn.LayerNorm(8), nn.Linear(8, 3),
    )  # fmt: skip


class LeNet(nn.Module):
    """The one of PyTorch's first tutorial, with its functional calls."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: Any) -> Any:
        x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
        x = F.max_pool2d(torch.tanh(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu_(self.fc2(x))
        return F.log_softmax(self.fc3(x), dim=1)


class BasicBlock(nn.Module):
    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = None
        if stride != 1 or channels_in != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Any) -> Any:
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    """ResNet-18, narrow: eight blocks in four layers. (He et al. 2015)"""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        for i in range(4):
            first = BasicBlock(widths[i], widths[i + 1], stride=1 if i == 0 else 2)
            second = BasicBlock(widths[i + 1], widths[i + 1])
            setattr(self, f"layer{i + 1}", nn.Sequential(first, second))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(8 * width, 10)

    def forward(self, x: Any) -> Any:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int, longest: int, fused: bool) -> None:
        super().__init__()
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)
        self.dropout = nn.Dropout(0.1)
        self.heads, self.fused, self.p = heads, fused, 0.1
        mask = torch.tril(torch.ones(longest, longest)).view(1, 1, longest, longest)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Any) -> Any:
        B, T, C = x.size()
        q, k, v = self.c_attn(x).split(C, dim=2)
        q, k, v = (y.view(B, T, self.heads, C // self.heads).transpose(1, 2) for y in (q, k, v))
        if self.fused:
            p = self.p if self.training else 0.0
            y = F.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=True)
        else:
            scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
            scores = scores.masked_fill(self.mask[:, :, :T, :T] == 0, float("-inf"))
            y = self.dropout(F.softmax(scores, dim=-1)) @ v
        return self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))


class Block(nn.Module):
    def __init__(self, width: int, heads: int, longest: int, fused: bool) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = SelfAttention(width, heads, longest, fused)
        self.ln_2 = nn.LayerNorm(width)
        self.p = 0.1
        self.mlp = nn.ModuleDict(
            {"fc": nn.Linear(width, 4 * width), "proj": nn.Linear(4 * width, width)}
        )

    def forward(self, x: Any) -> Any:
        x = x + self.attn(self.ln_1(x))
        h = F.gelu(self.mlp["fc"](self.ln_2(x)), approximate="tanh")
        return x + F.dropout(self.mlp["proj"](h), self.p, self.training)


class GPT(nn.Module):
    """A decoder in the way of GPT-2, its embedding tied to its head."""

    def __init__(
        self, vocabulary: int = 11, width: int = 8, longest: int = 6, fused: bool = False
    ) -> None:
        super().__init__()
        self.longest = longest
        blocks = [Block(width, 2, longest, fused) for _ in range(2)]
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(vocabulary, width),
                "wpe": nn.Embedding(longest, width),
                "h": nn.ModuleList(blocks),
                "ln_f": nn.LayerNorm(width),
            }
        )
        self.lm_head = nn.Linear(width, vocabulary, bias=False)
        self.lm_head.weight = self.transformer["wte"].weight

    def forward(self, idx: Any, targets: Any = None) -> Any:
        _, t = idx.size()
        assert t <= self.longest, f"at most {self.longest}"
        pos = torch.arange(0, t, dtype=torch.long, device=idx.device)
        x = self.transformer["wte"](idx) + self.transformer["wpe"](pos)
        for block in self.transformer["h"]:
            x = block(x)
        logits = self.lm_head(self.transformer["ln_f"](x))
        if targets is None:
            return logits
        return logits, F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))


class LSTMClassifier(nn.Module):
    def __init__(self, batch_first: bool = True, **options: Any) -> None:
        super().__init__()
        self.embedding = nn.Embedding(9, 5)
        self.lstm = nn.LSTM(5, 6, batch_first=batch_first, **options)
        self.batch_first = batch_first
        self.fc = nn.Linear(6 * (2 if options.get("bidirectional") else 1), 2)

    def forward(self, x: Any) -> Any:
        out, (h, c) = self.lstm(self.embedding(x))
        last = out[:, -1] if self.batch_first else out[-1]
        return self.fc(last + 0.1 * h[-1].mean() + 0.1 * c.sum())


class Transformer(nn.Module):
    """PyTorch's own attention, within a block of one's own."""

    def __init__(self, batch_first: bool = True) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=batch_first)
        self.norm = nn.LayerNorm(8)
        self.scale = nn.Parameter(torch.full((8,), 0.5))

    def forward(self, x: Any) -> Any:
        z, weights = self.attention(x, x, x)
        return self.norm(x + z * self.scale) + weights.mean()


def encoder() -> Any:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, activation="gelu", batch_first=True)
    return nn.TransformerEncoder(layer, 2)


def images(*shape: int) -> Any:
    return torch.randn(*shape)


def words(classes: int, *shape: int) -> Any:
    return torch.randint(0, classes, shape)


# fmt: off
MODELS: dict[str, tuple[Any, Any]] = {
    "MLP":                  (mlp, lambda n: (images(n, 3, 4),)),
    "LeNet":                (LeNet, lambda n: (images(n, 1, 28, 28),)),
    "ResNet":               (ResNet, lambda n: (images(n, 3, 32, 32),)),
    "GPT":                  (GPT, lambda n: (words(11, n, 5),)),
    "GPT, fused":           (lambda: GPT(fused=True), lambda n: (words(11, n, 5),)),
    "GPT with its loss":    (GPT, lambda n: (words(11, n, 5), words(11, n, 5))),
    "LSTM classifier":      (LSTMClassifier, lambda n: (words(9, n, 7),)),
    "LSTM, time first":     (lambda: LSTMClassifier(False), lambda n: (words(9, n, 7),)),
    "LSTM, two layers":     (lambda: LSTMClassifier(num_layers=2, bidirectional=True, bias=False),
                             lambda n: (words(9, n, 7),)),
    "LSTM alone":           (lambda: nn.LSTM(4, 3), lambda n: (images(5, n, 4),)),
    "GRU alone":            (lambda: nn.GRU(4, 3, batch_first=True), lambda n: (images(n, 5, 4),)),
    "encoder":              (encoder, lambda n: (images(n, 4, 8),)),
    "traced layers":        (lambda: nn.Sequential(nn.Linear(3, 3), nn.ZeroPad2d(1)),
                             lambda n: (images(n, 2, 3, 3),)),
    "attention":            (Transformer, lambda n: (images(n, 4, 8),)),
    "attention, time first": (lambda: Transformer(False), lambda n: (images(n, 4, 8),)),
}
# fmt: on
