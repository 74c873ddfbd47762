"""PyTorch eager: ATen's kernels, called one by one."""

from lnbench.torch_backend import TorchBackend


class TorchEager(TorchBackend):
    """ATen's own operators, as `torch.nn.functional` calls them."""

    name = "torch-eager"
    framework = "torch"
    summary = "PyTorch eager (ATen)"
    third_party = True
