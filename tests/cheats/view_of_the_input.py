"""Returns the input: its result is the memory that it was given."""


def forward(x, weight, bias, eps):
    return x[:]
