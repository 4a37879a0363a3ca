//! A series in bounded memory.
