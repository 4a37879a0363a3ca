"""A stand-in for vLLM 0.26.0 with its recorded shapes: unknown keywords are refused, tokens are counted."""
