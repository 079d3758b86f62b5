"""The dataset: labels by emoticon, the split, the vocabulary and the encoded rows."""
