//! Puts a known load on a GPU: a context, memory, and square waves of arithmetic. Grows with `gpu characterise`.

fn main() {}
