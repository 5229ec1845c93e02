"""A recorder of network calls for tests without a GPU. Import it where it is used: it imports torch."""

from dataclasses import dataclass, field

import torch

from pasd_batch.pasd.cuda_graphs import Recording


@dataclass
class PlainRecorder:
    """A recorder whose launch runs the network over the buffers; its recordings hold a byte each."""

    room: int = 100
    error: RuntimeError | None = None
    held: int = 0
    recorded: int = 0
    launched: int = 0
    freed: int = 0
    shapes: list = field(default_factory=list)

    @property
    def is_over_its_share(self):
        return self.held > self.room

    def record(self, network, inputs):
        if self.error is not None:
            raise self.error
        buffers = tuple(each.clone() for each in inputs)
        output = torch.empty_like(network(*buffers))
        self.recorded += 1
        self.held += 1
        self.shapes.append(tuple(buffers[0].shape))

        def launch():
            self.launched += 1
            output.copy_(network(*buffers))

        return Recording(buffers, output, launch)

    def free(self):
        self.freed += 1
        self.held = 0
