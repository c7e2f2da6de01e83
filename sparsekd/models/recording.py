"""Work that is recorded once for each shape of its inputs and then replayed as a whole on CUDA.

A step of a small model is some hundred short kernels: starting them one by one takes the program
longer than they run. A CUDA graph starts all of them at once, on the memory it was recorded with.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Tensors = Mapping[str, Tensor]
Work = Callable[[Tensors], Tensors]


@dataclass
class _Shape:
    """The tensors of one shape of inputs, and their graph once there is one."""

    inputs: dict[str, Tensor]
    results: dict[str, Tensor]
    graph: torch.cuda.CUDAGraph | None = None


class Recorded:
    """Work on a device, recorded when a shape of inputs comes for the second time.

    The first time it is done as usual: what it creates for good (moments of an optimiser) must be
    there before. It must not read a tensor's values in the program.

    Args:
        work: From inputs to results; weights are changed in place.
        record: False does the work as usual every time, as on a processor.
    """

    def __init__(self, work: Work, device: torch.device, record: bool) -> None:
        self.work, self.device, self.record = work, device, record
        self.shapes: dict[tuple[torch.Size, ...], _Shape] = {}

    def __call__(self, inputs: Tensors) -> Tensors:
        """Do the work; the results keep their values until the next call.

        Random draws are those of the generators' current seeds, recorded or not.
        """
        key = tuple(each.shape for each in inputs.values())
        shape = self.shapes.get(key)
        if shape is None:
            self.shapes[key] = shape = self._first(inputs)
            return shape.results
        for name, tensor in shape.inputs.items():
            tensor.copy_(inputs[name], non_blocking=True)
        if not self.record:
            return self.work(shape.inputs)
        if shape.graph is None:
            shape.graph = self._graph(shape)
        shape.graph.replay()
        return shape.results

    def _first(self, inputs: Tensors) -> _Shape:
        own = {name: each.to(self.device) for name, each in inputs.items()}
        if not self.record:
            return _Shape(own, dict(self.work(own)))
        current, aside = torch.cuda.current_stream(self.device), torch.cuda.Stream(self.device)
        aside.wait_stream(current)
        with torch.cuda.stream(aside):  # what is recorded later also runs beside this stream
            results = dict(self.work(own))
        current.wait_stream(aside)
        return _Shape(own, {name: each.clone() for name, each in results.items()})

    def _graph(self, shape: _Shape) -> torch.cuda.CUDAGraph:
        """Record the work. All graphs share their memory: none reads what another one left."""
        graph = torch.cuda.CUDAGraph()
        known = (each.graph for each in self.shapes.values() if each.graph is not None)
        earlier = next(known, None)
        with torch.cuda.graph(graph, pool=earlier.pool() if earlier else None):
            for name, result in self.work(shape.inputs).items():
                shape.results[name].copy_(result)
        return graph
