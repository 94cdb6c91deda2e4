"""The face recogniser in onnxruntime. On a processor that takes half of torch's time for it, and a call lets go of
Python's lock once for the whole network instead of at each of its hundred steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto
    from torch.nn import Conv2d

    from gpen_ui.network.recognizer import Recognizer

OPSET, IR_VERSION = 18, 9  # onnxruntime 1.20 knows them
CHIPS = "chips"


def recognizer_run(network: Recognizer) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """A folded network as a function of chips (N, 150, 150, 3) RGB that gives embeddings (N, 128).

    It computes with one core and may be called from several threads at once.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(as_onnx(network), options, providers=["CPUExecutionProvider"])

    def run(chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(session.run(None, {CHIPS: chips})[0], np.float32)

    return run


def as_onnx(network: Recognizer) -> bytes:
    """A folded network as an ONNX file that takes the chips' bytes; see `Recognizer` for what it computes."""
    from onnx import TensorProto, helper
    from torch.nn import Conv2d

    from gpen_ui.network.recognizer import CHIP_PX, SCALE

    graph = _Graph()
    first, *convolutions = [layer for layer in network.layers() if isinstance(layer, Conv2d)]
    x = graph.add("Transpose", graph.add("Cast", CHIPS, to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
    x = graph.add("Sub", x, graph.hold(network.mean.numpy()))
    x = graph.add("Relu", graph.convolve(first, graph.add("Mul", x, graph.hold(np.float32(SCALE)))))
    x = graph.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
    width, side = first.out_channels, (_side(CHIP_PX, first) - 3) // 2 + 1
    for one, two in zip(convolutions[::2], convolutions[1::2], strict=True):
        y = graph.convolve(two, graph.add("Relu", graph.convolve(one, x)))
        side_y = _side(side, one)
        if one.stride[0] == 2:
            x, side = graph.add("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]), side // 2
        y = graph.pad(y, 0, max(0, side - side_y))
        x = graph.pad(x, two.out_channels - width, max(0, side_y - side))
        x, width, side = graph.add("Relu", graph.add("Add", y, x)), two.out_channels, max(side, side_y)
    x = graph.add("ReduceMean", x, graph.hold(np.array([2, 3])), keepdims=0)
    x = graph.add("MatMul", x, graph.hold(network.fc.weight.detach().numpy().T))
    takes = helper.make_tensor_value_info(CHIPS, TensorProto.UINT8, ["n", "side", "side", 3])
    gives = helper.make_tensor_value_info(x, TensorProto.FLOAT, ["n", "width"])
    whole = helper.make_graph(graph.nodes, "recognizer", [takes], [gives], graph.held)
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return bytes(model.SerializeToString())


def _side(side_px: int, layer: Conv2d) -> int:
    """Side of what a convolution makes of a square."""
    return (side_px + 2 * int(layer.padding[0]) - layer.kernel_size[0]) // layer.stride[0] + 1


class _Graph:
    """Steps, and the numbers that they work with; each is known by a name."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.held: list[TensorProto] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A step after those before it; gives the name of what comes out."""
        from onnx import helper

        name = f"x{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def hold(self, numbers: Any) -> str:
        from onnx import numpy_helper

        name = f"w{len(self.held)}"
        self.held.append(numpy_helper.from_array(np.array(numbers), name))
        return name

    def convolve(self, layer: Conv2d, x: str) -> str:
        assert layer.bias is not None
        weights = (self.hold(part.detach().numpy()) for part in (layer.weight, layer.bias))
        return self.add("Conv", x, *weights, strides=list(layer.stride), pads=[int(layer.padding[0])] * 4)

    def pad(self, x: str, channels: int, sides: int) -> str:
        """Zeros behind the last channel, row and column."""
        if not channels and not sides:
            return x
        return self.add("Pad", x, self.hold(np.array([0, 0, 0, 0, 0, channels, sides, sides])))
