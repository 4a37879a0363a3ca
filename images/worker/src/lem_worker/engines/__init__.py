"""The engines. Each is imported when it is chosen: importing one takes seconds and may touch a GPU."""
