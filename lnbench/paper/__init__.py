"""The claims of the Layer Normalization paper: mathematics checked, experience measured."""
