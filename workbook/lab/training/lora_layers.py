"""The layers that have an adapter: forward, and the backward pass by hand.

torch could derive the backward pass. Written out, a training takes a fifth less time and three
quarters of the memory (measured): nothing is kept that is cheap to make again, and what torch would
do in many small operations is done in few. A test compares every gradient with torch's own.

In the names here `d_y` is the gradient of the loss with respect to y, of the same shape. Knows one
packed row and its layout; nothing of examples, losses or optimizers.

Shapes: N rows, C model width, F MLP width, R rank of the adapter, H query heads, K key/value heads,
D head width.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from workbook.lab.model.linear import LINEARS
from workbook.lab.model.llama import Angles, Llama, rotate
from workbook.lab.model.lora import Adapter, scale


class Layout(Protocol):
    """Who sees whom in a packed row: `packed_attention` and `tree_attention` have one each."""

    def attention(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q (N, H, D) on k and v (N, K, D), to (N, H, D)."""

    def attention_backward(self, q: Tensor, k: Tensor, v: Tensor, d_out: Tensor) -> Tensor:
        """The gradients with respect to q, k and v, side by side (N, H + 2K, D)."""


class LoRALinear:
    """A frozen linear layer with a low-rank adapter (LoRA, Hu et al. 2021):

        y = W x + (α / R) B A x

    where W (out, in) stays as it is, and A (R, in) and B (out, R) are trained. x and y are rows, so
    in code each product is with the transposed matrix. `forward` gives A x back, too, for
    `backward`, which computes from d_y, with s = α / R:

        d_x = W^T d_y + s A^T B^T d_y        (in,)   what the layer below learns from
        d_A = s (B^T d_y) x^T                (R, in)
        d_B = d_y (s A x)^T                  (out, R)

    W gets no gradient, which saves a third of the work.
    """

    def __init__(self, weight: Tensor, a: Tensor, b: Tensor) -> None:
        """
        weight: W (out, in), in the model's number format.
        a: A (R, in) in float32; its gradient is added to a.grad.
        b: B (out, R) in float32; its gradient is added to b.grad.
        """
        self._weight, self._a, self._b, self._scale = weight, a, b, scale(a)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (N, in) -> y (N, out), and s A x (N, R)."""
        ax = F.linear(x, (self._a * self._scale).to(x.dtype))  # (N, R)
        return F.linear(x, self._weight).addmm_(ax, self._b.to(x.dtype).T), ax

    def backward(self, x: Tensor, ax: Tensor, d_y: Tensor) -> Tensor:
        """d_y (N, out) -> d_x (N, in), with what `forward` was given and gave."""
        d_ax = d_y @ self._b.to(x.dtype)  # (N, R)
        _add_gradient(self._b, (ax.T @ d_y).T)
        _add_gradient(self._a, d_ax.T @ x, self._scale)
        return (d_y @ self._weight).addmm_(d_ax, (self._a * self._scale).to(x.dtype))


def _add_gradient(parameter: Tensor, gradient: Tensor, factor: float = 1.0) -> None:
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    parameter.grad.add_(gradient, alpha=factor)


@dataclass
class _Activations:
    """What a block's backward pass needs of its forward pass."""

    x: Tensor  # (N, C) the block's input
    x_norm: Tensor  # (N, C)
    qkv: Tensor  # (N, H + 2K, D), queries and keys with their positions
    attention: Tensor  # (N, H D)
    h: Tensor  # (N, C) x + attention's output: the MLP's input
    h_norm: Tensor  # (N, C)
    gate_up: Tensor  # (N, 2F)
    ax: list[Tensor]  # (N, R) of each of the four LoRALinears


class LoRABlock:
    """One block of the model, as `Llama.block` computes it, with its adapter."""

    def __init__(self, model: Llama, layer: int, adapter: Adapter) -> None:
        block = model.blocks[layer]
        self._config, self._norm1, self._norm2 = model.config, block.norm1, block.norm2
        self._qkv, self._out, self._gate_up, self._down = (
            LoRALinear(
                getattr(block, name).weight,
                adapter[f"{layer}.{name}.a"],
                adapter[f"{layer}.{name}.b"],
            )
            for name in LINEARS
        )

    def forward(self, x: Tensor, angles: Angles, layout: Layout) -> tuple[Tensor, _Activations]:
        """(N, C) -> (N, C), and what `backward` needs."""
        n, n_qk = len(x), self._config.heads + self._config.kv_heads
        x_norm = self._norm(x, self._norm1)
        qkv, ax1 = self._qkv.forward(x_norm)
        qkv = qkv.view(n, -1, self._config.head_width)  # (N, H + 2K, D)
        qkv[:, :n_qk] = rotate(qkv[:, :n_qk], *angles)
        attention = layout.attention(*self._split(qkv)).view(n, -1)  # (N, H D)
        h, ax2 = self._out.forward(attention)
        h += x
        h_norm = self._norm(h, self._norm2)
        gate_up, ax3 = self._gate_up.forward(h_norm)
        gate, up = gate_up.chunk(2, dim=-1)  # (N, F) each
        y, ax4 = self._down.forward(F.silu(gate).mul_(up))
        y += h
        axs = [ax1, ax2, ax3, ax4]
        return y, _Activations(x, x_norm, qkv, attention, h, h_norm, gate_up, axs)

    def backward(self, saved: _Activations, angles: Angles, layout: Layout, d_y: Tensor) -> Tensor:
        """d_y (N, C) -> d_x (N, C); the adapter's gradients are added to it."""
        n, n_qk = len(d_y), self._config.heads + self._config.kv_heads
        ax1, ax2, ax3, ax4 = saved.ax

        # y = h + down(silu(gate) * up)
        gate, up = saved.gate_up.chunk(2, dim=-1)  # (N, F) each
        silu = F.silu(gate)  # cheaper to make again than to keep
        d_inner = self._down.backward(silu * up, ax4, d_y)  # (N, F)
        d_gate_up = torch.empty_like(saved.gate_up)
        d_gate, d_up = d_gate_up.chunk(2, dim=-1)
        torch.mul(d_inner, silu, out=d_up)
        d_gate.copy_(torch.ops.aten.silu_backward(d_inner.mul_(up), gate))
        d_h_norm = self._gate_up.backward(saved.h_norm, ax3, d_gate_up)
        d_h = self._norm_backward(saved.h, self._norm2, d_h_norm).add_(d_y)

        # h = x + out(attention(qkv(norm(x))))
        d_attention = self._out.backward(saved.attention, ax2, d_h)  # (N, H D)
        d_attention = d_attention.view(n, -1, self._config.head_width)
        d_qkv = layout.attention_backward(*self._split(saved.qkv), d_attention)  # (N, H + 2K, D)
        cos, sin = angles
        d_qkv[:, :n_qk] = rotate(d_qkv[:, :n_qk], cos, -sin)  # turned back by the same angles
        d_x_norm = self._qkv.backward(saved.x_norm, ax1, d_qkv.view(n, -1))
        return self._norm_backward(saved.x, self._norm1, d_x_norm).add_(d_h)

    def _split(self, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, H + 2K, D) -> q (N, H, D), k and v (N, K, D)."""
        heads, kv_heads = self._config.heads, self._config.kv_heads
        q, k, v = qkv.split([heads, kv_heads, kv_heads], dim=1)
        return q, k, v

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(x, weight.shape, weight, self._config.epsilon)

    def _norm_backward(self, x: Tensor, weight: Tensor, d_norm: Tensor) -> Tensor:
        """With s = 1/rms(x): d_x = s (g - x s^2 mean(g x)), where g = d_norm weight."""
        wide, g = x.float(), d_norm.float() * weight  # float32: sums over C lose too much else
        s = (wide.square().mean(-1, keepdim=True) + self._config.epsilon).rsqrt()  # (N, 1)
        mean = (g * wide).mean(-1, keepdim=True)  # (N, 1)
        return g.sub_(wide.mul_(mean * s * s)).mul_(s).to(x.dtype)


class _Blocks(torch.autograd.Function):
    """Some blocks, one after the other, as one operation of torch's graph."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        blocks: list[LoRABlock],
        angles: Angles,
        layout: Layout,
        recompute: bool,
    ) -> Tensor:
        ctx.blocks, ctx.angles, ctx.layout, ctx.recompute = blocks, angles, layout, recompute
        ctx.saved = []  # of each block: its input, or all its activations
        for block in blocks:
            y, activations = block.forward(x, angles, layout)
            ctx.saved.append(x if recompute else activations)
            x = y
        return x

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_x: Tensor) -> tuple[Tensor, None, None, None, None]:
        for block in reversed(ctx.blocks):
            saved = ctx.saved.pop()
            if ctx.recompute:
                saved = block.forward(saved, ctx.angles, ctx.layout)[1]
            d_x = block.backward(saved, ctx.angles, ctx.layout, d_x)
        return d_x, None, None, None, None


def apply_blocks(
    blocks: list[LoRABlock], x: Tensor, angles: Angles, layout: Layout, recompute: bool
) -> Tensor:
    """The output of the last block (N, C); its gradient reaches the adapters of all.

    recompute: whether to compute what the backward pass needs again, from each block's input, in
        place of keeping it (activation checkpointing): a third more time, a tenth of the memory.
    """
    if torch.is_grad_enabled():
        return _Blocks.apply(x.requires_grad_(), blocks, angles, layout, recompute)
    for block in blocks:
        x = block.forward(x, angles, layout)[0]
    return x
