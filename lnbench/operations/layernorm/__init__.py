"""Layer Normalization (Ba, Kiros, Hinton 2016), from truth to clever."""
