"""A language model on llama.cpp, in this process."""
