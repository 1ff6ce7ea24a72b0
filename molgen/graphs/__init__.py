"""Structure to tensors: the only featurisers, used by training and inference alike."""
