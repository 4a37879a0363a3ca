//! Faults 10 and 11: out of memory, and containers that are removed, paused or renamed from outside.
