"""The model: dataset, loading, network, training, registry, evaluation and inference."""
