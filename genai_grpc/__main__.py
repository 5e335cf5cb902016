"""`python -m genai_grpc`, the same as the command `genai-grpc`."""

from genai_grpc.cli import main

if __name__ == "__main__":
    main(prog_name="genai-grpc")
