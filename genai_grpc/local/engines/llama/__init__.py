"""A real language model on llama.cpp."""
