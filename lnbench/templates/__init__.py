"""Kernels to start from, printed by `lnbench init kernel`; nothing imports them."""
